"""Deliverables: what a report must have, what it lacks, and where that is said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from darkroom.core.errors import ContentError
from darkroom.press.build import BuildReport, compare
from darkroom.press.content.deliverables import read_deliverables, read_shipped
from darkroom.press.content.outlines import Body
from darkroom.press.markdown.pages import read_page
from darkroom.press.theme import BASE
from tests.press.projects import Project
from tests.press.samples import animation, plot, png, tiles

FRONT = '+++\ntitle = "A"\ndescription = "B."\n+++\n'


def bodies(text: str) -> tuple[Body, ...]:
    return read_page(f"{FRONT}{text}".encode(), "templates/pages/a.md", "a.html").outline.bodies


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Body()),
        ("Two words.", Body(2, 0, 0, 1)),
        ("It's a state-of-the-art $x^2 + y$, `not code` here.", Body(4, 0, 0, 1)),
        ("雪の山 and snow", Body(5, 0, 0, 1)),
        ("![a long alt text](a.png) ![](b.gif)", Body(0, 1, 1, 1)),
        ("<video src='a.mp4' controls></video>\n\n<img alt='x y' src=\"A.PNG\">", Body(0, 1, 1, 2)),
        ("<video controls><source src='a.webm'></video>", Body(0, 0, 1, 1)),
        ("<!-- nothing is published of this -->", Body()),
        ("```\ncode of words\n```", Body(0, 0, 0, 1)),
        ("- one\n- two\n  > three", Body(3, 0, 0, 1)),
        ("| a | b |\n|---|---|\n| c | d |", Body(4, 0, 0, 1)),
        ("A note[^1].\n\n[^1]: With many more words.", Body(2, 0, 0, 1)),
        ('{{ metric("a/b") }}', Body(0, 0, 0, 1)),
    ],
)
def test_what_stands_below_a_heading_is_counted(text: str, expected: Body) -> None:
    """Words, pictures and films of the text alone; a comment and notes count nowhere."""
    assert bodies(text) == (expected,)
    assert bodies(f"Before it.\n\n## One\n\n{text}\n\n## Two words\n\nBehind.") == (
        Body(2, 0, 0, 1),
        expected,
        Body(1, 0, 0, 1),
    )


def test_an_empty_section_is_named(project: Project) -> None:
    """A section with nothing but a comment is empty; one with a section of a lower level is not."""
    project.page("Text.\n\n## One\n\n### Part\n\nText.\n\n## Two\n\n<!-- later -->\n\n### Three\n\n## Four {#four}")
    found = [(warning.line, warning.rule, warning.message) for warning in project.build().warnings]
    assert found == [
        (line, "section", f"the section {name!r} is empty; write it, or delete its heading")
        for line, name in ((17, "Three"), (19, "Four"))
    ]
    with pytest.raises(ContentError, match="'Four' is empty"):
        project.build(strict=True)


# Reading --------------------------------------------------------------------------------------------------------------


SHIPPED = read_shipped(
    'title = "A course"\n[[deliverable]]\nid = "A.1"\ntitle = "One"\nsection = "a#one"\nwords = 3\n'
    '[[deliverable]]\nid = "A.2"\ntitle = "Two"\n',
    "course",
    "theme/course.toml",
)


def read(text: str) -> Sequence[tuple[int, str]]:
    """The faults of a project's file, with their lines."""
    with pytest.raises(ContentError) as error:
        read_deliverables(text, "templates/deliverables.toml", {"course": SHIPPED})
    assert {(fault.path, fault.rule) for fault in error.value.faults} == {
        ("templates/deliverables.toml", "deliverables")
    }
    return [(fault.line, fault.message) for fault in error.value.faults]


