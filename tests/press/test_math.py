"""Formulas: what KaTeX makes of them, where errors are placed, and that nothing is made twice."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from darkroom.core.digests import Digests
from darkroom.core.errors import ContentError, UsageError
from darkroom.press.inputs import Inputs
from darkroom.press.theme import BASE, theme_of
from darkroom.press.typeset import katex as math
from darkroom.press.typeset import npm as packages
from darkroom.press.typeset.equations import BadTeX, Equation, Typeset, plain
from darkroom.press.typeset.katex_html import classes_of, rules, unstyled
from tests.press.projects import ROOT, Project
from tests.press.projects import katex as typesetter

THEME = BASE


def typeset(cache: Path, *equations: Equation) -> Typeset:
    """What KaTeX makes of the equations."""
    return typesetter(cache).start(equations).finish()


@pytest.mark.parametrize(
    ("tex", "mark"),
    [
        (r"\begin{align*} a &= b \\ c &= d \end{align*}", "<mtable"),
        (r"\underbrace{a + b}_{\text{both}}", "<munder>"),
        (r"a \tag{7}", 'class="katex-tag"'),
        (r"\mathcal{L}", 'class="mord mathcal"'),
        (r"\lvert x \rvert", "∣"),
    ],
)
def test_katex_sets_what_the_pages_need(katex: Path, tmp_path: Path, tex: str, mark: str) -> None:
    """Environments, braces, tags and letters come out as HTML with MathML beside it."""
    (html,) = typeset(tmp_path, Equation(tex, True)).values()
    assert isinstance(html, str)
    assert mark in html
    assert "<math" in html


@pytest.mark.parametrize(
    "tex",
    [
        r"\underset{c}{\arg\min}\, c",
        r"a \overset{d}{=} b",
        r"a \stackrel{\text{if } a < b}{\to} b",
        r"\mathop{x + \tfrac12}_a",
        r"\operatorname{\tfrac12} x",
        r"\underset{\underset{a}{b}}{\overset{b}{\to}} \lt \text{“>”}",
    ],
)
def test_symbols_hold_text_alone(katex: Path, tmp_path: Path, tex: str) -> None:
    """In MathML ``mi``, ``mo``, ``mn`` and ``mtext`` have no elements in them; what has is a row, with all of its text."""
    (html,) = typeset(tmp_path, Equation(tex, True)).values()
    math = ElementTree.fromstring(re.search(r"<math.*?</math>", html, re.DOTALL)[0])
    tokens = [each for each in math.iter() if re.search(r"}(m[ino]|mtext)$", each.tag)]
    assert tokens
    assert not any(len(each) for each in tokens)
    assert [each for each in math.iter() if each.tag.endswith("}mrow") and not each.attrib]
    assert math.find(".//{*}annotation").text == tex


@pytest.mark.parametrize("tex", [r"\href{https://e.com}{x}", r"\includegraphics{a.png}", r"\url{https://e.com}"])
def test_what_katex_does_not_trust_is_refused(katex: Path, tmp_path: Path, tex: str) -> None:
    """A link or a picture in a formula is an error, not its own name in red."""
    (result,) = typeset(tmp_path, Equation(tex, False)).values()
    assert isinstance(result, BadTeX) and result.message.startswith(f"{tex.partition('{')[0]} is not for formulas")


def test_a_macro_that_calls_itself_is_an_error_of_its_formula(katex: Path, tmp_path: Path) -> None:
    """Node goes on with the others."""
    made = typeset(tmp_path, Equation(r"\a", False, ((r"\a", r"\a b"),)), Equation("x", False))
    assert [isinstance(each, BadTeX) for each in made.values()] == [True, False]


def test_bad_tex_tells_why_and_where(katex: Path, tmp_path: Path) -> None:
    """KaTeX's complaint comes with the number of characters into the formula."""
    (result,) = typeset(tmp_path, Equation(r"a + \nope", False)).values()
    assert result == BadTeX("Undefined control sequence: \\nope", 4)


