"""Static files: what style sheets name is found and written as an address, pages' addresses are decoded and encoded."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote, urlsplit

import pytest

from darkroom.core.digests import Digests
from darkroom.core.errors import ContentError
from darkroom.press.content.settings import read_site
from darkroom.press.inputs import Inputs
from darkroom.press.theme import BASE, Theme
from darkroom.press.typeset import css
from darkroom.press.typeset.css import brief
from darkroom.press.typeset.static_files import Asset, read_static
from tests.press.projects import Project
from tests.press.samples import png

NAMES = [
    "a.png",
    "my pic.png",
    "a&b.png",
    "a#b.png",
    "a?b.png",
    "100%.png",
    "ünï.png",
    "it's.png",
    'a"b.png',
    "a+b.png",
]
NAMES += ["plus%20.png", "big.PNG", "sub dir/x.png", "<x>.png", "a\\b.png", "(p).png", "q;r.png", "i.svg", "f.woff2"]


def static(folder: Path, **sheets: str) -> tuple[dict[str, Asset], list[str]]:
    """Static files with those of ``NAMES`` and style sheets (``sub_x`` is ``sub/x.css``), and what is wrong."""
    for name in [*NAMES, *(f"{sheet.replace('_', '/')}.css" for sheet in sheets)]:
        path = folder / "static" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sheets.get(name.removesuffix(".css").replace("/", "_"), name))
    theme = Theme(folder, None, folder)
    assets, faults = read_static(theme, Inputs(Digests()), folder, lambda path: path.relative_to(folder).as_posix())
    return assets, list(map(str, faults))


GONE = "is not in templates/static or a pinned package; nothing is loaded from other hosts"
URLS = {
    "url(a.png)": "a.png",
    'url( "my pic.png" )': "my pic.png",
    "url(my%20pic.png)": "my pic.png",
    r"url(my\ pic.png)": "my pic.png",
    r"url('my\20 pic.png')": "my pic.png",
    "url(a&b.png)": "a&b.png",
    "url('a%23b.png')": "a#b.png",
    "url('a#b.png')": "a#b.png",
    'url("a?b.png")': "a?b.png",
    "url(100%25.png)": "100%.png",
    "url(ünï.png)": "ünï.png",
    'url("it\'s.png")': "it's.png",
    "url('a\\\"b.png')": 'a"b.png',
    "url(a+b.png)": "a+b.png",
    "url(plus%2520.png)": "plus%20.png",
    "URL(big.PNG)": "big.PNG",
    "url(./sub%20dir/../a.png)": "a.png",
    "url('sub dir/x.png')": "sub dir/x.png",
    'url("(p).png")': "(p).png",
    "url('q;r.png')": "q;r.png",
}


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("sheet", ["x", "sub_x"])
def test_what_a_style_sheet_names_is_found(url: str, sheet: str, tmp_path: Path) -> None:
    """Escapes and percent signs undone, and written so that a browser reads the same."""
    written = re.sub(r"(\(\s*[\"']?)", r"\1../", url, count=1) if sheet == "sub_x" else url
    assets, faults = static(tmp_path, **{sheet: f"a{{b:{written}}}"})
    assert faults == []
    css = assets[f"{sheet.replace('_', '/')}.css"].content.decode()
    found = re.fullmatch(r"a\{b:url\(([^\s\"'()\\]+)\)\}", css)
    root = "../" if sheet == "sub_x" else ""
    assert found and f"assets/{unquote(found[1].removeprefix(root))}" == assets[URLS[url]].target


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("a{b:url(i.svg#icon)}", "a{b:url(TARGET(i.svg)#icon)}"),
        ("@font-face{src:url('f.woff2?#iefix')}", "@font-face{src:url(TARGET(f.woff2)?#iefix)}"),
        ("@import 'y.css' screen;", "@import url(TARGET(y.css)) screen;"),
        ("@import url(y.css);", "@import url(TARGET(y.css));"),
        ("/* url(gone.png) */a{b:c}", "/**/a{b:c}"),
        ("a{content:'url(gone.png)'}", "a{content:'url(gone.png)'}"),
        ("a{b:url(data:image/gif;base64,AA==)}", "a{b:url(data:image/gif;base64,AA==)}"),
        ("a{b:url(\"data:image/svg+xml,<svg a='url(x)'/>\")}", "a{b:url(\"data:image/svg+xml,<svg a='url(x)'/>\")}"),
        ("a{b:url(#local)}", "a{b:url(#local)}"),
        ("a/**/b{c:d}/* e */", "a/**/b{c:d}"),
        ('@import"y.css"layer(a);', "@import url(TARGET(y.css))layer(a);"),
        ("@import url(y.css) supports(a:'gone.png');", "@import url(TARGET(y.css)) supports(a:'gone.png');"),
        (
            "a{b:image-set('a.png' 1x type('image/png'),url(big.PNG) 2x)}",
            "a{b:image-set(url(TARGET(a.png)) 1x type('image/png'),url(TARGET(big.PNG)) 2x)}",
        ),
        ('a{b:-WEBKIT-image-set("a.png"1x)}', "a{b:-WEBKIT-image-set(url(TARGET(a.png))1x)}"),
        ("a{b:url('a.png' crossorigin(use))}", 'a{b:url("TARGET(a.png)" crossorigin(use))}'),
        ("@namespace s url(http://www.w3.org/2000/svg);", "@namespace s url(http://www.w3.org/2000/svg);"),
        ("a[b='}']{c:'\\'{'}", "a[b='}']{c:'\\'{'}"),
        ("a::before{content:'\\\n(x'}", "a::before{content:'\\\n(x'}"),
        ("a\\{b{c:d}", "a\\{b{c:d}"),
    ],
)
def test_addresses_of_every_form(css: str, expected: str, tmp_path: Path) -> None:
    """What is behind a name stays; comments, strings and data are no addresses."""
    assets, faults = static(tmp_path, x=css, y="")
    shown = re.sub(r"TARGET\(([^)]*)\)", lambda found: assets[found[1]].target.removeprefix("assets/"), expected)
    assert (assets["x.css"].content.decode(), faults) == (shown, [])


@pytest.mark.parametrize(
    "url",
    ["gone.png", "/a.png", "//e.com/a.png", "https://e.com/a.png", "../a.png", "../site.toml", "A.png", "javascript:x"],
)
def test_what_is_not_there_is_a_fault_at_its_place(url: str, tmp_path: Path) -> None:
    """Nothing is loaded from elsewhere."""
    _, faults = static(tmp_path, x=f"/* é */\na {{\n  b: url({url}) }}")
    assert faults == [
        f"static/x.css:3:6 link: {url} is not in templates/static or a pinned package; nothing is loaded from other hosts"
    ]


@pytest.mark.parametrize(
    ("css", "faults"),
    [
        ("a {\n  content: 'x;\n}", ["2:12 style: this string does not end on its line; close it with '"]),
        ('b:"x', ['1:3 style: this string does not end on its line; close it with "']),
        ("a{b:c\nd{e:f}", ["1:2 style: this { is not closed; close it with }"]),
        ("a{b:c}}\nd{}", ["1:7 style: this } closes nothing; remove it"]),
        ("a{b:(c;}\nd{}", ["1:5 style: this ( is not closed; close it with )"]),
        ("a[b{c:d}", ["1:2 style: this [ is not closed; close it with ]"]),
        ("a{b:url(x}", ["1:8 style: this ( is not closed; close it with )"]),
        ("a{b:url(my pic.png)}", ["1:5 style: an address with a space, a quote or a bracket in it; put it in quotes"]),
        ("a{b:src('a.png')}", ["1:5 style: browsers do not support src(); write url()"]),
        ("a{b:image-set('gone.png' 1x)}", [f"1:15 link: gone.png {GONE}"]),
        ("@import 'gone.css'", [f"1:9 link: gone.css {GONE}"]),
        ("/* } ' */ a{b:c} /* '", ["1:18 style: this comment does not end; close it with */"]),
    ],
)  # fmt: skip
def test_what_does_not_end_is_a_fault_at_its_place(css: str, faults: list[str], tmp_path: Path) -> None:
    """Strings, brackets and comments: a browser drops what follows them without a word."""
    _, found = static(tmp_path, x=css)
    assert found == [f"static/x.css:{fault}" for fault in faults]


def test_style_sheets_that_import_each_other_are_a_fault(tmp_path: Path) -> None:
    """One of them has to come first, since each name holds a digest of the content; a chain is none."""
    _, faults = static(tmp_path, a="@import 'b.css';", b="@import 'c.css';", c="")
    assert faults == []
    _, faults = static(tmp_path, a="@import 'b.css';", b="@import 'c.css';", c="@import 'a.css';")
    assert [fault.partition(" is not")[0] for fault in faults] == ["static/c.css:1:9 link: a.css"]


@pytest.mark.parametrize("page", ["index", "deep/two"])
def test_a_style_sheet_that_stands_in_the_page_finds_its_pictures(page: str, project: Project) -> None:
    """There addresses begin at the page, not at the style sheet."""
    folder = project.root / "templates/static"
    (folder / "my bg.png").write_bytes(png())
    css = """\nbody { background: url('my bg.png') }\np { background: image-set("my bg.png" 1x) }\n"""
    css += """@namespace s "http://e.com"; i { background: url("my bg.png" crossorigin(anonymous)) }\n"""
    (folder / "style.css").write_text((folder / "style.css").read_text() + css)
    project.page("Text.")
    project.page("Text.", page)
    project.build()
    addresses = re.findall(r"background: (?:image-set\()?url\(\"?([^)\" ]*)", project.html(page))
    assert len(addresses) == 3
    for address in addresses:
        assert (project.site / page).parent.joinpath(unquote(address)).read_bytes() == png()


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("../node_modules/katex/package.json", "link"),
        ("../node_modules/../site.toml", "link"),
        ("../node_modules/x/../../../../../../etc/passwd.woff2", "link"),
        ("../node_modules/katex/dist/fonts", "link"),
    ],
)
def test_packages_give_fonts_and_nothing_else(url: str, fault: str, tmp_path: Path) -> None:
    """No way leads through them to other files."""
    _, faults = static(tmp_path, x=f"a{{b:url({url})}}")
    assert [each.partition(" is not")[0] for each in faults] == [f"static/x.css:1:5 {fault}: {url}"]


def test_what_stands_in_a_style_sheet_has_its_kind(tmp_path: Path) -> None:
    """A picture with #inline is one; a comment that does not end is a fault."""
    assets, faults = static(tmp_path, x="a{b:url(a.png#inline)}")
    assert assets["x.css"].content == b"a{b:url(data:image/png;base64,YS5wbmc=)}" and faults == []
    _, faults = static(tmp_path, x="a{}\n  /* b")
    assert faults == ["static/x.css:2:3 style: this comment does not end; close it with */"]


