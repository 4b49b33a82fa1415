"""What a page may cost: whatever stands in it, a build says within seconds, and without much memory, what is too much."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from darkroom.core.errors import ContentError
from darkroom.press import limits
from darkroom.press.limits import TooCostly, bounded
from darkroom.press.markdown.pages import Page, read_page
from tests.hostile import sound, spoil
from tests.press.projects import ROOT, Project

pytestmark = pytest.mark.usefixtures("katex")

PAGES = {
    "a_long_text": "{{ ('a' * 1000000 * 3000) | length }}",
    "a_long_list": "{{ ([1] * 1000000000) | length }}",
    "a_power": "{{ 9 ** 9 ** 9 }}",
    "doubling": "{% set n = namespace(a='aaaaaaaaaaaaaaaa') %}"
    + "{% set n.a = n.a ~ n.a %}" * 40
    + "{{ n.a | length }}",
    "nested_ranges": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a_wide_format": "{{ '%2000000000d' % 1 }}",
    "a_wide_filter": "{{ 'a' | center(2000000000) }}",
    "a_wide_method": "{{ '{:2000000000}'.format(1) }}",
    "many_words": "{{ lipsum(n=100000) }}",
    "much_output": "{% for a in range(99999) %}{{ 'abcdefghij' * 100 }}{% endfor %}",
    "brackets": "[" * 9000,
    "brackets_closed": "[" * 9000 + "]" * 9000,
    "stars": "*a " * 20_000,
    "underscores": "_a" * 50_000,
    "ticks": "".join("`" * n + " " for n in range(1, 400)),
    "quotes": "> " * 5000 + "a",
    "lists": "".join(" " * (2 * depth) + "- a\n" for depth in range(500)),
    "braces": "{" * 400,
    "braces_of_calls": "{{" * 400 + "}}" * 400,
    "links": "[a](" * 5000,
    "a_table": "|" * 20_000 + "\n" + "|-" * 10_000,
    "html": "<" * 20_000,
    "html_attributes": "<a " + "x " * 20_000,
    "dollars": "$" * 20_001,
    "notes": "".join(f"[^{n}]: [^{n + 1}]\n\n" for n in range(2000)) + "[^0]",
    "backslashes": "\\" * 50_000,
    "entities": "&" * 50_000,
    "brackets_before_a_formula": "(" * 100_000 + " " + "([“" * 50_000 + "$x$",
    "quotes_straight": '"' * 100_000 + " $x$",
    "tildes": "~" * 20_000 + "a",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_that_costs_much_is_built_or_refused_soon(
    name: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the processor's time that a page has, and never by a traceback; where it is refused the fault names the page."""
    monkeypatch.setattr(limits, "SECONDS", 1.0)
    project.page(PAGES[name])
    began = time.process_time()
    try:
        project.build()
    except ContentError as error:
        assert all(str(fault).startswith("templates/pages/index.md:") for fault in error.faults)
    assert time.process_time() - began < 5


def slow(around: str) -> object:
    """What stands around signs, tried along with what is slow."""
    return pytest.param(around, marks=pytest.mark.slow)


SIGNS = ["{%", "{%-", "{{", "{#", "{{ [", r"\(", r"\[", r"\\(", "$a{", "$", "$$ ", r"\begin{a}", "[", "![", "`a", "<a "]
LINES = ["{%\n", "{#\n", "> {%\n", "$$\n", "\\[\n", "\\begin{a}\n", "$$ {\n", "$\n- a\n", "`\n", "|a\n", "{{ figure(\n"]


