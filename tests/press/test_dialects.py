r"""What pages may not hold is said at its place, with what to write; what is innocent is left alone.

Faults and warnings of reading alone: places are line and column of the text below the front matter.
"""

# ruff: noqa: E501  # an input and what is said of it stand in one line

from __future__ import annotations

import pytest

from darkroom.press.content.outlines import Page
from darkroom.press.markdown.pages import read_page

FRONT = '+++\ntitle = "T"\ndescription = "D"\n+++\n'
LINES = FRONT.count("\n")


def page(body: str) -> Page:
    """A page with *body*, which ends with a line's end."""
    return read_page(f"{FRONT}{body}\n".encode(), "p.md", "p.html")


def faults(body: str) -> list[str]:
    return [f"{each.line - LINES}:{each.column} {each.rule}: {each.message}" for each in page(body).faults]


def warnings(body: str) -> list[str]:
    """Without those of sections that are empty, as most of these are."""
    found = (each for each in page(body).warnings if each.rule != "section")
    return [f"{each.line - LINES}:{each.column} {each.rule}: {each.message}" for each in found]


DISPLAY = "a display formula within a sentence; write $...$, or put it on its own lines"
OPEN = "this comment is not closed; end it with -->, or write &lt;!-- for the characters"
CUT = "this comment ends with its paragraph, quote or HTML; start it on its own line"
TIE = "~ is a TeX space; write &nbsp; for one that does not break"
SPACE = "is a TeX space; write &nbsp;, or &thinsp; for a thin one"
DELIMITER = "write a line |---|---| with as many cells below its header"
WITHIN = "is a link within a link; move it after the link, or remove the outer one"

