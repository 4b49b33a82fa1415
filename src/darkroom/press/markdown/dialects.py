r"""What other dialects of Markdown have and this one lacks, each with what to write instead.

kramdown, Jekyll, Hugo, MyST, Pandoc, Obsidian and LaTeX have markup that would be printed unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from darkroom.core.patterns import lazy_pattern
from darkroom.press.content.calls import calls_of
from darkroom.press.content.markup import attributes, pieces

CALLOUTS = ("note", "tip", "important", "warning", "caution")

ADMONITIONS = {
    **{kind: kind for kind in ("note", "tip", "important", "warning", "caution")},
    **dict.fromkeys(("info", "abstract", "summary", "question", "example", "quote", "seealso", "todo"), "note"),
    **dict.fromkeys(("hint", "success"), "tip"),
    "attention": "warning",
    **dict.fromkeys(("danger", "error", "failure", "bug"), "caution"),
}

PICTURE = '{{ picture("name.png", caption="...", alt="...") }}'
WIDTH = '{{ picture("name.png", alt="...", width="text") }}'

_CALLOUT = "> [!NOTE] for a callout"
_LISTED = "this is text, not a list; items start with - or 1."
_NO_CODE = "pages run no code; remove it"
_LEFT_BY_CHAT = "this is left over from a chat program; remove it"
_DELIMITER = "write a line |---|---| with as many cells below its header"

# Paragraphs: what is in all that a pattern finds, the pattern, and the message ----------------------------------------

_UNSEEN = "\u00ad\u200b-\u200f\u2060\u2066-\u2069"  # soft hyphens, joiners, marks of direction
_TELLING = lazy_pattern(  # what most paragraphs have none of
    r"(?m)^[#:+*.\\\[\-|(=%/<^•●▪◦‣–＃~├└│┌╔║╚$]|\t|^\d*[.)]?[\u00a0\u3000]"
    rf"|^[ \t]*[{_UNSEEN}]|^(?:[-*+]|\d{{1,9}}[.)]|#{{1,6}})[{_UNSEEN}]"
    r"|^(?:a|i|1)[.)]|^[ \t:|+-]+$|``|`_|`[^`\n]*'|^(?:import|export|image|Table)\b"
    r"|''|【|oaicite|\ue200|[ \t|]\|[ \t]|[ \t]\^[\w-]+\Z|\n[ \t]*\d\d?[.)][ \t]|\\[ \t]*\Z"
)
_PARAGRAPHS = (  # patterns are compiled where they are used
    (
        "",
        (
            rf"(?m)^[ \t]*[{_UNSEEN}]+[ \t]*(?:(?:[-*+>]|\d{{1,9}}[.)]|#{{1,6}})(?:[ \t]|$)|```|~~~|\$\$|\|)"
            rf"|^(?:[-*+]|\d{{1,9}}[.)]|#{{1,6}})[{_UNSEEN}]"
        ),
        "an invisible character beside this mark makes it text; remove the character",
    ),
    ("#", r"(?m)^#{2,6}[^#\s]", "a heading has a space after its #; write ## Title"),
    (
        "#",
        r"(?m)^#{1,6}[^\S \t\n]",
        "the space after this # is not an ordinary space; write ## Title",
    ),
    ("#", r"(?m)^#{1,6}[A-Z]\w*$", "a heading has a space after its #; write ## Title"),
    (
        ":::",
        r"(?m)^:{3,}",
        f"::: is a block of Pandoc, MyST or Docusaurus; write {_CALLOUT}",
    ),
    ("+", r"(?m)^\+[-=]{2,}\+", "tables with +--+ are not supported; separate the cells with | only"),
    (
        "|",
        r"(?m)\A[^\n]*\n[ \t]*\|?[ \t]*:?-+:?[ \t]*\|[-|: \t]*$",
        "this is not a table, since its header and the line below it have different numbers of cells",
    ),
    (
        "|",
        r"(?m)\A(?:[^\n]*\n){2,}?(?P<at>)[ \t]*\|?[ \t]*:?-+:?[ \t]*\|[-|: \t]*$",
        "this is not a table here; leave a blank line before its header, which needs as many cells as this line",
    ),
    (
        "-+-",
        r"(?m)^\|?[-: \t|]*-\+-[-+: \t|]*\|?[ \t]*$",
        "the line below a table's header separates its cells with |, not with +",
    ),
    ("#######", r"(?m)^#{7,}", "a heading has at most six #"),
    (
        ".. ",
        r"(?m)^\.\. [\w-]+::",
        "this is a reStructuredText directive; write a formula, a fence or > [!NOTE]",
    ),
    ("``", r"(?<!`)``(?!`)[^`\n]+''", 'write quotes as "..."; they are set as typographic quotes'),
    ("*[", r"(?m)^\*\[[^\]\n]+\]:", 'abbreviations are not supported; write <abbr title="...">...</abbr>'),
    (
        "[!",
        r"(?mi)^\[!(?:note|tip|important|warning|caution)\][ \t]+\S",
        'write a callout with a title as !!! note "Title", with its text indented by four spaces below',
    ),
    (
        "[!",
        r"(?mi)^\[!(?:note|tip|important|warning|caution)\][-+]",
        'write a callout that folds as ??? note "Title", with its text indented by four spaces below',
    ),
    (
        "[!",
        r"(?mi)^\[!(?!(?:note|tip|important|warning|caution)\](?:[ \t]+\S|[-+]))[a-z]+\][-+]?",
        f"a callout starts with > [!NOTE] alone on its line; known are {', '.join(CALLOUTS)}",
    ),
    (
        "[",
        r"(?mi)^\[{1,2}_?toc_?\]{1,2}$",
        "contents are made automatically; toc = false hides them",
    ),
    (
        "",
        r"(?m)^(?:---|\+\+\+)[ \t]*$",
        "front matter goes at the top of the file, between +++ lines",
    ),
    (
        "(",
        r"(?m)^\([A-Za-z][\w.:-]*\)=[ \t]*$",
        "this is a MyST target; write {#name} after the heading or formula",
    ),
    (
        "import",
        r"""(?m)^import\s+(?:[\w*{][^'"\n]*\sfrom\s+)?(?:'[^'\n]+'|"[^"\n]+");?[ \t]*$""",
        f"this is MDX: {_NO_CODE}",
    ),
    (
        "export",
        r"(?m)^export\s+(?:(?:const|let|var|function)\s+\w+\s*[=(]|default\s*[({]|default\s+(?:function|class)\b)",
        f"this is MDX: {_NO_CODE}",
    ),
    ("%%", r"(?m)^%%[ \t]*$", "%% is an Obsidian comment; write <!-- ... -->"),
    (
        "^",
        r"(?:^|(?<=[ \t\n]))\^(?!\d+\Z)[A-Za-z0-9-]{2,}\Z",
        "this is an Obsidian block name; name a heading with {#name}",
    ),
    ("===", r'(?m)^===[!+]?[ \t]+"', "tabs are not supported; write a heading or ??? note"),
    ("==", r"(?m)^={2,6}[ \t]+\S.*?[ \t]+=+[ \t]*$|\A={2,6}[ \t]+\w", "a heading starts with ##"),
    ("^", r"(?m)^\^[ \t]*$", "kramdown's ^ does not separate lists; write <!-- --> on its own line"),
    (
        "///",
        r"(?m)^/{3,}[ \t]+(?:note|tip|warning|details|admonition|html|tab|caption|figure-caption)\b",
        f"write {_CALLOUT}",
    ),
    ("<", r"(?m)^-*8<-+|^<<<[ \t]+\S", 'files are not included; write {{ code("package.module.name") }} for a listing'),
    ("(@", r"(?m)^\(@[\w-]*\)[ \t]", "this is a Pandoc example; write 1. for an item"),
    ("+++", r"(?m)^\+\+\+[ \t]+\S", "+++ separates cells of MyST notebooks only; remove it"),
    ("#+", r"(?m)^#\+\w+", "this is Org syntax; write a fence of ``` or front matter"),
    ("::", r"(?m)^(?:image|video|include)::\S+\[", f"this is AsciiDoc; write {PICTURE}"),
    ("`_", r"`[^`\n<]+<[^`\n<>]+>`__?", "this is a reStructuredText link; write [text](address)"),
    (":", r"\A:[ \t]+\S", "a line with : defines the term above it; describe a table in the text instead"),
    ("|", r"(?m)^\|[ \t]+\S.*[ \t]\|[ \t]*\n\|[ \t]+\S.*[ \t]\|[ \t]*$", f"this is not a table; {_DELIMITER}"),
    (
        "|",
        r"\A\|[ \t]+[^|\s][^|\n]*\|[ \t]+[^\n]*[ \t]\|[ \t]*\Z",
        "this table row stands alone; remove the blank line above it",
    ),
)
_DOUBTS = (
    (
        "",
        (
            r"(?m)^[ \t]*[\u00a0\u3000]*(?:[-*+]|\d{1,9}[.)])[\u00a0\u3000\u202f]"
            r"|^[ \t]*[\u00a0\u3000]+(?:[-*+]|\d{1,9}[.)]|#{2,6})[ \t]"
        ),
        "the space here is not an ordinary space, so this is text, not a list or heading",
    ),
    ("\t", r"\A[^\n\t]+\t[^\n]*(?:\n[^\n\t]+\t[^\n]*)+\Z", f"if this is a table, use | between cells and {_DELIMITER}"),
    ("\n", r"(?m)^[ \t]*[├└│┌╔║╚].*\n(?=.)", "these lines will be joined; put them into a fence of ```"),
    ("$", r"(?m)^\$[ \t]+[a-z][\w./-]*(?:[ \t]|$)", "put a command into a fence of ```, which keeps its lines"),
    ("\n:", r"\n(?P<at>:)[ \t]+\S", "a definition has one term above it, and a blank line above that"),
    ("\n~", r"\A[^\n]+\n(?P<at>)~[ \t]+[^\s\d]", "a definition starts with : below its term"),
    ("＃", r"(?m)^＃+[ \u3000]*\S", "a heading starts with ##, in half-width characters"),
    (
        "]:",
        (
            r"(?:\A|\n)[^\n]+\n {0,3}(?P<at>)\[[^\]\n^][^\]\n]*\]:[ \t]*(?:<[^>\n]+>|https?://\S+|mailto:\S+|#\S+|\.{0,2}/\S+|[^\s:]+\.\w+\S*)"
            r"(?:[ \t]+(?:\"[^\n]*\"|'[^\n]*'|\([^\n]*\)))?[ \t]*(?=\n|\Z)"
        ),
        "leave a blank line before the definition of an address",
    ),
    (
        "]:",
        r"(?:\A|\n) {0,3}(?P<at>)\[(?!\^)(?:[^\[\]\\\n]|\\.)+\]:[ \t]*\Z",
        "no address follows, so this line defines none and is printed; write the address after the colon",
    ),
    (
        "#",
        r"(?m)^#[a-z][\w/-]*(?:[ \t]+#[a-z][\w/-]*)*[ \t]*$",
        "a heading has a space after its #; tags are not supported",
    ),
    ("|", r"\A(?:[^|\n(]+[ \t]\|[ \t][^|\n(]+\n)+[^|\n(]+[ \t]\|[ \t][^|\n(]+\Z", f"if this is a table, {_DELIMITER}"),
    ("|", r"\A\|[^|\n]+\|[^|\n]+\|[ \t]*(?:\n\|[^|\n]+\|[^|\n]+\|[ \t]*)+\Z", f"if this is a table, {_DELIMITER}"),
    ("\n", r"(?m)^\(?a[.)][ \t]+\S[^\n]*\n(?:[ \t][^\n]*\n)*\(?b[.)][ \t]", _LISTED),
    ("\n", r"(?m)^(?:\(1\)|\(?i[.)])[ \t]+\S[^\n]*\n(?:[ \t][^\n]*\n)*\(?(?:2|ii)[.)][ \t]", _LISTED),
    ("", r"(?m)^[•●▪◦‣][ \t]*\S|^–[ \t]+\S[^\n]*\n–[ \t]", _LISTED),
    (
        "\n",
        r"(?:(?:\A|(?<=\n))[^\n]{0,40}|[:.;][ \t]*)\n[ \t]*(?P<at>)(?:0|[2-9]|[1-9]\d)[.)][ \t]+\S",
        "this line is text like the one above it, since only a list from 1. can start here; leave a blank line before it",
    ),
    ("\\", r"(?P<at>)\\[ \t]*\Z", "a backslash at the end of a paragraph does not break a line; remove it"),
    (
        "\n|",
        r"\A\|[ \t]+[^|\n]+(?:\n\|[ \t]+[^|\n]+)+\Z",
        "this is a Pandoc line block; end a line with a backslash to break it",
    ),
    (
        "\n",
        r"(?m)^-[A-Za-z][^\n]*\n-[A-Za-z]|^1[.)][A-Za-z][^\n]*\n2[.)][A-Za-z]",
        "write a space after the mark of a list item",
    ),
    (
        "**",
        r"(?m)^\*{2,4}[ \t]+[^*\s][^*\n]*$",
        "indent a nested item by two spaces and start it with - or *",
    ),
    (
        "''",
        r"(?<![\w'])('{2,3})(?=[^\s'])[^'\n]*[^\s']\1(?![\w'])",
        "this is MediaWiki markup; write **bold** and *emphasis*",
    ),
    ("【", r"【\d+[^】\n]*】", _LEFT_BY_CHAT),
    ("oaicite", r":contentReference\[oaicite", _LEFT_BY_CHAT),
    ("\ue200", r"\ue200\w+", _LEFT_BY_CHAT),
    ("[", r"\A\[[ xX]\][ \t]+\S", "a task is a list item; write - [ ] before it"),
    (
        "Table",
        r"\ATable(?:[ \t]+\d+)?:[ \t]*\S[^\n]*\Z",
        "captions of tables are not supported, so this is ordinary text",
    ),
    ("%", r"(?m)^%+[ \t]+\S", "% does not start a comment here; write <!-- ... -->"),
    (
        "`",
        r"(?<![`\w])`[A-Za-z][^`'\n]*'(?!\w)(?=[^`]*\Z)",
        "write quotes as \"...\" or '...'; they are set as typographic quotes",
    ),
)


def of_paragraph(content: str) -> Iterator[tuple[int, str, bool]]:
    """Where a paragraph looks like something else, the message, and whether that is certain."""
    if not _TELLING.search(content):
        return
    certain = False
    for part, pattern, message in _PARAGRAPHS:
        for found in re.finditer(pattern, content) if part in content else ():
            certain = True
            yield _place(found), message, True
    for part, pattern, message in () if certain else _DOUBTS:
        for found in re.finditer(pattern, content) if part in content else ():
            yield _place(found), message, False


def _place(found: re.Match[str]) -> int:
    """Where a pattern says that it stands, or where it begins."""
    return found.start("at") if "at" in found.re.groupindex else found.start()


_ITEM = lazy_pattern(r"\[(?P<mark>[xX]?)\](?=[^\s(\[:])|\[(?:[-/>?!~]|(?P<empty>))\][ \t]")


_JOINED = lazy_pattern(r"\n(?P<at>[-+]|\d{1,2}[.)])[A-Za-z$`\"(*\[]")


def joined_to_item(content: str) -> int:
    """Where a line in the text of a list item is nearly an item itself, or -1."""
    found = _JOINED.search(content)
    return found.start("at") if found else -1


def of_item(content: str) -> str:
    """A message for the text of a list item that is nearly a task, or ""."""
    if re.match(r"\|[ \t]*:?-+:?[ \t]*(?:\||\n|\Z)", content):
        return "this is a list item; start the line below a table's header with |, or write two dashes per cell"
    found = _ITEM.match(content)
    if not found:
        return ""
    behind = ", followed by a space" if found["mark"] else ""
    return f"{found[0].strip()} is not a task; write - [ ] or - [x]{behind}"


# Braces ---------------------------------------------------------------------------------------------------------------

_BRACES: tuple[tuple[str, Callable[[str], str]], ...] = (
    (
        r"(?s)\{\{[<%].*?[>%]\}\}",
        lambda text: f"{_short(text)} is a Hugo shortcode; write {PICTURE} for a picture, HTML for anything else",
    ),
    (
        r"(?i)\{:\s*toc\b[^}\n]*\}|\{toc\}",
        lambda text: f"{text} is kramdown; contents are made automatically, and toc = false hides them",
    ),
    (r"\{:{1,2}[^{}\n]*\}", lambda text: _of_attributes(text, "kramdown")),
    (r"\{(?:[.#][A-Za-z]|[\w-]+=)[^{}\n]*\}", lambda text: _of_attributes(text, "Pandoc")),
    (
        r"\{[ \t]+[.#][A-Za-z][^{}\n]*\}|\{#(?![ \t])[^A-Za-z{}\n#-][^{}\n#]*\}",
        lambda text: (
            f"{text} is not a valid name; write {{#name}}, which starts with a letter from A to Z and has no spaces"
        ),
    ),
    (r"(?s)\{/\*.*?\*/\}", lambda text: f"{_short(text)} is an MDX comment; write <!-- ... -->"),
    (r"\{(?:props|frontmatter)\.[\w.]+\}", lambda text: f"{text} is MDX: {_NO_CODE}"),
    (
        r"\{(?:\+\+[^{}]*\+\+|--[^{}]*--|~~[^{}]*~~|==[^{}]*==|>>[^{}]*<<)\}",
        lambda text: f"{_short(text)} is CriticMarkup's; write <ins>, <del> or <mark>, or a comment <!-- ... -->",
    ),
    (r"\{-\}", lambda text: f"{text} is Pandoc; remove it: numbered = true numbers all sections or none"),
    (r"\{=\w+\}", lambda text: f"{text} is Pandoc; write HTML as it is"),
    (
        r"(?s)\{%-?\s*(?:comment|endcomment|assign|capture|endcapture|unless|endunless|case|when|endcase|seo|feed_meta)\b.*?%\}",
        lambda text: f"{_short(text)} is Jekyll; Jinja has {{% set x = 1 %}}, {{% if ... %}} and {{# comments #}}",
    ),
    (
        r"(?s)\{%-?\s*(?:include|include_\w+|link|post_url|highlight|endhighlight|figure|cite|gist|youtube|details|enddetails)\b.*?%\}",
        lambda text: f"{_short(text)} is Jekyll; write {PICTURE} for a picture, a fence of ``` for code",
    ),
    (
        r"\{(?:ref|eq|cite|math|numref|doc|term)[\w:]*\}(?=`)",
        lambda text: f'{text} is a MyST role; write $...$, or {{{{ ref("...") }}}} or {{{{ cite("...") }}}}',
    ),
)


def of_braces(text: str, at: int) -> tuple[str, int] | None:
    """A message for the braces that open at *at*, and where they end."""
    for pattern, message in _BRACES:
        if found := re.compile(pattern).match(text, at):
            return message(found[0]), found.end()
    return None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:36]}...{text[-3:]}"


