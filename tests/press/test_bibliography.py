"""Reading BibTeX: what programs export is read as it is, and what cannot be read is refused with line and column."""

# ruff: noqa: E501  # messages stand in one piece

from __future__ import annotations

import random
import re
import time
from contextlib import suppress
from pathlib import Path

import pytest

from darkroom.core.errors import ContentError
from darkroom.press import limits
from darkroom.press.bibliography import reader
from darkroom.press.bibliography.reader import read_bibliography
from darkroom.press.bibliography.tex import Report, as_text, whole_text
from darkroom.press.content.works import Entry
from darkroom.press.faults import place
from tests.press.projects import Project, copy_fonts

EXPORTS = Path(__file__).parent / "exports"

BOOK = """% Comments are allowed.
@article{ho2020,
  author = {Jonathan Ho and Jain, Ajay and Pieter Abbeel},
  title  = {Denoising {Diffusion} Models},
  year   = 2020,
  eprint = "2006.11239"
}
@book{one, author={Léon Bottou}, title={T}, year={1998}, publisher={P}, doi={10.1/2}}
"""


def test_entries_are_read_with_names_in_either_order() -> None:
    """Names as "given family" and "family, given"; braces inside values go; arXiv and DOI become links."""
    entries = read_bibliography(BOOK, "references.bib")
    ho = entries["ho2020"]
    assert ho.authors == (("Jonathan", "Ho"), ("Ajay", "Jain"), ("Pieter", "Abbeel"))
    assert (ho.title, ho.year, ho.venue) == ("Denoising Diffusion Models", "2020", "arXiv:2006.11239")
    assert (ho.label, entries["one"].label) == ("Ho et al.", "Bottou")
    assert (ho.link, entries["one"].link) == ("https://arxiv.org/abs/2006.11239", "https://doi.org/10.1/2")
    assert ho.names == "Jonathan Ho, Ajay Jain and Pieter Abbeel"


