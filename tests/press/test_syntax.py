"""What pages may hold: every construct as a reader should see it, and what is not supported named at its place.

All pages are built at once: those that are right in one project, those that are refused in another.
"""

# ruff: noqa: E501, ISC004  # an input and what it gives stand in one line

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from darkroom.core.errors import ContentError
from tests.press.projects import Project
from tests.press.samples import plot, png
from tests.press.test_render import article

# A body, what its article holds, and what it does not.
RIGHT: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "formula-in-quote": ("> $$\n> x = y\n> $$", ('<blockquote>\n<div class="equation" tabindex="0">[x = y]</div>',), ("&gt;",)),
    "environment-in-quote": (
        "> \\begin{align*}\n> a &= b \\\\\n> c &= d\n> \\end{align*}", ("[\\begin{align*}\na &amp;= b \\\\\nc &amp;= d",), ("&gt;",)
    ),
    "dollar-in-text": ("$x \\text{ if $y>0$ else } z$", ("[x \\text{ if $y&gt;0$ else } z]",), ()),
    "colours": ("$\\textcolor{ForestGreen}{y} \\fcolorbox{red}{white}{x} \\color{#ff0000} \\color{transparent}$", ("[\\textcolor{ForestGreen}{y}",), ()),
    "parents": (
        '<svg viewBox="0 0 9 9"><title>ok</title></svg> <dialog open>x</dialog>\n\n<table>\n\n<tr>\n\n<td>\n\n*x*\n\n</td>\n\n</tr>\n\n</table>\n\n'
        "<details><summary>x</summary>y</details>\n\n[a](http://localhost) [b](https://[::1]/)",
        ("<title>ok</title>", "<td>\n<p><em>x</em></p>", 'href="http://localhost"'), (),
    ),
    "formula-in-box": ("$\\colorbox{aqua}{\\(F=ma\\)}$ \\(\\fbox{$x$}\\)", ("[\\colorbox{aqua}{\\(F=ma\\)}]", "[\\fbox{$x$}]"), ()),
    "equation": (
        "\\begin{equation}\\label{eq:a}a=b\\end{equation}\n\nBy \\eqref{eq:a}, \\ref{eq:a} and {{ ref(\"eq:a\") }}.",
        ('<div class="equation" id="eq-a"', "[\\begin{equation*}a=b\\tag{1}\\end{equation*}]", '<a class="ref" href="#eq-a">(1)</a>',
         '<a class="ref" href="#eq-a">1</a>', "Equation&nbsp;(1)</a>"), ("\\label",),
    ),
    "rows": (
        "\\begin{align}\na &= b \\\\\nc &= d \\notag \\\\\ne &= f \\label{last}\n\\end{align}\n\n$$ g = h $$ {#own}\n\n\\eqref{last} \\eqref{own}",
        ("b \\tag{1}\\\\", "f \n\\tag{2}", "g = h \\tag{3}", ">(2)</a>", ">(3)</a>"), ("\\tag{4}",),
    ),
    "rows-of-tags": (
        "\\begin{align*}\na &= b \\tag{A} \\label{ta} \\\\\nc &= d \\\\\ne &= f \\tag{B} \\label{tb}\n\\end{align*}\n\n"
        "\\begin{gather} g \\notag \\\\ h \\end{gather} {#gh}\n\n$$i \\label{ii}$$ {#ii}\n\n\\eqref{ta} \\eqref{tb} \\eqref{gh} \\eqref{ii}",
        ('href="#eq-ta">(A)</a> <a class="ref" href="#eq-tb">(B)</a> <a class="ref" href="#eq-gh">(1)</a> <a class="ref" href="#eq-ii">(2)</a>',
         "h \\tag{1}", "[i \\tag{2}]"), ("\\label",),
    ),
    "tags": (
        "\\begin{align} a \\tag{$\\star$} \\label{st} \\\\ b \\tag{\\dag} \\label{da} \\\\ c \\tag{\\text{A \\& B}} \\label{ab} \\\\ d \\tag{<i onclick=x>} \\label{ht} \\end{align}\n\n"
        "\\ref{st} \\ref{da} \\ref{ab} \\ref{ht} {{ ref(\"ht\") }} $\\eqref{st}$",
        ('>[\\star]</a>', '>[\\dag]</a>', '>A &amp; B</a>', '>&lt;i onclick=x&gt;</a>', 'Equation&nbsp;(&lt;i onclick=x&gt;)</a>', "[\\text{($\\star$)}]"),
        ("<i ", "\\tag{1}"),
    ),
    "macros": (
        "$$\\newcommand{\\bx}{\\mathbf x} \\DeclareMathOperator{\\argmax}{arg\\,max}$$\n\n$\\bx$ and $\\argmax \\bx$ and $\\def\\by{y}\\by$.",
        ("[\\bx]", "[\\argmax \\bx]", "[\\by]"), ("newcommand", 'class="equation"'),
    ),
    "jekyll": ("\\\\(x_1\\\\) and $ x^2 $", ("[x_1]", "[x^2]"), ("(x_1", "$")),
    "github-math": ("$`x_1`$\n\n```math\ny = 2\n```", ("[x_1]", '<div class="equation" tabindex="0">[y = 2]</div>'), ("<code",)),
    "punctuated": ("$$x = 1$$.", ('<div class="equation" tabindex="0">[x = 1.]</div>',), ("<p>",)),
    "formula-over-lines": ("so $a\n- b$ holds and $$c\n= d$$ too", ("[a\n- b]", "[c\n= d]"), ("<li>", "<h1>")),
    "private-use": ("a \U000f0000 b \ue000 $x$", ("a \U000f0000 b \ue000 [x]",), ()),
    "list-after-text": ("Steps:\n- one\n- two", ("<p>Steps:</p>\n<ul>\n<li>one</li>\n<li>two</li>",), ()),
    "three-levels": ("* a\n  * b\n    * c", ("<li>a<ul>\n<li>b<ul>\n<li>c</li>",), ()),
    "formula-behind-item": (
        "- one\n$$\na\n$$\n- two\n\n> q\n$$\nb\n$$", (
            '<li>one</li>\n</ul>\n<div class="equation" tabindex="0">[a]</div>\n<ul>\n<li>two', '</blockquote>\n<div class="equation" tabindex="0">[b]</div>',
        ), (),
    ),
    "mixed-lists": ("1. x\n   - y", ("<li>x<ul>\n<li>y</li>",), ()),
    "formula-in-item": ("1. One\n   $$\n   a=b\n   $$\n2. Two", ('<div class="equation" tabindex="0">[a=b]</div>\n</li>\n<li>Two',), ()),
    "fence-in-item": ("1. One\n   ```\n   code\n   ```\n2. Two", ('<pre tabindex="0"><code>code\n</code></pre>\n</li>\n<li>Two',), ()),
    "fence-deep-in-item": ("- a\n\n    ```\n    x\n      y\n    ```", ("<code>x\n  y\n</code>",), ()),
    "fence-in-quote": ("> ```python\n> x = 1\n> ```", ('<code class="language-python">',), ("&gt;",)),
    "table-after-text": ("text\n| a | b |\n|---|---|\n| 1 | 2 |", ("<p>text</p>", "<th>a</th>", "<td>2</td>"), ("|",)),
    "bars-in-cells": ("| $|x|$ | `a|b` | c \\| d |\n|---|---|---|\n| $|y|$ | `c|d` | 3 |", ("<th>[|x|]</th>", "<code>a|b</code>", "c | d", "<td>[|y|]</td>\n<td><code>c|d"), ()),
    "formula-in-note": (
        "a[^d]\n\n[^d]: See\n\n    $$x=y$$\n\n    end.",
        ('<li id="fn-d">\n<p>See</p>\n<div class="equation" tabindex="0">[x=y]</div>\n<p>end.',), (),
    ),
    "callouts": (
        "> [!NOTE]\n> One $x$.\n\n!!! warning \"Mind\"\n    Two.\n\n??? note\n    Three.",
        ('<div class="callout note" role="note">\n<p class="title">Note</p>\n<p>One <span class="together">[x].</span></p>', '<p class="title">Mind</p>\n<p>Two.</p>',
         '<details class="callout note">\n<summary class="title">Note</summary>'), ("[!", "!!!", "???"),
    ),
    "tasks": ("- [x] done\n- [ ] open", ('<li class="task"><input type="checkbox" disabled aria-label="done" checked> done</li>',), ("[x]", "[ ]")),
    "highlighted": ("```python {2}\nx = 1\ny = 2  # why\n```", ('<mark class="line">y', '<span class="hl-c1"># why</span>'), ()),
    "capitals": ('<A HREF="right.md">x</A> it\'s', ('<A HREF="right.html">x</A> it’s',), ()),
    "quoted-singly": ("<img src='pic.png' alt='x'>", ('src="assets/pic.', "alt='x'", 'width="28"'), ()),
    "film": ('<video src="clip.mp4" poster="pic.png" controls></video>', ('src="assets/clip.', 'poster="assets/pic.'), ()),
    "srcset": ('<img src="pic.png" srcset="pic.png 1x, other.png 2x" alt="x">', (" 1x, assets/other.", " 2x"), ()),
    "anchor": ('<a name="s"></a>\n\n[x](#s)', ('<a href="#s">x</a>',), ()),
    "details": (
        "<details><summary>S</summary>\n\n**b** and $x$\n\n</details>", ("<summary>S</summary>", "<strong>b</strong> and [x]"), ("**",)
    ),
    "formula-in-html": ('<div class="x">$x$ and {{ metric("part_b/a/m") }}</div>', ("[x]", ">0.5<"), ("{{",)),
    "heading-with-html": ("## The <em>loss</em> &amp; more\n\n{{ ref(\"#the-loss-more\") }}", ('id="the-loss-more"', "“The loss &amp; more”"), ()),
    "autolink": ("<https://e.com/x--y>", (">https://e.com/x--y</a>",), ("–",)),
    "encoded": ("![p](my%20pic.png) [q](<my page.md#caf%C3%A9>)", ('src="assets/my%20pic.', 'href="my%20page.html#caf%C3%A9"'), ()),
    "sharp": ("![p](a%23b.png) ![q](a&b.png)", ('src="assets/a%23b.', 'src="assets/a&amp;b.'), ()),
    "listing": ('{{ code("pkg.mod.f", mark="2") }}', ("<code>pkg.mod.f</code>", '<span class="hl-nf">f</span>', '<mark class="line">'), ()),
    "picture": (
        '{{ picture("pic.png", caption="A *p* $x$.", alt="Grey.") }}\n\n{{ picture("clip.mp4", caption="C.", alt="Moves.") }}\n\n'
        '{{ ref("clip.mp4") }}',
        ('Figure 1</a> A <em>p</em>', "[x].", '<video src="assets/clip.', 'aria-label="Moves."', 'href="#fig-clip.mp4">Figure&nbsp;2</a>'), (),
    ),
    "loop": ("{% for n in [1, 2] %}\n- item {{ n }} $x$\n{% endfor %}", ("<li>", "item 1 [x]", "item 2 [x]"), ("{%",)),
    "queries": (
        "[a](formula-in-note.md?x=1#fn-d) [b](right.html?y) ![w](what?.png) ![w](what%3F.png) ![h](100%.png) ![q](pic.png?v=2)",
        ('href="formula-in-note.html?x=1#fn-d"', 'href="right.html?y"', 'src="assets/what%3F.', 'src="assets/100%25.', '.png?v=2"'), ("%3Fx", "%3Fy"),
    ),
    "paths": (
        "![a](./pic.png) ![b](../static/pic.png) [c](./right.md) <img src='./pic.png' alt='x'>",
        ('width="28" height="28" src="assets/pic.', 'href="./right.html"', '<img src="assets/pic.'), ("./pic", "static"),
    ),
    "plain-addresses": (
        "See https://e.com/x--y_a_b?q=1, (https://e.com/~u/a~b_(c)). www.x.org! *https://e.com/a* `https://c.d` [https://i.n](right.md) "
        "http://localhost:8080 and me@x.org, C://x",
        ('<a href="https://e.com/x--y_a_b?q=1">https://e.com/x--y_a_b?q=1</a>', '(<a href="https://e.com/~u/a~b_(c)">',
         '<a href="http://www.x.org">www.x.org</a>', '<em><a href="https://e.com/a">', "<code>https://c.d</code>",
         '<a href="right.html">https://i.n</a>', '<a href="http://localhost:8080">', '<a href="mailto:me@x.org">me@x.org</a>, C://x'), ("–",),
    ),
    "addresses-with-signs": (
        "https://e.com/a?b=$1&c={d}|e, $x$ (https://e.com/f$), https://e.com/{{ 1 + 1 }}/g https://e.com/?h=1&amp;i=2 <https://e.com/?j&amp;k>",
        ('<a href="https://e.com/?h=1&amp;i=2">', '<a href="https://e.com/?j&amp;k">https://e.com/?j&amp;k</a>',
         '<a href="https://e.com/a?b=$1&amp;c={d}|e">https://e.com/a?b=$1&amp;c={d}|e</a>', "[x]", '(<a href="https://e.com/f$">', '<a href="https://e.com/2/g">'), (),
    ),
    "mail": (
        "(a.b+c@d.co.uk), mailto:e@f.org. git@github.com:g/h.git react@18.2.0 A@B `i@j.com` [k@l.com](right.md) m@n.com/o",
        ('(<a href="mailto:a.b+c@d.co.uk">a.b+c@d.co.uk</a>), <a href="mailto:e@f.org">mailto:e@f.org</a>. git@github.com:g/h.git react@18.2.0 A@B <code>i@j.com</code> '
         '<a href="right.html">k@l.com</a> m@n.com/o',), (),
    ),
    "decorative": ('<img src="pic.png" alt="" role="presentation"> <img src="pic.png" alt="" aria-hidden="true">', ('alt="" role="presentation"',), ()),
    "raw": (
        "{% raw %}{{ metric(1) }}, {{ y }}, $x$, `{{ z }}`{% endraw %} {{ 1 + 1 }}\n\n{% raw %}\n```\n{{ c }} {% if d %}\n```\n{% endraw %}\n\n"
        "- e\n{% raw %}\n- {{ f }}\n{% endraw %}\n- `{% raw %}`",
        ("<p>{{ metric(1) }}, {{ y }}, <span class=\"together\">[x],</span> <code>{{ z }}</code> 2</p>", "<code>{{ c }} {% if d %}\n</code>",
         "<li>e</li>\n<li>{{ f }}</li>\n<li><code>{% raw %}</code></li>"), (),
    ),
    "code-in-html": (
        'a <code>$x$ {{ metric("part_b/a/m") }} \\alpha</code> $y$',
        ('<code>$x$ {{ metric("part_b/a/m") }} \\alpha</code> [y]',), (),
    ),
    "formulas-in-titles": ("![a](pic.png \"at $x_\\sigma$, $5 and $6\")", ('title="at x_σ, $5 and $6"',), ()),
    "code-of-a-definition": ("T\n\n:   a\n\n        b\n          c", ("<pre tabindex=\"0\"><code>b\n  c\n</code></pre>",), ()),
    "behind-definitions": (
        "A\n: b\n\n- c\n  : d\n\n```\n: e\n```\n\nF\n: g\n\n$$\n: h\n$$\n\nI\n: j\n\n<div>\n: k\n</div>\n\nL\n\n: m\n\nN\n: o",
        ("<ul>\n<li>\n<dl>\n<dt>c</dt>\n<dd>d</dd>", "<code>: e\n</code>", "[: h]", "<div>\n: k\n</div>", "<dt>L</dt>", "<dt>N</dt>"),
        ("<dt>- c", "<dt>```", "<dt>$$", "<dt>&lt;div"),
    ),
    "capital-anchors": ('<A NAME="x"></A> <A ID="y">t</A> [l](#x) [m](#y)', ('<a href="#x">l</a> <a href="#y">m</a>',), ()),
    "other-page": (
        "{{ ref(\"rows#own\") }} and {{ ref(\"right#right\") }}.",
        ('href="rows.html#eq-own">Equation&nbsp;(3) of A page</a>', 'href="right.html#right">“Right”</a>'), ("of <",),
    ),
    "loose-tasks": (
        "- [x] a\n\n- [ ] b\n\n1. [x] c",
        ('<li class="task">\n<p><input type="checkbox" disabled aria-label="done" checked> a</p>\n</li>',
         '<ol class="tasks">\n<li class="task"><input type="checkbox" disabled aria-label="done" checked> c</li>'), ("> <p>",),
    ),
    "order-of-notes": (
        "a[^1]\n\n[^1]: see [^3], again [^1]\n\nb[^2] ^[in [^2]]\n\n[^2]: two\n\n[^3]: three",
        ('href="#fn-1">1</a></sup></p>', 'href="#fn-2">2</a>', 'href="#fn-3-inline">3</a>', 'see <sup id="fnref-3"><a class="footnote-ref" href="#fn-3">4</a>',
         '<sup id="fnref2-1"><a class="footnote-ref" href="#fn-1">1</a></sup>', '<li id="fn-3">\n<p>three'), (),
    ),
    "rows-of-a-loop": (
        "| a | b |\n|---|---|\n{% for n in [1, 2] %}\n| {{ n }} | $x$ |\n  {% if n == 1 %}\n| one | {# c #}y |\n  {% endif %}\n{% endfor %}\n"
        "{# a comment #}\n| end | z |\n\n> - p\n> {% for n in [1] %}\n> - {{ n }}\n> {% endfor %}",
        ("<td>1</td>\n<td>[x]</td>", "<td>one</td>\n<td>y</td>", "<td>2</td>", "<td>end</td>\n<td>z</td>\n</tr>\n</tbody>",
         "<li>p</li>\n<li>1</li>"), ("|", "{%"),
    ),
    "rows-of-a-loop-with-hyphens": (
        "| k | v |\n|---|---|\n{%- for n in [1, 2] %}\n| {{ n }} | y |\n{%- endfor %}\n\n| m |\n|---|\n{% for n in [3] -%}\n| {{ n }} |\n{% endfor %}",
        ("<td>1</td>\n<td>y</td>", "<td>2</td>\n<td>y</td>", "<td>3</td>"), ("|",),
    ),
    "captions": (
        '$$y$$ {#e}\n\n{{ picture("pic.png", caption="At {{ metric(\'part_b/a/m\') }} by \\eqref{e}, $\\theta$ **b** [l](right.md)[^n] https://e.com", alt="A.") }}\n\n'
        '{{ code("pkg.mod.f", caption="See {{ ref(\'#e\') }}, {{ cite(\'ho2020\') }}.") }}\n\n[^n]: note',
        ('>0.5</span> by <a class="ref" href="#eq-e">(1)</a>', "[\\theta] <strong>b</strong>", '<a href="right.html">l</a><sup id="fnref-n">',
         '<a href="https://e.com">', 'See <a class="ref" href="#eq-e">Equation&nbsp;(1)</a>, (<a class="cite" href="#ref-ho2020"', 'id="ref-ho2020"'), ("{{",),
    ),
    "drawing": ('<svg width="9"><use href="pic.png#a"/></svg>', ('<use href="assets/pic.',), ()),
    "self-closed": ('<a name="q"/>a <span class="b"/> [c](#q)', ('<a name="q"></a>a <span class="b"></span> <a href="#q">',), ("/>",)),
    "arrows-and-options": ("run --site DIR, a -- b, a--b, a---b, x --> y <-- z, 1--2.", (
        "run --site DIR, a – b, a–b, a—b, x --&gt; y &lt;-- z, 1–2.",), (),
    ),
    "quotes-behind-dashes": (
        '"Wait--" he said. "No---", he said---"so", \'well--\'. A "---" sign, "$x$"---"$y$"',
        ("“Wait–” he said. “No—”, he said—“so”, ‘well–’. A “—” sign, ",), (),
    ),
    "about": ("About\n~ 5 km", ("<p>About\n~ 5 km</p>",), ()),
    "quotes-over-markup": (
        "\"*Wait*--\" he said. \"**No**---\", he",
        ("“<em>Wait</em>–” he said. “<strong>No</strong>—”, he",), (),
    ),
    "quotes-without-spaces": (
        "他说\"你好\"，然后\"*再见*\"，和\"**x**\"吧。他说'你好'吧 東京's and 大阪's。เขาพูดว่า\"สวัสดี\"ครับ\n\n\"一\"说。\"二\"、（\"三\"）",
        ("他说“你好”，然后“<em>再见</em>”，和“<strong>x</strong>”吧。他说‘你好’吧 東京’s and 大阪’s。เขาพูดว่า“สวัสดี”ครับ", "“一”说。“二”、（“三”）"), (),
    ),
    "left-out": (
        "'90s, 'tis, rock 'n' roll, \"'Twas,\" the '99 cup, 'a word' and 'em dash'; 'Cause it's 'so'",
        ("’90s, ’tis, rock ’n’ roll, “’Twas,” the ’99 cup, ‘a word’ and ‘em dash’; ’Cause it’s ‘so’",), (),
    ),
    "right": ("## Right\n\nText.", ("<p>Text.</p>",), ()),
    "my page": ("## Café\n\nText.", ('id="café"',), ()),
}  # fmt: skip