def test_what_stands_in_a_page_does_not_end_its_element(project: Project) -> None:
    """A style sheet or a script may hold the end of its own element as text."""
    folder = project.root / "templates/static"
    (folder / "style.css").write_text("a::after{content:'</style><b>1</b>'}")
    (folder / "head.js").write_text('const text = "</script><b>2</b><!--";\n')
    project.page("Text.")
    project.build()
    html = project.html()
    assert "content:'<\\/style><b>1</b>'" in html and '"<\\/script><b>2</b><\\!--"' in html
    assert html.count("</style>") == html.count("<style") and html.count("</script>") == html.count("<script")


@pytest.mark.parametrize(
    ("layout", "fault"),
    [
        ("\n{{ 1 / 0 }}", "2:1 template: division by zero"),
        (
            '{{ asset("stile.css") }}',
            "1:1 template: no file 'stile.css' in templates/static; did you mean 'style.css'?",
        ),
        ('{{ inlined("gone.css") }}', "1:1 template: no style sheet or script 'gone.css' in templates/static"),
        ("{{ title() }}", "1:1 template: "),
        ("{{ contents[99] }}", "1:1 template: "),
        ("{% if %}", "1:1 template: "),
    ],
)
def test_a_layout_that_fails_is_a_fault_at_its_line(layout: str, fault: str, project: Project) -> None:
    """Whatever an expression in it raises."""
    (project.root / "templates/layouts/page.html").write_text(layout)
    project.page("Text.")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert str(caught.value).startswith(f"templates/layouts/page.html:{fault}")


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ("raw_limit_mb = nan", "3:1 site: 'raw_limit_mb' should be a number of megabytes, 0 or more"),
        ("raw_limit_mb = -1", "3:1 site: 'raw_limit_mb' should be"),
        (f"raw_limit_mb = {'9' * 5000}", "3:16 front-matter: not valid TOML: a number has more than 64 bits"),
        (f"raw_limit_mb = 0x{'f' * 5000}", "3:16 front-matter: not valid TOML: a number has more than 64 bits"),
        (f"{'a.' * 5000}b = 1", "3:1 front-matter: not valid TOML: more than 50 nested keys"),
        (f"# {'a' * 20_000}", "1:1 front-matter: not valid TOML: 200"),
        ("published = '2026-13-45'", "3:1 site: 'published' should be a day such as \"2026-11-21\""),
        ("language = 'de\"><script>'", "3:1 site: 'language' should be a tag"),
        ("language = 'english'", "3:1 site: 'language' should be a tag"),
        ("authors = ['A', ' ']", "3:1 front-matter: 'authors' holds an empty string; remove it"),
        ('authors = ["\u202eA"]', "3:1 front-matter: 'authors' holds a control character, U+202E; remove it"),
        ("[macros]\n'\\R' = '{\\}'", "4:1 front-matter: \\R: its braces do not match; write one } for each {"),
        ("[macros]\n'\\R' = '}{'", "4:1 front-matter: \\R: its braces do not match"),
        ("base_url = 'https://e.org/x?y'", "3:1 site: 'base_url' should be an address"),
        ("repository = 'javascript:alert(1)'", "3:1 site: 'repository' should be an address"),
        ('authors = ["a\\u0001b"]', "3:1 front-matter: 'authors' holds a control character, U+0001; remove it"),
        (f"a = {'[' * 5000}{']' * 5000}", "3:1 front-matter: not valid TOML: lists or tables are nested too deeply"),
        ("title = 'again'", "3:"),
    ],
)
def test_settings_that_fit_nowhere_are_faults(settings: str, fault: str) -> None:
    """At their line, before they are written anywhere."""
    with pytest.raises(ContentError) as caught:
        read_site(f"title = 'T'\ndescription = 'D'\n{settings}\n", "site.toml")
    assert str(caught.value).startswith(f"site.toml:{fault}")
    assert len(str(caught.value)) < 300


