import io

import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from darkroom.figures import FigureError, Panel, animation
from darkroom.figures.films import LIMIT_BYTES, delays_cs, gif

RAMP = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


def played(content: bytes) -> tuple[list[np.ndarray], list[int], int]:
    """Every frame as RGB, how long each stands in ms, and how often the film loops (0 for ever)."""
    with iio.imopen(content, "r", extension=".gif") as film:
        frames = [frame[..., :3] for frame in film.iter(mode="RGB")]
        facts = [film.metadata(index=index, exclude_applied=False) for index in range(len(frames))]
    return frames, [fact["duration"] for fact in facts], facts[0]["loop"]


def noise_fading(frames: int, size: int, seed: int = 0) -> np.ndarray:
    """Frames of noise that gives way to a square."""
    rng = np.random.default_rng(seed)
    square = np.zeros((size, size))
    square[size // 4 : -size // 4, size // 4 : -size // 4] = 1
    share = np.linspace(1, 0, frames)[:, None, None]
    return np.clip(square * (1 - share) + share * rng.normal(size=(frames, size, size)), 0, 1)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda count: st.tuples(
            arrays(np.uint8, st.tuples(st.just(count), st.integers(1, 6), st.integers(1, 20))),
            st.lists(st.integers(2, 300), min_size=count, max_size=count),
        )
    )
)
def test_every_frame_of_a_gif_comes_back_exactly_and_stands_as_long_as_it_should(film):
    """Cropping to what changes and leaving out what does not is invisible."""
    indices, delays = film
    frames, shown_for, loop = played(gif(indices, RAMP, delays))
    assert len(frames) == len(indices)
    assert all((frame == RAMP[index]).all() for frame, index in zip(frames, indices, strict=True))
    assert shown_for == [10 * delay for delay in delays]
    assert loop == 0


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)).flatmap(
        lambda shape: st.tuples(
            arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 7, 200, 255])),
            st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=12),
        )
    )
)
def test_a_film_that_stands_still_now_and_then_keeps_every_frame(film):
    """However often and wherever neighbours are equal, and whatever colours they have."""
    pictures, order = film
    frames, shown_for, _ = played(gif(pictures[order], RAMP, [3 + index for index in range(len(order))]))
    assert shown_for == [10 * (3 + index) for index in range(len(order))]
    assert all((frame == RAMP[pictures[index]]).all() for frame, index in zip(frames, order, strict=True))


def test_a_film_of_all_grey_levels_that_stands_still_loses_one():
    """There are 256 colours in a GIF, and a frame that stands needs one twice: the rarest level becomes the next one."""
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    film = np.stack([ramp, ramp, np.roll(ramp, 1), np.roll(ramp, 1), ramp])
    frames, _, _ = played(gif(film, RAMP, [5] * 5))
    away = [np.abs(frame[..., 0].astype(int) - picture) for frame, picture in zip(frames, film, strict=True)]
    assert len(frames) == 5 and max(each.max() for each in away) == 1
    assert max(np.count_nonzero(each) for each in away) == 1


def test_a_film_weighs_what_changes():
    """Pixels that stay as they were cost next to nothing, and neither do frames that stand."""
    noise = np.random.default_rng(0).integers(0, 64, (60, 100, 100)).astype(np.uint8)
    moving = np.repeat(noise[:1], 60, axis=0)
    moving[:, 40:50, 40:50] = noise[:, 40:50, 40:50]
    one, all_of_it, still = (len(gif(film, RAMP, [5] * len(film))) for film in (noise[:1], noise, moving[[0] * 60]))
    assert len(gif(moving, RAMP, [5] * 60)) < one + 60 * 200
    assert still < one + 60 * 60
    assert all_of_it < 61 * one


def test_equal_neighbours_stay_frames_of_their_own():
    """A film that stands still keeps its frames and its time."""
    film = np.zeros((6, 28, 28), np.uint8)
    film[3:] = 200
    frames, delays, _ = played(animation([Panel("still", "x", film)], fps=10, hold_last_s=1).files["still.gif"])
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 0, 0, frames[3][0, 0, 0], frames[3][0, 0, 0], 200]
    assert delays == [100, 100, 100, 100, 100, 1000]


def test_the_layout_tells_what_the_files_hold():
    """Frames, size and duration in the layout are those of the decoded film."""
    drawing = animation([Panel("Epoch 1", "a square comes out", noise_fading(7, 20))], scale=3, fps=12, hold_last_s=2)
    [panel] = drawing.layout["panels"]
    frames, delays, loop = played(drawing.files["epoch_1.gif"])
    assert drawing.kind == "animation"
    assert drawing.layout["scale"] == 3
    assert (panel["heading"], panel["alt"], panel["animation"]) == ("Epoch 1", "a square comes out", "epoch_1.gif")
    assert (panel["frames"], panel["width"], panel["height"]) == (len(frames), *frames[0].shape[1::-1])
    assert panel["duration_s"] == pytest.approx(sum(delays) / 1000) == pytest.approx(6 / 12 + 2)
    assert loop == 0


def test_the_last_frame_is_held_exact_and_is_the_still():
    """The still and the last frame of the film are the last frame that was passed, to the last grey level."""
    film = noise_fading(5, 30)
    film[-1] = np.linspace(0, 1, 900).reshape(30, 30)
    drawing = animation([Panel("", "x", film)], hold_last_s=2.5)
    frames, delays, _ = played(drawing.files["panel_1.gif"])
    expected = np.rint(film[-1] * 255)
    assert (frames[-1][..., 0] == expected).all()
    assert (np.asarray(Image.open(io.BytesIO(drawing.files["panel_1.png"]))) == expected).all()
    assert delays[-1] == 2500