def test_a_known_equation_needs_no_node(katex: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set once is remembered, over processes, and Node is not asked again."""
    first = typeset(tmp_path, Equation("x^2", False), Equation("x^2", True))
    monkeypatch.setattr(math, "node", lambda: pytest.fail("Node was started"))
    assert typeset(tmp_path, Equation("x^2", True), Equation("x^2", False)) == first
    assert len(set(first.values())) == 2


def test_macros_are_part_of_an_equation_s_identity(katex: Path, tmp_path: Path) -> None:
    """A changed macro sets its formulas anew."""
    equation = Equation(r"\good", False)
    sets = [typesetter(tmp_path, {"\\good": meaning}).start([equation]).finish() for meaning in ("a", "b")]
    assert sets[0][equation] != sets[1][equation]


def test_the_script_is_part_of_an_equation_s_identity(katex: Path, tmp_path: Path) -> None:
    """A theme's own script sets formulas anew that Darkroom's has set."""
    own = tmp_path / "own"
    own.mkdir()
    script = (THEME / "typeset.mjs").read_text().replace("return html.replace(", 'return "<b>own</b>" + html.replace(')
    (own / "typeset.mjs").write_text(script)
    equation, cache = Equation("x", False), tmp_path / "cache"
    inputs = Inputs(Digests())
    typeset(cache, equation)
    made = math.Katex(theme_of(own, cache, inputs.digests), inputs, cache, {}).start([equation]).finish()
    assert made[equation].startswith("<b>own</b>")


def test_a_broken_cache_is_made_again(katex: Path, tmp_path: Path) -> None:
    """A cache that is no database is no error."""
    (tmp_path / "math.sqlite").write_bytes(b"not a database" * 100)
    equation = Equation("x", False)
    assert isinstance(typeset(tmp_path, equation)[equation], str)


def test_many_equations_are_shared_by_two_processes(
    katex: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are very many, each comes back as its own all the same."""
    monkeypatch.setattr(math, "BATCH", 3)
    made = typeset(tmp_path, *(Equation(f"x_{{{number}}}", False) for number in range(9)))
    assert all(f"<mn>{equation.tex[3:-1]}</mn>" in str(html) for equation, html in made.items())


def test_formulas_have_no_style_attributes(project: Project) -> None:
    """Every declaration is a class with a rule in the page's head, whose hash the page's policy names."""
    project.page("$x_1$ and $$\\frac{a}{\\sqrt{b}} \\underbrace{c}_{d}$$")
    project.build()
    html = project.html()
    assert "style=" not in html
    own = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)[0]
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    classes = set(re.findall(r"k_[a-z-]+_[A-Za-z0-9-]+", body))
    assert classes and classes == set(re.findall(r"\.(k_[^{]+)", own))
    assert re.search(r"\.k_height_[0-9D]+em\{height:[0-9.]+em!important\}", own)
    digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
    assert re.search(rf"style-src 'self' '[^']*' '{re.escape(f'sha256-{digest}')}';", html)
    shapes = {name for names in re.findall(r'class="([^"]*)"', body) for name in names.split()}
    selectors = re.findall(r"(?<=[},])(\.katex [^{},]*)", own)
    assert any(each.endswith(".frac-line") for each in selectors)
    assert all(set(re.findall(r"\.([\w-]+)", each)) <= shapes | {"katex"} for each in selectors)


def test_a_class_that_a_rule_excludes_need_not_occur(project: Project) -> None:
    """Accents stand over their letters by such a rule."""
    project.page("$\\bar\\alpha_t\\ \\hat x\\ \\tilde\\mu$, any page")
    project.build()
    assert ".katex .katex-accent .accent-body:not(.accent-full){width:0}" in project.html()


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("at $t = T$ still", "="),
        ("noise $x$, and", "x</mi>"),
        ("noise $x$ and", ""),
        ("$a + b + c + d + e + f + g = h$ may end a line", ""),
        ("$$a = b$$", ""),
    ],
)
def test_a_short_formula_stays_in_one_line_with_its_marks(project: Project, text: str, stays: str) -> None:
    """KaTeX lets a line end after any relation; only a long formula needs that."""
    project.page(text)
    project.build()
    together = re.findall(r'<span class="together">.*?</semantics>', project.html(), re.DOTALL)
    assert len(together) == bool(stays)
    assert all(stays in each for each in together)


LONG = "$a + b + c + d + e + f + g = h$"


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [(f"See {LONG}.", "", "h."), (f"See ({LONG} or", "(a", ""), (f"See ({LONG}), or", "(a", "h),")],
)
def test_a_long_formula_keeps_its_marks(project: Project, text: str, first: str, last: str) -> None:
    """Its first piece stays with what stands before it, its last with what follows; nothing is lost or there twice."""
    project.page(text)
    project.build()
    paragraph = re.search(r"<p>See.*?</p>", project.html(), re.DOTALL)
    assert paragraph
    shown = re.sub(r'<span class="katex-mathml">.*?</math></span>', "", paragraph[0])
    together = [
        re.sub("<[^>]*>", "", each)
        for each in re.findall(r'<span class="together">(.*?)(?=<span class="together">|$)', shown)
    ]
    assert re.sub("<[^>]*>", "", shown).replace("\u200b", "") == text.replace("$", "").replace(" + ", "+").replace(
        " = ", "="
    )
    assert [each[:2] for each in together][: bool(first)] == [first][: bool(first)]
    assert not last or together[-1].startswith(last)
    assert shown.count("<span") == shown.count("</span>") and paragraph[0].count("<annotation") == 1


