"""The command line is described once, in ``cli/options.py``: what documentation writes of it is checked against that."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from darkroom import cli
from darkroom.cli.options import command_line, parsed, whole_parser
from darkroom.cli.shared import plain_build
from tests import documentation

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted({*(ROOT / "templates").rglob("*.md"), *documentation.PAGES.rglob("*.md")})
_CALL = re.compile(r"(?:python build\.py|^darkroom)\b([^`\n;&#]*)", re.MULTILINE)
CALLS = sorted({call.strip() for page in PAGES for call in _CALL.findall(page.read_text("utf-8"))})


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command, and that of the program as ""."""
    top = whole_parser()
    [commands] = [each for each in top._actions if isinstance(each, argparse._SubParsersAction)]
    return {"": top, **commands.choices}


def options(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a parser but for ``--help``."""
    return {name for each in parser._actions for name in each.option_strings if name.startswith("--")} - {"--help"}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_is_documented_is_one(call: str) -> None:
    """It is parsed without a fault; ID, DIR and the like stand for themselves."""
    parsed(shlex.split(call))


def test_calls_are_found() -> None:
    """Those of the documentation's tables and examples are among them."""
    assert {"", "status", "run part_b/guidance --set gammas=0,1,3", "--untrusted DIR --site DIR"} <= set(CALLS)


def test_every_option_is_documented() -> None:
    """Somewhere in the README or in a page, besides the list that is made from the parser."""
    told = set(re.findall(r"--[a-z][a-z-]*", "".join(page.read_text("utf-8") for page in PAGES)))
    assert set().union(*map(options, parsers().values())) - told == set()


def test_every_option_and_command_says_what_it_does() -> None:
    """In its help; each command of a project has the options that all share, and is one that is run."""
    found = parsers()
    for name in found.keys() - {""}:
        assert callable(cli._command_without_lab(name) if name in cli._WITHOUT_LAB else cli._command(name)), name
    shared = options(found[""]) - {"--no-run", "--rerun"}
    for name, parser in found.items():
        assert shared <= options(parser) or name in {"new", "clean"}, name
        assert all(each.help for each in parser._actions if each.dest != "command"), name


def test_pages_describe_every_command_and_option() -> None:
    """As the parser has them: each option of a command there, and those of all commands once."""
    described, found = command_line(), parsers()
    assert [each.name for each in described.commands] == [*(name for name in found if name), ""]
    shared = {name for option in described.commands[-1].options for name in option.names}
    for each in described.commands[:-1]:
        own = {name for option in each.options for name in option.names if name.startswith("-")}
        assert own | shared == options(found[each.name]) | shared and not own & shared, each.name
        assert all(option.says for option in each.options) and each.says, each.name
    shown = {option.shown for each in described.commands for option in each.options}
    assert {"--reason REASON", "--paper a4|letter", "--force", "--untrusted DIR", "ID"} <= shown
    calls = {each.call for each in described.commands}
    assert {"python build.py run [ID ...]", "darkroom new DIR", "python build.py"} <= calls
    assert all(Path(file).is_file() for file in described.files)


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["--strict"],
        ["--no-run", "--strict"],
        ["--site", "a", "--outputs=b", "--data", "c"],
        ["--site", "a", "--site", "b"],
    ],
    ids=" ".join,
)
def test_a_build_that_is_read_without_argparse_is_the_same_call(given: list[str]) -> None:
    """A warm build does not import argparse; what it reads is what argparse would."""
    plain, found = plain_build(given), parsed(given)
    assert plain is not None
    assert {**vars(found), "command": "build"} == vars(plain)


@pytest.mark.parametrize(
    "given", [["--strict=1"], ["--no_run"], ["strict"], ["--site"], ["--site", "--strict"], ["status"]]
)
def test_other_calls_are_left_to_argparse(given: list[str]) -> None:
    """Also those that are wrong, which it reports."""
    assert plain_build(given) is None