def test_works_that_would_be_cited_alike_have_letters() -> None:
    """Those of one label and year, by title; others keep their year."""
    same = "\n".join(
        f"@misc{{{key}, author={{{authors}}}, title={{{title}}}, year={year}}}"
        for key, authors, title, year in (
            ("z", "A Geng and B Park and C Owens", "Visual", 2024),
            ("y", "A Geng and D Other and C Owens", "Factorized", 2024),
            ("x", "A Geng and B Park and C Owens", "Motion", 2025),
            ("w", "A Geng", "Alone", 2024),
        )
    )
    entries = read_bibliography(same, "references.bib")
    assert {key: entry.year for key, entry in entries.items()} == {"z": "2024b", "y": "2024a", "x": "2025", "w": "2024"}
    assert list(entries) == ["z", "y", "x", "w"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@article{a, title={T}, year=1, author={A B}}\n@book{a, title={T}, year=1, author={A B}}", "2:1 bibliography: 'a' is defined twice; remove one"),
        ("@misc{a, title={~}, author={A}, year=1}", "1:1 bibliography: 'a' has no title; add it"),
        ("\n@misc{a, title={T}, year=1}", "2:1 bibliography: 'a' has no author; add it"),
        ("@misc{a, author={A}, year=1,\n title={M\\unknown ller}}", "2:10 bibliography: a: \\unknown is not supported here; write the characters in UTF-8 (in title)"),
        ("@misc{a,\n title={T", '2:8 bibliography: a: the value of title is not a closed {...}, a closed "..." or a number'),
        ("@misc{my key,\n title = {T}}", "1:7 bibliography: the key 'my key' has a space; remove it, also where it is cited"),
        ("@misc{a,\n title T}", "2:2 bibliography: a: expected `name = {value},` or the closing }"),
        ("@misc", "1:1 bibliography: an entry opens with @kind{key,"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_at_its_line(text: str, expected: str) -> None:
    """Doubles, gaps, TeX and broken syntax are faults with line and column."""
    with pytest.raises(ContentError) as caught:
        read_bibliography(text, "references.bib")
    assert str(caught.value).splitlines()[0] == f"references.bib:{expected}"


EXPECTED: dict[str, list[tuple[str, ...]]] = {
    "bibdesk": [
        (
            "Dinh:2017aa",
            "Dinh et al.",
            "Laurent Dinh, Jascha Sohl-Dickstein and Samy Bengio",
            "Density estimation using Real NVP",
            "2017",
            "arXiv:1605.08803v3",
            "https://arxiv.org/pdf/1605.08803.pdf",
        ),
        (
            "He:2016",
            "He et al.",
            "Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun",
            "Deep Residual Learning for Image Recognition",
            "2016",
            "Proc. Computer Vision and Pattern Recognition",
            "https://doi.org/10.1109/CVPR.2016.90",
        ),
        (
            "Bottou:2018",
            "Bottou and Novák",
            "Léon Bottou and Vladimír Novák (eds.)",
            "Proceedings of the 3rd Workshop",
            "2018",
            "ACM, New York",
            "",
        ),
        (
            "Erdos:1960",
            "Erdős et al.",
            "Pál Erdős, Alfréd Rényi, Łukasz Kuczyński, Ş. Çağlar and Châu Nguyễn",
            "On Random Graphs I",
            "1960",
            "",
            "",
        ),
        (
            "Sch:2001",
            "Schmidhuber et al.",
            "Jürgen Schmidhuber, Ulrike von der Leyen, Jean-Baptiste de La Salle et al.",
            "Long short-term memory—revisited",
            "2001",
            "IDSIA",
            "https://www.idsia.ch/~juergen/lstm.html",
        ),
    ],
    "dblp": [
        (
            "DBLP:conf/nips/HoJA20",
            "Ho et al.",
            "Jonathan Ho, Ajay Jain and Pieter Abbeel",
            "Denoising Diffusion Probabilistic Models",
            "2020",
            "Advances in Neural Information Processing Systems 33: Annual Conference on Neural Information Processing Systems 2020, NeurIPS 2020, December 6-12, 2020, virtual",
            "https://proceedings.neurips.cc/paper/2020/hash/4c5bcfec8584af0d967f1ab10179ca4b-Abstract.html",
        ),
        (
            "DBLP:journals/corr/abs-2010-02502",
            "Song et al.",
            "Jiaming Song, Chenlin Meng and Stefano Ermon",
            "Denoising Diffusion Implicit Models",
            "2020",
            "arXiv:2010.02502",
            "https://arxiv.org/abs/2010.02502",
        ),
        (
            "DBLP:conf/miccai/RonnebergerFB15",
            "Ronneberger et al.",
            "Olaf Ronneberger, Philipp Fischer and Thomas Brox",
            "U-Net: Convolutional Networks for Biomedical Image Segmentation",
            "2015",
            "Medical Image Computing and Computer-Assisted Intervention - MICCAI 2015",
            "https://doi.org/10.1007/978-3-319-24574-4_28",
        ),
        (
            "DBLP:journals/tog/LiW24",
            "Li et al.",
            "Bo Li, José Martínez and Zdeněk Dvorák",
            "$\\ell_1$-Norms and \\(\\alpha\\)-Cuts: “C++” for 3D",
            "2024",
            "ACM Trans. Graph.",
            "https://doi.org/10.1145/3658146_2",
        ),
        (
            "DBLP:conf/miccai/2015-3",
            "Navab et al.",
            "Nassir Navab, Joachim Hornegger, William M. Wells III and Alejandro F. Frangi (eds.)",
            "Medical Image Computing and Computer-Assisted Intervention - MICCAI 2015",
            "2015",
            "Springer",
            "https://doi.org/10.1007/978-3-319-24574-4",
        ),
    ],
    "jabref": [
        (
            "Kingma2021",
            "Kingma et al.",
            "Diederik P. Kingma, Tim Salimans, Ben Poole and Jonathan Ho",
            "Variational Diffusion Models",
            "2021",
            "Advances in Neural Information Processing Systems 34",
            "",
        ),
        (
            "Vincent2011",
            "Vincent",
            "Pascal Vincent",
            "A Connection Between Score Matching and Denoising Autoencoders",
            "2011",
            "Neural Computation",
            "https://doi.org/10.1162/neco_a_00142",
        ),
        (
            "Mueller2020",
            "Müller et al.",
            "Jörg Müller, Inés Gómez and H. C. Ørsted",
            "Über die Größe von Schrödingers “Katze”",
            "2020",
            "Zeitschrift für Physik A",
            "",
        ),
        ("King1963", "King", "Martin Luther King, Jr.", "Letter from Birmingham Jail", "1963", "Liberation", ""),
        (
            "Poussin1921",
            "de la Vallée Poussin",
            "Charles Louis Xavier Joseph de la Vallée Poussin",
            "Cours d'Analyse Infinitésimale",
            "1921",
            "Gauthier-Villars",
            "",
        ),
        ("Knuth1986", "Knuth", "Donald E. Knuth", "The TeXbook, § 3 and LaTeX", "1986", "Computers & Typesetting", ""),
        (
            "Hyvarinen2005",
            "Hyvärinen",
            "Aapo Hyvärinen",
            "Estimation of Non-Normalized Statistical Models by Score Matching",
            "2005",
            "IEEE Transactions on Pattern Analysis and Machine Intelligence",
            "",
        ),
        (
            "Cohen2019",
            "Cohen et al.",
            "Gregory Cohen, Saeed Afshar and André van Schaik",
            "EMNIST: an extension of MNIST to handwritten letters",
            "2019",
            "",
            "https://www.nist.gov/itl/products-and-services/emnist-dataset_v2?a=1&b=50%25#top",
        ),
    ],
    "zotero": [
        (
            "song_score-based_2021",
            "Song et al.",
            "Yang Song, Jascha Sohl-Dickstein, Diederik P. Kingma, Abhishek Kumar, Stefano Ermon and Ben Poole",
            "Score-Based Generative Modeling through Stochastic Differential Equations",
            "2021",
            "arXiv",
            "http://arxiv.org/abs/2011.13456",
        ),
        (
            "rombach_high-resolution_2022",
            "Rombach et al.",
            "Robin Rombach, Andreas Blattmann, Dominik Lorenz, Patrick Esser and Björn Ommer",
            "High-Resolution Image Synthesis with Latent Diffusion Models",
            "2022",
            "2022 IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)",
            "https://ieeexplore.ieee.org/document/9878449/",
        ),
        ("noauthor_pytorch_nodate", "PyTorch", "PyTorch", "PyTorch", "n.d.", "PyTorch", "https://pytorch.org/"),
        (
            "google_deepmind_imagen_2024",
            "Google DeepMind",
            "Google DeepMind",
            "Imagen 3",
            "2024",
            "",
            "https://deepmind.google/technologies/imagen-3/",
        ),
        (
            "stability_ai_stable_2024",
            "Stability AI and Doe",
            "Stability AI and J. Doe",
            "Stable Diffusion 3: Research & Development — 10% faster",
            "2024",
            "",
            "https://stability.ai/news/stable_diffusion-3?utm=a&b=%7Ex",
        ),
        (
            "oord_making_2015",
            "van den Oord",
            "Aaron van den Oord",
            "Making VAEs work: $\\beta$-VAE, VQ-VAE, and E. coli",
            "2015",
            "Ghent University",
            "",
        ),
        (
            "higgins_-vae_2017",
            "Higgins et al.",
            "Irina Higgins, Arka Pal, Andrei Rusu et al.",
            "$\\beta$-VAE: learning basic visual concepts with $\\mathcal{N}(0, I)$",
            "2017",
            "Journal of Things",
            "",
        ),
        (
            "wiley_survival_1998",
            "O'Brien et al.",
            "Con O'Brien, Jean le Rond D'Alembert, Íñigo Núñez and Văn Nguyễn",
            "Survival in vivo of H₂O",
            "1998",
            "Statistics in Medicine",
            "https://doi.org/10.1002/(SICI)1097-0258(19980815/30)17:15/16%3C1661::AID-SIM968%3E3.0.CO;2-2",
        ),
        (
            "weng_what_2021",
            "Weng",
            "Lilian Weng",
            "What are Diffusion Models?",
            "2021",
            "Lil'Log",
            "https://lilianweng.github.io/posts/2021-07-11-diffusion-models/",
        ),
        (
            "karras_elucidating_2022",
            "Karras et al.",
            "Tero Karras, Miika Aittala, Timo Aila and Samuli Laine",
            "Elucidating the Design Space of Diffusion-Based Generative Models",
            "2022",
            "Advances in Neural Information Processing Systems",
            "https://arxiv.org/abs/2206.00364",
        ),
    ],
}


@pytest.mark.parametrize("program", EXPECTED)
def test_exports_are_read_as_they_are(program: str) -> None:
    """Key, label, names, title, year, venue and link of every entry that a program has exported."""
    entries = read_bibliography((EXPORTS / f"{program}.bib").read_text("utf-8"), f"{program}.bib")
    shown = [(e.key, e.label, e.names, e.title, e.year, e.venue, e.link) for e in entries.values()]
    assert shown == EXPECTED[program]


def one(fields: str, kind: str = "article") -> Entry:
    """The entry with these fields, and with others that it has to have."""
    given = "".join(
        f"{name} = {{{text}}}, "
        for name, text in (("author", "A B"), ("title", "T"), ("year", "2001"))
        if not re.search(rf"\b{name} =", fields)
    )
    (entry,) = read_bibliography(f"@{kind}{{key, {given}{fields}}}", "references.bib").values()
    return entry


@pytest.mark.parametrize(
    ("author", "names", "label"),
    [
        ("{{Google DeepMind}}", "Google DeepMind", "Google DeepMind"),
        ("{{Stability AI} and Doe, J.}", "Stability AI and J. Doe", "Stability AI and Doe"),
        ("{Aaron van den Oord}", "Aaron van den Oord", "van den Oord"),
        (
            "{van den Oord, Aaron and Kavukcuoglu, K.}",
            "Aaron van den Oord and K. Kavukcuoglu",
            "van den Oord and Kavukcuoglu",
        ),
        ("{King, Jr., Martin Luther}", "Martin Luther King, Jr.", "King"),
        ("{Martin Luther King, Jr.}", "Martin Luther King, Jr.", "King"),
        ("{Ho, J. and others}", "J. Ho et al.", "Ho et al."),
        ("{Ho, J. and Jain, A. and others}", "J. Ho, A. Jain et al.", "Ho et al."),
        ("{M{\\\"u}ller, J. AND {\\L}{\\'o}d{\\'z}, K.\\'{}}", "J. Müller and K. Łódź", "Müller and Łódź"),
        ("{{Barnes and Noble}}", "Barnes and Noble", "Barnes and Noble"),
        ("{The {ATLAS} Collaboration}", "The ATLAS Collaboration", "Collaboration"),
        ("{Nguy{\\~{\\^e}}n, V{\\u a}n}", "Văn Nguyễn", "Nguyễn"),
        ("{Bo Li 0026}", "Bo Li", "Li"),
        (
            "{\\L ukasz Kaiser and S\\o rensen, A. and \\v Capek, K.}",
            "Łukasz Kaiser, A. Sørensen and K. Čapek",
            "Kaiser et al.",
        ),
        ("{王, 小明 and 山田 太郎 and 김, 철수}", "王小明, 山田太郎 and 김철수", "王 et al."),
        ("{Ли, Иван and Nguyễn, Văn A}", "Иван Ли and Văn A Nguyễn", "Ли and Nguyễn"),
        ("{Ho, J. and et al.}", "J. Ho et al.", "Ho et al."),
        ("{Ho, J. et al.}", "J. Ho et al.", "Ho et al."),
        ("{given=Hans, family=Müller, prefix=von, suffix=Jr.}", "Hans von Müller, Jr.", "von Müller"),
        ("{{Barnes \\& Noble} and {AT\\&T; Labs}}", "Barnes & Noble and AT&T; Labs", "Barnes & Noble and AT&T; Labs"),
        ("{John Smith Jr.}", "John Smith, Jr.", "Smith"),
        ("{Smith Jr., John}", "John Smith, Jr.", "Smith"),
        ("{Smith, John Jr.}", "John Smith, Jr.", "Smith"),
        ("{Smith, John, Jr.}", "John Smith, Jr.", "Smith"),
        ("{Wells III, William M. and Ho, J.}", "William M. Wells III and J. Ho", "Wells and Ho"),
        ("{Ludwig van der Rohe II}", "Ludwig van der Rohe II", "van der Rohe"),
        ("{Silva Jr}", "Silva Jr", "Jr"),
        ("{family=Oord, given=Aaron, given-i=A, prefix=van den, useprefix=true}", "Aaron van den Oord", "van den Oord"),
        ("{M&uuml;ller, J. and O&#39;Brien, K.}", "J. Müller and K. O'Brien", "Müller and O'Brien"),
        ("{{AT&amp;T Labs}}", "AT&T Labs", "AT&T Labs"),
        ("{Smith, 3rd, John and 't Hooft, G.}", "John Smith, 3rd and G. 't Hooft", "Smith and 't Hooft"),
        ('"Diederik~P. Kingma" # " and " # "Max Welling"', "Diederik P. Kingma and Max Welling", "Kingma and Welling"),
    ],
)
def test_names_are_those_that_bibtex_sees(author: str, names: str, label: str) -> None:
    """Braces hold together, particles go with the family, suffixes behind the name."""
    entry = one(f"author = {author}")
    assert (entry.names, entry.label) == (names, label)


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Vision \\& Language: 50\\% of 100% {\\ss}", "Vision & Language: 50% of 100% ß"),
        ("{$\\beta$-VAE} and $x^{2}$, \\ensuremath{L_0}", "$\\beta$-VAE and $x^{2}$, $L_0$"),
        ("It costs \\$5", "It costs \\$5"),
        ("``Quoted'' --- `this'~too--", "“Quoted” — ‘this' too–"),
        ("See \\url{https://e.com/a_b%20c~d} there", "See https://e.com/a_b%20c~d there"),
        ("\\href{https://e.com/a_b}{Text} {\\em old} \\textsc{Small} \\texttt{x_1}", "Text old Small x_1"),
        ("{{{Deep {Learning}}}}", "Deep Learning"),
        ("R&D #1 <b>", "R&D #1 <b>"),
        ("Cats &amp; dogs &#x2013; &quot;x&quot;, AT&T; &nope; &amp;amp;", 'Cats & dogs – "x", AT&T; &nope; &'),
        ("<i>E. coli</i> in H<sub>2</sub>O<br/>at 10<sup>-3</sup>", "E. coli in H₂O at 10⁻³"),
        ('&lt;i&gt;E. coli&lt;/i&gt; and <span class="nocase">iOS</span>', "E. coli and iOS"),
        ("A $\\less$i$\\greater$B$\\less$/i$\\greater$ {\\&}amp$\\mathsemicolon$ C", "A B & C"),
        ("\\textless{}i\\textgreater{}in vivo{\\textless}/i{\\textgreater}", "in vivo"),
        ("<jats:italic>x</jats:italic><sub>max</sub>", "x$_{\\text{max}}$"),
        ("$a<i>b</i>$ and </i> \\$5 <i>or</i> \\$6", "$a<i>b</i>$ and </i> \\$5 or \\$6"),
        ("the 2\\textsuperscript{nd} CO\\textsubscript{2} Widget\\textsuperscript{TM}", "the 2nd CO₂ Widget™"),
        ("hyphen\\-ation", "hyphenation"),
        ("https://e.com/\\~{}u and x\\^{}2 ma\\~nana", "https://e.com/~u and x^2 mañana"),
        ("{" * 90 + "x" + "}" * 90, "x"),
    ],
)
def test_tex_becomes_text(title: str, text: str) -> None:
    """Accents, signs and fonts; formulas stay."""
    assert one(f"title = {{{title}}}").title == text