# A body, and its faults without the page: the line is counted from the body's first, which is 5.
WRONG: dict[str, tuple[str, tuple[str, ...]]] = {
    "not-shown": (
        "<title>x</title> <template>x</template> <noscript>x</noscript> <canvas></canvas> <dialog>x</dialog>\n\n"
        "<marquee>x</marquee> <xmp>a</xmp>\n\n<h1>a</h1>\n\n<b id='c d'>x</b> <table background='pic.png'><tr><td>x</td></tr></table>", (
        "5:1 html: <title>: it belongs to templates/layouts/page.html",
        "5:18 html: <template>: browsers do not show what is in it; remove the tag",
        "5:41 html: <noscript>: browsers that run scripts do not show what is in it; remove the tag",
        '5:64 html: <canvas>: it is empty without a script; write {{ picture("name.png", caption="...", alt="...") }}',
        "5:82 html: <dialog>: it is not shown; write <details>",
        "7:1 html: <marquee>: readers cannot stop what moves; remove the tag",
        "7:22 html: <xmp>: browsers read no tags behind it; write a fence of ```",
        "9:1 html: <h1>: the title is in the front matter; start sections with ##",
        "11:4 html: id='c d' has a space; no link leads to it",
        "11:26 html: background=: give it a class, with a rule in templates/static/site.css",
    )),
    "orphans": ("<li>x</li>\n\n<td>x</td> <summary>y</summary> <figcaption>z</figcaption> <source src='clip.mp4'>\n\n<p>a</p></p>", (
        "5:1 html: <li> has to stand in <ul>",
        "7:1 html: <td> has to stand in <table>",
        "7:12 html: <summary> has to stand in <details>",
        "7:33 html: <figcaption> has to stand in <figure>",
        "7:60 html: <source> has to stand in <video>",
        "9:9 html: </p> closes nothing here",
    )),
    "no-host": ("[x](http://) [y](https:e.com) [z](https:/e.com) <a href='HTTPS://?x'>w</a>", (
        "5:5 link: 'http://' names no host; write https://example.com/...",
        "5:18 link: 'https:e.com' names no host; write https://example.com/...",
        "5:35 link: 'https:/e.com' names no host; write https://example.com/...",
        "5:58 link: 'HTTPS://?x' names no host; write https://example.com/...",
    )),
    "inline-label": ("$x \\label{a}$ \\eqref{a}", (
        "5:4 math: a: an inline formula has no number; put it on its own lines", "5:15 reference: unknown figure 'a'",
    )),
    "no-colours": ("$\\color{BrickRed}{x}$ $\\fcolorbox{red}{nop}{z}$ $\\htmlClass{x}{y}$", (
        "5:9 math: browsers know no colour 'BrickRed'; write one of CSS, or #rrggbb",
        "5:40 math: browsers know no colour 'nop'; write one of CSS, or #rrggbb",
        "5:50 math: classes, ids and styles are not for formulas; remove the command and keep what is in it",
    )),
    "dollar-in-box": ("$\\colorbox{aqua}{$F=ma$}$\n\n<p>$a \\fcolorbox{red} {#fff} {\\$ $x_{1}$}$ $\\fbox{\\$}$</p>", (
        "5:18 math: $ in \\colorbox would end the formula in other programs; write \\(F=ma\\) there",
        "7:34 math: $ in \\fcolorbox would end the formula in other programs; write \\(x_{1}\\) there",
    )),
    "unclosed": ("a\n$$x\n\n\\[y\n\n\\begin{align}z", (
        "6:1 math: $$ opens a formula that is not closed; end it with $$, without a blank line in it",
        "8:1 math: \\[ opens a formula that is not closed; end it with \\]",
        "10:1 math: \\begin{align} opens a formula that is not closed; end it with \\end{align}",
    )),
    "fence": ("```\ncode", ("5:1 code: this fence is not closed; end it with ```",)),
    "note": ("a[^missing]", ("5:2 markdown: there is no note [^missing]; write [^missing]: ... on its own line",)),
    "note-unused": ("[^d]: See", ("5:1 markdown: nothing refers to the note [^d]; refer to it, or remove it",)),
    "reference": ("[b][ref]", ("5:1 markdown: [b][ref] leads nowhere; write [ref]: address below",)),
    "kramdown": ("![x](a.png){: width=50%}\n\n{:toc}", (
        "5:6 link: no picture 'a.png' in templates/static; did you mean 'a&b.png'?",
        '5:12 markdown: {: width=50%} is kramdown; write {{ picture("name.png", alt="...", width="text") }}',
        "7:1 markdown: {:toc} is kramdown; contents are made automatically, and toc = false hides them",
    )),
    "hugo": ('x\n\n{{< fig src="a.png" >}}', (
        '7:1 markdown: {{< fig src="a.png" >}} is a Hugo shortcode; write {{ picture("name.png", caption="...", alt="...") }}'
        " for a picture, HTML for anything else",
    )),
    "colons": (":::{note}\nx\n:::", (
        "5:1 markdown: ::: is a block of Pandoc, MyST or Docusaurus; write > [!NOTE] for a callout",
        "7:1 markdown: ::: is a block of Pandoc, MyST or Docusaurus; write > [!NOTE] for a callout",
    )),
    "no-space": ("\n\n## Good\n\n\n\n##No space", ("11:1 markdown: a heading has a space after its #; write ## Title",)),
    "inline-figure": ('Mid {{ figure("part_b/a/loss") }} sentence.', (
        "5:8 reference: figure(...) must be on its own line, between blank lines or at the start of a list item",
    )),
    "unknown-equation": ("\\eqref{nope}", ("5:1 reference: unknown figure 'nope'",)),
    "equation-twice": ("$$a\\label{x}$$\n\n$$b\\label{x}$$", ("7:4 math: two formulas on this page are named 'x'",)),
    "styles": ('<div style="color: red">x</div>\n\n<style>p {}</style>\n\n<p onclick="x()">y</p>', (
        "5:6 html: style=: the page's policy blocks it; give it a class, with a rule in templates/static/site.css",
        "7:1 html: <style>: the page's policy blocks it; put styles into templates/static/site.css",
        "9:4 html: onclick=: the page's policy blocks handlers; put scripts into templates/static",
    )),
    "script": ("<script>x()</script>", (
        "5:1 html: <script>: the page's policy blocks it; put scripts for all pages into templates/static/site.js",
    )),
    "links": ("<a href='nowhere.html'>x</a> <a href=other.md>y</a>", (
        "5:10 link: nowhere.html leads nowhere; did you mean 'note.html'?", "5:38 link: other.html leads nowhere; did you mean 'note.html'?",
    )),
    "open": ("<div>\n\ntext", ("5:1 html: <div> is not closed; end it with </div>",)),
    "closed-twice": ("<div>x</div></div>", ("5:13 html: </div> closes nothing here",)),
    "no-src": ("<img alt='x'> <img src='' alt='y'>\n\n{{ picture(\"s.mp3\", alt=\"z\") }}", (
        "5:1 link: <img> has no src; name a picture of templates/static",
        "5:15 link: src is empty; write an address",
        '7:4 reference: s.mp3 is a sound; write <audio src="s.mp3" controls></audio>',
    )),
    "no-alt": ("<img src='pic.png'>", ("5:11 alt: pic.png has no alt text; write ![what it shows](pic.png)",)),
    "picture-alt": ('{{ picture("pic.png", caption="C") }}', (
        "5:4 reference: pic.png has no alt text; write picture('pic.png', caption=\"...\", alt=\"what it shows\")",
    )),
    "picture-file": ('{{ picture("pix.png", alt="C") }}', (
        "5:4 reference: no file 'pix.png' in templates/static; did you mean 'pic.png'?",
    )),
    "no-listing": ('{{ code("pkg.mod.g") }}', ("5:4 reference: there is no 'g' in mod.py; it has f, C",)),
    "latex": ("\\emph{x} and \\alpha_t, \\cite{ho}", (
        "5:1 markdown: \\emph is LaTeX; write *...*",
        "5:14 markdown: \\alpha is TeX outside of a formula; write $\\alpha_...$ for a formula, or `\\alpha`",
        '5:24 markdown: \\cite is LaTeX; write {{ cite("key") }}',
    )),
    "bad-table": ("| a | b |\n|---|\n| 1 | 2 |", (
        "5:1 markdown: this is not a table, since its header and the line below it have different numbers of cells",
    )),
    "eqnarray": ("\\begin{eqnarray}a&=&b\\end{eqnarray}", (
        "5:7 math: No such environment: eqnarray; write align, with one & a row",
    )),
    "href": ("$\\href{https://e.com}{x}$", (
        "5:2 math: \\href is not for formulas; links and pictures go into the text beside them",
    )),
    "fault-in-quote": ("> $$\n> x = \\nope\n> $$", ("6:7 math: Undefined control sequence: \\nope",)),
    "fault-in-item": ("1. a\n   $$\n   x = \\nope\n   $$", ("7:8 math: Undefined control sequence: \\nope",)),
    "no-pictures": (
        "![x](c.tiff) ![x](c.pdf) ![x](clip.mp4) ![x](note.md) ![x](#a)\n\n"
        '<img src="note.html" alt="x"> <video src="pic.png"></video>\n\n'
        '<video src="clip.mp4" poster="c.tiff"></video> <picture><source srcset="pic.png 1x, c.tiff 2x"></picture>\n\n'
        '{{ picture("c.pdf", alt="x") }}\n\n'
        '<video src="c.mov"></video> ![x](c.mov) <video><source src="c.ogv"></video> [x](c.mov)\n\n{{ picture("c.mov", alt="x") }}', (
        "5:6 link: c.tiff is not a picture that browsers show; save it as PNG, JPEG, WebP or SVG, or write [text](c.tiff)",
        "5:19 link: c.pdf is not a picture that browsers show; save it as PNG, JPEG, WebP or SVG, or write [text](c.pdf)",
        '5:31 link: clip.mp4 is a film; write {{ picture("clip.mp4", caption="...", alt="...") }}',
        "5:46 link: note.md is a page, not a picture; write [text](note.md)",
        "5:60 link: #a is a place on this page, not a file",
        "7:11 link: note.html is a page, not a picture; write [text](note.html)",
        "7:43 link: browsers do not play pic.png; save it as MP4 or WebM",
        "9:31 link: c.tiff is not a picture that browsers show; save it as PNG, JPEG, WebP or SVG, or write [text](c.tiff)",
        "9:85 link: c.tiff is not a picture that browsers show; save it as PNG, JPEG, WebP or SVG, or write [text](c.tiff)",
        "11:4 reference: browsers do not show c.pdf; save it as PNG, JPEG, WebP, SVG or MP4",
        "13:13 link: most browsers do not play c.mov; save it as MP4 or WebM",
        "13:34 link: c.mov is a film that most browsers do not play; save it as MP4 or WebM, or write [text](c.mov)",
        "13:61 link: most browsers do not play c.ogv; save it as MP4 or WebM",
        "15:4 reference: most browsers do not play c.mov; save it as MP4 or WebM",
    )),
    "empty-links": ("[h]() ![x]() [](note.md) <a href=''>x</a>", (
        "5:1 link: href is empty; write an address",
        "5:7 link: src is empty; write an address",
        "5:14 link: this link has no text; write [text](address)",
        "5:26 link: href is empty; write an address",
    )),
    "no-elements": ("<Tabs>\n\nx\n\n</Tabs>\n\n<Note>x</Note> run <file> <summmary>x</summmary> <?php x ?>", (
        "5:1 html: <Tabs> is not an HTML element; write &lt;Tabs> if it is text, > [!NOTE] for a callout",
        "11:1 html: <Note> is not an HTML element; write &lt;Note> if it is text, > [!NOTE] for a callout",
        "11:20 html: <file> is not an HTML element; write &lt;file> if it is text, > [!NOTE] for a callout",
        "11:27 html: <summmary> is not an HTML element; did you mean 'summary'?",
        "11:50 html: '<?php x ?>' has no meaning on a page; remove it, or write it as `code`",
    )),
    "lost-queries": ("[a](note.md?x#nope) [b](gone.md?y=1)", (
        "5:5 link: no anchor '#nope' on note.html", "5:25 link: gone.html?y=1 leads nowhere; did you mean 'open.html'?",
    )),
    "ids": ('<p id="a">x</p>\n\n<P ID="a">y</P>\n\n## B\n\n<a name=b></a>', (
        "7:4 anchor: the anchor 'a' is used twice, on line 5 first; name one heading with {#...}, or change an id",
        "11:4 anchor: the anchor 'b' is used twice, on line 9 first; name one heading with {#...}, or change an id",
    )),
    "page-as-figure": ('{{ ref("note") }}', ("5:4 reference: 'note' is a page; write [text](note.md)",)),
    "cited-as-in-pandoc": ("As @ho2020 says, @somebody does not, [see @ho2020, p. 3].", (
        '5:4 reference: @ho2020 is not a citation; write {{ cite("ho2020", text=True) }}',
        '5:38 markdown: [see @ho2020, p. 3] is a Pandoc citation; write {{ cite("key") }}',
    )),
    "marks": ('{{ code("pkg.mod.f", mark="9") }}', ("5:4 reference: there are no lines 9 to mark: the code has 3, counted from 1",)),
    "fault-in-loop": ("{% for n in [1] %}\n\nText $\\nope$.\n{% endfor %}", ("7:7 math: Undefined control sequence: \\nope",)),
}  # fmt: skip

