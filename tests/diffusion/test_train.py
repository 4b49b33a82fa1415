import copy
import itertools

import numpy as np
import pytest
import torch

from darkroom.diffusion import schedules
from darkroom.diffusion.classifier import Classifier
from darkroom.diffusion.train import (
    Classification,
    Denoising,
    FlowMatching,
    FromNoise,
    NoisePrediction,
    Recipe,
    Trainer,
    VelocityPrediction,
    seeded,
)
from darkroom.diffusion.unet import ClassUNet, TimeScaledUNet, TimeUNet, UNet

SCHEDULE = schedules.linear(20)
RECIPE = Recipe(3, 16, 1e-3, 0.5)
LONG_RECIPE = Recipe(3, 16, 1e-3, warmup=2, cosine=True, weight_decay=0.1, clip=1.0, averaging=0.9)


def trainer(digits, recipe: Recipe = RECIPE, seed: int = 3) -> Trainer:
    network = seeded(lambda: ClassUNet(4), seed)
    return Trainer(network, NoisePrediction(SCHEDULE, drop=0.1), recipe, *digits, device="cpu", seed=seed)


def numbers(trainer: Trainer) -> list[np.ndarray]:
    return [value.numpy() for network in (trainer.network, trainer.average) for value in network.state_dict().values()]


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_a_resumed_run_is_the_straight_run_bit_for_bit(digits, stop):
    """Stopped after any report, in an epoch or at its end, and taken up by a new trainer, the run ends with the same bits."""
    straight = trainer(digits)
    losses = np.concatenate([report.losses for report in straight.run(2)])
    first = trainer(digits)
    run = first.run(2)
    before = [next(run).losses for _ in range(stop)]
    state = copy.deepcopy(first.state())
    second = trainer(digits)
    second.restore(state)
    after = [report.losses for report in second.run(2)]
    assert np.array_equal(np.concatenate(before + after), losses)
    assert all(np.array_equal(a, b) for a, b in zip(numbers(straight), numbers(second), strict=True))


@pytest.mark.parametrize("recipe", [RECIPE, LONG_RECIPE])
def test_a_state_survives_a_file(digits, recipe):
    """A checkpoint whose tensors have become contiguous arrays, as files hold them, goes on with the same bits."""
    straight = trainer(digits, recipe)
    losses = np.concatenate([report.losses for report in straight.run(2)])
    first = trainer(digits, recipe)
    run = first.run(2)
    before = [next(run).losses, next(run).losses]
    second = trainer(digits, recipe)
    second.restore(as_stored(first.state()))
    after = [report.losses for report in second.run(2)]
    assert np.array_equal(np.concatenate(before + after), losses)
    assert all(np.array_equal(a, b) for a, b in zip(numbers(straight), numbers(second), strict=True))


def as_stored(state):
    """*state* with every tensor as a contiguous array."""
    if isinstance(state, dict):
        return {name: as_stored(value) for name, value in state.items()}
    return np.array(state.detach().numpy(), order="C") if isinstance(state, torch.Tensor) else state


def test_reports_cover_every_step_and_mark_every_epoch(digits):
    """48 digits in batches of 16 make three steps an epoch: reports every two steps and at the end of each epoch."""
    reports = list(trainer(digits).run(2))
    assert [report.step for report in reports] == [2, 3, 4, 6, 8, 9]
    assert [report.finished_epoch for report in reports] == [None, 1, None, 2, None, 3]
    assert sum(len(report.losses) for report in reports) == 9


def test_another_seed_is_another_run(digits):
    """Seeds matter: other losses from the first step on."""
    one, other = (next(trainer(digits, seed=seed).run(3)).losses for seed in (3, 4))
    assert not np.isclose(one, other).any()


def test_the_rate_decays_once_an_epoch(digits):
    """The optimiser's rate is the first rate times decay to the power of the epochs that are over."""
    run = (training := trainer(digits)).run(3)
    rates = []
    for _ in run:
        rates.append(training.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 5e-4, 2.5e-4])