def test_spare_space_goes_and_text_stays() -> None:
    """Where a comment parts two words it does so still."""
    css = "a , b { /* c */ d : 1px/**/2px ;\n e: '/* f */ ; ' ; g: url(data:x;y, z ) }\n/* h */\n\nb:/**/hover{}"
    assert brief(css) == "a,b{d : 1px/**/2px;e: '/* f */ ; ';g: url(data:x;y, z )}b:/**/hover{}"


class Links(HTMLParser):
    """The addresses of links and pictures of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an element."""
        given = dict(attrs)
        address = given.get("src" if tag == "img" else "href") if tag in {"a", "img"} else None
        if address and "own" in (given.get("title") or ""):
            self.found.append(address)


WRITTEN = {
    "my%20pic.png": "my pic.png",
    "<my pic.png>": "my pic.png",
    "a&b.png": "a&b.png",
    "a&amp;b.png": "a&b.png",
    "a%26b.png": "a&b.png",
    "a%23b.png": "a#b.png",
    "a#b.png": "a#b.png",
    "a%3Fb.png": "a?b.png",
    "a?b.png": "a?b.png",
    "100%25.png": "100%.png",
    "100%.png": "100%.png",
    "ünï.png": "ünï.png",
    "%C3%BCn%C3%AF.png": "ünï.png",
    "it's.png": "it's.png",
    "a%22b.png": 'a"b.png',
    "a+b.png": "a+b.png",
    "plus%2520.png": "plus%20.png",
    "big.PNG": "big.PNG",
    "sub%20dir/x.png": "sub dir/x.png",
    "%3Cx%3E.png": "<x>.png",
    "a%5Cb.png": "a\\b.png",
    r"\(p\).png": "(p).png",
    "q;r.png": "q;r.png",
}