def _of_attributes(text: str, whose: str) -> str:
    if "width" in text or "height" in text:
        return f"{_short(text)} is {whose}; write {WIDTH}"
    return f"{_short(text)} is {whose}; write {{#name}} after a heading to name it, and HTML for a class"


# Anything in a line ---------------------------------------------------------------------------------------------------


def _braced(text: str) -> str:
    """A text within a message that is filled in."""
    return text.replace("{", "{{").replace("}", "}}")


_ADDRESS = r"(?:https?://|mailto:|www\.|\.{1,2}/|#[A-Za-z])"
_SUFFIX = r"\.(?:md|html?|pdf|png|jpe?g|svg|gif|webp)(?:#[\w-]+)?"

_TEXTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "[": (
        (r"\[\^([^\]\s]+)\]", "there is no note {0}; write [^{1}]: ... on its own line"),
        (r"\[\^([^\]\n]+)\]", "{0}: the name of a note cannot have spaces"),
        (r"\[(?:see |cf\. |e\.g\.,? )?-?@[\w:-][^\]\n]*\]", '{0} is a Pandoc citation; write {{{{ cite("key") }}}}'),
        (r"(?<=!)\[\[[^\[\]\n]+\]\]", f"!{{0}} is an Obsidian picture; write {_braced(PICTURE)}"),
        (r"\[(?:name|time|color)=[^\[\]\n]+\]", "{0} is HackMD; write it as text"),
        (r"\[\[(?!(?i:toc)\]\])[A-Za-z#][^\[\]\n]*\]\]", "{0} is a wiki link; write [text](page.md)"),
        (
            r"\[(?:[^\[\]\\]|\\.)*\](?=\[(?:[^\[\]\\]|\\.)+\]\([^()\s]*\))",
            "{0} is not part of the link behind it and would be printed; remove it, or write \\[ for the character",
        ),
        (r"\[(?:[^\[\]\\]|\\.)*\]\[((?:[^\[\]\\]|\\.)+)\]", "{0} leads nowhere; write [{1}]: address below"),
        (r"\[((?:[^\[\]\\]|\\.)+)\]\[\]", "{0} leads nowhere; write [{1}]: address below"),
        (
            r"\[(?:[^\[\]\\]|\\.)*\]\(\s*<?((?i:javascript|vbscript|file|data):)",
            "{0}...) is not a link: the page's policy forbids {1}",
        ),
        (
            r"(?<=!)\[(?:[^\[\]\\]|\\.)*\]\([^()\n]*[ \t]=\d*%?x\d*%?[ \t]*\)",
            f"!{{0}}: sizes are not supported here; write {_braced(WIDTH)}",
        ),
        (
            r"\[(?:[^\[\]\\]|\\.)*\]\((?:[^()\n]|\([^()\n]*\))*\)",
            "{0} is not a link, since its address cannot be read; put an address with spaces between < and >",
        ),
        (
            rf"\[(?:[^\[\]\\\n]|\\.)+\][ \t]+\((?:{_ADDRESS}[^\s()]*|[^\s()]+{_SUFFIX})\)",
            "{0} is not a link: remove the space between ] and (",
        ),
        (
            rf"(?<=\))\[(?:{_ADDRESS}[^\s\[\]]*|[^\s\[\]]+{_SUFFIX})\]",
            "{0} after ) is not a link; write [text](address)",
        ),
        (r"\[[^\[\]\n]+\]（[^（）\n]+）", "{0} is not a link: write the address between ( and )"),
        (
            r"\[(?:[^\[\]\\\n]|\\.)+\]\((?:https?://|mailto:|www\.)[^\s()]*(?=\s|\Z)",
            "{0} is not a link, since its address is not closed; end it with )",
        ),
        (
            r"\[(?:[^\[\]\\\n]|\\.)+\]\((?:https?://|mailto:|www\.)[^\s]*(?=\s|\Z)",
            "{0} is not a link, since a bracket of its address is not closed; write %28 for ( and %29 for )",
        ),
    ),
    "%": ((r"(?<![\w%])%%(?!%)[^%]+%%(?!%)", "{0} is an Obsidian comment; write <!-- ... -->"),),
    "@": (
        (
            r"(?<![\w.@/])@(?:fig|tbl|tab|eq|sec|lst|thm)[-:][A-Za-z][\w-]*",
            '{0} is a Quarto reference; write {{{{ ref("...") }}}}',
        ),
    ),
    "=": ((r"(?<![\w=<])==(?=[^\s=>])[^=\n]*(?<!\s)==(?!=)", "{0} is not supported; write <mark>...</mark>"),),
    "+": ((r"(?<![\w+])\+\+(?=[^\s+])[^+\n;]*(?<!\s)\+\+(?!\+)", "{0} is not supported; write <ins>...</ins>"),),
    "~": (
        (
            r"(?<!~)~(?=[^\s~])[^\s~]{1,20}~(?!~)",
            "{0} is not supported; write ~~...~~ to strike out, <sub>...</sub> to lower",
        ),
    ),
    "^": ((r"\^(?=[A-Za-z0-9])[^\s^+\-=*/()]{1,20}[+\-]?\^", "{0} is not supported; write <sup>...</sup> to raise"),),
    ":": (
        (
            r":(?:math|ref|cite|code|eq|doc)[\w:]*:`[^`\n]*`",
            "{0} is a reStructuredText role; write $...$ or a call",
        ),
        (
            r"(?<![\w:]):(?:[a-z][a-z_]*[a-z0-9]|[a-z][a-z0-9]*(?:-[a-z0-9]+)+|[+-]1|100|1234|8ball|[123][a-z]{2}_[a-z_]+):(?![\w:])",
            "{0} would be printed unchanged; write the character itself",
        ),
    ),
}  # fmt: skip