@pytest.mark.parametrize("text", [sign * (19_900 // len(sign)) for sign in SIGNS], ids=SIGNS)
@pytest.mark.parametrize(
    "around", ["%s", "<div>\n%s", slow('a "%s"'), slow("- %s")], ids=["text", "html", "quotes", "item"]
)
def test_signs_that_nothing_closes_take_little_time(text: str, around: str) -> None:
    """In a paragraph as long as one may be; of the processor, whatever else it has to do."""
    _read_soon(around % text)


@pytest.mark.parametrize("text", [line * (40_000 // len(line)) for line in LINES], ids=LINES)
@pytest.mark.parametrize(
    "around", ["%s", slow("<div>\n%s"), "x\n%s\n\n$$ \\] }} %%} #} `"], ids=["text", "html", "closed"]
)
def test_lines_that_nothing_closes_take_little_time(text: str, around: str) -> None:
    """Also where what would close them stands behind them all."""
    _read_soon(around % text)


RUNS = [
    "Head\n---\n",
    "Head $x$ \\(\n---\n",
    "- cost $5 a\n",
    "> $5\na\n# h\n",
    "|a|\n|-|\n# h\n",
    "|$a|\n|-|\n|`b`|\n# h\n",
    "T\n: d\n\nx\n\n",
    "T\n: d\n\n  e\n\n- x\n  : y\n\n",
]


@pytest.mark.parametrize("text", [run * 8000 for run in RUNS], ids=RUNS)
def test_long_runs_of_blocks_without_blank_lines_take_little_time(text: str) -> None:
    """Each heading, item, quote and table is looked through once, and not the whole run again from each of them."""
    _read_soon(text)


@pytest.mark.parametrize("formula", ["$x$", r"\(x\)", "*$x$*", "$`x`$", "![$x$](b)"])
def test_formulas_on_many_lines_of_a_paragraph_take_time_by_their_number(formula: str) -> None:
    """Each finds its line without going through all of them."""
    few, many = (_processor_time(f"{formula}\n" * count) for count in (250, 2000))
    assert many < 24 * few


def _processor_time(body: str) -> float:
    content = f'+++\ntitle = "a"\ndescription = "b"\n+++\n{body}\n'.encode()
    taken = []
    for _ in range(3):
        began = time.process_time()
        read_page(content, "templates/pages/a.md", "a.html")
        taken.append(time.process_time() - began)
    return min(taken)


def _read_soon(body: str) -> Page:
    content = f'+++\ntitle = "a"\ndescription = "b"\n+++\n{body}\n'.encode()
    began = time.process_time()
    with bounded():
        page = read_page(content, "templates/pages/a.md", "a.html")
    assert time.process_time() - began < 4
    return page


def test_a_paragraph_that_is_too_long_is_told_where_it_begins() -> None:
    """It alone, and nothing in it is read or carried out."""
    page = _read_soon("A first.\n\n" + "{% if %} $a " * 5000)
    assert [str(fault) for fault in page.faults] == [
        "templates/pages/a.md:7:1 cost: this paragraph or cell has 59999 characters; the limit is 20000; split it"
    ]
    caption = _read_soon(f'{{{{ picture("a.png", alt="a", caption="{"a " * 15_000}") }}}}')
    assert [(fault.line, fault.rule) for fault in caption.faults] == [(5, "cost")]


@pytest.mark.parametrize(("name", "line"), [("nested_ranges", 7), ("a_long_text", 7), ("a_wide_filter", 7)])
def test_the_fault_names_the_line(name: str, line: int, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Jinja was when it had taken too much."""
    monkeypatch.setattr(limits, "SECONDS", 1.0)
    project.page(f"A first line.\n\n{PAGES[name]}")
    with pytest.raises(ContentError, match=rf"index\.md:{line}:\d+ cost: "):
        project.build()


DEEP = {
    "bold": "**" * 1000 + "a" + "**" * 1000,
    "emphasis": "*a **b " * 400 + "x" + "** *" * 400,
    "brackets_of_jinja": "{{ " + "(" * 400 + "1" + ")" * 400 + " }}",
    "lists_of_jinja": "{{ " + "[" * 400 + "1" + "]" * 400 + " }}",
    "conditions": "{% if 1 %}" * 400 + "x" + "{% endif %}" * 400,
    "a_sum": "{{ " + "+".join(["1"] * 5000) + " }}",
    "filters": "{{ 1" + "|int" * 3000 + " }}",
    "arguments": "{{ figure(" + "[" * 500 + "]" * 500 + ") }}",
    "braces": "$" + "{" * 4000 + "x" + "}" * 4000 + "$",
    "roots": "$" + r"\sqrt{" * 2000 + "x" + "}" * 2000 + "$",
    "quotes": "> " * 300 + "a",
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_nested_too_deeply_is_told_where_it_stands(name: str, project: Project) -> None:
    """Not at the beginning of the page; and a page of which that can be rendered is."""
    project.page(f"A first line.\n\nA second.\n\n{DEEP[name]}\n\nA last.")
    try:
        project.build()
    except ContentError as error:
        assert {fault.line for fault in error.faults} == {9}, str(error)[:500]


def test_deep_front_matter_is_told_where_it_stands(project: Project) -> None:
    """At its line."""
    page = project.page("Text.")
    page.write_text(page.read_text().replace("+++\nText", f"x = {'[' * 1000}{']' * 1000}\n+++\nText"))
    with pytest.raises(ContentError, match=r"index\.md:4:1 front-matter: not valid TOML: lists"):
        project.build()


def test_a_deep_caption_is_shown_as_it_is(project: Project) -> None:
    """It is a short text."""
    spoil(sound(project.outputs), lambda m: m["figures"]["loss"].update(caption="**" * 900 + "a" + "**" * 900))
    project.page('{{ figure("part_b/a/loss") }}')
    project.build()
    assert "****" in project.html()


@pytest.mark.parametrize("name", ["a_long_text", "doubling", "a_wide_format", "a_wide_method", "much_output"])
def test_memory_is_bounded(name: str, project: Project) -> None:
    """The whole process stays below a gibibyte."""
    project.page(PAGES[name])
    code = (
        "import sys; from pathlib import Path; from darkroom.cli import main; "
        f"main(['--no-run'], root=Path({str(project.root)!r})); "
        "print(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"  # getrusage's has the parent's in it
    )
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert int(done.stdout.split()[-1]) * 1024 < 1 << 30


def test_a_wide_format_of_a_number_is_refused(project: Project) -> None:
    """Before it is made."""
    project.outputs.add("part_b/a", {}, metrics={"mse": 0.5})
    project.page('{{ metric("part_b/a/mse", format="2000000000.1f") }}')
    with pytest.raises(ContentError, match="asks for more than 100 characters"):
        project.build()


def test_limits_end_with_the_page() -> None:
    """Neither the timer nor the limit of memory stays."""
    import signal

    before = resource.getrlimit(resource.RLIMIT_AS)
    with bounded():
        assert signal.getitimer(signal.ITIMER_PROF)[0] > 0
    assert signal.getitimer(signal.ITIMER_PROF)[0] == 0
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_what_takes_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where something on the way catches errors."""
    monkeypatch.setattr(limits, "SECONDS", 0.2)
    began = time.process_time()
    caught = 0
    with pytest.raises(TooCostly), bounded():
        while True:
            try:
                while True:
                    pass
            except TooCostly:
                caught += 1
                if caught == 2:
                    raise
    assert time.process_time() - began < 5


def test_of_very_many_faults_of_a_file_the_first_are_told(project: Project) -> None:
    """And how many more there are; another file's are told all the same."""
    project.page("a $$ b\n\n" * 300)
    project.page("a $$ b", "second")
    with pytest.raises(ContentError) as caught:
        project.build()
    lines = str(caught.value).splitlines()
    assert len(caught.value.faults) == 301 and len(lines) == 102
    assert lines[0].startswith("templates/pages/index.md:5:3 math: ")
    assert lines[-2].startswith("templates/pages/second.md:5:3 math: ")
    assert lines[-1] == "templates/pages/index.md: and 200 more"