def test_a_project_places_the_deliverables_of_a_list_and_has_its_own() -> None:
    """A text is a section, a table is what differs; what is not named stays as the list has it."""
    text = (
        'title = "More"\n\n[[deliverable]]\nid = "x"\ntitle = "X"\nfigures = ["a/b/c"]\n\n'
        '[course]\n"A.1" = { words = 5 }\n"A.2" = "b#two"\n'
    )
    course, own = read_deliverables(text, "templates/deliverables.toml", {"course": SHIPPED})
    assert [(each.id, each.section, each.words, each.line) for each in course.items] == [
        ("A.1", "a#one", 5, 9),
        ("A.2", "b#two", 0, 10),
    ]
    assert (own.name, own.title, own.items[0].figures, own.items[0].line) == ("own", "More", ("a/b/c",), 3)
    (whole,) = read_deliverables("[course]\n", "templates/deliverables.toml", {"course": SHIPPED})
    assert [each.line for each in whole.items] == [1, 1]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[cours]", [(1, "no list of deliverables 'cours'; did you mean 'course'?")]),
        ("course = 3", [(1, "'course' is a list of deliverables; write [course] on a line of its own")]),
        ('\n[course]\n"A.3" = "a#b"', [(3, "course has no deliverable 'A.3'; did you mean 'A.2'?")]),
        ('[course]\nA.1 = "a#b"', [(2, "course has no deliverable 'A'; write the id in quotes")]),
        (
            '[course]\n"A.1" = 3',
            [(2, 'A.1: write "page#anchor", or what differs as { pictures = 1 }, not 3')],
        ),
        ('[course]\n"A.1" = { word = 3 }', [(2, "A.1: unknown key 'word'; did you mean 'words'?")]),
        ('[course]\n"A.1" = { id = "b" }', [(2, "A.1: unknown key 'id'; known are title, section")]),
        ("[deliverable]\nid = 1", [(1, "write [[deliverable]], with two brackets")]),
        ("a = [", [(1, "not valid TOML: ")]),
        (
            (
                '[[deliverable]]\nid = "a"\n\n[[deliverable]]\nid = "b"\ntitle = "B"\nwords = -1\n'
                '[[deliverable]]\nid = "b"\ntitle = "B"\nfigure = 1\n[[deliverable]]\nid = "c"\ntitle = "C"\nprompts = "x"\n'
                '[[deliverable]]\nid = "d"\ntitle = "D"\nfigures = [1]\n[[deliverable]]\nid = "e"\ntitle = "E"\noptional = 1'
            ),
            [
                (1, "deliverable 1: 'title' is missing; add title = ..."),
                (4, "deliverable 2: 'words' should be a whole number of 0 or more, not -1"),
                (8, "deliverable 3: unknown key 'figure'; did you mean 'figures'?"),
                (12, "deliverable 4: 'prompts' should be a list of texts, not 'x'"),
                (16, "deliverable 5: 'figures' should be a whole number of 0 or more, or a list of names, not [1]"),
                (20, "deliverable 6: 'optional' should be true or false, not 1"),
            ],
        ),
        (
            '[[deliverable]]\nid = "a"\ntitle = "A"\n[[deliverable]]\nid = "a"\ntitle = "B"\n',
            [(4, "there are two deliverables 'a'; give one of them another id")],
        ),
    ],
)
def test_everything_wrong_in_the_file_is_said_at_once(text: str, faults: Sequence[tuple[int, str]]) -> None:
    """Each fault has its line, and what to write."""
    found = read(text)
    assert [line for line, _ in found] == [line for line, _ in faults]
    assert all(message.startswith(wanted) for (_, message), (_, wanted) in zip(found, faults, strict=True)), found


@pytest.mark.parametrize("name", ["cs180-f24", "cs180-f25"])
def test_the_lists_that_are_shipped_can_be_read(name: str) -> None:
    """Every entry has a section that the list expects, and something to look for."""
    path = BASE / f"deliverables/{name}.toml"
    shipped = read_shipped(path.read_text(encoding="utf-8"), name, str(path))
    assert len(shipped.items) > 20
    assert all(each.section and each.asks for each in shipped.items)
    assert all(each.words or each.figures or each.pictures for each in shipped.items)


# What a site lacks ----------------------------------------------------------------------------------------------------