def test_the_rate_may_rise_first_and_fall_as_a_cosine():
    """After the warm-up it stands at its height, in the middle at half of that, and at the end near 0."""
    recipe = Recipe(4, 16, 1e-3, warmup=10, cosine=True)
    rates = [recipe.rate(step, 50) for step in range(200)]
    assert rates[0] == pytest.approx(1e-4) and rates[4] == pytest.approx(5e-4, rel=0.01)
    assert max(rates) == pytest.approx(1e-3, rel=0.01) and rates[100] == pytest.approx(5e-4)
    assert rates[-1] < 1e-6 and all(after < before for before, after in itertools.pairwise(rates[20:]))


def test_the_average_follows_the_weights(digits):
    """It is the running mean that its formula says, of all parameters, and not the network itself."""
    recipe = Recipe(2, 16, 1e-2, averaging=0.5)
    training = Trainer(seeded(lambda: UNet(4), 1), Denoising(0.5), recipe, *digits, device="cpu", seed=1)
    expected = [parameter.detach().clone() for parameter in training.network.parameters()]
    for step, _ in enumerate(training.run(1)):
        kept = min(0.5, (1 + step) / (10 + step))
        now = training.network.parameters()
        expected = [kept * mean + (1 - kept) * value.detach() for mean, value in zip(expected, now, strict=True)]
    for mean, value, weight in zip(expected, training.average.parameters(), training.network.parameters(), strict=True):
        torch.testing.assert_close(value, mean)
        assert not torch.equal(value, weight)


def test_long_gradients_are_cut(digits):
    """With a clip of nearly nothing, plain Adam's first steps are smaller than without."""
    moved = []
    for clip in (None, 1e-10):
        training = Trainer(
            seeded(lambda: UNet(4), 1), Denoising(0.5), Recipe(1, 16, 1e-3, clip=clip), *digits, device="cpu", seed=1
        )
        before = [parameter.detach().clone() for parameter in training.network.parameters()]
        next(training.run(1))
        after = training.network.parameters()
        moved.append(sum((a - b).abs().sum().item() for a, b in zip(after, before, strict=True)))
    assert moved[1] < 0.1 * moved[0]


def test_pictures_may_have_colours(digits):
    """(N, 3, H, W) reaches the objective as it is; (N, H, W) gets one channel."""
    seen = []

    class Watching(Denoising):
        def draw(self, images, labels, generator):
            seen.append(images.shape)
            return super().draw(images[:, :1], labels, generator)

    colours = np.repeat(digits[0][:, None], 3, 1)
    for images in (colours, digits[0]):
        training = Trainer(
            seeded(lambda: UNet(4), 1), Watching(0.5), Recipe(1, 16, 1e-3), images, digits[1], device="cpu", seed=1
        )
        next(training.run(1))
    assert seen == [(16, 3, 28, 28), (16, 1, 28, 28)]


@pytest.mark.parametrize(
    ("network", "objective", "factor"),
    [
        (lambda: UNet(4), Denoising(0.5), 0.2),
        (lambda: TimeUNet(4), NoisePrediction(SCHEDULE), 0.45),
        (lambda: ClassUNet(4), NoisePrediction(SCHEDULE, drop=0.1), 0.45),
        (lambda: Classifier(4), Classification(), 0.4),
    ],
)
def test_each_objective_is_learnt(digits, network, objective, factor):
    """On a few dozen digits the loss falls well below where it started."""
    recipe = Recipe(15, 16, 1e-2)
    training = Trainer(seeded(network, 1), objective, recipe, *digits, device="cpu", seed=1)
    losses = np.concatenate([report.losses for report in training.run()])
    assert losses[-10:].mean() < factor * losses[:3].mean()