@pytest.mark.parametrize(
    ("fields", "link"),
    [
        ("doi = {https://doi.org/10.1/x}", "https://doi.org/10.1/x"),
        ("doi = {http://dx.doi.org/10.1/x}", "https://doi.org/10.1/x"),
        ("doi = {doi:10.1/x_y}", "https://doi.org/10.1/x_y"),
        ("doi = {10.1/x\\_y#<z>}", "https://doi.org/10.1/x_y%23%3Cz%3E"),
        ("howpublished = {\\url{https://e.com/a_b}}", "https://e.com/a_b"),
        ("url = {https://e.com/a\\_b{\\_}c\\%20d\\#e{\\textasciitilde}f}", "https://e.com/a_b_c%20d#e~f"),
        ("url = {https://e.com/ü%20ber\n  }", "https://e.com/%C3%BC%20ber"),
        ("url = {https://e.com/?a=1&amp;b=2}", "https://e.com/?a=1&b=2"),
        ("url = {https://münchen.de:80/ü?q=ü#ü}", "https://münchen.de:80/%C3%BC?q=%C3%BC#%C3%BC"),
        ("url = {www.e.com/~x}", "https://www.e.com/~x"),
        ("eprint = {arXiv:2006.11239v2}, archivePrefix = {arXiv}", "https://arxiv.org/abs/2006.11239v2"),
        ("eprint = {arXiv: 2006.11239 [cs.LG]}", "https://arxiv.org/abs/2006.11239"),
        ("archivePrefix = {arXiv}, arxivId = {2006.11239}", "https://arxiv.org/abs/2006.11239"),
        ("doi = {}", ""),
        ("eprint = {hep-th/9901001}", "https://arxiv.org/abs/hep-th/9901001"),
        ("eprint = {12345678}, eprinttype = {pubmed}", ""),
        ("eprint = {https://academic.example.org/x.pdf}", ""),
        ("url = {}", ""),
    ],
)
def test_addresses(fields: str, link: str) -> None:
    """Prefixes once, escapes of TeX undone, what an address may not hold encoded."""
    assert one(fields).link == link


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("url = {https://e.com/a b}", "the address has a space in it; remove it, or write %20 if it belongs there (in url)"),
        ("url = {https://e.com/a\n b}", "the address has a space in it; remove it, or write %20 if it belongs there (in url)"),
        ("url = {https://e.com/ https://e.com/b}", "the address has a space in it; write only one address (in url)"),
        ("doi = {10.1/x y}", "'10.1/x y' is not a DOI; write one such as 10.1145/3592450 (in doi)"),
        ("doi = {n/a}", "'n/a' is not a DOI; write one such as 10.1145/3592450 (in doi)"),
        ("title = {50% <math>x</math>}", "MathML is not supported; write the formula between dollars (in title)"),
        ("title = {&amp; <i>50%</i> \\foo}", "\\foo is not supported here; write the characters in UTF-8 (in title)"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_at_its_place(fields: str, problem: str) -> None:
    """Blanks in addresses, what is no DOI, MathML; columns are those of the file also behind what has been rewritten."""
    with pytest.raises(ContentError) as caught:
        one(fields)
    (fault,) = caught.value.faults
    assert fault.message == f"key: {problem}"
    given = fields.partition("{")[2]
    before = {"the address has a space in it; remove": "https://e.com/a", "\\foo": given[:-5], "MathML": "50% "}
    start = next((text for opening, text in before.items() if problem.startswith(opening)), "")
    start = "https://e.com/" if "only one address" in problem else start
    whole = "@article{key, " + "".join(
        f"{name} = {{{text}}}, "
        for name, text in (("author", "A B"), ("title", "T"), ("year", "2001"))
        if f"{name} =" not in fields
    )
    assert (fault.line, fault.column) == (1, len(whole + fields.partition("{")[0]) + 2 + len(start))


@pytest.mark.parametrize(
    ("kind", "fields", "title", "year", "venue"),
    [
        ("book", "title = {T}, subtitle = {An Introduction}", "T: An Introduction", "2001", ""),
        ("article", "title = {Is it?}, subtitle = {Yes}, journaltitle = {J}, journalsubtitle = {K}", "Is it? Yes", "2001", "J: K"),
        ("book", "title = {Sorting}, maintitle = {The Art}, volume = {3}, titleaddon = {2nd ed.}", "The Art, vol. 3: Sorting. 2nd ed.", "2001", ""),
        ("inbook", "booktitle = {Part}, booksubtitle = {Sub}, maintitle = {Whole}", "T", "2001", "Whole: Part: Sub"),
        ("incollection", "maintitle = {Whole}", "T", "2001", "Whole"),
        ("inproceedings", "eventtitle = {NeurIPS}", "T", "2001", "NeurIPS"),
        ("article", "year = {}, date = {2019-05/2020-02}", "T", "2019–2020", ""),
        ("article", "year = {}, date = {2019-05-01T10:00:00/2019-06}", "T", "2019", ""),
        ("article", "year = {}, date = {2020/..}", "T", "2020–", ""),
        ("article", "year = {}, date = {2020/}", "T", "2020–", ""),
        ("article", "year = {}, date = {2004~}", "T", "c. 2004", ""),
        ("article", "year = {}, date = {2004?}", "T", "2004?", ""),
        ("article", "year = {}, date = {-0043}", "T", "44 BC", ""),
        ("article", "year = {}, date = {May 2020}", "T", "May 2020", ""),
        ("article", "year = {}, pubstate = {inpress}", "T", "in press", ""),
    ],
)  # fmt: skip
def test_fields_of_biblatex(kind: str, fields: str, title: str, year: str, venue: str) -> None:
    """Subtitles, the whole that a work is a part of, ranges of dates and dates that are not certain."""
    entry = one(fields, kind)
    assert (entry.title, entry.year, entry.venue) == (title, year, venue)


def test_an_entry_inherits_as_biblatex_has_it() -> None:
    """Titles of the whole, through several entries and in no circle; its own date is not mixed with another's year."""
    text = """@inproceedings{a, author={A B}, title={T}, crossref={p}, date={2020}}
@mvcollection{m, title={M}, subtitle={N}, editor={X Y}, year=1999}
@proceedings{p, title={P}, subtitle={Q}, editor={E F}, year=2001, xdata={x}}
@xdata{x, publisher={Pub}}
@collection{c, title={C}, crossref={m}, volume=2}
@article{i, title={I}, author={A B}, crossref={per}, ids={other, and-another}}
@periodical{per, title={Per}, subtitle={Sub}, editor={E F}, date={2005-03}}
@misc{loop, title={L}, author={A B}, year=1, crossref={pool}}
@misc{pool, title={L}, author={C D}, year=1, crossref={loop}}"""
    entries = read_bibliography(text, "x")
    assert {key: (e.title, e.venue, e.year) for key, e in entries.items() if key not in {"loop", "pool"}} == {
        "a": ("T", "P: Q", "2020"),
        "m": ("M: N", "", "1999a"),
        "p": ("P: Q", "Pub", "2001"),
        "c": ("M: N, vol. 2: C", "", "1999b"),
        "i": ("I", "Per: Sub", "2005"),
        "per": ("Per: Sub", "", "2005"),
        "other": ("I", "Per: Sub", "2005"),
        "and-another": ("I", "Per: Sub", "2005"),
    }
    assert entries["other"].key == "i"


def test_sentences_end_with_one_full_stop(project: Project) -> None:
    """Also where a title asks, or the name of a journal is abbreviated."""
    path = project.root / "templates/references.bib"
    path.write_text(
        "@article{a, author={A B}, title={Is it?}, year=1, journal={J. Mach. Learn. Res.}}"
        "@article{b, author={A C}, title={It is}, year=1, journal={Nature}}"
    )
    project.page('See {{ cite("a", "b") }}.')
    project.build()
    text = " ".join(re.sub(r"<[^>]*>", "", project.html()).split())
    assert "A B (1). Is it? J. Mach. Learn. Res. A C (1). It is. Nature." in text


def test_what_lacks_an_author_may_have_another_name() -> None:
    """Editors; of a web page its organization or title, and no year; of proceedings, which others are a part of, the title."""
    text = "@book{a, editor={A B}, title={T}, date={2001-02}}\n@online{b, organization={OpenAI}, title={T}, url={https://e.com}}\n@misc{c, title={T}, url={https://e.com}}"
    a, b, c = read_bibliography(text, "x").values()
    assert [(e.names, e.year, e.label) for e in (a, b, c)] == [
        ("A B (ed.)", "2001", "B"),
        ("OpenAI", "n.d.", "OpenAI"),
        ("T", "n.d.", "T"),
    ]
    text = "@inproceedings{a, author={A B}, title={T}, crossref={p}}\n@proceedings{p, title={ICLR}, publisher={OpenReview}, year=1}"
    entries = read_bibliography(text, "x")
    assert [(e.names, e.year, e.venue) for e in entries.values()] == [("A B", "1", "ICLR"), ("ICLR", "1", "OpenReview")]


def test_every_fault_of_a_file_is_told_at_once() -> None:
    """Each at its line and column; what is whole is read on, so that one fault brings no other."""
    text = """@article{one, author = {A B, C, D, E}, title = {It is \\foo and \\baz}, year = jum}
@article{two, title = {Open, author = {X}, year = 1}

@misc{three, author = {A}, title = {$x}, year = 1, year = 2}
@article{four, title = {T} author = {A}}
@misc{five, author = {, J.}, title = {T}, year = 1, url = {javascript:alert(1)}}
  @misc
@misc{three, author = {A}, title = {T}, year = 2,
  % a comment
  note = "open"""
    with pytest.raises(ContentError) as caught:
        read_bibliography(text, "r.bib")
    assert str(caught.value).splitlines() == [
        "r.bib:1:25 bibliography: one: 'A B, C, D, E' has too many commas; write Family, Given; join names by `and`; put organizations in braces (in author)",
        "r.bib:1:55 bibliography: one: \\foo is not supported here; write the characters in UTF-8 (in title)",
        "r.bib:1:64 bibliography: one: \\baz is not supported here; write the characters in UTF-8 (in title)",
        "r.bib:1:78 bibliography: one: no @string defines 'jum'; define it, or put the text in braces",
        "r.bib:4:1 bibliography: two: expected `name = {value},` or the closing }",
        "r.bib:4:37 bibliography: three: this $ opens a formula that is not closed; write \\$ for a dollar sign (in title)",
        "r.bib:4:52 bibliography: three: year is given twice; remove one",
        "r.bib:5:28 bibliography: four: expected `name = {value},` or the closing }",
        "r.bib:6:23 bibliography: five: ', J.' is not a name; write Family, Given; join names by `and`; put organizations in braces (in author)",
        "r.bib:6:60 bibliography: five: 'javascript:alert(1)' is not an address; write all of it, with https:// (in url)",
        "r.bib:7:3 bibliography: an entry opens with @kind{key,",
        "r.bib:8:1 bibliography: 'three' is defined twice; remove one",
        'r.bib:10:10 bibliography: three: the value of note is not a closed {...}, a closed "..." or a number',
    ]


@pytest.mark.parametrize(
    ("author", "problem"),
    [
        (
            "Jonathan Ho, Ajay Jain, Pieter Abbeel",
            "1:20 bibliography: key: 'Jonathan Ho, Ajay Jain, Pieter Abbeel' is read as one name with the suffix 'Ajay Jain'; write",
        ),
        ("Ho, J.; Jain, A.", "1:20 bibliography: key: 'Ho, J.; Jain, A.' is read as one name; write"),
        ("A B \\& C D", "1:20 bibliography: key: 'A B \\& C D' is read as one name; write"),
        (
            "A B and Smith, John (Eds.)",
            "1:28 bibliography: key: (Eds.) is not part of a name, and editors have a field of their own; write",
        ),
        ("A B and and C D", "1:24 bibliography: key: `and` joins 'and C D' to nothing; write"),
        ("J. Ho, A. Jain", "1:20 bibliography: key: 'J. Ho, A. Jain' is read as one name, A. Jain J. Ho; write"),
        ("Ho J, Jain A", "1:20 bibliography: key: 'Ho J, Jain A' is read as one name, Jain A Ho J; write"),
        ("Ho J and B C", "1:20 bibliography: key: 'Ho J' is read as the family name 'J'; write"),
        ("A B and ", "1:23 bibliography: key: `and` joins '' to nothing; write"),
        ("A B and", "1:20 bibliography: key: `and` joins 'A B and' to nothing; write"),
    ],
)
def test_names_that_bibtex_would_misread_are_faults(author: str, problem: str) -> None:
    """What it takes for one odd name, and what people mean by it."""
    with pytest.raises(ContentError) as caught:
        read_bibliography(f"@misc{{key, author={{{author}}}, title={{T}}, year=2000}}", "r.bib")
    assert str(caught.value).startswith(f"r.bib:{problem}")


@pytest.mark.parametrize(
    ("author", "doubts"),
    [
        ("Jonathan Ho, Ajay Jain", ["1:20 'Jonathan Ho, Ajay Jain' is read as one person, Ajay Jain Jonathan Ho; join two by `and`, or write {Jonathan Ho}, Ajay Jain"]),
        ("Jonathan Ho, Ajay Jain and Pieter Abbeel", ["1:20 'Jonathan Ho, Ajay Jain' is read as one person, Ajay Jain Jonathan Ho; join two by `and`, or write {Jonathan Ho}, Ajay Jain"]),
        ("A B and Diederik P. Kingma, Max Welling", ["1:28 'Diederik P. Kingma, Max Welling' is read as one person, Max Welling Diederik P. Kingma; join two by `and`, or write {Diederik P. Kingma}, Max Welling"]),
        ("{Ho, Jonathan} and A B", ["1:20 '{Ho, Jonathan}' is read as an organization; remove the braces if it is a person"]),
        ("{Google, Inc.} and {Department of Energy, USA} and {Barnes and Noble}", []),
        ("{García Márquez}, Gabriel José", []),
        ("García Márquez, Gabriel José and Vargas Llosa, Mario", []),
        ("García Márquez, Gabriel", []),
        ("van den Oord, Aaron Gerard", []),
        ("Ho, Jonathan and Jain, Ajay", []),
        ("Wells III, William Merritt", []),
        ("Vallée Poussin, Charles J.", []),
    ],
)  # fmt: skip
def test_a_name_that_may_be_two_is_doubtful(author: str, doubts: list[str]) -> None:
    """BibTeX reads one person, and so do we, but most people mean two; a warning, since families may have two names."""
    (entry,) = read_bibliography(f"@misc{{key, author={{{author}}}, title={{T}}, year=2000}}", "r.bib").values()
    found = [
        f"{line}:{column} {message.removeprefix('key: ').removesuffix(' (in author)')}"
        for line, column, message in entry.doubts
    ]
    assert found == doubts


def test_doubtful_names_are_warnings_of_every_build(project: Project) -> None:
    """Also where the bibliography is not read anew, and in strict mode."""
    (project.root / "templates/references.bib").write_text(
        "@misc{k, author={Jonathan Ho, Ajay Jain}, title={T}, year=1}"
    )
    for text in ("One.", "Two."):
        project.page(text)
        told = [(each.path, each.line, each.column, each.rule) for each in project.build(strict=True).warnings]
        assert told == [("templates/references.bib", 1, 18, "bibliography")]


def test_entries_take_from_others_what_they_lack() -> None:
    """By crossref and xdata; what names no entry is a fault; sets and xdata are no works."""
    text = """@inproceedings{a, author={A B}, title={T}, crossref={p}}
@xdata{x, publisher={P}, year=2002}
@book{b, author={A B}, title={T}, xdata={x}}
@set{s, entryset={a,b}}
@proceedings{p, editor={E F}, title={Conference}, year=2001, url={https://e.com}}"""
    entries = read_bibliography(text, "x")
    assert {key: (e.venue, e.year, e.link) for key, e in entries.items()} == {
        "a": ("Conference", "2001", ""),
        "b": ("P", "2002", ""),
        "p": ("", "2001", "https://e.com"),
    }
    with pytest.raises(ContentError, match=r"x:1:62 bibliography: a: crossref names 'q', which is not in the file"):
        read_bibliography(text.replace("={p}", "={q}").replace("title={T}, cross", "title={T}, year=1, cross"), "x")


def test_what_an_entry_holds_is_text(project: Project) -> None:
    """Tags, calls, Markdown and quotes are letters, wherever an entry shows; control characters are faults."""
    path = project.root / "templates/references.bib"
    path.write_text(
        """@misc{a"b<c>&'d, author={<script>x</script> and {O'Brien *Inc*}}, title={<img src=x> \\{\\{ 1+1 \\}\\} *a* `b`},
        year={<b>}, journal={<i> \\& _c_}, url={https://e.com/"onmouseover="x}}"""
    )
    project.page("""See {{ cite("a\\"b<c>&'d") }}.""")
    project.build()
    html = project.html().partition("<main")[2]
    assert not re.search(r"<(script|img|b|i)\b|<em>|<code>|onmouseover=\"", html)
    assert "{{ 1+1 }} *a* " in html and "&lt;img src=x&gt;" in html
    for control in "\1\x7f\x9b\u202e":
        path.write_text(f"@misc{{a, author={{A B}}, title={{T{control}}}, year=1, abstract={{{control}}}}}")
        with pytest.raises(
            ContentError, match=r"^templates/references\.bib:1:32 bibliography: a: a control character, U\+\d"
        ):
            project.build()


def test_comments_are_no_entries() -> None:
    """Behind a %, within @comment and its braces, between entries, and at the end of a line of an entry."""
    text = """Exported by me@example.org for you@{somebody}
% @article{dead, author = {A}}
%@comment{
@comment{ @article{dead2, title = {T}} }
@Comment jabref-entrytype: x
@comment{ not closed
@article{live, % @article{dead3,
  author = {A B}, % why
  % year = 1999,
  title = {50% @home{s}}, year = 2000, month = sep # {~1}
} % @misc{dead4,
@STRING{s = "S"} @misc(last, author = s, title = {T (x)}, year = 1)
"""
    entries = read_bibliography(text, "x")
    assert {key: (entry.names, entry.title, entry.year) for key, entry in entries.items()} == {
        "live": ("A B", "50% @homes", "2000"),
        "last": ("S", "T (x)", "1"),
    }


def test_a_title_is_set_with_its_formulas(project: Project) -> None:
    """In the list of works; where it is only text, as a reader would type it."""
    path = project.root / "templates/references.bib"
    path.write_text("@article{b, author={Aaron van den Oord}, title={{$\\beta$-VAE} \\& \\$5}, year=2017}")
    project.page('See {{ cite("b") }}.')
    project.build()
    html = project.html()
    assert 'title="β-VAE &amp; $5">van den Oord, 2017</a>' in html
    assert '<span class="katex">' in html.partition('id="ref-b"')[2] and "-VAE &amp; $5</cite>" in html
    path.write_text("@article{b, author={Aaron van den Oord}, title={\n\n$\\nope$},\nyear=2017}")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert str(caught.value).startswith("templates/references.bib:1:1 math: ")


def test_a_bibliography_is_read_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as neither it nor what reads it changes; what is remembered and damaged is read anew."""
    read: list[str] = []
    monkeypatch.setattr(
        reader, "read_bibliography", lambda text, path: read.append(path) or read_bibliography(text, path)
    )
    copy_fonts(project.root / "cache/darkroom/fonts")
    monkeypatch.setenv("XDG_CACHE_HOME", str(project.root / "cache"))
    for number, text in enumerate(("One.", "Two.", "Three.")):
        project.page(f'{text} {{{{ cite("ho2020") }}}}')
        project.build()
        assert "Ho et al." in project.html()
        if number == 1:
            [kept] = (project.root / "cache/darkroom/bibliographies").iterdir()
            kept.write_bytes(kept.read_bytes().replace(b"Jonathan Ho", b"Jonathan Hm"))
    assert read == ["templates/references.bib"] * 2
    assert "Jonathan Ho," in project.html()
    path = project.root / "templates/references.bib"
    path.write_text(path.read_text().replace("Ajay Jain", "A. Jain"))
    project.build()
    assert len(read) == 3 and "A. Jain" in project.html()


def test_strings_made_of_strings_are_bounded() -> None:
    """Fourteen lines that would come to gigabytes are one fault, at the first that is too much."""
    from darkroom.press.bibliography.bibtex import read

    lines = ["@string{a0 = {abcdefgh}}"]
    lines += [f"@string{{a{n} = {' # '.join([f'a{n - 1}'] * 6)}}}" for n in range(1, 15)]
    entries, faults = read("\n".join([*lines, "@misc{x, title = a14, year = 2020}"]))
    assert len(entries) == 1
    assert [message for _, message in faults] == ["@string definitions expand to more than 4,000,000 letters"]


LONG = {
    "entries": "".join(
        f"@article{{k{i}, title={{A \\'etude of {{G}}{i}}}, author={{M{{\\\"u}}ller, J. and Doe, K{i}}}, year=2000}}\n"
        for i in range(5000)
    ),
    "comments that do not end": "@comment{ " * 30_000,
    "signs": "@ " * 300_000,
    "lines of signs": "@\n" * 50_000,
    "entries that do not end": "@a{b, c={" * 20_000,
    "names of entries that are not there": "".join(
        f"@misc{{k{i}, crossref={{z{i}}}, title={{T}}, author={{A B}}, year=1}}\n" for i in range(3000)
    ),
    "a chain": "".join(
        f"@misc{{k{i}, crossref={{k{i + 1}}}, title={{T}}, author={{A B}}, year=1}}\n" for i in range(3000)
    ),
    "a net": "".join(
        f"@misc{{k{i}, xdata={{k{i + 1},k{i + 2}}}, title={{T}}, author={{A B}}, year=1}}\n" for i in range(300)
    ),
    "a circle of all": "".join(
        f"@misc{{k{i}, xdata={{{','.join(f'k{j}' for j in range(60))}}}, title={{T}}, author={{A B}}, year=1}}\n"
        for i in range(60)
    ),
}


@pytest.mark.parametrize("name", LONG)
def test_a_long_bibliography_takes_time_by_its_length(name: str) -> None:
    """Whatever is wrong with it: no entry, place, comment or parent is looked for in all of the others."""
    began = time.process_time()
    with suppress(ContentError):
        read_bibliography(LONG[name], "r.bib")
    assert time.process_time() - began < 6


def test_a_bibliography_that_takes_too_long_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, at the file."""
    monkeypatch.setattr(limits, "SECONDS", 0.3)
    (project.root / "templates/references.bib").write_text(f"@misc{{k, title={{T}}, author={{{',' * 100_000}}}}}")
    project.page("Text.")
    with pytest.raises(ContentError) as caught:
        project.build()
    assert [str(fault) for fault in caught.value.faults] == [
        "templates/references.bib:1:1 cost: these works take too much time or memory to read; remove those that no page cites"
    ]


PIECES = (
    r"\'e", r"{\'e}", r"\'{e}", r"{\"u}", r"\c{c}", r"{\c{c}}", r"{\ss}", r"\'es", r"{\o}", r"\v{s}", r"\H{o}", "a", "b ", "{", "}",
    "-", " \n", r"\~n", r"\^{i}", r"{\'\i}", r"\.z", r"\={o}", r"\k{a}", r"\r{a}", r"\'x", r"\~z", r"{\O}", r"\u{g}", "Z", "\\",
)  # fmt: skip


def _collector(found: list[tuple[str, int]]) -> Report:
    return lambda what, at: found.append((what, at))


@pytest.mark.parametrize("seed", range(3))
def test_accents_that_are_read_by_themselves_are_as_pylatexenc_reads_the_whole(seed: int) -> None:
    """Whatever stands around them."""
    draw = random.Random(seed)
    for _ in range(500):
        tex = "".join(draw.choices(PIECES, k=draw.randint(1, 6)))
        text, problems = whole_text(tex, True)
        found: list[tuple[str, int]] = []
        assert as_text(tex, _collector(found)) == text, tex
        assert tuple(found) == problems, tex


def test_faults_of_a_long_text_have_their_lines_and_columns() -> None:
    """Also at the first and behind the last character."""
    text = "ab\n\ncd\n"
    assert [place(text, at) for at in range(8)] == [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (3, 3), (4, 1)]
