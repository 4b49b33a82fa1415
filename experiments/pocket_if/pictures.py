"""What Pocket IF is shown: the pictures of its small world.

Shows: subjects in every style, one subject as several people have drawn it, and the composed scenes.
Needs: the emoji sets.
Costs: seconds.
Expect: things that anybody would name, in styles that anybody would tell apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from darkroom.figures import Drawing, tiles
from darkroom.lab import Dataset, Results, asset, dataset, experiment
from experiments.pocket_if.banks import smaller
from experiments.pocket_if.world import SCENES, STYLES, World


@experiment(device="cpu", minutes=1)
def pictures(
    emoji: Dataset = dataset("emoji"),
    subjects: Path = asset("pocket_if/subjects.csv"),
    *,
    sets: tuple[str, ...] = ("noto", "twemoji", "fluent-emoji-flat"),
    side: int = 64,
    styled: tuple[str, ...] = ("rocket", "dog", "skull", "old man", "house", "owl", "snowy mountain village"),
    drawn: tuple[str, ...] = ("rocket", "dog", "owl", "castle", "guitar", "old man"),
    scenes_each: int = 5,
    seed: int = 64,
) -> dict[str, object]:
    """Pictures of the world that Pocket IF is trained on, some of each kind.

    Results: ``styles`` uint8 (styles, subjects, side, side, 3); ``drawings`` uint8 (subjects, sets, side, side, 3), zeros
    where a set has no drawing fit to use; ``scenes`` uint8 (scenes, scenes_each, side, side, 3); ``captions``, what is said
    of those in ``styles``; ``subjects``, all of them with their wordings.
    """
    world = World(emoji, subjects, sets)
    shown = [
        [world.picture(seed, 100 * k, subject=each, style=style) for k, each in enumerate(styled)] for style in STYLES
    ]
    drawings = np.zeros((len(drawn), len(sets), side, side, 3), np.uint8)
    for row, subject in enumerate(drawn):
        for column, name in enumerate(sets):
            if name in world.drawings(subject):
                one = world.picture(seed, 1000 + row, subject=subject, style="emoji", drawing=name)
                drawings[row, column] = smaller(one.pixels, side)
    composed = [
        [smaller(world.picture(seed, 2000 + k, subject=scene, style="emoji").pixels, side) for k in range(scenes_each)]
        for scene in SCENES
    ]
    return {
        "styles": np.array([[smaller(each.pixels, side) for each in row] for row in shown]),
        "drawings": drawings,
        "scenes": np.array(composed),
        "captions": [[each.caption for each in row] for row in shown],
        "subjects": {name: list(words) for name, words in world.wordings.items()},
    }


@pictures.metric
def subject_count(results: Results) -> int:
    """How many subjects there are, composed scenes included."""
    return len(results["subjects"])


@pictures.figure(
    caption="The same subjects in every style. Style words are image processing: each means the same for all subjects.",
    alt="A grid of small pictures, a row for each style from emoji to silhouette, a column for each subject.",
)
def styles(results: Results) -> Drawing:
    """One row a style."""
    return tiles(list(results["styles"]), rows=list(STYLES), alt=lambda r, c: results["captions"][r][c], scale=1)


@pictures.figure(
    caption="Some subjects as each set of emoji has drawn them, turned and stretched a little.",
    alt="A grid of small drawings, a row for each subject, a column for each set; the same thing is drawn differently.",
)
def drawings(results: Results) -> Drawing:
    """One row a subject."""
    subjects, sets = results.parameters["drawn"], results.parameters["sets"]
    cells = [[picture if picture.any() else None for picture in row] for row in results["drawings"]]
    return tiles(cells, rows=subjects, columns=sets, alt="A drawing of {row} from the set {column}.", scale=1)


@pictures.figure(
    caption="Scenes that no emoji shows, composed of drawings and simple shapes: what the course's prompts ask for.",
    alt="Rows of composed scenes: a mountain village in snow, people around a fire, a man with a hat, waterfalls.",
)
def scenes(results: Results) -> Drawing:
    """One row a scene."""
    return tiles(list(results["scenes"]), rows=list(SCENES), alt="{row}, version {column_number}.", scale=1)
