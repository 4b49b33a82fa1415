"""Where sampling starts, and where it ought to start.

Shows: what x_T looks like beside pure noise, how far the two are apart, and samples started from each.
Needs: the time-conditioned network, the classifier, MNIST.
Costs: about twenty minutes on two CPU cores, seconds on a data-centre GPU.
Expect: sqrt(alpha_bar_T) = 0.219; starts that differ by more than a standard deviation, and samples that hardly differ.
"""

from __future__ import annotations

import numpy as np

from darkroom.figures import Density, Drawing, Sample, histogram, sheet, tiles
from darkroom.lab import Dataset, Results, Run, dataset, experiment, upstream
from experiments.part_b.digit_classifier import digit_classifier
from experiments.part_b.time_conditioned import time_conditioned


@experiment(device="gpu", minutes=20, gpu_minutes=1)
def terminal_noise(
    run: Run,
    mnist: Dataset = dataset("mnist"),
    trained: Results = upstream(time_conditioned),
    judge: Results = upstream(digit_classifier),
    *,
    count: int = 500,
    shown: int = 20,
    projected: int = 10000,
    seed: int = 180,
) -> dict[str, object]:
    """Samples of the time-conditioned network from two starts: N(0, I), and digits noised to the last time.

    Results: ``starts_pure``, ``starts_true`` (shown, 28, 28) uint8, the starts; ``samples_pure``, ``samples_true``
    (count, 28, 28) uint8, what sampling makes of them; ``along_pure``, ``along_true`` (projected,): each start's
    component along the mean training digit; ``frechet`` (2,): distance of each set to as many real digits, in the
    classifier's features; ``sqrt_alpha_bar_T`` (1,).
    """
    import torch

    from darkroom.diffusion import schedules
    from darkroom.diffusion.classifier import Classifier
    from darkroom.diffusion.denoise import NoisePredictor
    from darkroom.diffusion.metrics import frechet_distance
    from darkroom.diffusion.sample import ddpm
    from darkroom.diffusion.unet import TimeUNet
    from experiments.part_b import digits

    known = trained.parameters
    schedule = schedules.linear(known["T"], known["beta_1"], known["beta_T"]).to(run.device)
    images, _ = digits.load(mnist, "train")
    test, _ = digits.load(mnist, "t10k")
    x = torch.from_numpy(test[:projected].copy()).float()[:, None] / 255
    eps = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    starts = {"pure": eps, "true": schedule.to("cpu").noised(x, known["T"], eps)}

    network = digits.restored(TimeUNet(known["width"]), trained["weights"])
    denoiser = NoisePredictor(digits.quick(network, run.device), schedule)
    reader = digits.restored(Classifier(judge.parameters["width"]), judge["weights"])
    _, real = digits.read(reader, images[-count:], run.device)
    mean = torch.from_numpy(images.mean(0) / 255).float().flatten()
    direction = mean / mean.norm()

    results: dict[str, object] = {"sqrt_alpha_bar_T": schedule.alpha_bar(known["T"]).sqrt().cpu().numpy()[None]}
    distances = []
    for position, (name, x_T) in enumerate(starts.items()):
        source = digits.noise(count, seed, run.device)
        for step in ddpm(denoiser, source, x_T=x_T[:count].to(run.device)):
            run.progress((position + 1) * schedule.T - step.t, 2 * schedule.T, unit="steps")
        samples = digits.pixels(step.x_t)
        distances.append(frechet_distance(digits.read(reader, samples, run.device)[1], real))
        results[f"starts_{name}"] = digits.pixels(x_T[:shown])
        results[f"samples_{name}"] = samples
        results[f"along_{name}"] = (x_T.flatten(1) @ direction).numpy()
    return results | {"frechet": np.array(distances)}


@terminal_noise.metric
def sqrt_alpha_bar_T(results: Results) -> float:
    """The share of the digit's amplitude that is left at the last time."""
    return float(results["sqrt_alpha_bar_T"][0])


@terminal_noise.metric
def frechet(results: Results) -> dict[str, float]:
    """Distance to real digits of samples from each start."""
    return dict(zip(("pure", "true"), map(float, results["frechet"]), strict=True))


@terminal_noise.metric
def shift(results: Results) -> float:
    """How far the two starts are apart along the mean digit, in standard deviations of pure noise."""
    return float(results["along_true"].mean() - results["along_pure"].mean())


@terminal_noise.figure(
    caption=r"Samples from pure noise (left) and from the true $x_T$, noised test digits (right); below, the starts.",
    alt="Two sheets of twenty samples each, most of them alike; below, two sheets of noise.",
)
def side_by_side(results: Results) -> Drawing:
    """Samples and starts, a column a start."""
    shown = results.parameters["shown"]
    rows = [
        [sheet(results[f"{kind}_{name}"][:shown], 5) for name in ("pure", "true")] for kind in ("samples", "starts")
    ]
    headings = [r"from $\mathcal{N}(0, I)$", "from the true $x_T$"]
    return tiles(rows, rows=["samples", "starts"], columns=headings, alt="{row} {column}.", scale=2)


@terminal_noise.figure(
    caption="Starts projected onto the mean training digit: what training shows the network, and what sampling gives it.",
    alt="Two bell curves of equal width; that of the true starts lies more than one standard deviation to the right.",
)
def projection(results: Results) -> Drawing:
    """Histograms of both starts with the density of pure noise."""
    samples = [Sample("pure noise", results["along_pure"]), Sample("true x_T", results["along_true"])]
    x = np.linspace(-4, 6, 201)
    normal = Density("N(0, 1)", x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi))
    return histogram(samples, x_label="component along the mean digit", densities=[normal], x_range=(-4, 6))
