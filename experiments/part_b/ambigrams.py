"""Digits that are read as one digit upright and as another after a half turn or in a mirror; and hybrids of two digits.

Shows: the best ambigram of every pair of digits, how often one comes out, and digits that change with distance.
Needs: the class-conditioned network, and the classifier, which reads every sample both ways.
Costs: about fifteen minutes on two CPU cores, seconds on a data-centre GPU.
Expect: most pairs at a half turn; 6 and 9 nearly always; few for digits whose strokes have nothing in common.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, permutations

import numpy as np

from darkroom.figures import Drawing, Turning, distances, heat_map, tiles, turning
from darkroom.lab import Results, Run, experiment, upstream
from experiments.part_b.class_conditioned import class_conditioned
from experiments.part_b.digit_classifier import digit_classifier

VIEWS = ("half-turn", "mirror")
HYBRIDS = "hybrids"
PAIRS = list(combinations_with_replacement(range(10), 2))
ORDERED = list(permutations(range(10), 2))
SHOWN = 8


@experiment(device="gpu", minutes=15)
def ambigrams(
    run: Run,
    trained: Results = upstream(class_conditioned),
    judge: Results = upstream(digit_classifier),
    *,
    gamma: float = 5.0,
    steps: int = 50,
    per_pair: int = 16,
    per_hybrid: int = 8,
    blur: float = 2.0,
    seed: int = 180,
) -> dict[str, object]:
    """Samples whose noise is what two readings agree on, and of each pair of digits the one that reads best both ways.

    An ambigram's score is the product of the probabilities that the classifier gives the first digit for the picture
    and the second for its view; a hybrid's is that of the first digit for the blurred picture and the second for the
    picture itself.

    Results: ``half-turn`` uint8 (55, 28, 28), the best of each pair (a, b) with a <= b, its score ``half-turn_score`` (55,),
    and ``half-turn_both`` (55,), the share of samples that the classifier reads right both ways; the same for
    ``mirror``; ``hybrids``, ``hybrid_score`` and ``hybrid_both`` for the 90 ordered pairs (far, near).
    """
    import torch

    from darkroom.diffusion import filters, schedules, views
    from darkroom.diffusion.classifier import Classifier
    from darkroom.diffusion.denoise import Denoiser
    from darkroom.diffusion.guidance import Anagram, Factorized
    from darkroom.diffusion.sample import ddpm
    from darkroom.diffusion.unet import ClassUNet
    from experiments.part_b import digits

    known = trained.parameters
    schedule = schedules.linear(known["T"], known["beta_1"], known["beta_T"]).to(run.device)
    call = digits.in_bfloat16(digits.restored(ClassUNet(known["width"]), trained["weights"]), run.device)
    reader = digits.restored(Classifier(judge.parameters["width"]), judge["weights"])
    times = schedules.strided(known["T"], steps)
    ways = {"half-turn": views.half_turn, "mirror": views.mirror}
    kept = dict(run.load() or {})
    parts = [*VIEWS, HYBRIDS]

    def asked(wanted: list[int], each: int) -> Denoiser:
        rows = torch.eye(10, device=run.device)[torch.tensor(wanted)].repeat_interleave(each, 0)
        return digits.guided(call, schedule, rows, gamma)

    def sampled(denoiser: Denoiser, count: int, part: str) -> np.ndarray:
        for number, step in enumerate(ddpm(denoiser, digits.noise(count, seed, run.device), times=times), 1):
            run.progress(parts.index(part) * steps + number, len(parts) * steps, unit="steps")
            x_0 = step.x_t
        return digits.pixels(x_0)

    def ranked(one: np.ndarray, other: np.ndarray, pairs: list[tuple[int, int]], each: int) -> list[np.ndarray]:
        """Which sample of each pair is best, its score, and the share of samples that are read right both ways."""
        first, second = (np.repeat([pair[i] for pair in pairs], each) for i in (0, 1))
        read, turned = (digits.probabilities(reader, images, run.device) for images in (one, other))
        rows = np.arange(len(one))
        score = (read[rows, first] * turned[rows, second]).reshape(-1, each)
        both = ((read.argmax(1) == first) & (turned.argmax(1) == second)).reshape(-1, each)
        best = np.arange(len(pairs)) * each + score.argmax(1)
        return [best, score.max(1).astype(np.float32), both.mean(1).astype(np.float32)]

    for way in VIEWS:
        if way not in kept:
            one, other = (asked([pair[i] for pair in PAIRS], per_pair) for i in (0, 1))
            pictures = sampled(Anagram(((one, views.identity), (other, ways[way]))), len(PAIRS) * per_pair, way)
            best, kept[f"{way}_score"], kept[f"{way}_both"] = ranked(pictures, ways[way](pictures), PAIRS, per_pair)
            kept[way] = pictures[best]
            run.save(kept)
    if HYBRIDS not in kept:
        far, near = (asked([pair[i] for pair in ORDERED], per_hybrid) for i in (0, 1))
        pictures = sampled(Factorized((far, near), filters.low_high(blur)), len(ORDERED) * per_hybrid, HYBRIDS)
        seen_far = digits.blurred(pictures, blur)
        best, kept["hybrid_score"], kept["hybrid_both"] = ranked(seen_far, pictures, ORDERED, per_hybrid)
        kept[HYBRIDS] = pictures[best]
    return kept


@ambigrams.metric
def read_both_ways(results: Results) -> dict[str, float]:
    """The share of all samples, pairs of equal digits aside, that the classifier reads right both ways."""
    others = np.array([a != b for a, b in PAIRS])
    shares = {way: float(results[f"{way}_both"][others].mean()) for way in VIEWS}
    return shares | {"hybrid": float(results["hybrid_both"].mean())}


@ambigrams.metric
def pairs_found(results: Results) -> dict[str, int]:
    """For how many of the 45 pairs of different digits at least one sample is read right both ways."""
    others = np.array([a != b for a, b in PAIRS])
    return {way: int((results[f"{way}_both"][others] > 0).sum()) for way in VIEWS}


@ambigrams.figure(
    caption="The best ambigrams of a half turn: those pairs of different digits whose best sample scores highest.",
    alt="Eight handwritten digits that are read as other digits when they are turned by a half turn.",
)
def half_turns(results: Results) -> Drawing:
    """They turn."""
    return _turning(results, "half-turn", "turned")


@ambigrams.figure(
    caption="The best ambigrams in a mirror, chosen by the same score.",
    alt="Eight handwritten digits that are read as other digits in a mirror.",
)
def mirrors(results: Results) -> Drawing:
    """They are mirrored."""
    return _turning(results, "mirror", "mirrored")


@ambigrams.figure(
    caption="The best sample of every pair: each reads as the digit of its row, and as that of its column after a half turn.",
    alt="A ten by ten table of digits; most can be read both ways, many of the others as neither.",
)
def every_pair(results: Results) -> Drawing:
    """A row for each digit upright, a column for each digit turned."""
    best = dict(zip(PAIRS, results["half-turn"], strict=True))
    cells = [[best[a, b] if a <= b else best[b, a][::-1, ::-1] for b in range(10)] for a in range(10)]
    names = [str(digit) for digit in range(10)]
    alt = "A sign that should read {row} upright and {column} turned."
    return tiles(cells, rows=names, columns=names, alt=alt, scale=2)


@ambigrams.figure(
    caption="The share of samples that the classifier reads right both ways, by the digit upright and the digit turned.",
    alt="A ten by ten table of shares: all of 6 with 9 and of 3 with 8, none of 1 with 0, 5, 6 or 9.",
)
def share_by_pair(results: Results) -> Drawing:
    """Half turns."""
    matrix = np.zeros((10, 10))
    for (a, b), share in zip(PAIRS, results["half-turn_both"], strict=True):
        matrix[a, b] = matrix[b, a] = share
    names = [str(digit) for digit in range(10)]
    return heat_map(matrix, row_labels=names, column_labels=names, x_label="turned", y_label="upright", format=".0%")


@ambigrams.figure(
    caption="Hybrid digits, the low frequencies of one and the high ones of another; each pair's best by the classifier.",
    alt="Six digits, each of soft strokes with the fine lines of another digit over them.",
)
def hybrids(results: Results) -> Drawing:
    """They are stepped back from."""
    order = np.argsort(-results["hybrid_score"], kind="stable")[:6]
    named = [ORDERED[index] for index in order]
    return distances(
        [results[HYBRIDS][index] for index in order],
        headings=[f"{far} from afar, {near} from near" for far, near in named],
        alts=[f"A {near} whose soft shape is that of a {far}." for far, near in named],
    )


def _turning(results: Results, way: str, word: str) -> Drawing:
    ranking = [i for i in np.argsort(-results[f"{way}_score"], kind="stable") if PAIRS[i][0] != PAIRS[i][1]]
    turned = {"half-turn": lambda picture: picture[::-1, ::-1], "mirror": lambda picture: picture[:, ::-1]}[way]
    panels = []
    for index in ranking[:SHOWN]:
        (a, b), picture = PAIRS[index], results[way][index]
        heading = f"{a}, {word} {b}"
        panels.append(Turning(heading, picture, turned(picture), way, f"The digit {a}.", f"The digit {b}."))
    return turning(panels)