@pytest.mark.parametrize(
    ("network", "objective"),
    [
        (lambda: UNet(4), Denoising(0.5)),
        (lambda: ClassUNet(4), NoisePrediction(SCHEDULE, drop=0.1)),
        (lambda: Classifier(4), Classification()),
    ],
)
def test_the_seed_decides_everything(digits, network, objective):
    """Two trainers with the same seed end with the same bits, whatever the global generator has been used for."""
    ends = []
    for disturbance in (1, 2):
        torch.manual_seed(disturbance)
        training = Trainer(seeded(network, 1), objective, RECIPE, *digits, device="cpu", seed=1)
        ends.append([report.losses for report in training.run()] + numbers(training))
    assert all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))


def test_a_network_that_draws_its_own_noise_is_refused(digits):
    """Dropout would make a run that nobody can repeat or resume: the layer is named."""
    network = torch.nn.Sequential(UNet(4), torch.nn.Dropout(0.1))
    with pytest.raises(ValueError, match=r"layer 1 \(Dropout\) draws noise that no seed decides"):
        Trainer(network, Denoising(0.5), RECIPE, *digits, device="cpu", seed=1)


def test_a_share_of_digits_is_hidden(digits):
    """With drop = 0.1 about a tenth of the conditions are zeros, and the others one-hot."""
    images, labels = (torch.from_numpy(part.copy()) for part in digits)
    images, labels = (images[:, None].float() / 255).repeat(100, 1, 1, 1), labels.repeat(100)
    generator = torch.Generator().manual_seed(0)
    *_, condition = NoisePrediction(SCHEDULE, drop=0.1).draw(images, labels, generator)
    shown = condition.sum(1)
    assert set(shown.tolist()) == {0.0, 1.0}
    assert 1 - shown.mean().item() == pytest.approx(0.1, abs=0.015)
    assert (condition.argmax(1) == labels)[shown == 1].all()


def test_x_t_and_its_noise_belong_together(digits):
    """The drawn x_t is the digit noised by the drawn eps at the drawn time, which runs over 1 to T."""
    images = torch.from_numpy(digits[0].copy())[:, None].repeat(20, 1, 1, 1).float() / 255
    labels = torch.zeros(len(images))
    eps, x_t, time = NoisePrediction(SCHEDULE).draw(images, labels, torch.Generator().manual_seed(0))
    t = (time * SCHEDULE.T).round().long()
    torch.testing.assert_close(x_t, SCHEDULE.noised(images, t, eps))
    assert set(t.tolist()) == set(range(1, SCHEDULE.T + 1))


def many(digits) -> tuple[torch.Tensor, torch.Tensor]:
    """4,800 digits in [0, 1] and their labels, for what is measured of draws."""
    images, labels = (torch.from_numpy(part.copy()) for part in digits)
    return images[:, None].float().repeat(100, 1, 1, 1) / 255, labels.repeat(100)


def test_a_flow_s_target_leads_from_noise_to_the_digit(digits):
    """x_t + (1 - t) u is the digit and x_t - t u standard noise, with t drawn evenly from [0, 1]."""
    images, labels = many(digits)
    u, x_t, t, digit = FlowMatching(drop=0.1).draw(images, labels, torch.Generator().manual_seed(1))
    time = t[:, None, None, None]
    torch.testing.assert_close(x_t + (1 - time) * u, images, atol=1e-5, rtol=0)
    noise = x_t - time * u
    assert noise.mean().item() == pytest.approx(0, abs=0.01) and noise.std().item() == pytest.approx(1, abs=0.01)
    assert np.histogram(t.numpy(), 4, (0, 1))[0] / len(t) == pytest.approx(0.25, abs=0.03)
    assert (digit.sum(1) == 0).float().mean().item() == pytest.approx(0.1, abs=0.02)
    shown = digit.sum(1) == 1
    assert (digit[shown].argmax(1) == labels[shown]).all()


def test_times_may_be_drawn_logit_normal(digits):
    """logit t is normal with the spread's deviation: half of the times lie within 0.674 of it."""
    images, labels = many(digits)
    _, _, t = FlowMatching(spread=0.5).draw(images, labels, torch.Generator().manual_seed(1))
    logits = torch.logit(t)
    assert logits.mean().item() == pytest.approx(0, abs=0.03) and logits.std().item() == pytest.approx(0.5, rel=0.05)


