"""Reading BibTeX: what is understood, and what is refused with its line."""

# ruff: noqa: E501  # messages stand in one piece

from __future__ import annotations

import pytest

from darkroom.lab.errors import ContentError
from darkroom.press.bibliography import read_bibliography

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
        ("@article{a, title={T}, year=1, author={A B}}\n@book{a, title={T}, year=1, author={A B}}", "2:1 bibliography: 'a' is there twice; remove one"),
        ("\n@misc{a, title={T}, year=1}", "2:1 bibliography: 'a' has no author; add it"),
        ('@misc{a,\n title={M\\"uller}}', "2:8 bibliography: a: TeX in title; write the letter itself in UTF-8"),
        ("@misc{a,\n title={T", '2:8 bibliography: a: the value of title is not {...}, "..." or a number that ends'),
        ("@misc{a,\n title T}", "2:2 bibliography: a: expected `name = {value},` or the closing }"),
        ("@misc", "1:1 bibliography: an entry opens with @kind{key,"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_at_its_line(text: str, expected: str) -> None:
    """Doubles, gaps, TeX and broken syntax are faults with line and column."""
    with pytest.raises(ContentError) as caught:
        read_bibliography(text, "references.bib")
    assert str(caught.value).splitlines()[0] == f"references.bib:{expected}"