@dataclass
class Case:
    project: Project

    def of(self, **wanted: object) -> list[str]:
        """What is said of one deliverable in the section "one" of the first page."""
        fields = {"id": "x", "title": "X", "section": "index#one"} | wanted
        lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
        path = self.project.root / "templates/deliverables.toml"
        path.write_text("\n".join(["[[deliverable]]", *lines]), encoding="utf-8")
        marks = [each for each in self.all_missing().warnings if each.rule == "deliverable"]
        assert all((each.path, each.line) == ("templates/deliverables.toml", 1) for each in marks)
        return [each.message for each in marks]

    def all_missing(self) -> BuildReport:
        self.project.build()
        return compare(self.project.request())


@pytest.fixture
def case(project: Project) -> Case:
    """A site whose section "one" has a grid of six pictures, a plot, two films, a picture of the text, and a number."""
    project.outputs.add("a/b", {"grid": tiles(3, 2), "loss": plot()}, metrics={"mse": 0.5})
    project.outputs.add("a/c", {"film": animation(2)}, parameters={"prompts": ["A  rocket\nship"]})
    project.outputs.state("a/d", "missing", (), ("late",))
    (project.root / "templates/static/own.png").write_bytes(png())
    project.page(
        "Before.\n\n## One {#one}\n\nFour words are here.\n\n"
        '{{ figure("a/b/grid") }}\n\n### Below\n\n{{ figure("a/c/film") }}\n\n![own](own.png)\n\n'
        '{{ metric("a/b/mse") }} a man wearing a HAT\n\n## Two\n\n{{ figure("a/b/loss") }}\n\n{{ figure("a/d/late") }}'
    )
    return Case(project)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"words": 9}, ""),
        ({"words": 10}, "9 of 10 words"),
        ({"figures": 2}, ""),
        ({"figures": 3}, "2 of 3 figures"),
        ({"pictures": 9}, ""),
        ({"pictures": 10}, "9 of 10 pictures"),
        ({"films": 2}, ""),
        ({"films": 3}, "2 of 3 films"),
        ({"metrics": 2}, "1 of 2 metrics"),
        ({"figures": ["a/b/grid", "a/b/loss"]}, "the figure a/b/loss is not there"),
        ({"metrics": ["a/b/mse"]}, ""),
        ({"metrics": ["a/b/other"]}, "the metric a/b/other is not there"),
        ({"prompts": ["a rocket ship", "a man wearing a hat", "Digits at **rising**"]}, ""),
        ({"prompts": ["a pencil", "a rocket ship"]}, "the prompt 'a pencil' is not there"),
        ({"section": "index#on"}, "there is no section 'index#on'; did you mean 'index#one'?"),
        ({"section": "indx#one"}, "there is no page 'indx'; did you mean 'index'?"),
        ({"section": "index"}, ""),
        ({"section": "index#two", "figures": 2}, "1 of 2 figures; without outputs: a/d/late"),
        ({"section": ""}, 'no section; write "x" = "page#anchor" under [own]'),
        ({"words": 99, "films": 3}, "9 of 99 words; 2 of 3 films"),
        ({"words": 99, "optional": True}, ""),
    ],
)
def test_what_a_section_lacks_is_counted(case: Case, wanted: dict[str, object], said: str) -> None:
    """With the sections below it, without those beside it; calls that wait for a run count nothing."""
    found = case.of(**wanted)
    assert [each.partition(": ")[2] for each in found] == ([said] if said else [])


def test_a_damaged_figure_does_not_count(case: Case) -> None:
    """What is not shown is not there."""
    (case.project.root / "experiments/outputs/a/b/figures/grid/r0c0.png").write_bytes(b"other")
    assert "1 of 2 figures" in case.of(figures=2)[0]