def of_text(text: str, at: int) -> tuple[str, int]:
    """A message for a character at *at* that no rule took, or "", and where that ends."""
    for pattern, message in _TEXTS.get(text[at], ()):
        found = re.compile(pattern).match(text, at)
        if found:
            return message.format(_short(found[0]), *found.groups()), found.end()
    return "", at


_DIAGRAMS = frozenset(
    {"mermaid", "plantuml", "flow", "flowchart", "sequence", "nomnoml", "vega-lite", "geojson", "topojson"}
)
_TITLES = frozenset({"title", "filename", "file", "name", "caption", "label", "lst-label", "lst-cap"})
_NUMBERS = frozenset({"linenums", "linenos", "lineno", "linenumbers", "showlinenumbers", "numberlines", "line-numbers"})
_MARKS = frozenset({"hl_lines", "highlight", "emphasize-lines", "mark", "ins", "del", "lines"})
_OPTION = lazy_pattern(r"""(?P<name>[^\s=]+)(?:=(?:"[^"]*"|'[^']*'|\S*))?""")


def of_fence(info: str) -> tuple[str, bool]:
    """A message for the words after a fence, or "", and whether that is certain."""
    if info.strip() and info.split(maxsplit=1)[0] in _DIAGRAMS:
        kind = info.split(maxsplit=1)[0]
        return f"{kind} diagrams are not supported; save it as a picture, and write {PICTURE}", True
    if found := re.match(r"\{(?P<name>[^{}]*)\}(?P<rest>.*)", info.strip()):
        return _of_braces_first(info.strip(), found["name"], found["rest"].strip()), True
    if found := re.search(r"\{(?![\d,\s-]*\})[^{}]*\}?", info):
        return f"{_short(found[0])} after a fence belongs to another program; write {{1,3-5}} to mark lines", True
    words = [*_OPTION.finditer(re.sub(r"\{[^{}]*\}", " ", info))][1:]
    wrong = [*filter(None, (_of_option(each) for each in words))]
    return (
        wrong[0]
        if wrong
        else (f"{_short(words[0][0])!r} after a fence is not supported", False)
        if words
        else ("", True)
    )