WRONG: dict[str, tuple[str, list[str]]] = {
    "scripts outside of formulas": ("$x$_{t} and $x$^{th} \\(x\\)_{u}\n\n`$x$_{t}` $n^{th}$", [
        "1:4 math: _{t} is outside of the formula before it; write it before the closing delimiter",
        "1:16 math: ^{th} is outside of the formula before it; write it before the closing delimiter",
        "1:27 math: _{u} is outside of the formula before it; write it before the closing delimiter",
    ]),
    "headings of nothing": ("## {#x}\n\na\n\n## <!-- b -->\n\na\n\n## [](c.md)\n\na\n\n## &nbsp;\n\na\n\n## <a id='q'></a>\n\na\n\n- ## <b></b>", [
        f"{line}:{column} heading: this heading has no text; write it after the #, or remove the line"
        for line, column in ((1, 4), (5, 4), (9, 4), (13, 4), (17, 4), (21, 6))
    ]),
    "scripts as links, in capitals": ("[z](JAVASCRIPT:x) [z](Data:x)", [
        "1:1 markdown: [z](JAVASCRIPT:...) is not a link: the page's policy forbids JAVASCRIPT:",
        "1:19 markdown: [z](Data:...) is not a link: the page's policy forbids Data:",
    ]),
    "tags whose > begins a quote": ("a <span\n  class=\"x\"\n> b</span>\n\n- <img\n    src=a.png\n  >\n\n> c <br\n> > d\n\na <b\n> e\n\nf <br\n\n> g", [
        "1:3 html: <span is not closed, since > begins a quote on a line of its own; write it at the end of a line",
        "5:3 html: <img is not closed, since > begins a quote on a line of its own; write it at the end of a line",
        "9:5 html: <br is not closed, since > begins a quote on a line of its own; write it at the end of a line",
    ]),
    "brackets before a link": ("[d][e](f.md) ![g][h](i.md)", [
        "1:1 markdown: [d] is not part of the link behind it and would be printed; remove it, or write \\[ for the character",
        "1:15 markdown: [g] is not part of the link behind it and would be printed; remove it, or write \\[ for the character",
    ]),
    "sizes as in Obsidian": ("![a|200](b.png) ![c | 100x50](d.png \"e\")", [
        '1:1 markdown: |200 is Obsidian; write {{ picture("name.png", alt="...", width="text") }}',
        '1:17 markdown: | 100x50 is Obsidian; write {{ picture("name.png", alt="...", width="text") }}',
    ]),
    "titles of callouts": ("!!! note inline end\n    a\n\n??? tip 'B'\n    c\n\n!!! tip \"D\" e\n    f\n\n!!! tip inline \"G\"\n    h", [
        "1:1 markdown: 'inline end' is MkDocs; remove it, or write a title in double quotes",
        "4:1 markdown: 'B' is not a title; write !!! tip \"Title\"",
        "7:1 markdown: \"D\" e is not a title; write !!! tip \"Title\"",
    ]),
    "contents": ("[[toc]]", ["1:1 markdown: contents are made automatically; toc = false hides them"]),
    # comments
    "comment open": ("a <!-- b\n\nc", [f"1:3 html: {OPEN}"]),
    "comment open, block": ("a\n\n<!-- b\n\nc", [f"3:1 html: {OPEN}"]),
    "comment over a blank line": ("a <!-- b\n\nc --> d", [f"1:3 html: {CUT}"]),
    "comment cut by its quote": ("> <!-- b\nc -->", [f"1:3 html: {CUT}"]),
    "comment cut by its element": ("<div>\n<!-- b\n\nc -->\n</div>", [f"2:1 html: {CUT}"]),
    "comment open in an item": ("- a <!-- b\n- c", [f"1:5 html: {OPEN}"]),
    "instruction open": ("<?php a\n\nb", ["1:1 html: <? is not closed; write &lt; for the character"]),
    # percent signs
    "percent": ("$95%$", ["1:4 math: % starts a comment in TeX; write \\% for a percent sign"]),
    "percent, text behind": ("$95% of x$", ["1:4 math: % starts a comment in TeX, so 'of x' is lost; write \\% for a percent sign"]),
    "percent over lines": ("$a % b\n+ c$", ["1:4 math: % starts a comment in TeX, so 'b' is lost; write \\% for a percent sign"]),
    "percent, last line": ("$$p = 5% x$$", ["1:8 math: % starts a comment in TeX, so 'x' is lost; write \\% for a percent sign"]),
    "percent behind a digit": ("$$\np = 5%\n$$", ["2:6 math: % starts a comment in TeX; write \\% for a percent sign"]),
    "percent in braces": ("$$\n\\text{a % b}\n$$", ["2:9 math: % starts a comment in TeX, so 'b}' is lost; write \\% for a percent sign"]),
    "percent in a cell": ("| $5%$ |\n|---|", ["1:5 math: % starts a comment in TeX; write \\% for a percent sign"]),
    # formulas
    "digit behind": ("a $x$5", ["1:3 math: $x$ is not a formula, since a digit follows; write \\(x\\), or \\$ for a dollar sign"]),
    "digits behind": ("$p$1 and $q$2b", [
        "1:1 math: $p$ is not a formula, since a digit follows; write \\(p\\), or \\$ for a dollar sign",
        "1:10 math: $q$ is not a formula, since a digit follows; write \\(q\\), or \\$ for a dollar sign",
    ]),
    "MyST's label": ("$$x$$ (eq:a)\n\n> $$\n> y\n> $$ (b)", [
        "1:7 math: (eq:a) after a formula is MyST; write {#eq:a} to name it",
        "5:6 math: (b) after a formula is MyST; write {#b} to name it",
    ]),
    # TeX in prose
    "TeX": ("a \\ldots b \\pm c x\\in A (x\\le y) \\to", [
        f"1:{column} markdown: \\{name} is TeX outside of a formula; write $\\{name}...$ for a formula, or `\\{name}`"
        for column, name in ((3, "ldots"), (12, "pm"), (19, "in"), (27, "le"), (34, "to"))
    ]),
    "TeX in a heading, a cell, a note": ("## a \\times\n\n| \\pm |\n|---|\n\nx[^1]\n\n[^1]: \\infty", [
        f"{line}:{column} markdown: \\{name} is TeX outside of a formula; write $\\{name}...$ for a formula, or `\\{name}`"
        for line, column, name in ((1, 6, "times"), (3, 3, "pm"), (8, 7, "infty"))
    ]),
    "TeX in HTML": ("<p>a \\alpha</p>", ["1:6 markdown: \\alpha is TeX outside of a formula; write $\\alpha...$ for a formula, or `\\alpha`"]),
    "switches": ("{\\bf x}", ["1:2 markdown: \\bf is LaTeX; write **...**"]),
    "ties": ("Fig.~1, Section~2, 5~km, al.~[3]", [f"1:{column} markdown: {TIE}" for column in (5, 16, 21, 29)]),
    "spaces": ("5\\,km, 10\\,000, i.\\,e., $x$\\;m, Fig.\\ 1", [
        *(f"1:{column} markdown: \\, {SPACE}" for column in (2, 10, 19)), f"1:28 markdown: \\; {SPACE}", f"1:37 markdown: \\ {SPACE}",
    ]),
    "accents": ("caf\\'{e}", ["1:4 markdown: \\'{e} is a TeX accent; write the letter itself"]),
    # other programs
    "MyST's target": ("(label)=\n## T", ["1:1 markdown: this is a MyST target; write {#name} after the heading or formula"]),
    "MDX": ("import X from './x'\n\nexport const a = 1", [
        f"{line}:1 markdown: this is MDX: pages run no code; remove it" for line in (1, 3)
    ]),
    "Obsidian": ("a %% c %% b\n\ntext ^block-1", [
        "1:3 markdown: %% c %% is an Obsidian comment; write <!-- ... -->",
        "3:6 markdown: this is an Obsidian block name; name a heading with {#name}",
    ]),
    "charges": ("Ca^2+^ and H~2~O", [
        "1:3 markdown: ^2+^ is not supported; write <sup>...</sup> to raise", "1:13 markdown: ~2~ is not supported; write ~~...~~ to strike out, <sub>...</sub> to lower",
    ]),
    "Pandoc's citations": ("a [see @x] [-@y, p. 3]", [
        f"1:{column} markdown: {text} is a Pandoc citation; write {{{{ cite(\"key\") }}}}"
        for column, text in ((3, "[see @x]"), (12, "[-@y, p. 3]"))
    ]),
    "Quarto": ("see @fig-a", ["1:5 markdown: @fig-a is a Quarto reference; write {{ ref(\"...\") }}"]),
    "tabs": ('=== "A"\n\n    b', ["1:1 markdown: tabs are not supported; write a heading or ??? note"]),
    "reStructuredText's link": ("a `b <http://c>`_", ["1:3 markdown: this is a reStructuredText link; write [text](address)"]),
    # links
    "space in a link": ("[text] (https://e.com) and [t] (page.md)", [
        "1:1 markdown: [text] (https://e.com) is not a link: remove the space between ] and (",
        "1:28 markdown: [t] (page.md) is not a link: remove the space between ] and (",
    ]),
    "link the other way round": ("(text)[https://e.com]", ["1:7 markdown: [https://e.com] after ) is not a link; write [text](address)"]),
    "link open": ("[t](https://e.com and", ["1:1 markdown: [t](https://e.com is not a link, since its address is not closed; end it with )"]),
    "note with a space": ("a[^b c]", ["1:2 markdown: [^b c]: the name of a note cannot have spaces"]),
    "note in a link": ("[a[^1]](b)\n\n[^1]: c", ["1:7 markdown: ](b) does not make a link of the text before it, since that has a link or a note in it"]),
    "call in a link": ('[a {{ ref("#b") }}](c.md)', [f"1:7 link: ref(...) {WITHIN}"]),
    "link in a link": ('<a href="x">{{ cite("k") }} [y](z)</a>', [f"1:16 link: cite(...) {WITHIN}"]),
    "link in a link over blocks": ('<a href="x">\n\n[y](z) \\eqref{a}\n\n</a>', [f"3:1 link: this {WITHIN}"]),
    "call in a link of HTML": ('<p><a href="x">{{ ref("a") }}</a> {{ ref("b") }}</p>', [f"1:19 link: ref(...) {WITHIN}"]),
    # tables
    "table without its line": ("| a | b |\n| 1 | 2 |", [f"1:1 markdown: this is not a table; {DELIMITER}"]),
    "table without its line, behind text": ("t\n| a | b |\n| 1 | 2 |", [f"2:1 markdown: this is not a table; {DELIMITER}"]),
    "row alone": ("| a | b |\n|---|---|\n\n| 1 | 2 |", ["4:1 markdown: this table row stands alone; remove the blank line above it"]),
    "cells over": ("| a | b |\n|---|---|\n| 1 | 2 | 3 |", [
        "3:1 markdown: this row has 3 cells and the table 2, so the rest is lost; write \\| for a bar",
    ]),
    "Pandoc's caption": ("| a |\n|---|\n\n: caption", [
        "4:1 markdown: a line with : defines the term above it; describe a table in the text instead",
    ]),
    # fences
    "fence's title": ('```python title="a.py"\nx\n```', ['1:1 markdown: title="a.py" after a fence is not supported; write it into the text above']),
    "fence's numbers": ("```python linenums=\"1\"\nx\n```", [
        '1:1 markdown: linenums="1" after a fence is not supported, since lines have no numbers; remove it',
    ]),
    "fence's marks": ('```python hl_lines="2"\nx\n```', ['1:1 markdown: hl_lines="2" after a fence is not supported; write {1,3-5} to mark lines']),
    "fence of Hugo": ("```go {linenos=true}\nx\n```", ["1:1 markdown: {linenos=true} after a fence belongs to another program; write {1,3-5} to mark lines"]),
    "marks out of range": ("> ```python {9}\n> x\n> ```", ["1:3 code: there are no lines 9 to mark: the code has 1, counted from 1"]),
    "marks backwards": ("```python {3-2}\na\nb\nc\n```", ["1:1 code: there are no lines 3-2 to mark: the code has 3, counted from 1"]),
    "marks of thousands of millions": ("```python {1-99999999999}\na\n```", ["1:1 code: there are no lines 1-99999999999 to mark: the code has 1, counted from 1"]),
    "marks before the language": ("```{1} python\nx\n```", ["1:1 markdown: the language comes first after a fence; write ```python {1}"]),
    # lists
    "nearly tasks": ("- [x]a\n- [-] b\n- [] c", [
        "1:3 markdown: [x] is not a task; write - [ ] or - [x], followed by a space",
        *(f"{line}:3 markdown: [{mark}] is not a task; write - [ ] or - [x]" for line, mark in ((2, "-"), (3, ""))),
    ]),
    # names
    "named twice": ("## A {#a}\n\n## B {#a}", ["3:6 anchor: 'a' is named twice on this page; give this heading another name"]),
    "name in a quote": ("> ## A {#a}", ["1:8 markdown: a heading in a list, quote or note has no anchor; remove its name"]),
    "named like a formula": ("$$x$$ {#a}\n\n## B {#a}", ["3:6 anchor: 'a' is named twice on this page; give this heading another name"]),
    "formulas named alike": ("$$x$$ {#a}\n\n$$y$$ {#eq:a}", ["3:3 math: two formulas on this page are named 'eq:a', or nearly so"]),
    "two labels": ("$$\na \\label{p} \\label{q}\n$$\n\n\\begin{align}\na \\\\\nb \\label{r}\\label{s}\n\\end{align}", [
        "2:13 math: this formula is named 'p' already; remove one \\label", "7:12 math: this row is named 'r' already; remove one \\label",
    ]),
    "labels of rows without numbers": ("\\begin{align*} a \\label{p} \\\\ b \\label{q} \\end{align*}\n\n$$\\begin{aligned} a \\label{r} \\\\ b \\label{s} \\end{aligned}$$", [
        "1:33 math: this formula is named 'p' already; remove one \\label", "3:36 math: this formula is named 'r' already; remove one \\label",
    ]),
    "a label and a name": ("$$a \\label{p}$$ {#q}\n\n\\begin{align} a \\label{r} \\\\ b \\end{align} {#s}\n\n\\begin{gather} a \\notag \\end{gather} {#t}", [
        "1:5 math: this is named 'q' already, by {#q}; remove one of the names",
        "3:17 math: this is named 's' already, by {#s}; remove one of the names",
        "5:1 math: {#t} names nothing, since no row has a number; remove it, or a \\notag",
    ]),
    "a label of nothing": ("$$a \\label{ }$$", ["1:5 math: \\label names nothing; write \\label{name}"]),
    "notes that cite each other": ("x\n\n[^a]: y[^b]\n\n[^b]: z[^a]", [
        f"{line}:1 markdown: nothing refers to the note [^{name}]; refer to it, or remove it" for line, name in ((3, "a"), (5, "b"))
    ]),
    "note in HTML": ("<p>a[^1]</p>\n\nb[^1]\n\n[^1]: c", [
        "1:5 markdown: [^1]: notes are not read in HTML; leave a blank line before the text, or move the note",
    ]),
    # captions
    "caption": ('{{ picture("a.png", caption="x ==m== :smile:", alt="a") }}', [
        "1:32 markdown: ==m== is not supported; write <mark>...</mark>", "1:38 markdown: :smile: would be printed unchanged; write the character itself",
    ]),
    "figure in a caption": ("{{ picture('a.png', caption='x {{ figure(\"b\") }}', alt='a') }}", [
        "1:35 reference: figure(...) must be on its own line, between blank lines or at the start of a list item",
    ]),
    "names that are none": ("## T {#1a}\n\n## U { #a }", [
        f"{line}:6 markdown: {text} is not a valid name; write {{#name}}, which starts with a letter from A to Z and has no spaces"
        for line, text in ((1, "{#1a}"), (3, "{ #a }"))
    ]),
    "escaped environment": ("\\\\begin{align} a \\\\end{align}", ["1:1 markdown: \\\\begin does not open a formula; write one backslash, \\begin{...}"]),
    "calls in what is seen": ("![a {{ ref('b') }}](c.png) [d](e.md 'f {{ ref(\"g\") }}') <b title='{{ ref(\"h\") }}'>i</b>", [
        *(f"1:{column} reference: ref(...) is not read in an address, a title or alt text; write it out" for column in (1, 28)),
        "1:60 html: ref(...) is not read in an attribute; write it out",
    ]),
    # callouts, tables, headings
    "callouts with titles": ("> [!note] Title\n> x\n\n> [!tip]-\n> y\n\n> [!todo]\n> z", [
        '1:3 markdown: write a callout with a title as !!! note "Title", with its text indented by four spaces below',
        '4:3 markdown: write a callout that folds as ??? note "Title", with its text indented by four spaces below',
        "7:3 markdown: a callout starts with > [!NOTE] alone on its line; known are note, tip, important, warning, caution",
    ]),
    "a table within an item's line": ("- a\n| b | c |\n|---|---|\n| 1 | 2 |", [
        "3:1 markdown: this is not a table here; leave a blank line before its header, which needs as many cells as this line",
    ]),
    "Org's table": ("| a | b |\n|---+---|\n| 1 | 2 |", ["2:1 markdown: the line below a table's header separates its cells with |, not with +"]),
    "Pandoc's simple table": ("Right     Left\n-------   ------\n12        12", [
        "2:1 markdown: this is a Pandoc table; separate its cells with |, with a line |---|---| below its header",
    ]),
    "Pandoc's unnumbered heading": ("## A {-}", ["1:6 markdown: {-} is Pandoc; remove it: numbered = true numbers all sections or none"]),
    "a heading without text": ("> a\n\n##\n\ntext", ["3:1 heading: this heading has no text; write it after the #, or remove the line"]),
    "front matter below": ("---\ntitle: x\n---\n\ntext", ["2:1 markdown: front matter goes at the top of the file, between +++ lines"]),
    "emoji": ("a :+1: :100: :t-rex: 10:30:15", [
        f"1:{column} markdown: {name} would be printed unchanged; write the character itself" for column, name in ((3, ":+1:"), (8, ":100:"), (14, ":t-rex:"))
    ]),
    "sizes and pictures": ("![a](b.png =300x) ![[c.png|3]]", [
        '1:2 markdown: ![a](b.png =300x): sizes are not supported here; write {{ picture("name.png", alt="...", width="text") }}',
        '1:20 markdown: ![[c.png|3]] is an Obsidian picture; write {{ picture("name.png", caption="...", alt="...") }}',
    ]),
    "a bracket open in an address": ("[a](https://e.com/b(c) d", [
        "1:1 markdown: [a](https://e.com/b(c) is not a link, since a bracket of its address is not closed; write %28 for ( and %29 for )",
    ]),
    "characters of HTML in a formula": ("$a &lt; b$\n\n$$\n\\begin{aligned} a &amp;= b \\end{aligned}\n$$", [
        "1:4 math: &lt; is HTML; write < in a formula", "4:19 math: &amp; is HTML; write & in a formula",
    ]),
    "calls that are not closed": ("{{ figure('a/b')\n\na {{ metric('c/d') } b\n\n{{ cite('e') and {{ cite('f') }}", [
        f"{line}:{column} reference: {name}(...) is not closed; end it with }}}}" for line, column, name in ((1, 4, "figure"), (3, 6, "metric"), (5, 4, "cite"))
    ]),
    "a tag in what is seen": ("![a <b>c</b> <d>](e.png)", ["1:1 reference: <d> is not read in an address, a title or alt text; write it out"]),
    "formulas in drawings": ("<svg><text>$x$</text><text>$5 or $6</text></svg>\n\n<div><svg><text>$x$</text></svg></div>", [
        f"{line}:{column} math: formulas are not set in <svg>; write plain characters, or put the formula outside the drawing" for line, column in ((1, 12), (3, 17))
    ]),
    "characters that are not seen": ("a\x1b[31mb\x1b[0m\nc\u2028d", ["1:2 page: U+001B is an invisible character; remove it", "2:2 page: U+2028 is an invisible character; remove it"]),
    "a mark of another file's beginning, overrides of direction": ("a\n\n\ufeff## B\n\nc \u202ed", [
        "3:1 page: U+FEFF is an invisible character; remove it", "5:3 page: U+202E is an invisible character; remove it",
    ]),
    "invisible characters beside marks": ("\u200b- a\n\n\u20601. b\n\nc\n\u200f- d\n\n-\u200b e\n\n#\u00ad# f\n\n> \u200d## g", [
        f"{place} markdown: an invisible character beside this mark makes it text; remove the character"
        for place in ("1:1", "3:1", "6:1", "8:1", "10:1", "12:3")
    ]),
    "spaces of other kinds": ("##\xa0A", ["1:1 markdown: the space after this # is not an ordinary space; write ## Title"]),
    "brackets of full width": ("[a]（https://e.com）", ["1:1 markdown: [a]（https://e.com） is not a link: write the address between ( and )"]),
    "a table that is a list": ("a | b\n- | -\n1 | 2", [
        "2:3 markdown: this is a list item; start the line below a table's header with |, or write two dashes per cell",
    ]),
    "three braces": ("a {{{ metric('b/c') }}}", ["1:3 reference: a call has two braces on each side, not three"]),
    "calls that there are not": ("{{ image('a.png') }} {{ eq('b') }} {{ metric('c/d') }} {{ x }", [
        "1:1 jinja: unexpected '}'; put Jinja's braces into `code` if they are meant as text",
    ]),
    "an empty callout": ("> [!NOTE]\n\n> a\n\n> [!TIP]\n> b", [
        "1:3 markdown: this callout has no text; write it on the next line, after >",
    ]),
    "diagrams and raw HTML": ("```flow\na\n```\n\n```{=html}\n<b>c</b>\n```", [
        '1:1 markdown: flow diagrams are not supported; save it as a picture, and write {{ picture("name.png", caption="...", alt="...") }}',
        "5:1 markdown: ```{=html} is Pandoc; write HTML without a fence",
    ]),
    "Jekyll's tags": ("{% assign a = 1 %} {% include_relative b.md %}", [
        "1:1 markdown: {% assign a = 1 %} is Jekyll; Jinja has {% set x = 1 %}, {% if ... %} and {# comments #}",
        '1:20 markdown: {% include_relative b.md %} is Jekyll; write {{ picture("name.png", caption="...", alt="...") }} for a picture, a fence of ``` for code',
    ]),
    "links of a wiki and HackMD": ("[[#a]] [name=b] [[1, 2], [3, 4]]", [
        "1:1 markdown: [[#a]] is a wiki link; write [text](page.md)", "1:8 markdown: [name=b] is HackMD; write it as text",
    ]),
    "headings of AsciiDoc, kramdown's sign": ("== A\n\n- b\n^\n- c", [
        "1:1 markdown: a heading starts with ##", "4:1 markdown: kramdown's ^ does not separate lists; write <!-- --> on its own line",
    ]),
    "formulas of nothing, comments in formulas": ("$$$$ \\(\\) $a <!-- b --> c$", [
        "1:1 math: $$$$ is an empty formula; remove it", "1:6 math: \\(\\) is an empty formula; remove it",
        "1:14 math: <!-- is not a comment in a formula; write % on its own line",
    ]),
    "curled quotes in a call": ("{{ cite(“e”) }}", ['1:4 reference: “ is not read as a quote here; write cite("...")']),
    "calls that are computed with": ("{{ metric('a/b') | upper }}\n\n{{ metric('a/b') * 3 }}\n\n{{ -metric('a/b') }}", [
        f"{line}:{column} reference: metric(...) cannot be used in an expression; use its options"
        for line, column in ((1, 4), (3, 4), (5, 5))
    ]),
    "quotes in quotes": ('{{ picture("a.png", caption="{{ ref("b") }}") }}', [
        "1:1 jinja: picture(...) cannot be read (expected token ',', got 'b'); write quotes within quotes as ' or \\\"",
    ]),
}  # fmt: skip

