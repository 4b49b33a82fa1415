"""Digits that are read as one digit upright and as another after a half turn or in a mirror; and hybrids of two digits.

Shows: the best ambigram of every pair of digits, how often one comes out, and digits that change with distance.
Needs: the class-conditioned network; the classifier, which reads every sample both ways; MNIST, to read hybrids from afar.
Costs: a quarter of an hour on two CPU cores with bfloat16, forty minutes without, seconds on a data-centre GPU.
Expect: most pairs at a half turn; 6 and 9 nearly always; few for digits whose strokes have nothing in common.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, permutations

import numpy as np

from darkroom.figures import Drawing, Turning, distances, heat_map, tiles, turning
from darkroom.figures.pixels import shrunk
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
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
    mnist: Dataset = dataset("mnist"),
    *,
    gamma: float = 5.0,
    steps: int = 50,
    per_pair: int = 16,
    per_hybrid: int = 8,
    blur: float = 2.0,
    neighbours: int = 20,
    checked: int = 1500,
    seed: int = 180,
) -> dict[str, object]:
    """Samples whose noise is what two readings agree on, and of each pair of digits the one that reads best both ways.

    An ambigram's score is the product of the probabilities that the classifier gives the first digit for the picture
    and the second for its view. A hybrid's is the probability that it gives the second digit for the picture, times
    the share of the first digit among those training digits that are nearest to the picture when all are blurred: the
    classifier itself takes any digit under such a blur for an 8.

    Results: ``half-turn`` uint8 (55, 28, 28), the best of each pair (a, b) with a <= b, its score ``half-turn_score`` (55,),
    and ``half-turn_both`` (55,), the share of samples that the classifier reads right both ways; the same for
    ``mirror``; ``hybrids``, ``hybrid_score`` and ``hybrid_both`` for the 90 ordered pairs (far, near); ``afar``, the
    share of blurred test digits whose neighbours say what they are.
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
    call = digits.quick(digits.restored(ClassUNet(known["width"]), trained["weights"]), run.device)
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

    def read(images: np.ndarray) -> np.ndarray:
        return digits.probabilities(reader, images, run.device)

    def ranked(one: np.ndarray, other: np.ndarray, pairs: list[tuple[int, int]], each: int) -> list[np.ndarray]:
        """Of each pair the best sample, its score, and the share of samples that are right both ways.

        *one* and *other* are probabilities of the digits, (samples, 10), in the two readings.
        """
        first, second = (np.repeat([pair[i] for pair in pairs], each) for i in (0, 1))
        rows = np.arange(len(one))
        score = (one[rows, first] * other[rows, second]).reshape(-1, each)
        both = ((one.argmax(1) == first) & (other.argmax(1) == second)).reshape(-1, each)
        best = np.arange(len(pairs)) * each + score.argmax(1)
        return [best, score.max(1).astype(np.float32), both.mean(1).astype(np.float32)]

    for way in VIEWS:
        if way not in kept:
            one, other = (asked([pair[i] for pair in PAIRS], per_pair) for i in (0, 1))
            pictures = sampled(Anagram(((one, views.identity), (other, ways[way]))), len(PAIRS) * per_pair, way)
            both = read(pictures), read(ways[way](pictures))
            best, kept[f"{way}_score"], kept[f"{way}_both"] = ranked(*both, PAIRS, per_pair)
            kept[way] = pictures[best]
            run.save(kept)
    if HYBRIDS not in kept:
        far, near = (asked([pair[i] for pair in ORDERED], per_hybrid) for i in (0, 1))
        pictures = sampled(Factorized((far, near), filters.low_high(blur)), len(ORDERED) * per_hybrid, HYBRIDS)
        (train, labels), (test, truth) = (digits.load(mnist, split) for split in ("train", "t10k"))
        soft = digits.blurred(train, blur)

        def read_from_afar(images: np.ndarray) -> np.ndarray:
            return digits.shares_of_neighbours(digits.blurred(images, blur), soft, labels, neighbours)

        kept["afar"] = float((read_from_afar(test[:checked]).argmax(1) == truth[:checked]).mean())
        both = read_from_afar(pictures), read(pictures)
        best, kept["hybrid_score"], kept["hybrid_both"] = ranked(*both, ORDERED, per_hybrid)
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


@ambigrams.metric
def hybrids_found(results: Results) -> int:
    """For how many of the 90 ordered pairs at least one sample is read right from afar and from near."""
    return int((results["hybrid_both"] > 0).sum())


@ambigrams.metric
def read_from_afar(results: Results) -> float:
    """The share of test digits under the same blur that are read right by their neighbours."""
    return float(results["afar"])


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
    alt="A ten by ten table of shares: all of 6 with 9 and of 3 with 8, none of 1 with 5, 6 or 9.",
)
def share_by_pair(results: Results) -> Drawing:
    """Half turns."""
    matrix = np.zeros((10, 10))
    for (a, b), share in zip(PAIRS, results["half-turn_both"], strict=True):
        matrix[a, b] = matrix[b, a] = share
    names = [str(digit) for digit in range(10)]
    return heat_map(matrix, row_labels=names, column_labels=names, x_label="turned", y_label="upright", format=".0%")


@ambigrams.figure(
    caption="Hybrid digits: the low frequencies of one and the high ones of another, those of the best score.",
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


@ambigrams.figure(
    caption="The same at their own size of 28 pixels and at half of it, pixel for pixel.",
    alt="Six small digits, and below them the same smaller still, where the soft digit is the one that is read.",
)
def hybrid_sizes(results: Results) -> Drawing:
    """A row a size."""
    order = np.argsort(-results["hybrid_score"], kind="stable")[:6]
    rows = [[shrunk(results[HYBRIDS][index], size) for index in order] for size in (28, 14)]
    alt = [[f"{ORDERED[i][0]} from afar, {ORDERED[i][1]} from near, {size} px." for i in order] for size in (28, 14)]
    return tiles(rows, rows=["28 px", "14 px"], alt=alt, scale=1)


def _turning(results: Results, way: str, word: str) -> Drawing:
    ranking = [i for i in np.argsort(-results[f"{way}_score"], kind="stable") if PAIRS[i][0] != PAIRS[i][1]]
    turned = {"half-turn": lambda picture: picture[::-1, ::-1], "mirror": lambda picture: picture[:, ::-1]}[way]
    panels = []
    for index in ranking[:SHOWN]:
        (a, b), picture = PAIRS[index], results[way][index]
        heading = f"{a}, {word} {b}"
        panels.append(Turning(heading, picture, turned(picture), way, f"The digit {a}.", f"The digit {b}."))
    return turning(panels)
