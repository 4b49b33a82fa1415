"""Every command and option: the parser, and what pages of the documentation show of it."""

from __future__ import annotations

from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError, _SubParsersAction
from collections.abc import Mapping
from copy import deepcopy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from darkroom import new
from darkroom.cli import shared
from darkroom.cli.shared import BUILD, FOLDERS, SWITCHES
from darkroom.core.errors import UsageError, nearest
from darkroom.new import COURSES

if TYPE_CHECKING:
    from darkroom.press.content.command_line import CommandLine


class _OneLine(ArgumentParser):
    """A parser that reports errors in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"build.py: {message}; see build.py --help")


def parsed(given: list[str]) -> SimpleNamespace:
    """The call, parsed by argparse."""
    parser = whole_parser()
    known = list(_commands_of(parser))
    if given and not given[0].startswith("-") and given[0] not in known:
        parser.error(f"unknown command {given[0]!r}{nearest(given[0], known)}; one of {', '.join(known)}")
    return parser.parse_args(given, namespace=SimpleNamespace(**BUILD))


def whole_parser() -> ArgumentParser:
    """The parser of the program, with those of its commands."""
    of_all = _OneLine(add_help=False)
    _add_switch(of_all, "strict")
    of_all.add_argument(
        "--untrusted",
        metavar="DIR",
        help="build someone else's project with this Darkroom's theme and without running its code; needs --site",
    )
    for name, what in FOLDERS.items():
        of_all.add_argument(f"--{name}", metavar="DIR", help=what)
    parser = _OneLine(
        prog="build.py",
        parents=[of_all],
        description="Build the site: run what is missing and quick, redraw stale figures, render the pages.",
        epilog="exit codes: 0 success, 1 faults in the content, 2 wrong usage, 3 failed experiment, 130 interrupted",
    )
    _add_switch(parser, "no-run")
    _add_switch(parser, "rerun")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_OneLine)
    _add_commands(commands, _without_defaults(of_all))
    return parser


def _commands_of(parser: ArgumentParser) -> Mapping[str, ArgumentParser]:
    """The parser of each command, by its name."""
    [found] = [each for each in parser._actions if isinstance(each, _SubParsersAction)]
    return cast("Mapping[str, ArgumentParser]", found.choices)


def _add_commands(commands: _SubParsersAction[Any], of_all: ArgumentParser) -> None:
    def add(name: str, what: str) -> ArgumentParser:
        return cast("ArgumentParser", commands.add_parser(name, help=what, description=what, parents=[of_all]))

    _add_new(commands)
    _add_clean(commands)
    build = add("build", "build the site (the default)")
    _add_switch(build, "no-run")
    _add_switch(build, "rerun")
    _add_run(add("run", "run experiments and what they depend on"))
    _add_import(add("import", "store results that another program computed, or outputs that another clone has made"))
    status = add("status", "list every experiment: state, reason, last run, device, duration")
    status.add_argument("ids", nargs="*", metavar="ID", help="an id, or a pattern such as 'part_b/*'; by default all")
    status.add_argument("--json", action="store_true", help="print JSON: a list of objects")
    accept = add("accept", "keep outputs as valid after a change of code that does not change them")
    accept.add_argument("ids", nargs="+", metavar="ID", help="an id, or a glob pattern of those that can be accepted")
    accept.add_argument("--reason", required=True, help="why they are still valid; stored in the manifest")
    _add_gc(add("gc", "list what nothing refers to any longer, and remove it after asking"))
    _add_compare(add("compare", "say what differs between two experiments, variants, commits or folders of outputs"))
    trace = add("trace", "say which experiment a picture comes from, and whether it is still current")
    trace.add_argument("files", nargs="+", metavar="FILE", help="a picture, or another file that a site has published")
    trace.add_argument("--json", action="store_true", help="print JSON: a list of objects")
    serve = add("serve", "serve the site; rebuild it and reload the browser on changes")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="port to listen on; by default 8000")
    _add_switch(serve, "no-run")
    _add_check(add("check", "check the site and its sources; change nothing"))
    _add_pdf(add("pdf", "build the site, and print its pages into one PDF"))
    _add_single(add("single", "build the site, and write each page as one file that needs no other"))


def _add_switch(parser: ArgumentParser, name: str) -> None:
    parser.add_argument(f"--{name}", action="store_true", help=SWITCHES[name])


def _without_defaults(parser: ArgumentParser) -> Any:
    """A copy whose defaults do not override options given before the command."""
    bare = deepcopy(parser)
    for action in bare._actions:
        action.default = SUPPRESS
    return bare


def _add_new(commands: _SubParsersAction[Any]) -> None:
    parser = commands.add_parser("new", help="write a new project", description="Write a new project into a folder.")
    parser.add_argument("folder", metavar="DIR", help="the folder to write into; it need not exist")
    parser.add_argument(
        "--course", choices=COURSES, metavar="COURSE", help=f"the sections that a course asks for: {', '.join(COURSES)}"
    )


def _add_clean(commands: _SubParsersAction[Any]) -> None:
    what = "replace the report by a new one, as new writes it; Darkroom's own files stay"
    clean = commands.add_parser("clean", help=what, description=f"clean --all: {what}.")
    clean.add_argument(
        "--all",
        action="store_true",
        required=True,
        help="remove pages, experiments, outputs and everything else of the report",
    )
    clean.add_argument("--course", choices=COURSES, metavar="COURSE", help="write the sections that a course asks for")
    clean.add_argument("--yes", action="store_true", help="do not ask")
    clean.add_argument("--force", action="store_true", help="remove also what git ignores, or what is in no repository")


def _add_run(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="an id, or a pattern such as 'part_b/*'")
    parser.add_argument(
        "--sweep",
        default="",
        metavar="NAME",
        help="run all points of this sweep, which experiments/sweeps.toml declares",
    )
    parser.add_argument("--downstream", action="store_true", help="also run everything that depends on them")
    parser.add_argument("--force", action="store_true", help="run fresh experiments too")
    parser.add_argument(
        "--model",
        default="",
        metavar="MODEL",
        help="use this model of experiments/models.toml, or the one in this folder",
    )
    parser.add_argument(
        "--device", default="auto", type=_device, metavar="DEVICE", help="auto (the default), cpu, cuda, cuda:N or mps"
    )
    parser.add_argument("--gpus", default=(), type=_gpus, metavar="N,N", help="use only these GPUs, counted from 0")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="set a parameter, and store the results beside the original, as a variant ID@NAME",
    )
    parser.add_argument("--as", dest="variant", default="", metavar="NAME", help="with --set: the name of the variant")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="with --set: replace the stored results of the experiment; with --as NAME, those of that variant",
    )
    parser.add_argument(
        "--jobs",
        type=_at_least_one,
        default=0,
        metavar="N",
        help="how many run at a time; by default one for each GPU, else one",
    )
    parser.add_argument("--wait", action="store_true", help="wait for experiments that another process is running")
    parser.add_argument(
        "--twice", action="store_true", help="run the named experiments two times, and say whether the results agree"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="run nothing; say what would run, why, on what, and about how long"
    )


def _add_import(parser: ArgumentParser) -> None:
    parser.add_argument(
        "given",
        nargs="*",
        metavar="EXPERIMENT PATH",
        help="an experiment; then files, folders or zip archives with results",
    )
    parser.add_argument("--source", metavar="URL", help="address of the program that computed them")
    parser.add_argument("--device", dest="ran_on", metavar="TEXT", help='what it ran on, such as "Tesla T4"')
    parser.add_argument("--took", metavar="DURATION", help='how long it ran, such as "7 min"')
    parser.add_argument(
        "--as", action="append", default=[], dest="names", metavar="NAME=FILE", help="a file or folder that is a result"
    )
    parser.add_argument(
        "--model", default="", metavar="MODEL", help="the model from experiments/models.toml that was used"
    )
    parser.add_argument("--force", action="store_true", help="replace results that were computed here")
    parser.add_argument(
        "--runs", action="append", metavar="PATH", help="a zip archive or folder of outputs that another clone has made"
    )


def _add_gc(parser: ArgumentParser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a name from the list, or a glob pattern; by default all of the list"
    )
    parser.add_argument("--dry-run", action="store_true", help="list it, with sizes, and remove nothing")
    parser.add_argument(
        "--yes", action="store_true", help="do not ask; with names, remove also what git cannot bring back"
    )
    parser.add_argument(
        "--days", type=_days, default=7.0, metavar="N", help="keep what is younger than so many days; by default 7"
    )
    parser.add_argument(
        "--keep", action="append", default=[], metavar="NAME", help="keep what this name or glob pattern matches"
    )


def _add_compare(parser: ArgumentParser) -> None:
    which = "an id, COMMIT:ID, COMMIT: for all outputs of a commit, or a folder of outputs"
    parser.add_argument("a", metavar="A", help=which)
    parser.add_argument("b", metavar="B", help="the same, to be compared with A")
    parser.add_argument("--markdown", action="store_true", help="print a table for a pull request")
    parser.add_argument("--html", metavar="FILE", help="write a page with tables, and figures side by side")


def _add_check(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--verify", action="store_true", help="compute numbers and figures again, and compare them with what is stored"
    )
    parser.add_argument(
        "--history",
        action="store_true",
        help="look in git's history for records of runs that were changed without a run",
    )
    parser.add_argument(
        "--against", metavar="DIR", help="instead, show how pages would differ from those of an earlier site"
    )
    parser.add_argument(
        "--also",
        default=(),
        type=_parts,
        metavar="WHAT",
        help="with --against: show also provenance, digests, styles, or several of them, as in provenance,digests",
    )


_WHICH_PAGES = (
    "a page such as part-a, or a pattern such as 'docs/*'; by default the navigation, without folders such as docs"
)


def _add_pdf(parser: ArgumentParser) -> None:
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=_WHICH_PAGES)
    parser.add_argument("--to", default="report.pdf", metavar="FILE", help="the file to write; by default report.pdf")
    parser.add_argument("--paper", choices=("a4", "letter"), default="a4", help="the size of paper; by default a4")
    _add_switch(parser, "no-run")


def _add_single(parser: ArgumentParser) -> None:
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=_WHICH_PAGES)
    parser.add_argument(
        "--to", default="single", metavar="DIR", help="the folder to write them into; by default single"
    )
    _add_switch(parser, "no-run")


def _device(text: str) -> str:
    known = ("auto", "cpu", "cuda", "mps")
    if text not in known and not (text.startswith("cuda:") and text[5:].isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a device; choose {', '.join(known)} or cuda:N")
    return text


def _gpus(text: str) -> tuple[int, ...]:
    numbers = text.split(",")
    if not all(each.isdecimal() for each in numbers) or len(set(numbers)) < len(numbers):
        raise ArgumentTypeError(f"{text!r} is not a list of GPU numbers; write --gpus 0,3")
    return tuple(int(each) for each in numbers)


def _parts(text: str) -> tuple[str, ...]:
    from darkroom.press.snapshots import PARTS

    names = tuple(text.split(","))
    if not PARTS.keys() >= {*names}:
        raise ArgumentTypeError(f"{text!r} is not a list of {', '.join(PARTS)}; write --also provenance,digests")
    return names


def _days(text: str) -> float:
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        raise ArgumentTypeError(f"{text!r} is not a number of days")
    return float(text)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def command_line() -> CommandLine:
    """Every command as its parser describes it, for pages; what all take is described once, at the end."""
    from darkroom.press.content.command_line import CommandHelp, CommandLine, OptionHelp

    top = whole_parser()
    of_all = {f"--{name}" for name in ("strict", "untrusted", *FOLDERS)}

    def options(parser: ArgumentParser, *, shared: bool) -> tuple[OptionHelp, ...]:
        return tuple(
            OptionHelp(tuple(each.option_strings) or (_value(each),), _value(each) if names else "", each.help or "")
            for each in parser._actions
            for names in [{*each.option_strings}]
            if bool(of_all & names) == shared and "--help" not in names
        )

    commands = [
        CommandHelp(
            name,
            parser.description or "",
            " ".join(
                [
                    "darkroom" if name == "new" else "python build.py",
                    name,
                    *(_written(each) for each in parser._actions if not each.option_strings),
                ]
            ),
            options(parser, shared=False),
        )
        for name, parser in _commands_of(top).items()
    ]
    whole = CommandHelp("", top.description or "", "python build.py", options(top, shared=True))
    return CommandLine((*commands, whole), (__file__, str(shared.__file__), str(new.__file__)))


def _value(action: Action) -> str:
    """What stands for the value of an argument or an option; "" for a switch."""
    if action.nargs == 0:
        return ""
    return str(action.metavar or "|".join(action.choices or ()) or action.dest.upper())


def _written(action: Action) -> str:
    """An argument as a call has it, such as ``ID [ID ...]``."""
    name = _value(action)
    return {"*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(str(action.nargs), name)