@pytest.mark.parametrize("page", ["index", "deep/two"])
def test_pages_name_files_decoded_or_encoded(page: str, project: Project) -> None:
    """Every link and picture leads to the file that is meant, as a browser reads its address."""
    for number, name in enumerate(sorted(set(WRITTEN.values()))):
        path = project.root / "templates/static" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(28, 28, number))
    project.page("## Café\n\nText.", "my page")
    project.page("Text.")
    links = [f'[x]({written} "own")\n\n![x]({written} "own")' for written in WRITTEN]
    root = "../" if page != "index" else ""
    pages = [
        f'[x]({root}my%20page.md#caf%C3%A9 "own")',
        f'[x](<{root}my page.md> "own")',
        f'[x]({root}my%20page.html "own")',
    ]
    project.page("\n\n".join([*links, *pages]), page)
    project.build()
    here = (project.site / page).parent
    found = Links(project.html(page)).found
    assert len(found) == 2 * len(WRITTEN) + 3
    wanted = [name for name in WRITTEN.values() for _ in range(2)]
    for address, name in zip(found, wanted, strict=False):
        assert not re.search(r"[\s\"<>\\]", address)
        published = here / unquote(urlsplit(address).path)
        assert published.read_bytes() == (project.root / "templates/static" / name).read_bytes()
    for address in found[2 * len(WRITTEN) :]:
        assert (here / unquote(urlsplit(address).path)).resolve() == (project.site / "my page.html").resolve()