def test_the_flow_s_loss_of_saying_nothing_is_what_it_should_be(digits):
    """A network that says 0 has the mean square of x - eps, which is that of x plus 1."""
    images, labels = many(digits)
    objective = FlowMatching()
    drawn = objective.draw(images, labels, torch.Generator().manual_seed(1))
    loss = objective.loss(lambda x, t: torch.zeros_like(x), *drawn)
    assert loss.item() == pytest.approx(images.square().mean().item() + 1, rel=0.01)


def test_velocities_of_a_schedule_are_its_own(digits):
    """With x_t they give back the digit, also where the schedule ends in noise alone."""
    images, labels = (part[:100] for part in many(digits))
    schedule = schedules.zero_terminal(SCHEDULE)
    v, x_t, time = VelocityPrediction(schedule).draw(images, labels, torch.Generator().manual_seed(1))
    t = (time * 20).round().long()
    assert t.max() == 20
    torch.testing.assert_close(schedule.clean_of_velocity(x_t, t, v), images, atol=1e-5, rtol=0)


def test_noise_alone_holds_nothing_of_the_digit(digits):
    """The input is standard noise that correlates with no target, and the best constant answer is the mean digit."""
    images, labels = many(digits)
    eps, x = FromNoise().draw(images, labels, torch.Generator().manual_seed(1))
    assert torch.equal(x, images) and eps.std().item() == pytest.approx(1, abs=0.01)
    shared = (eps * (x - x.mean(0))).mean().item()
    assert abs(shared) < 3e-4
    mean = images.mean(0)
    best = FromNoise().loss(mean.expand_as, eps, x).item()
    assert best < FromNoise().loss(lambda z: 0.98 * mean.expand_as(z), eps, x).item()
    assert best == pytest.approx(images.var(0, correction=0).mean().item(), rel=1e-4)


def test_a_flow_that_is_trained_learns(digits):
    """In a few steps the loss falls well below that of saying nothing."""
    training = Trainer(
        seeded(lambda: TimeScaledUNet(8), 1), FlowMatching(), Recipe(20, 16, 1e-2), *digits, device="cpu", seed=1
    )
    losses = np.concatenate([report.losses for report in training.run()])
    assert losses[-5:].mean() < 0.5 * losses[:2].mean()


def test_the_average_has_batch_norms_of_its_own(digits):
    """Their statistics are those of its own weights over training batches, not the ones that training gathered."""
    recipe = Recipe(2, 16, 1e-2, averaging=0.9)
    training = Trainer(seeded(lambda: UNet(4), 1), Denoising(0.5), recipe, *digits, device="cpu", seed=1)
    for _ in training.run():
        pass
    averaged = training.averaged(batches=3)
    assert not averaged.training
    for mine, kept in zip(averaged.parameters(), training.average.parameters(), strict=True):
        assert torch.equal(mine, kept)
    first = averaged.a[0]
    batches = [training.images[rows].float() / 255 for rows in training._order(0)[:3]]
    seen = torch.stack([first[0](batch).mean((0, 2, 3)) for batch in batches]).mean(0)
    assert not torch.allclose(first[1].running_mean, training.network.a[0][1].running_mean, atol=1e-3)
    assert first[1].running_mean.sub(seen).abs().max() < 0.1  # but for the noise, which has mean 0
    assert all(torch.equal(a, b) for a, b in zip(leaves(training.averaged(3)), leaves(averaged), strict=True))


def leaves(network) -> list[torch.Tensor]:
    return list(network.state_dict().values())


def test_asking_for_the_average_changes_nothing(digits):
    """A training that is looked at on its way ends with the same bits."""
    recipe = Recipe(2, 16, 1e-2, averaging=0.9)
    ends = []
    for looked in (False, True):
        training = Trainer(seeded(lambda: UNet(4), 1), Denoising(0.5), recipe, *digits, device="cpu", seed=1)
        for _ in training.run(1):
            if looked:
                training.averaged(batches=1)
        ends.append(leaves(training.network))
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