def _of_braces_first(info: str, name: str, rest: str) -> str:
    if re.fullmatch(r"[\d,\s-]+", name):
        return f"the language comes first after a fence; write ```{rest or 'text'} {{{name}}}"
    name = re.split(r"[\s,]", name.strip().lstrip("."))[0]
    if name.startswith("="):
        return f"```{{{name}}} is Pandoc; write HTML without a fence"
    if name in ADMONITIONS or name == "admonition":
        return f"```{{{name}}} is MyST; write > [!{ADMONITIONS.get(name, 'note').upper()}]"
    instead = _DIRECTIVES.get(name) or f"```{name or 'python'}, with {{1,3-5}} after it to mark lines"
    if name in {"code-block", "code-cell", "code", "sourcecode"}:
        instead = f"```{rest or 'python'}, with {{1,3-5}} after it to mark lines"
    return f"```{info} belongs to another program; write {instead}"


_DIRECTIVES = {
    "math": "$$...$$", "figure": PICTURE, "image": PICTURE, "table": "a table of |", "list-table": "a table of |",
    "bibliography": '{{ cite("key") }}', "toctree": "links", "include": '{{ code("package.module.name") }}',
    "literalinclude": '{{ code("package.module.name") }}', "contents": "nothing: contents are made automatically",
}  # fmt: skip