@pytest.mark.parametrize("written", ["gone%20.png", "%ff.png", "plus%20.png", "MY%20pic.png", "my%2520pic.png"])
def test_what_no_file_is_called_is_a_fault(written: str, project: Project) -> None:
    """Decoded once, letter by letter."""
    for name in ("my pic.png", "plus%20.png"):
        (project.root / "templates/static" / name).write_bytes(png())
    project.page(f"Text.\n\n![x]({written})")
    with pytest.raises(ContentError, match=r"^templates/pages/index\.md:7:\d+ link: no picture"):
        project.build()


POLICY = """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'">"""


def test_html_among_static_files_has_a_policy_and_leads_somewhere(project: Project) -> None:
    """One with a policy is published byte by byte; links of it lead to pages, to itself, or to other sites."""
    content = f"""<!doctype html><title>x</title>{POLICY}<script>1</script>
<a href="../index.html#one">a</a><a href="#own">b</a><p id="own"><a href="https://e.com">c</a>
<img src="data:image/png;base64,AA">"""
    (project.root / "templates/static/demo.html").write_text(content)
    project.page("## One\n\n[The demo](demo.html).")
    project.build()
    (address,) = re.findall(r'href="(assets/demo\.[0-9a-f]+\.html)"', project.html())
    assert (project.site / address).read_text() == content


