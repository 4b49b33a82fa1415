"""Formulas as pages have them, beside the same formulas under the whole of KaTeX's own style sheet."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from darkroom.core.digests import Digests
from darkroom.press.inputs import Inputs
from darkroom.press.typeset.equations import Equation
from darkroom.press.typeset.katex_html import classes_of, rules
from darkroom.press.typeset.katex_style import font_parts, read_math_style
from darkroom.press.typeset.npm import node
from tests.browser.conftest import serve
from tests.press.projects import PACKAGES, Project
from tests.press.projects import katex as typesetter

pytestmark = pytest.mark.browser

ACCENTS = (
    "acute grave ddot tilde bar breve check hat vec dot mathring widecheck widehat widetilde overrightarrow overleftarrow "
    "Overrightarrow overleftrightarrow overgroup undergroup overlinesegment underlinesegment overleftharpoon "
    "overrightharpoon underleftarrow underrightarrow underleftrightarrow utilde underbar overline underline overbrace "
    "underbrace overbracket underbracket"
)
ALPHABETS = (
    "mathrm mathit mathbf mathsf mathtt mathbb mathcal mathfrak mathscr boldsymbol mathnormal mathsfit bm pmb text textbf "
    "textit textrm textsf texttt textup textmd emph bold Bbb frak"
)
SIZES = "tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge"
ARROWS = (
    "leftarrow rightarrow leftrightarrow Leftarrow Rightarrow Leftrightarrow hookleftarrow hookrightarrow mapsto longequal "
    "twoheadleftarrow twoheadrightarrow leftharpoonup rightharpoonup leftharpoondown rightharpoondown "
    "leftrightharpoons rightleftharpoons tofrom"
)
ENVIRONMENTS = (
    "matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix cases rcases dcases aligned alignedat gathered split align "
    "align* alignat gather gather* equation equation* CD array subarray darray"
)
ARGUMENTS = {"alignedat": "{2}", "alignat": "{2}", "array": "{|c:r|}", "subarray": "{c}", "darray": "{lr}"}
LONG_DELIMITERS = (
    "(",
    "[",
    r"\{",
    "|",
    r"\|",
    r"\langle",
    r"\lfloor",
    r"\lceil",
    r"\lgroup",
    r"\lmoustache",
    "/",
    r"\uparrow",
)
OTHERS = r"""
x
x^2_i {x'}''
\frac{a}{b} \dfrac12 \tfrac12 \cfrac{1}{1+\cfrac1x} {a \over b} {n \choose k} {a \above2pt b} \genfrac[]{2pt}0ab
\binom nk \tbinom nk \dbinom nk {a \atop b} {n \brace k} {n \brack k}
\sqrt x \sqrt[3]{\frac{a}{\frac bc}} \sqrt{\sqrt{\sqrt{\dfrac{a}{\dfrac bc}}}}
\sum_{i=0}^n \prod\nolimits_i^n \int_0^1 \oint \iint \iiint \bigcup_i \bigoplus \coprod \textstyle\sum\limits_a^b
\lim_{x \to 0} \sup_x \operatorname{arg\,max}_x \operatorname*{softmax}_x \sin^2 x \injlim \plim_x
\big( \Big[ \bigg\{ \Bigg| \bigl\langle \Biggr\rangle \left. \frac12 \middle| x \right\rangle
\color{red} x \textcolor{#FF00aa}{y} \colorbox{Aquamarine}{z} \fcolorbox{red}{#Fff}{w}
\boxed{x} \fbox{x} \cancel{x} \bcancel{xyz} \xcancel{x} \text{\sout{abc}} \angl{n} a_{\angln}
\phantom{x}y \hphantom{x} \vphantom{\frac12} \smash{\frac12} \smash[b]{y}
\llap{a}x \rlap{b}x \mathclap{abc} \mathllap{a} \mathrlap{a}
\rule{1em}{2em} \rule[-1em]{2.5ex}{1em} \raisebox{0.5em}{x} \kern1em \hspace{2em} \mskip 5mu \mkern 3mu \quad \enspace
\stackrel{a}{=} \overset{a}{=} \underset{b}{=} \substack{a\\b} \not= \not\in \notin
\mathchoice{a}{b}{c}{d} \displaystyle x \textstyle x \scriptstyle x \scriptscriptstyle x \verb|a_b| \hbox{a} \vcenter{\frac12}
\KaTeX \LaTeX \TeX \text{a \textbf{b} $x$ \'e \"o \c{c}} \text{ä ø ß Œ}
x \tag{3}
x \tag*{(a)} \sum_i
\mathop{x}\limits_y \mathbin{x} \mathrel{x} \mathopen{(} \mathclose{)} \mathpunct{,} \mathinner{x}
\pmod n \bmod n \mod n \pod n
\overbrace{a+b}^{n} \underbrace{c}_{m} \overbracket{a}^b
\begin{array}{cc} a & b \\ \hline c & d \\ \hdashline e & f \\[1em] g & h \end{array}
\left\{ \begin{matrix} a \\ b \\ c \\ d \\ e \end{matrix} \right\uparrow
\bra{x} \ket{y} \braket{x|y} \Braket{\frac12 | y} \Set{x | \frac12} \set{x}
\def\foo#1{#1^2} \foo x \gdef\bar{y} \let\a=x \a \newcommand\b[1]{#1} \b z
\reflectbox{x} \minuso \yen \pounds \checkmark \circledR \maltese \S \P \dag \copyright
{}_a^b X \xleftrightarrow[abc]{defghi}
\dddot{x} \ddddot{x} \char"41 \aleph \hbar \ell \Re \wp \imath \jmath \varGamma
\text{\textcircled{a}} \tilde{\hat{\bar{x}}} \hat{ABC} \widehat{abcdef} \vec{AB} \underline{\overline{x}}
\begin{CD} A @>a>> B @<b<< C \\ @VcVV @AAdA @| \\ D @= E @. F \end{CD}
\begin{align} a &= b \tag{7} \\ c &= d \notag \\ e &= f \end{align}
\begin{equation} \frac{a}{b} \end{equation}
""".strip().splitlines()  # fmt: skip


def constructs() -> Iterator[str]:
    """A formula for every construct of KaTeX."""
    yield from (rf"\{name}{{x}} \{name}{{A}} \{name}{{i}} \{name}{{abc}}" for name in ACCENTS.split())
    yield from (rf"\{name}{{Ax1}} \frac{{\{name}{{a}}}}{{b}}" for name in ALPHABETS.split())
    yield from (rf"\{name} x^2 \frac{{a}}{{b}}" for name in SIZES.split())
    yield from (rf"\x{name}[under]{{over}}" for name in ARROWS.split())
    for name in ENVIRONMENTS.split():
        body = (
            "@>>> A"
            if name == "CD"
            else r"a \\ b"
            if name in {"subarray", "equation", "equation*"}
            else r"a & b \\ c & d"
        )
        body = "a" if name.startswith("equation") else r"a \\ b" if name.startswith(("gather", "subarray")) else body
        yield rf"\begin{{{name}}}{ARGUMENTS.get(name, '')} {body} \end{{{name}}}"
    for each in LONG_DELIMITERS:
        yield rf"\left{each} x \right. \left{each} \frac ab \right. \left{each} \frac{{\frac ab}}{{\frac cd}} \right."
        yield rf"\Bigl{each} x \left{each} \begin{{matrix}} a \\ b \\ c \\ d \\ e \end{{matrix}} \right."
    yield from OTHERS


BOXES = """async (names) => {
  const boxes = (page) => [...page.document.querySelectorAll(".formula")].map((formula) => {
    const origin = formula.getBoundingClientRect();
    return [...formula.querySelectorAll(".katex, .katex-html, .katex-html *")].map((each) => {
      const box = each.getBoundingClientRect(), style = page.getComputedStyle(each);
      return [box.x - origin.x, box.y - origin.y, box.width, box.height, style.color, style.backgroundColor,
              style.borderTopWidth, style.borderRightWidth, style.borderBottomWidth];
    });
  });
  const frames = names.map((name) => Object.assign(document.createElement("iframe"), { src: `${name}.html` }));
  const loaded = frames.map((frame) => new Promise((done) => frame.addEventListener("load", done)));
  document.body.replaceChildren(...frames);
  await Promise.all(loaded);
  return Promise.all(frames.map(async ({ contentWindow: page }) => {
    boxes(page); // asks for the fonts
    await page.document.fonts.ready;
    return boxes(page);
  }));
}"""
TOGETHER = 40  # pages, each a frame of one: to load one after another takes five times as long
FRAMES = "<!DOCTYPE html><style>iframe{width:900px;height:900px;border:0}</style><body>"
FRAME = (
    '<!DOCTYPE html><meta charset="utf-8"><style>body{{margin:20px}}{style}</style>'
    "<body>{formulas}"
)  # fmt: skip
RAW = """
import katex from "%s/dist/katex.mjs";
import { readFileSync } from "node:fs";
const settings = { strict: false, displayMode: true, trust: false };
const all = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(all.map((tex) => katex.renderToString(tex, settings))));
"""


@pytest.fixture(scope="module")
def compared(katex: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[str], str]]:
    """The constructs, and where they are served: all in whole.html under KaTeX's sheet, each in N.html as on our pages."""
    folder = tmp_path_factory.mktemp("formulas")
    package = PACKAGES / "katex"
    shutil.copytree(package / "dist", folder / "dist")
    all_tex = list(constructs())
    (folder / "raw.mjs").write_text(RAW % package)
    command = [str(node()), str(folder / "raw.mjs")]
    made = subprocess.run(command, input=json.dumps(all_tex), capture_output=True, text=True, check=True)
    sheet = '</style><link rel="stylesheet" href="dist/katex.css"><style>'
    whole = "".join(f'<div class="formula">{each}</div>' for each in json.loads(made.stdout))
    (folder / "whole.html").write_text(FRAME.format(style=sheet, formulas=whole))
    (folder / "frames.html").write_text(FRAMES)
    typeset = typesetter(folder / "cache").start(Equation(tex, True) for tex in all_tex).finish()
    style = read_math_style((package / "dist/katex.min.css").read_text())
    inputs = Inputs(Digests())
    for number, tex in enumerate(all_tex):
        content = typeset[Equation(tex, True)]
        assert isinstance(content, str), (tex, content)
        classes = classes_of(content)
        active, files = style.needed(frozenset(classes))
        parts = {file: font_parts(file, package, inputs, folder / "cache") for file in files}
        for part in (part for several in parts.values() for part in several):
            (folder / part.target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(part.path, folder / part.target)
        css = style.css(active, parts, "") + rules(classes)
        (folder / f"{number}.html").write_text(
            FRAME.format(style=css, formulas=f'<div class="formula">{content}</div>')
        )
    for address in serve(folder):
        yield all_tex, address


def test_every_construct_stands_as_under_katex_s_own_sheet(chromium: Any, compared: tuple[list[str], str]) -> None:
    """Each box is where KaTeX's whole style sheet puts it, to a tenth of a pixel, with the same colours and borders."""
    all_tex, address = compared
    context = chromium.new_context(viewport={"width": 900, "height": 900})
    page = context.new_page()
    page.goto(f"{address}frames.html")
    ours: list[list[list[Any]]] = []
    for first in range(0, len(all_tex), TOGETHER):
        names = [str(number) for number in range(len(all_tex))[first : first + TOGETHER]]
        ours += [formula for (formula,) in page.evaluate(BOXES, names)]
    ((*whole,),) = page.evaluate(BOXES, ["whole"])
    wrong = [tex for tex, one, other in zip(all_tex, ours, whole, strict=True) if not _alike(one, other)]
    context.close()
    assert not wrong, "\n".join(wrong)


def _alike(ours: list[list[Any]], theirs: list[list[Any]]) -> bool:
    if len(ours) != len(theirs) or [each[4:] for each in ours] != [each[4:] for each in theirs]:
        return False
    pairs = zip(ours, theirs, strict=True)
    return all(abs(a - b) <= 0.1 for one, other in pairs for a, b in zip(one[:4], other[:4], strict=True))


ASTRAY = r"""async (widths) => {
  const frame = Object.assign(document.createElement("iframe"), { src: "site/index.html" });
  const loaded = new Promise((done) => frame.addEventListener("load", done));
  document.body.replaceChildren(frame);
  await loaded;
  const page = frame.contentDocument;
  await page.fonts.ready;
  const range = page.createRange(), pieces = [...page.querySelectorAll("article p .katex-base")];
  return widths.map((width) => {
    frame.style.width = `${width}px`;
    const text = page.createTreeWalker(page.querySelector("article p"), NodeFilter.SHOW_TEXT);
    let astray = 0, marks = 0;
    for (let node; (node = text.nextNode()); ) {
      if (node.parentElement.closest(".katex") || !/^[(.]/.test(node.data)) continue;
      range.setStart(node, 0);
      range.setEnd(node, 1);
      const before = node.data[0] !== "(", mark = range.getBoundingClientRect();
      const side = pieces.filter((each) => each.compareDocumentPosition(node) & (before ? 4 : 2));
      const near = side.at(before ? -1 : 0).getBoundingClientRect();
      astray += before ? mark.left < near.right - 1 : mark.right > near.left + 1;
      marks += 1;
    }
    return [frame.contentWindow.innerWidth, astray, marks];
  });
}"""


def test_a_mark_beside_a_long_formula_stays_in_its_line(
    chromium: Any, katex: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the width of the page; the formula itself goes over lines."""
    project = Project.make(tmp_path_factory.mktemp("marks"))
    project.page(
        "A word before it is said ($a + b + c + d + e + f = g$ or $p(x) = q(x) + r(x) + s(x) + t(x)$. Then on."
    )
    project.build()
    (project.root / "frames.html").write_text(FRAMES)
    page = chromium.new_page()
    for address in serve(project.root):
        page.goto(f"{address}frames.html")
        widths = list(range(300, 800, 4))
        found = page.evaluate(ASTRAY, widths)
    page.close()
    assert found == [[width, 0, 2] for width in widths]


def test_numbered_formulas_scroll_only_where_they_do_not_fit(
    chromium: Any, katex: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A formula with its number is as wide as the text; a long one can be scrolled."""
    project = Project.make(tmp_path_factory.mktemp("numbered"))
    long = " + ".join(f"x_{{{number}}}" for number in range(60))
    bodies = (
        r"\begin{equation}a = b\end{equation}",
        r"\begin{align}a &= b \\ c &= d\end{align}",
        r"$$a = b \label{x}$$",
    )
    project.page("\n\n".join([*bodies, rf"\begin{{equation}}{long}\end{{equation}}"]))
    project.build()
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto((project.site / "index.html").as_uri())
    page.evaluate("document.fonts.ready.then(() => true)")
    wider = page.evaluate(
        "[...document.querySelectorAll('.equation')].map((each) => each.scrollWidth > each.clientWidth)"
    )
    page.close()
    assert wider == [False, False, False, True]