def _of_option(found: re.Match[str]) -> tuple[str, bool] | None:
    name = found["name"].lower()
    if name in _TITLES or (found[0].startswith("[") and found[0].endswith("]")):
        return f"{_short(found[0])} after a fence is not supported; write it into the text above", True
    if name in _NUMBERS or name.startswith("linenostart"):
        return f"{_short(found[0])} after a fence is not supported, since lines have no numbers; remove it", True
    if name in _MARKS:
        return f"{_short(found[0])} after a fence is not supported; write {{1,3-5}} to mark lines", True
    return None


# HTML -----------------------------------------------------------------------------------------------------------------

_BLOCKED = {
    "style": "the page's policy blocks it; put styles into templates/static/site.css",
    "iframe": "the page's policy blocks content of other sites; link to it",
    "object": "the page's policy blocks it; write <video> or <img>, or link to the file",
    "embed": "the page's policy blocks it; write <video> or <img>, or link to the file",
    "base": "it would change where the links of the page lead",
    "form": "the page's policy blocks forms",
    **dict.fromkeys(("meta", "link", "title", "html", "head", "body"), "it belongs to templates/layouts/page.html"),
    **dict.fromkeys(("frameset", "frame", "noframes"), "the page's policy blocks content of other sites; link to it"),
    "applet": "the page's policy blocks it; write <video> or <img>, or link to the file",
    "template": "browsers do not show what is in it; remove the tag",
    "noscript": "browsers that run scripts do not show what is in it; remove the tag",
    "canvas": f"it is empty without a script; write {PICTURE}",
    **dict.fromkeys(("xmp", "plaintext"), "browsers read no tags behind it; write a fence of ```"),
    **dict.fromkeys(("marquee", "blink"), "readers cannot stop what moves; remove the tag"),
    "h1": "the title is in the front matter; start sections with ##",
}