@pytest.mark.parametrize(
    ("name", "content", "faults"),
    [
        ("a.html", "<h1>x</h1>", ["1:1 policy: there is no Content-Security-Policy; write <meta "]),
        ("a.HTM", f"<!-- {POLICY} --><h1>x</h1>", ["1:1 policy: there is no Content-Security-Policy; write <meta "]),
        (
            "sub/a.xhtml",
            f"<p/>\n<script>1</script>{POLICY}",
            ["2:1 policy: the Content-Security-Policy does not apply to what comes before it; put it first"],
        ),
        ("a.html", "<meta http-equiv=Content-Security-Policy content=''>", ["1:1 policy: there is no Content-"]),
        (
            "a.html",
            POLICY + "\n <script src='style.css'></script><img src=a.png><a href='#none'>x</a><a href=/x>y</a>",
            [
                "2:15 link: style.css leads nowhere: files of static/ are published under other names",
                "2:44 link: a.png leads nowhere: files of static/ are published under other names",
                "2:59 link: no anchor '#none'",
                "2:79 link: /x is not relative",
            ],
        ),
        (
            "a.html",
            POLICY + "<script src=https://e.com/x.js></script>",
            [f"1:{len(POLICY) + 13} link: https://e.com/x.js is loaded from another host; put it in templates/static"],
        ),
    ],
)
def test_html_without_a_policy_is_a_fault(name: str, content: str, faults: list[str], project: Project) -> None:
    """And so is what it loads from beside it, for published files have other names."""
    path = project.root / "templates/static" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    project.page("Text.")
    with pytest.raises(ContentError) as caught:
        project.build()
    found = str(caught.value).splitlines()
    assert len(found) == len(faults)
    for line, start in zip(found, faults, strict=True):
        assert line.startswith(f"templates/static/{name}:{start}")


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_names_are_the_same_letters_in_either_form(on_disk: str, written: str, project: Project) -> None:
    """Of pictures, pages and works, in pages and style sheets, as they are and percent-encoded."""
    static = project.root / "templates/static"
    (static / normalize(on_disk, "bär.png")).write_bytes(png())
    (static / "style.css").write_text(normalize(written, "a{b:url(bär.png)}i{b:url(b%61̈r.png)}"))
    page = project.root / f"templates/pages/{normalize(on_disk, 'über')}.md"
    page.write_text('+++\ntitle = "T"\ndescription = "D"\n+++\n')
    entry = "@misc{müller, author={A B}, title={T}, year=1}"
    (project.root / "templates/references.bib").write_text(normalize(on_disk, entry))
    project.page(
        normalize(
            written,
            '![b](bär.png "own") ![c](%62a%CC%88r.png "own") [d](über.md "own") {{ cite("müller") }}\n\n'
            '{{ picture("bär.png", caption="C", alt="A") }}\n\n{{ ref("bär.png") }}',
        )
    )
    project.build()
    html = project.html()
    links = Links(html).found
    assert len(links) == 3 and all((project.site / unquote(link)).is_file() for link in links)
    assert [link for link in links if unquote(link) == "über.html"]
    assert len(set(re.findall(r'src="(assets/[^"]+)"', html))) == 1 and 'width="28" height="28"' in html
    assert ">B, 1<" in html and "Figure 1" in html


def test_two_names_that_look_alike_are_a_fault(project: Project) -> None:
    """One of them would take the other's place."""
    for form in ("NFC", "NFD"):
        (project.root / "templates/static" / normalize(form, "bär.png")).write_bytes(png())
    project.page("Text.")
    with pytest.raises(ContentError, match=r"differs from '.*' only in the Unicode form"):
        project.build()


def test_two_names_that_differ_in_case_are_a_fault(project: Project) -> None:
    """On many a system they are one."""
    for name in ("dog.png", "Dog.PNG"):
        (project.root / "templates/static" / name).write_bytes(png())
    project.page("Text.")
    with pytest.raises(ContentError, match=r"differs from '.*' only in case"):
        project.build()


def test_style_sheets_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as they do not change; what is remembered and damaged is made anew, faults are told again."""
    read: list[str] = []
    monkeypatch.setattr(css, "read", lambda text, real=css.read: read.append(text) or real(text))
    sheets = {"x": "a { b: url(a.png) }", "y": "a{b:'"}
    first = static(tmp_path, **sheets)
    assert static(tmp_path, **sheets) == first and len(first[1]) == 2
    assert read == list(sheets.values())
    kept = tmp_path / "styles.json"
    kept.write_bytes(kept.read_bytes().replace(b"a.png", b"b.png"))
    assert static(tmp_path, **sheets) == first
    assert static(tmp_path, z="c { d: e }", **sheets)[0]["z.css"].content == b"c{d: e}"
    assert static(tmp_path, z="c { d: e }", **sheets)[0]["x.css"] == first[0]["x.css"]
    assert read == [*sheets.values()] * 2 + ["c { d: e }"]


def test_the_style_of_the_theme_uses_only_what_it_defines() -> None:
    """A custom property that nothing defines would leave its rule without effect."""
    style = (BASE / "static/style.css").read_text(encoding="utf-8")
    defined = set(re.findall(r"(--[\w-]+)\s*:", style))
    given = {"--at", "--columns", "--least"}  # by templates and scripts
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) - defined <= given