def test_a_build_counts_check_names_and_strict_fails(case: Case) -> None:
    """One line in a build, one for each deliverable in check, faults in strict."""
    project = case.project
    (project.root / "templates/deliverables.toml").write_text(
        "".join(f'[[deliverable]]\nid = "{n}"\ntitle = "T"\nsection = "index#one"\nwords = {n}\n' for n in (1, 20, 30))
    )
    found = [each for each in project.build().warnings if each.rule == "deliverable"]
    assert [each.message for each in found] == ["own: 2 of 3 lack something; python build.py check lists it"]
    lines = [each.line for each in case.all_missing().warnings if each.rule == "deliverable"]
    assert lines == [6, 11]
    with pytest.raises(ContentError, match=r"own 20, T \(index#one\): 9 of 20 words") as error:
        project.build(strict=True)
    assert "own 30, T" in str(error.value)


def test_a_page_shows_them_and_follows_them(case: Case) -> None:
    """A page with deliverables() is rendered anew when what it says changes, and links to the sections."""
    project = case.project
    path = project.root / "templates/deliverables.toml"
    path.write_text('[[deliverable]]\nid = "1"\ntitle = "Grids"\nsection = "index#one"\nwords = 10\nasks = "A & B."\n')
    project.page('{{ deliverables("own") }}', "list/all")
    project.build()
    html = project.html("list/all")
    assert "0 of 1 complete" in html and "9 of 10 words" in html and "A &amp; B." in html
    assert '<a href="../index.html#one">Grids</a>' in html
    path.write_text(path.read_text().replace("words = 10", "words = 9"))
    project.build()
    html = project.html("list/all")
    assert "1 of 1 complete" in html and "9 words" in html and "of 10" not in html
    index = project.pages / "index.md"
    index.write_text(index.read_text(encoding="utf-8").replace("Four words are", "Three are"), encoding="utf-8")
    project.build()
    assert "8 of 9 words" in project.html("list/all")


def test_a_call_without_a_list_is_a_fault(project: Project) -> None:
    """It says what to write, or which lists there are."""
    project.page("{{ deliverables() }}")
    with pytest.raises(ContentError, match=r"no templates/deliverables.toml that names a list; write one"):
        project.build()
    (project.root / "templates/deliverables.toml").write_text("[cs180-f24]\n")
    project.page('{{ deliverables("cs180-f25") }}')
    with pytest.raises(ContentError, match="no list 'cs180-f25'; did you mean 'cs180-f24'"):
        project.build()


def test_a_project_may_have_lists_of_its_own(project: Project) -> None:
    """A file of templates/deliverables is a list like those that are shipped, and replaces one of its name."""
    folder = project.root / "templates/deliverables"
    folder.mkdir(exist_ok=True)
    one = '[[deliverable]]\nid = "a"\ntitle = "A"\nsection = "index#none"\n'
    for name in ("thesis", "cs180-f24"):
        (folder / f"{name}.toml").write_text(f'title = "List {name}"\n{one}')
    (project.root / "templates/deliverables.toml").write_text("[thesis]\n[cs180-f24]\n")
    project.page("Text.")
    found = sorted(each.message for each in project.build().warnings if each.rule == "deliverable")
    assert [each.partition(";")[0] for each in found] == [
        f"{name}: 1 of 1 lack something" for name in ("cs180-f24", "thesis")
    ]


def test_the_record_has_them(case: Case) -> None:
    """record.json says of each whether something is missing."""
    text = '[[deliverable]]\nid = "{}"\ntitle = "T"\nsection = "index#one"\nfilms = {}\n'
    (case.project.root / "templates/deliverables.toml").write_text(text.format(1, 2) + text.format(2, 3))
    case.project.build()
    (found,) = json.loads((case.project.site / "record.json").read_text())["deliverables"]
    assert (found["name"], found["complete"]) == ("own", False)
    assert found["items"] == [
        {"id": "1", "title": "T", "address": "index.html#one"},
        {"id": "2", "title": "T", "address": "index.html#one", "missing": ["2 of 3 films"]},
    ]


def test_a_list_that_is_no_text_is_a_fault(project: Project, tmp_path: Path) -> None:
    """Like every file of templates."""
    (project.root / "templates/deliverables.toml").write_bytes(b"\xff[course]")
    project.page("Text.")
    with pytest.raises(ContentError, match=r"templates/deliverables.toml:1:1 .*UTF-8"):
        project.build()
