"""``new`` and ``clean``: write a project, or take its report away."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from darkroom.cli.shared import answer_to, can_ask, print_line
from darkroom.core.errors import UsageError


def write_new(call: SimpleNamespace, _: Path) -> int:
    from shlex import quote

    from darkroom.new import REPORT, create

    create(Path(call.folder), call.course or REPORT)
    what, build = ("two small experiments", "run them, build the site")
    if call.course:
        what, build = (f"the sections and experiments of {call.course}, to be written", "build the site")
    print_line(
        f"{call.folder}: a new report with {what}\n\n"
        f"    cd {quote(call.folder)}\n"
        f"    python build.py         # {build}\n"
        "    python build.py serve   # show it while you write\n\n"
        "README.md says the rest."
    )
    return 0


def clean_all(call: SimpleNamespace, root: Path) -> int:
    """Remove the report and write a new one, after saying what goes and asking."""
    from darkroom.clean import carry_out, examine, refuse_loss
    from darkroom.new import REPORT

    scaffold = call.course or REPORT
    cleaning = examine(root, scaffold)
    refuse_loss(cleaning, is_forced=call.force)
    if cleaning.removed or cleaning.replaced:
        print_line(
            "\n".join([f"{root}: clean --all removes {cleaning.total}:", *(f"  {line}" for line in cleaning.lines)])
        )
        _ask(call, root, is_in_git=cleaning.is_in_git, total=cleaning.total)
        cleaning = examine(root, scaffold)  # it may have taken a while to answer
        refuse_loss(cleaning, is_forced=call.force)
    carry_out(cleaning)
    keep = "; keep it with git add -A && git commit" if cleaning.is_in_git else ""
    print_line(f"a new report is in place; python build.py builds it{keep}")
    return 0


def _ask(call: SimpleNamespace, root: Path, *, is_in_git: bool, total: str) -> None:
    """Ask whether to remove the report; where git cannot bring it back, for the name of the folder.

    Raises:
        UsageError: no, or nobody can be asked.
    """
    if call.yes and (is_in_git or call.force):
        return
    lost = "" if is_in_git else "this is in no git repository, so nothing of it can be brought back"
    if not can_ask():
        how = "--yes" if is_in_git else "--yes --force, or git init and commit first"
        raise UsageError(
            f"clean --all removes {total}{lost and f', and {lost}'}; to do that without a terminal, add {how}"
        )
    wanted = {"y", "yes"} if is_in_git else {root.name}
    question = (
        "Remove them? [y/N] " if is_in_git else f"{lost}. To remove them, write the name of this folder, {root.name}: "
    )
    if answer_to(question) not in wanted:
        raise UsageError("clean --all: nothing was removed")