DOUBTFUL: dict[str, tuple[str, tuple[str, ...]]] = {
    "headings-of-html": ("a\n\n<h2 id='q'>b</h2>\n\nc <H3>d</H3>", (
        "7:1 heading: <h2> is in no contents and has no anchor; write ## and its text",
        "9:3 heading: <H3> is in no contents and has no anchor; write ### and its text",
    )),
    "mid-sentence": ("Let $$x_0$$ be", ("5:5 math: a display formula within a sentence; write $...$, or put it on its own lines",)),
    "prices": ("$50 to $100; 35$", ("5:8 math: '$100; 35$' is set as a formula; write \\$ for a dollar sign",)),
    "spaced": ("a $ b c $ d", ("5:3 math: dollars with spaces inside are text; write $x$ for a formula, \\$ for a dollar sign",)),
    "indented": ("text\n\n    $$x$$", (
        "7:5 markdown: this is code, since it is indented by four spaces or more; indent it less if it is not, or use a fence",
    )),
    "lone": ("a $x_1 and no more", ("5:3 math: this $ does not open a formula, since it is not closed; write \\$ for a dollar sign",)),
}  # fmt: skip


def stocked(root: Path) -> Project:
    """A project with a figure, a number, pictures, a film and a module."""
    project = Project.make(root)
    project.outputs.add("part_b/a", {"loss": plot()}, metrics={"m": 0.5})
    for name in ("pic.png", "other.png", "my pic.png", "a#b.png", "a&b.png"):
        (root / "templates/static" / name).write_bytes(png())
    (root / "templates/static/clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    for name in ("what?.png", "100%.png"):
        (root / "templates/static" / name).write_bytes(png())
    (root / "templates/static/s.mp3").write_bytes(b"ID3")
    for name in ("c.tiff", "c.pdf", "c.mov", "c.ogv"):
        (root / "templates/static" / name).write_bytes(b"x")
    (root / "src/pkg").mkdir(parents=True)
    (root / "src/pkg/mod.py").write_text('def f(x):\n    """Doc."""\n    return x\n\n\nclass C:\n    pass\n')
    return project


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory, katex: Path) -> tuple[Project, list[str]]:
    """A site of all that is right or doubtful, and its warnings."""
    project = stocked(tmp_path_factory.mktemp("right"))
    for name, (body, *_) in (RIGHT | DOUBTFUL).items():
        project.page(body, name)
    project.page("Text.")
    return project, [str(warning) for warning in project.build().warnings]


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory, katex: Path) -> list[str]:
    """The faults of all that is wrong, in one build."""
    project = stocked(tmp_path_factory.mktemp("wrong"))
    for name, (body, _) in WRONG.items():
        project.page(body, name)
    project.page("Text.")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert not project.site.exists()
    return [re.sub(r"\.[0-9a-f]{10}\.", ".HASH.", str(fault)) for fault in caught.value.faults]


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_reads_as_it_is_meant(right: tuple[Project, list[str]], name: str) -> None:
    """Each construct gives the HTML that it should, and nothing of how it was written is left."""
    project, warnings = right
    shown = article(project.html(name))
    _, there, gone = RIGHT[name]
    assert [each for each in there if each not in shown] == [], shown
    assert [each for each in gone if each in shown] == [], shown
    assert [
        each for each in warnings if each.startswith(f"templates/pages/{name}.md") and name != "formula-over-lines"
    ] == []


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_at_its_place(wrong: list[str], name: str) -> None:
    """Every fault of every page comes in one build, with line and column and what to write."""
    start = f"templates/pages/{name}.md:"
    assert [each.removeprefix(start) for each in wrong if each.startswith(start)] == [*WRONG[name][1]]


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_is_doubtful_is_a_warning(right: tuple[Project, list[str]], name: str) -> None:
    """It is published, and the place is named."""
    start = f"templates/pages/{name}.md:"
    assert [each.removeprefix(start) for each in right[1] if each.startswith(start)] == [*DOUBTFUL[name][1]]