# Attributes that lead somewhere, those of SVG's links and animations among them.
_ADDRESSES = frozenset(
    (  # noqa: SIM905
        "href xlink:href src srcset srcdoc action formaction data poster background cite longdesc ping manifest codebase "
        "classid usemap profile icon lowsrc dynsrc to from by values"
    ).split()
)
_SCRIPTS = lazy_pattern(
    r"(?:.*;)?(?:javascript|vbscript|livescript):|data:(?:text|application|image/svg)", re.IGNORECASE
)


def of_tag(tag: str, in_drawing: bool = False) -> Iterator[tuple[int, str]]:
    """Where a tag has what the page's Content-Security-Policy blocks, or browsers do not show, and what to write."""
    piece = next(iter(pieces(tag)), None)
    if tag.startswith("<!--") and "--!>" in tag:
        yield tag.find("--!>"), "--!> ends a comment in browsers; write --> at its end and remove --!> within"
    if piece is None or not piece.tag or piece.closes:
        return
    known = attributes(tag)
    if "-" in piece.tag and piece.tag != "!--":
        instead = f'write &lt;{piece.tag}> if it is text, $...$ for a formula, {{{{ cite("key") }}}} for a work'
        yield 0, f"<{piece.tag}> belongs to another program, such as Distill; {instead}"
    if piece.tag in _BLOCKED and not (in_drawing and piece.tag == "title"):
        yield 0, f"<{piece.tag}>: {_BLOCKED[piece.tag]}"
    if piece.tag == "script":
        yield 0, "<script>: the page's policy blocks it; put scripts for all pages into templates/static/site.js"
    if piece.tag == "dialog" and "open" not in known:
        yield 0, "<dialog>: it is not shown; write <details>"
    for name, value in known.items():
        if message := _of_attribute(name, value):
            yield tag.lower().find(name), message


def _of_attribute(name: str, value: str) -> str:
    """What is wrong with an attribute of a tag, or ""."""
    if named := calls_of(value):
        return f"{named} is not read in an attribute; write it out"
    if name == "markdown":
        return "markdown= is kramdown; leave a blank line after the tag to have Markdown read in it"
    if name in {"style", "background"}:
        blocked = "the page's policy blocks it; " if name == "style" else ""
        return f"{name}=: {blocked}give it a class, with a rule in templates/static/site.css"
    if re.fullmatch(r"on[a-z]+", name):
        return f"{name}=: the page's policy blocks handlers; put scripts into templates/static"
    if name in _ADDRESSES and _SCRIPTS.match(re.sub(r"[\x00-\x20\x7f]+", "", value)):
        return f"{name}=: the page's policy blocks scripts; put them into templates/static"
    return f"id={value!r} has a space; no link leads to it" if name == "id" and re.search(r"\s", value) else ""