DOUBTFUL: dict[str, tuple[str, list[str]]] = {
    "a dollar too many": ("$f(x)=1$$ and $x$$y$ `$x$$`\n\n$x$^2", [
        "1:9 math: this $ is printed, since the formula has ended before it; remove it, or write \\$ for a dollar sign",
        "3:4 math: ^2 is outside of the formula before it; write it before the closing delimiter",
    ]),
    "lines that are nearly items": ("- a\n-b\n- c\n+d\n\n1. a\n2.b\n\n> - e\n>   -$f$", [
        f"{place} markdown: this line belongs to the item above; write a space after the mark of a list item"
        for place in ("2:1", "4:1", "7:1", "10:5")
    ]),
    "no address": ("[x]:\n\ntext\n[y z]: \n\na[^n] [b]: c\n\n[^n]: d", [
        "1:1 markdown: no address follows, so this line defines none and is printed; write the address after the colon",
        "4:1 markdown: no address follows, so this line defines none and is printed; write the address after the colon",
    ]),
    "two addresses": ("[a](b.md)(c.md) [a](b.md) (c.md) [a](b.md)(see) [a][e](https://x.y/z)\n\n[e]: f.md", [
        "1:10 link: (c.md) is printed, since the link before it has an address; leave a space before it",
        "1:55 link: (https://x.y/z) is printed, since the link before it has an address; leave a space before it",
    ]),
    "text in a paragraph of HTML": ("<p>a <b>b</b>\n\nc</p>\n\n<div><p>d</p><P class=x>e\n\n- f\n\n</P></div>", [
        f"{line}:1 html: a browser ends this <p> where the text below it starts; write <div> instead, or remove the blank line"
        for line in (1, 5)
    ]),
    "an address that ends early": ("https://e.com/a\\_b, https://e.com/`c`", [
        "1:1 link: this address ends before \\; write all of it between < and >",
        "1:21 link: this address ends before `; write all of it between < and >",
    ]),
    "display in a sentence": ("Let \\[x\\] be\n\nLet \\begin{equation}a\\end{equation} be", [f"1:5 math: {DISPLAY}", f"3:5 math: {DISPLAY}"]),
    "a price or a formula": ("$5$10", ["1:1 math: $5$ is text, since a digit follows; write \\(5\\) for a formula, \\$ for a dollar"]),
    "unknown TeX": ("a \\mycmd b", ["1:3 markdown: \\mycmd is printed as text; write $\\mycmd$ for a formula, or `\\mycmd`"]),
    "a path or TeX": ("src\\in", ["1:4 markdown: \\in is TeX outside of a formula; write $\\in...$ for a formula, or `\\in`"]),
    "TeX's line break": ("a \\\\\nb", ["1:3 markdown: \\\\ does not end a line; write one backslash, or two spaces, at its end"]),
    "words with a tilde": ("foo~bar", [f"1:4 markdown: {TIE}"]),
    "bars": ("a | b\n1 | 2", [f"1:1 markdown: if this is a table, {DELIMITER}"]),
    "text that is a row": ("| a | b |\n|---|---|\n| 1 | 2 |\ntext", ["4:1 markdown: this line is a row of the table above; leave a blank line before text"]),
    "a task without a list": ("[ ] do", ["1:1 markdown: a task is a list item; write - [ ] before it"]),
    "a language that is none": ("```pyhton\nx\n```", ["1:1 code: code is not coloured, since there is no language 'pyhton'; did you mean 'python'?"]),
    "a word behind a fence": ("```python repl\nx\n```", ["1:1 markdown: 'repl' after a fence is not supported"]),
    "Markdown in HTML": ("<p>a **b** [c](d)</p>", [
        "1:6 markdown: '**b**' is printed as text, since Markdown is not read in HTML; leave a blank line before it",
    ]),
    "emphasis in HTML": ("<p>5*3*2, a * b * c and *this*</p>", [
        "1:25 markdown: '*this*' is printed as text, since Markdown is not read in HTML; leave a blank line before it",
    ]),
    "a link in a link": ("[a [b](c)](d)", ["1:10 markdown: ](d) does not make a link of the text before it, since that has a link or a note in it"]),
    "a lone backtick": ("a `b", ["1:3 markdown: ` opens no code, since it is not closed; write \\` for the character"]),
    "bold with spaces": ("** a ** b and ~~ c ~~", [
        "1:1 markdown: ** is not markup here, since there is a space inside it; write **word**",
        "1:15 markdown: ~~ is not markup here, since there is a space inside it; write ~~word~~",
    ]),
    "no character": ("a &emdash; b", ["1:3 markdown: &emdash; is not a character in HTML; write the character itself"]),
    "no tag": ('a <a href="b>c</a>', ['1:3 html: <a href= is not a valid tag, so it is text; check its quotes, or write &lt;']),
    "an address that nothing refers to": ("[Update]: Fixed\n\n[a]: b.md\n[a]: c.md\n\n[x][a]", [
        "1:1 link: nothing refers to [update], so this line is not shown; write &#91; if it is text",
        "4:1 link: [a] is defined above; the address here is not used",
    ]),
    "lists of letters": ("a. b\nb. c\n\n(1) d\n(2) e\n\n• f", [
        f"{line}:1 markdown: this is text, not a list; items start with - or 1." for line in (1, 4, 7)
    ]),
    "items without a space": ("-a\n-b\n\n1.a\n2.b", [f"{line}:1 markdown: write a space after the mark of a list item" for line in (1, 4)]),
    "Python's prompt": (">>> x = 1", ["1:1 markdown: this is a quote within quotes; put Python code into a fence of ```"]),
    "said twice": ('Figure {{ ref("a") }} (Sec. {{ ref("#b") }})', [
        f"1:{column} reference: ref(...) writes Figure, Section or Equation itself; remove {word!r} before it"
        for column, word in ((11, "Figure"), (32, "Sec."))
    ]),
    "a list in HTML": ("<details><summary>S</summary>\n- a\n- b\n</details>", [
        "2:1 markdown: '- a' is printed as text, since Markdown is not read in HTML; leave a blank line before it",
    ]),
    "no part of the list": ("1. a\n  - b\n\n> 10. c\n>    - d\n\n1. e\n\n  $$x$$\n\n100. f\n\n    g", [
        f"{line}:{column} markdown: this is not part of the list above; indent it by {count} spaces if it should be"
        for line, column, count in ((2, 3, 3), (5, 6, 4), (9, 3, 3), (13, 5, 5))
    ]),
    "no part of the note": ("a[^1]\n\n[^1]: b\n\n  c\n\n!!! note\n    d\n\n  e", [
        "5:3 markdown: this is not part of the note above; indent it by 4 spaces if it should be",
        "10:3 markdown: this is not part of the callout above; indent it by 4 spaces if it should be",
    ]),
    "items that are not nested": ("- a\n - b\n  - c\n\n1. d\n  2. e", [
        "2:2 markdown: this item is in the same list as the one above; indent it by 2 spaces to nest it",
        "6:3 markdown: this item is in the same list as the one above; indent it by 3 spaces to nest it",
    ]),
    "items that are text": ("- a\n  3. b\n\nSteps:\n2. c\n3. d", [
        f"{line}:{column} markdown: this line is text like the one above it, since only a list from 1. can start here; leave a blank line before it"
        for line, column in ((2, 3), (5, 1))
    ]),
    "a list of dashes": ("– a\n– b", ["1:1 markdown: this is text, not a list; items start with - or 1."]),
    "a table as code": ("    | a | b |\n    |---|---|\n    | 1 | 2 |", [
        "1:5 markdown: this is code, since it is indented by four spaces or more; indent it less if it is not, or use a fence",
    ]),
    "a sentence as a heading": ("This is so.\n---\n\na\nb\n---", [
        f"{line}:1 markdown: this text is a heading, since --- is right below it; leave a blank line before --- for a rule" for line in (1, 4)
    ]),
    "a backslash at the end": ("a \\\n\nb", ["1:3 markdown: a backslash at the end of a paragraph does not break a line; remove it"]),
    "marks beside letters": ("**中文：**后面 **b**\n\n**Note:**text", [
        f"{line}:1 markdown: ** is not markup here, since it is between punctuation and a letter; write <b>...</b>" for line in (1, 3)
    ]),
    "stars beside letters": ("*x:*y and (*args, *kw), **(a)**b", [
        "1:1 markdown: * is not markup here, since it is between punctuation and a letter; write <i>...</i>",
        "1:25 markdown: ** is not markup here, since it is between punctuation and a letter; write <b>...</b>",
    ]),
    "two terms": ("A\nB\n: c", ["3:1 markdown: a definition has one term above it, and a blank line above that"]),
    "definitions": ("A\n: b\nC\n: d\n\n## D\n\nE\n~ f", [
        "3:1 markdown: this line belongs to the definition above it; leave a blank line before a term", "9:1 markdown: a definition starts with : below its term",
    ]),
    "marks that are not closed": ("a **b c", ["1:3 markdown: ** is not markup here, since it is not closed; write \\*\\* for the characters"]),
    "a fence in a line": ("```python x = 1```", ["1:1 markdown: this is inline code, in which 'python' is shown; put ``` on separate lines"]),
    "a link with a space": ("[a] [b] and [c] [d]\n\n[b]: e.md", ["1:1 link: [a] [b] is not a link: remove the space between ] and ["]),
    "dollars of a shell": ("$a_b and $c_d in A=$HOME/x:$PATH", [
        "1:1 math: this $ does not open a formula, since it is not closed; write \\$ for a dollar sign",
        "1:10 math: '$c_d in A=$' is set as a formula; write \\$ for a dollar sign",
    ]),
    "escaped brackets": ("a \\[1\\], \\[see b\\] and \\(see c\\)", [
        *(f"1:{column} math: '{text}' is set as a formula; write [ for a bracket" for column, text in ((3, "\\[1\\]"), (10, "\\[see b\\]"))),
        "1:24 math: '\\(see c\\)' is set as a formula; write ( for a bracket",
    ]),
    "escapes in formulas": ("$x\\_1$, $\\text{a\\_b}$, $a\\_max$ and $\\\\{a\\\\}$\n\n$$\n\\\\frac{a}{b} \\\\ c\n$$", [
        "1:3 math: \\_ shows an underscore in a formula; write _ for a subscript",
        *(f"{line}:{column} math: \\\\ starts a new line of a formula; write one backslash for a command or a brace" for line, column in ((1, 38), (4, 1))),
    ]),
    "bars of norms": ("| $\\|x\\|$ | b |\n|---|---|\n| 1 | 2 | |", ["1:4 math: \\| in a formula of a table means |; write | for that, or \\Vert for a double bar"]),
    "an address defined in a paragraph": ("a [b]\n[b]: c.md \"T\"\n\nNote [d]: e\n[f]: g", [
        "2:1 markdown: leave a blank line before the definition of an address",
    ]),
    "blocks in a paragraph of HTML": ('<p align="center">\n\n![a](b.png)\n\n</p>\n\n<p>c</p>\n\nd', [
        "1:1 html: a browser ends this <p> where the text below it starts; write <div> instead, or remove the blank line",
    ]),
    "spaces of other kinds": ("-\xa0a\n\n1.\u3000b\n\n\xa0\xa0- c", [
        f"{line}:1 markdown: the space here is not an ordinary space, so this is text, not a list or heading" for line in (1, 3, 5)
    ]),
    "cells over lines": ("| a | b |\n|---|---|\n| c\nd | e |\n| f |", [
        "3:1 markdown: this row has no | at its end; a cell cannot continue on the next line, write <br> in it",
    ]),
    "a table of tabs": ("a\tb\n1\t2", [f"1:1 markdown: if this is a table, use | between cells and {DELIMITER}"]),
    "a tree of files": ("├── a\n└── b", ["1:1 markdown: these lines will be joined; put them into a fence of ```"]),
    "a command": ("$ pip install x\nCollecting", ["1:1 markdown: put a command into a fence of ```, which keeps its lines"]),
    "headings of full width": ("＃ a", ["1:1 markdown: a heading starts with ##, in half-width characters"]),
    "code that is not run": ("`{python} x` and `{x} y`", [
        "1:1 markdown: {python} does not run code here; write the value, or {{ metric(...) }} for a measured one",
    ]),
    "lines marked by comments": ("```js\n// highlight-next-line\nx\n```", ["1:1 markdown: highlight-next-line marks no lines here; write {1,3-5} after the language"]),
    "marks of a wiki": ("'\'\'a\'\'\' \'\'b\'\' f\'\'(x), g\'\'(x)\n\n* c\n** d", [
        *(f"1:{column} markdown: this is MediaWiki markup; write **bold** and *emphasis*" for column in (1, 9)),
        "4:1 markdown: indent a nested item by two spaces and start it with - or *",
    ]),
    "marks of a chat": ("a【1†source】", ["1:2 markdown: this is left over from a chat program; remove it"]),
    "hashtags": ("#one #two", ["1:1 markdown: a heading has a space after its #; tags are not supported"]),
}  # fmt: skip