def test_a_page_without_formulas_has_no_rules(project: Project) -> None:
    """Nor a hash of them in its policy."""
    project.page("Text.")
    project.build()
    html = project.html()
    assert html.count("<style>") == 1 and "KaTeX" not in html
    assert re.search(r"style-src 'self' '[^']*';", html)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<b class="a" style="top:-2.5em;margin-right:0.05em;">', '<b class="a k_top_-2D5em k_margin-right_0D05em">'),
        ('<b style="width:100%">', '<b class="k_width_100P">'),
        ('<b style="color:#ff0000">', '<b class="k_color_Hff0000">'),
        ('<b style="color:#FF00aa">', '<b class="kx_636f6c6f723a23464630306161">'),
    ],
)
def test_a_declaration_becomes_a_class_and_back(html: str, expected: str) -> None:
    """The name of the class holds the declaration."""
    made = unstyled(html)
    assert made == expected
    for declaration in re.findall(r'style="([^"]*)"', html):
        for each in filter(None, declaration.split(";")):
            assert f"{{{each}!important}}" in rules(classes_of(made))


def test_npm_out_of_reach_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where KaTeX is not installed and npm cannot fetch it, one line says what to do, and nothing is left behind."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(THEME / name, tmp_path)
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm-cache"))
    with pytest.raises(
        UsageError,
        match=r"^KaTeX and the fonts are not installed and npm could not download them \(.+\); connect .* build again$",
    ):
        packages.install(tmp_path)
    assert not (tmp_path / "node_modules").exists()
    assert not list(tmp_path.glob(".npm-*"))


def test_another_version_than_the_pinned_one_is_not_used(tmp_path: Path) -> None:
    """Packages count as installed only when each is there in the version of the lock file."""
    shutil.copy(THEME / "package-lock.json", tmp_path)
    for name, version in packages.pinned_versions(tmp_path).items():
        assert not packages.is_installed(tmp_path)
        package = tmp_path / "node_modules" / name / "package.json"
        package.parent.mkdir(parents=True)
        package.write_text(json.dumps({"version": "0.1.0"}))
        assert not packages.is_installed(tmp_path)
        package.write_text(json.dumps({"version": version}))
    assert packages.is_installed(tmp_path)


@pytest.mark.parametrize("place", ["src/darkroom/theme", "tests/browser/tools", "tests/benchmarks/tools"])
def test_a_lock_file_names_no_host(place: str) -> None:
    """It says what to install, not from where."""
    packages = json.loads((ROOT / place / "package-lock.json").read_text())["packages"]
    assert packages and not [name for name, package in packages.items() if "resolved" in package]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("One\n\n  Two $a + \\nope$", "7:12 math: Undefined control sequence: \\nope"),
        ("$$\nx =\n\\frac{a}{\n$$", "7:10 math: { is not closed; end it with }"),
        ("$f′$", "5:3 math: ′ is not supported in formulas; write '"),
        ("$a\u200bb$", "5:3 math: the invisible character U+200B is not supported in formulas; remove it"),
        ("$字$", "5:2 math: 字 is text; write \\text{字} in a formula"),
        ("$a & b$", "5:4 math: & separates columns in aligned, cases or a matrix; write \\& for the character"),
        ("$a &lt; b$", "5:4 math: &lt; is HTML; write < in a formula"),
        ("$\\left( a$", "5:10 math: \\left is not closed; end it with \\right, or \\right. for nothing"),
        ("$\\SI{1}{m}$", "5:2 math: Undefined control sequence: \\SI; write 10\\,\\mathrm{m}"),
        ("| a |\n|---|\n| $\\lvert x \\rvertx$ |", "7:13 math: Undefined control sequence: \\rvertx"),
        ("## Now $\\bad$", "5:9 math: Undefined control sequence: \\bad"),
    ],
)
def test_bad_tex_is_placed_in_the_page(project: Project, body: str, expected: str) -> None:
    """An error in a formula names page, line and column, in text, display, tables and headings."""
    project.page(body)
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [str(fault) for fault in caught.value.faults] == [f"templates/pages/index.md:{expected}"]


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\gamma = 5", "γ = 5"),
        (r"\sqrt{\bar\alpha_t}", "√α_t"),
        (r"\mathcal{L}\,(x)", "L(x)"),
        (r"\lVert x \rVert", "‖ x ‖"),
    ],
)
def test_plain_is_what_a_reader_would_type(tex: str, text: str) -> None:
    """Titles and anchors show formulas as text."""
    assert plain(tex) == text