def test_other_frames_are_within_half_a_step_of_their_grey_levels():
    """64 levels are close enough for what is on its way."""
    film = noise_fading(4, 30)
    frames, _, _ = played(animation([Panel("a", "x", film)]).files["a.gif"])
    assert max(np.abs(frame[..., 0] - np.rint(f * 255)).max() for frame, f in zip(frames, film, strict=True)) <= 3


def test_colours_survive():
    """A film of few colours keeps them; grey RGB is taken as grey."""
    film = np.zeros((3, 8, 8, 3), np.uint8)
    film[1, :4] = (250, 10, 30)
    film[2, 4:] = (0, 99, 200)
    frames, _, _ = played(animation([Panel("a", "x", film)]).files["a.gif"])
    assert all((frame == picture).all() for frame, picture in zip(frames, film, strict=True))
    grey = np.repeat(film[..., :1], 3, axis=3)
    same = [animation([Panel("a", "x", f)]).files["a.gif"] for f in (grey, film[..., 0])]
    assert same[0] == same[1]


@pytest.mark.parametrize("fps", [50, 30, 24, 20, 7, 0.5])
def test_time_does_not_drift(fps):
    """Hundredths of a second are rounded so that the whole film keeps its rate to within one of them."""
    delays = delays_cs(61, fps, 2)
    assert abs(sum(delays[:-1]) - 100 * 60 / fps) <= 0.5
    assert min(delays) >= 2


def test_a_film_of_a_usual_grid_fits_the_limit():
    """Fifty frames of forty digits in noise stay below 0.8 MB, with fewer grey levels if need be."""
    film = np.random.default_rng(0).random((50, 115, 289))
    film[:, ::2] = 0
    assert len(animation([Panel("a", "x", film)]).files["a.gif"]) <= LIMIT_BYTES


def test_a_film_that_is_too_big_says_by_how_much_and_what_would_fit():
    """The message names the excess and a number of frames; that many frames do fit."""
    film = np.random.default_rng(0).random((40, 220, 289))
    with pytest.raises(FigureError, match=r"over the 800,000 allowed; pass \d+ frames instead of 40") as caught:
        animation([Panel("a", "x", film)])
    fitting = int(str(caught.value).split("pass ")[1].split()[0])
    assert len(animation([Panel("a", "x", film[:fitting])]).files["a.gif"]) <= LIMIT_BYTES


def test_panels_of_one_heading_get_files_of_their_own():
    """A second panel of the same name is counted."""
    film = noise_fading(2, 6)
    drawing = animation([Panel("$t$", "x", film), Panel("$t$", "y", film)])
    assert sorted(drawing.files) == ["t.gif", "t.png", "t_2.gif", "t_2.png", "t_2_strip.png", "t_strip.png"]


@pytest.mark.parametrize("count", [1, 3, 5, 40])
def test_a_strip_for_paper_runs_from_the_first_frame_to_the_last(count):
    """At most five frames side by side in order, apart by white."""
    film = np.rint(255 * noise_fading(count, 20)).astype(np.uint8)
    drawing = animation([Panel("t", "x", film)])
    strip = np.asarray(Image.open(io.BytesIO(drawing.files["t_strip.png"])))
    shown = min(count, 5)
    assert strip.shape == (20, 20 * shown + 2 * (shown - 1)) == (20, drawing.layout["panels"][0]["strip_width"])
    assert (strip[:, :20] == film[0]).all() and (strip[:, -20:] == film[-1]).all()
    assert shown == 1 or (strip[:, 20:22] == 255).all()


@pytest.mark.parametrize(
    ("panels", "options", "message"),
    [
        ([], {}, "0 panels"),
        ([Panel("a", "x", np.zeros((2, 2, 2)))], {"fps": 60}, "fps=60"),
        ([Panel("a", "x", np.zeros((2, 2, 2)))], {"fps": 0}, "fps=0"),
        ([Panel("a", "x", np.zeros((2, 2, 2)))], {"hold_last_s": 0}, "hold_last_s=0"),
        ([Panel("a", "x", np.zeros((2, 2, 2)))], {"scale": 0}, "scale=0"),
        ([Panel("a", "", np.zeros((2, 2, 2)))], {}, r"panel 1 \('a'\): no alternative text"),
        ([Panel("a", "x", np.zeros((2, 2)))], {}, r"panel 1 \('a'\): shape \(2, 2\)"),
        ([Panel("a", "x", np.zeros((0, 2, 2)))], {}, r"shape \(0, 2, 2\)"),
        ([Panel("a", "x", np.full((2, 2, 2), 2.0))], {}, "values from 2 to 2"),
        ([Panel("a", "x", np.full((2, 2, 2), np.nan))], {}, "8 of 8 values are NaN"),
    ],
)
def test_what_is_no_film_is_refused(panels, options, message):
    """Each mistake is one line with the panel or the argument at fault."""
    with pytest.raises(FigureError, match=message) as caught:
        animation(panels, **options)
    assert "\n" not in str(caught.value)


def test_labels_that_fit_no_slider_are_refused():
    """There is one for each frame."""
    frames = np.zeros((4, 3, 3), np.uint8)
    with pytest.raises(FigureError, match="1 labels for 4 frames; give one a frame"):
        animation([Panel("", "Nothing.", frames)], labels=["t = 1"])


def test_labels_are_handed_to_the_page():
    """They stand in the layout, in the order of the frames."""
    drawing = animation([Panel("", "Nothing.", np.zeros((2, 3, 3), np.uint8))], labels=["t = 1", "a|b"])
    assert drawing.layout["labels"] == ["t = 1", "a|b"]