def test_warnings_come_with_faults(project: Project) -> None:
    """A build that fails tells all: what is wrong, and what is doubtful on the same and on other pages."""
    project.page('Let $$x$$ be {{ ref("nope") }}.')
    project.page("$50 to $100; 35$", "other")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [each.rule for each in caught.value.faults] == ["reference"]
    assert [(each.path, each.line) for each in caught.value.warnings] == [
        ("templates/pages/index.md", 5),
        ("templates/pages/other.md", 5),
    ]


def test_warnings_come_with_faults_of_settings(project: Project) -> None:
    """Also where so little can be read that pages are not rendered."""
    project.page("Let $$x$$ be.")
    (project.root / "templates/site.toml").write_text("title = 1")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [each.path for each in caught.value.warnings] == ["templates/pages/index.md"]


def test_the_opening_paragraph_is_text_of_the_page(project: Project) -> None:
    """Calls, links and formulas in it are read, its faults stand in the front matter, its works are among those cited."""
    project.outputs.add("part_b/a", {"loss": plot()}, metrics={"m": 0.5})
    project.page("$$x$$ {#e}", lede=r"At {{ metric('part_b/a/m') }} by \\eqref{e}, {{ cite('ho2020') }}: **b** $x$.")
    project.build()
    lede = re.search(r'<p class="lede">.*?</p>', project.html(), re.DOTALL)
    assert lede and '>0.5</span> by <a class="ref" href="#eq-e">(1)</a>, (<a class="cite"' in lede[0]
    assert "<strong>b</strong>" in lede[0] and "{{" not in lede[0] and 'id="ref-ho2020"' in project.html()
    project.page("Text.", lede="See ==x==[^1] {{ metric('part_b/a/n') }}.", title="A {{ ref('b') }}")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [str(each).removeprefix("templates/pages/index.md:") for each in caught.value.faults] == [
        "2:10 front-matter: '{{' in 'title': calls and notes are only read in the text; write it out",
        "4:13 markdown: ==x== is not supported; write <mark>...</mark>",
        "4:18 markdown: there is no note [^1]; write [^1]: ... on its own line",
        "4:26 reference: unknown metric 'part_b/a/n'; did you mean 'part_b/a/m'?",
    ]


def test_captions_of_outputs_hold_no_calls(project: Project) -> None:
    """They come from experiments: what is read on pages alone is named with the line of the figure."""
    drawn = plot()
    project.outputs.add("part_b/a", {"loss": replace(drawn, caption="By {{ ref('x') }}, \\eqref{e}, \\pm and $95%$.")})
    project.page('{{ figure("part_b/a/loss") }}')
    found = [each.message for each in project.build().warnings]
    assert sum("calls and references are only read in the text of pages" in each for each in found) == 1
    assert sum("\\pm is TeX outside of a formula" in each for each in found) == 1
    assert "[95\\%]" in article(project.html())
