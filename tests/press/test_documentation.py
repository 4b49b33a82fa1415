"""What pages show of docstrings and of the command line: read from the source, and made anew when that changes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from darkroom.core.errors import ContentError
from darkroom.press import build as press
from darkroom.press.content.command_line import CommandHelp, CommandLine, OptionHelp
from darkroom.press.content.docstring_html import DocstringWriter
from darkroom.press.content.docstrings import DocBlock, read_docstring
from darkroom.press.content.documented import documented, sources_of
from darkroom.press.content.listings import NoSource
from tests.press.conftest import katex, project  # noqa: F401  # fixtures
from tests.press.projects import Project

LIBRARY = {
    "src/waves/__init__.py": '''"""Waves of every kind."""

from typing import TYPE_CHECKING

from waves.water import ripple as small

if TYPE_CHECKING:
    from .water import Pond

__all__ = ["Pond", "small", "wide"]


def wide(size: int = 3) -> str:
    """One that is wide."""
''',
    "src/waves/water.py": '''"""Waves of water."""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass
class Pond:
    """Where waves are, see :func:`ripple` and :class:`~waves.Pond`.

    Attributes:
        depth: in metres; :meth:`freeze` needs it.
    """

    depth: float
    names: list[str] = field(default_factory=list)
    kinds: ClassVar[int] = 2
    _seen: int = 0

    @property
    def area(self) -> float:
        """In square metres."""

    def freeze(self, *, at: float = -1.5) -> None:
        """Let it freeze.

        Raises:
            OSError: it is ``frozen``.
        """

    @staticmethod
    def make(depth):
        """A new one."""

    def _hidden(self): ...


def ripple(
    height: float, *rest: int, name: str = "a'b", **options: object
) -> tuple[float, float]:
    r"""A small wave of *height*, $\\gamma = 2$.

    It moves as

        x_s = a * x_t <here>

    - one thing,
      on two lines
    - another

    Args:
        height, name: what it is called
            and *how* high.
        *rest: others.

            Two paragraphs.

    Returns:
        Where: it begins and ends.

    Raises:
        ValueError: too high.
    """


def _unseen(): ...
''',
}


@pytest.fixture
def library(project: Project) -> Project:  # noqa: F811
    """A project with a package of its own."""
    for path, text in LIBRARY.items():
        (project.root / path).parent.mkdir(parents=True, exist_ok=True)
        (project.root / path).write_text(text)
    return project


def _shown(html: str) -> str:
    """The text of a part of a page, blocks on lines of their own."""
    html = re.sub(r"</(?:p|pre|dt|dd|li|h\d)>", "\n", html)
    return re.sub(r"\n\s*", "\n", re.sub(r"<[^>]+>", "", html)).strip()


def test_a_module_is_shown_with_all_that_is_public(library: Project) -> None:
    """Signatures as they are called, docstrings with their sections, methods and properties below their class."""
    library.page('## Water\n\n{{ reference("waves.water") }}')
    library.build()
    found = re.search(r'<div class="reference">.*?\n</article>', library.html(), re.DOTALL)
    assert found
    assert _shown(found[0]).split("\n")[:28] == [
        "waves.water",
        "Waves of water.",
        "Pond ripple",
        "Pond",
        "Pond(depth: float, names: list[str] = ...)",
        "Where waves are, see ripple and Pond.",
        "Attributes",
        "depth",
        "in metres; freeze needs it.",
        "area",
        "area: float",
        "In square metres.",
        "freeze",
        "freeze(*, at: float = -1.5) -&gt; None",
        "Let it freeze.",
        "Raises",
        "OSError",
        "it is frozen.",
        "make",
        "make(depth)",
        "A new one.",
        "ripple",
        "ripple(",
        "height: float,",
        "*rest: int,",
        "name: str = &quot;a&#x27;b&quot;,",
        "**options: object,",
        ") -&gt; tuple[float, float]",
    ]
    html = found[0]
    assert "_unseen" not in html and "_hidden" not in html and "_seen" not in html
    assert '<h3 id="waves-water-Pond">' in html and '<h4 id="waves-water-Pond-freeze">' in html
    assert "<p>It moves as</p>" in html and "x_s = a * x_t &lt;here&gt;</code></pre>" in html
    assert "A small wave of <em>height</em>, <span" in html and r"\gamma = 2" in html
    assert "<li>one thing, on two lines</li><li>another</li>" in html
    assert "<dt><code>height, name</code></dt><dd>what it is called and <em>how</em> high.</dd>" in html
    assert "<dt><code>*rest</code></dt><dd><p>others.</p>" in html and "<p>Two paragraphs.</p>" in html
    assert '<p class="part">Returns</p>\n<p>Where: it begins and ends.</p>' in html


def test_a_package_shows_what_it_takes_from_its_modules(library: Project) -> None:
    """Under the names that it gives them, in its own order, also what only type checkers import."""
    found = documented("waves", library.root)
    assert [(each.name, each.home, each.first) for each in found.items] == [
        ("waves.Pond", "waves.water.Pond", 7),
        ("waves.small", "waves.water.ripple", 38),
        ("waves.wide", "waves.wide", 13),
    ]
    assert {path.name for path in sources_of("waves", library.root)} == {"__init__.py", "water.py"}
    assert [path.name for path in sources_of("waves.water", library.root)] == ["water.py"]
    assert {path.name for path in sources_of("waves.small", library.root)} == {"__init__.py", "water.py"}


def test_names_in_docstrings_lead_to_their_reference(library: Project) -> None:
    """On the same page and on others, by short and by full names; what has no reference is code."""
    library.page('{{ reference("waves.water.Pond") }}')
    library.build()
    links = re.compile(r'<a href="([^"]*)"><code>(\w+)</code>')
    assert links.findall(library.html()) == [("#waves-water-Pond-freeze", "freeze")]
    library.page("## All\n\n" + '{{ reference("waves") }}', "api/all")
    library.build()
    assert ("api/all.html#waves-small", "ripple") in links.findall(library.html())
    assert ("#waves-Pond", "Pond") in links.findall(library.html("api/all"))
    (library.root / "src/waves/water.py").write_text(LIBRARY["src/waves/water.py"].replace("ripple", "wavelet"))
    init = library.root / "src/waves/__init__.py"
    init.write_text(LIBRARY["src/waves/__init__.py"].replace("ripple", "wavelet"))
    library.build()  # no link is left behind
    assert ("api/all.html#waves-small", "wavelet") in links.findall(library.html())


@pytest.mark.parametrize("path", LIBRARY)
def test_a_docstring_that_changes_changes_the_page(path: str, library: Project) -> None:
    """Also one that a package takes from a module."""
    library.page('{{ reference("waves") }}')
    library.build()
    assert library.build().written == 0
    source = library.root / path
    source.write_text(source.read_text().replace("One that is wide", "NEW").replace("Let it freeze", "NEW"))
    library.build()
    assert "<p>NEW.</p>" in library.html()


def test_the_source_is_linked_at_the_commit(library: Project) -> None:
    """Where the site names a repository."""
    import subprocess

    settings = library.root / "templates/site.toml"
    settings.write_text(settings.read_text().replace('repository = ""', 'repository = "https://e.org/r"'))
    library.page('{{ reference("waves") }}')
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=library.root, check=True)
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=library.root, text=True).strip()
    library.build()
    assert f'href="https://e.org/r/blob/{commit}/src/waves/water.py#L38-L63"' in library.html()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            'reference("waves.wter")',
            "there is no function or class 'wter' in src/waves/__init__.py; did you mean 'wide'?",
        ),
        (
            'reference("waves.water.Pnd")',
            "there is no function or class 'Pnd' in src/waves/water.py; did you mean 'Pond'?",
        ),
        ("reference()", "reference(...) takes names of modules, classes or functions, not 0 arguments"),
        ('reference("bad")', "bad.py is not valid Python (line 1)"),
        ('reference("empty")', "empty has no public functions or classes; name another module"),
        ('reference("listed")', "listed.py: __all__ is not a list of names (line 2)"),
        ('reference("lost")', "there is no function or class 'gone' in lost.py; it has none"),
        ('reference("deep")', "deep.py is nested too deeply to be shown"),
        ('reference("told")', "told.py:2: Args of f describe 'hight', which it does not take; did you mean 'height'?"),
    ],
)
def test_what_cannot_be_shown_is_a_fault(call: str, said: str, library: Project) -> None:
    """At its place on the page, with the nearest name, or with the line of the source."""
    for name, text in {
        "bad": "def",
        "empty": "x = 1",
        "listed": "\n__all__ = [f() for f in x]",
        "lost": "__all__ = ['gone']",
        "deep": f"def f(x: {'a.' * 900}b): ...",
        "told": '\ndef f(height, *rest):\n    """F.\n\n    Args:\n        hight: a.\n        *rest: b.\n    """',
    }.items():
        (library.root / f"{name}.py").write_text(text)
    library.page(f"Text.\n\n{{{{ {call} }}}}")
    with pytest.raises(ContentError) as error:
        library.build()
    assert str(error.value).startswith(f"templates/pages/index.md:7:4 reference: {said}"), error.value


def test_a_bad_formula_of_a_docstring_is_a_fault_of_the_source(library: Project) -> None:
    """At the line of what it documents."""
    (library.root / "bad.py").write_text('\n\ndef f():\n    r"""Of $\\frac{1$."""')
    library.page('{{ reference("bad") }}')
    with pytest.raises(ContentError, match=r"^bad\.py:3:1 "):
        library.build()


def test_the_same_reference_twice_on_a_page_is_a_fault(library: Project) -> None:
    """Its anchors would be there twice."""
    library.page('{{ reference("waves") }}\n\n{{ reference("waves") }}')
    with pytest.raises(ContentError, match="the reference of 'waves' stands twice on this page"):
        library.build()


def test_imports_in_a_circle_end(tmp_path: Path) -> None:
    """Two packages that take a name from each other."""
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.py").write_text(f"from {other} import x\n__all__ = ['x']\n")
    with pytest.raises(NoSource, match="there is no function or class 'x'"):
        documented("a", tmp_path)
    assert {path.name for path in sources_of("a", tmp_path)} == {"a.py", "b.py"}


def test_marks_in_docstrings() -> None:
    """Stars that are no emphasis, dollars in code, titles of roles, and HTML stay what they are."""
    writer = DocstringWriter(lambda text: text.replace("<", "&lt;"), lambda name: f"#{name}" if name == "a.b" else "")
    for given, wanted in {
        "shape (B, *shape), 2 * x * y, **bold**": "shape (B, *shape), 2 * x * y, **bold**",
        "*x_t* of *two words*, f(*args)": "<em>x_t</em> of <em>two words</em>, f(*args)",
        "``a`b`` and ``$x$ <i>``": "<code>a`b</code> and <code>$x$ &lt;i&gt;</code>",
        ":func:`the one <a.b>`, :meth:`~x.y`": '<a href="#a.b"><code>the one</code></a>, <code>y</code>',
        "`x` <b>": "<code>x</code> &lt;b>",
    }.items():
        assert writer.text(given) == wanted


def test_sections_are_told_from_text() -> None:
    """A line that ends in a colon is no section unless what follows is indented right below it."""
    doc = read_docstring("First.\n\nStates:\n\n    a  b\n    c  d\n\nArgs:\n    x: one\n      two.\n\nEnd:")
    assert doc.blocks == (
        DocBlock("text", "First."),
        DocBlock("text", "States:"),
        DocBlock("code", "a  b\nc  d"),
        DocBlock("text", "End:"),
    )
    assert [(each.title, each.entries) for each in doc.sections] == [
        ("Arguments", (("x", (DocBlock("text", "one two."),)),))
    ]
    free = read_docstring("A.\n\nNotes:\n    Some words here, none of them named.\n    And more.").sections[0]
    assert (free.title, free.blocks) == ("Notes", (DocBlock("text", "Some words here, none of them named. And more."),))


# The command line -----------------------------------------------------------------------------------------------------


def test_the_command_line_is_shown_as_it_is_described(project: Project) -> None:  # noqa: F811
    """Every command with its options; it is asked for only where a page shows it, and followed where it changes."""
    asked = []
    code = project.root / "cli.py"
    code.write_text("1")

    def described(says: str = "Do <it>.") -> CommandLine:
        asked.append(says)
        run = CommandHelp("run", says, "build.py run ID", (OptionHelp(("-f", "--force"), "N", "Even if."),))
        return CommandLine((run, CommandHelp("", "All.", "build.py", ())), (str(code),))

    def build(make: Callable[[], CommandLine]) -> int:
        return press.build(msgspec.structs.replace(project.request(), command_line=make)).written

    project.page("Text.")
    build(described)
    assert asked == []
    project.page("## Commands\n\n{{ command_line() }}", "commands")
    build(described)
    html = project.html("commands")
    assert '<h3 id="command-run"><code>run</code></h3>' in html and '<h3 id="command-shared">All commands</h3>' in html
    assert "<code>build.py run ID</code></pre>\n<p>Do &lt;it&gt;.</p>" in html
    assert "<dt><code>-f, --force N</code></dt><dd>Even if.</dd>" in html
    other = partial(described, "Otherwise.")
    assert press.current(msgspec.structs.replace(project.request(), command_line=other)) is not None
    code.write_text("2")  # as soon as its code changes
    assert press.current(msgspec.structs.replace(project.request(), command_line=other)) is None
    build(other)
    assert "<p>Otherwise.</p>" in project.html("commands")