INNOCENT = {
    "paths": "C:\\new\\times, \"D:\\to\\in\", \\\\server\\share\\in, .\\in\\x, ..\\alpha, ~\\in, %HOME%\\in",
    "escapes": "\\*a\\* 1\\. \\# \\_ \\\"hello\\\" don\\'t \\! 12\\:30 \\~ \\d \\n \\o/ \\\\alpha \\- \\%",
    "code": "`\\ldots Fig.~1 5\\,km [a] (b.md) @key %% c %%`",
    "prices": "$5 to $10, $5/$10, $5-$10, US$5-A$10, $5k-$10k, \\$x\\$5",
    "formulas": "$5\\%$ and $x_1$5 and $\\frac12$",
    "comment in a formula": "$$\nx = y % why\n  + z %\n% \\label{old}\n$$",
    "comments": "a <!-- b --> c <!--> d\n\n<!-- e\n\nf -->\n\n- <!-- g\n\n  h -->",
    "arrows": "a --> b, a <-- b, x < y, 3 < 4 and 5 > 4",
    "tildes": "~5 km, 3~5 days, PROGRA~1, /~user, ~~gone~~, x ~ y, file.txt~",
    "addresses": "https://e.com/~a/~b?q==1&r==2#x^y^z and https://e.com/@me/:smile:/*a*/_b_ ok",
    "mail and handles": "me@e.com, @someone, @property, @media and 5@3",
    "brackets": "[1] (see below), [sic] (2020), f(x)[0], (a)[i], [a] (p. 5), arr[i](x",
    "percents": "100% of 50%, 100%% and 50%%, 5 % x",
    "carets": "x ^2 and 2^10, a^b, ^ and ^1",
    "bars": "|x| + |y| and P(a | b)\n\nP(a | b) first\nP(c | d) second",
    "equals": "(a)= b, f(x)= y, a == b and c == d",
    "import": "import taxes from abroad\n\nimports from 'x' are\n\nexport default values",
    "issue": "#12 is open, C# and F#, # 5",
    "definitions": "Term\n: what it is\n\nTable 1\n: what it shows",
    "tables": "| a | b |\n|---|---|\n| `x|y` | $|z|$ |\n| 1 |\n\n| $$x$$ |\n|---|",
    "tasks": "- [x] a\n\n- [ ] b\n- [x](https://e.com) c\n- [1] d\n\n1. [X] e",
    "fences": "```python {1,3-4}\na\nb\nc\nd\n```\n\n```text\na\n```\n\n```\na\n```\n\n~~~py\nx\n~~~",
    "links": "[a](b.md) and <a href=\"c.md\">d</a> and <a name=\"e\"></a>[f](g.md) [![h](i.png)](j.md)",
    "formulas in HTML": "<details><summary>if $a<b$ and $c>d$ or $a<b and c>d$</summary></details>\n\n<table><tr><td>$5</td><td>$6</td><td>$x$</td></tr></table>",
    "code in HTML": "<p><code>\\alpha **x** [^1]</code></p>\n\n<pre>$a <b>x</b> c$ \\in</pre>",
    "powers": "2**3 and a ** b, f(**kwargs), a^2+b^2=c^2, a==b and c==d, C++ and ++i; x++; ==> a, <== and ^_^",
    "expressions": "\\d{4}, \\w+ and \\s*",
    "lists": "-1\n-2\n\na. m. and p. m.\n\ni.e. this, (1) here and (2) there\n\n> > quote",
    "calls": 'As in {{ ref("a") }}, Eq. \\eqref{b}: {% set x = metric("a/b") %}{{ x }} {{ metric("c/d") if 1 else "" }}',
    "pictures and paragraphs": "![p(x|0)](b.png) ![a|2](c.png)\n\n<p>a <b>b</b>\nc</p>\n\nd\n\n<p>e<div>\n\nf\n\n</div>",
    "addresses with signs": "https://e.com/a?b=$1&c={d}|e and $x$, https://e.com/$y$ (https://e.com/{f})",
    "definitions of addresses": "[a], [b][], [c][D]\n\n[a]: x.md\n[B]: y.md\n[d]: z.md",
    "characters that set what is seen": "\u200fשלום - x\n\na\u200bb, c\u00add, \U0001f469\u200d\U0001f52c 1. \u2066x\u2069\n\n`\u200b- a`",
    "characters": "AT&T, a & b; &nbsp; &amp; &#8212; a < b, <3, x<y>z",
    "captions": '{{ picture("a.png", caption="$\\theta$, {{ metric("a/b") }}", alt="a") }}'.replace('"a/b"', "'a/b'"),
    "lists within": "9. a\n   - b\n10. c\n    - d\n\nd\n\n - e\n - f\n\nf\n\n 9. g\n10. h\n\n- i\n\n  j\n  - k\n\nl[^1]\n\n[^1]: m\n\n    n",
    "two definitions": "A\n: b\n: c\n\nD\n:   e\n    f\n\nAbout\n~ 5 km",
    "numbers in text": "It was a long year with many things in it until there came\n1986. What a year it was, and then it was over and done with after\n12. There.",
    "rules": "a\n\n---\n\n- - -\n\nTitle\n-----",
    "shells": "Run $FOO and $BAR, ${HOME} and $(pwd), `$a_b and $c_d`",
    "breaks in formulas": "$\\begin{cases} a \\\\ b \\end{cases}$ $\\sum_{\\substack{a \\\\ b}}$\n\n$$\na \\\\ b\n$$",
    "names": "## A {#a}\n\n## A\n\n## Content\n\n$$x$$ {#b}",
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_at_its_place(name: str) -> None:
    """Each fault once, at line and column, with what to write."""
    body, expected = WRONG[name]
    assert faults(body) == expected


@pytest.mark.parametrize("name", DOUBTFUL)
def test_what_is_doubtful_is_a_warning_and_no_fault(name: str) -> None:
    """What may be meant as it stands is published, and its place is named."""
    body, expected = DOUBTFUL[name]
    assert (faults(body), warnings(body)) == ([], expected)


@pytest.mark.parametrize("name", INNOCENT)
def test_what_is_innocent_is_left_alone(name: str) -> None:
    """Prices, paths, mail, code and mathematics raise no alarm."""
    assert (faults(INNOCENT[name]), warnings(INNOCENT[name])) == ([], [])


def test_macros_of_a_page_hold_no_comments() -> None:
    """What follows a percent sign would be lost wherever the macro is used."""
    text = '+++\ntitle = "T"\ndescription = "D"\n[macros]\n"\\\\a" = "5%"\n"\\\\b" = "5\\\\%"\n+++\n$\\b$\n'
    found = [str(each) for each in read_page(text.encode(), "p.md", "p.html").faults]
    assert found == ["p.md:5:1 front-matter: \\a: % starts a comment in TeX; write \\\\% for a percent sign"]
