"""``build`` and ``check``, and the request for a site that other commands build."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from darkroom.cli.shared import cache_of, from_here, print_line, warn
from darkroom.core.errors import (
    ContentError,
    DataUnavailable,
    DeviceUnavailable,
    ExperimentError,
    Fault,
    ImportedAtTop,
    Locked,
    UsageError,
    shown,
)

if TYPE_CHECKING:
    from darkroom.lab.plan import Lab, Plan, Verdict
    from darkroom.lab.running.schedule import Outcome
    from darkroom.press.build import BuildReport, SiteRequest
    from darkroom.press.content.command_line import CommandLine


def _build(call: SimpleNamespace, lab: Lab) -> int:
    built(call, lab)
    return 0


def built(call: SimpleNamespace, lab: Lab) -> SiteRequest:
    """Build the site; gives what was asked for."""
    from darkroom.press.build import build, current

    if call.strict:
        _name_unpinned(lab)
    is_code_excluded = call.no_run or call.untrusted
    if call.rerun and is_code_excluded:
        raise UsageError("--rerun runs experiments; leave out --no-run and --untrusted")
    plan = without_drawing(lab.planner().plan()) if is_code_excluded else _up_to_date(lab, stale=call.rerun)
    request = request_of(call, lab, plan)
    wrong = _verified(lab, plan, figures=False, run_code=not is_code_excluded) if call.strict else []
    if wrong:
        raise ContentError(wrong)
    report = current(request)
    if report is None:
        report = build(request)
    _summarise(plan, report, request.site)
    return request


def _check(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.lab.status import drawing_unseeded
    from darkroom.press.build import compare

    if call.against or call.also:
        return _check_against(call, lab)
    plan = lab.planner().plan()
    if unseeded := drawing_unseeded(plan.verdicts.values()):
        warn(f"warning: {unseeded}")
    request = request_of(call, lab, plan)
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
    without_drawing(plan)
    _summarise(plan, report, request.site)
    return 0


def _check_against(call: SimpleNamespace, lab: Lab) -> int:
    """Show how the pages as they would be built now differ from those of an earlier site."""
    from darkroom.press.build import pages
    from darkroom.press.snapshots import differences, names_in, names_of, pages_in

    if not call.against:
        raise UsageError("--also says what --against compares; add --against DIR")
    if call.verify or call.history:
        raise UsageError("--against only compares pages; call check a second time for --verify and --history")
    old = pages_in(Path(call.against))
    new, record = pages(request_of(call, lab, without_drawing(lab.planner().plan())))
    names = (from_here(Path(call.against).absolute()), "now")
    digests = (names_of(Path(call.against)), names_in(record))
    found = list(differences(old, new, names, call.also, digests))
    for each in found:
        print_line(each)
    if not found:
        print_line(f"{len(new)} pages, as in {call.against}")
    return 1 if found else 0


def _verified(lab: Lab, plan: Plan, *, figures: bool, run_code: bool) -> list[Fault]:
    """What is wrong with stored outputs, by their digests and by making numbers and figures once more."""
    from darkroom.lab.running.verify import verify

    return verify(lab, plan, figures=figures, run_code=run_code)


def _name_unpinned(lab: Lab) -> None:
    """Warn about models that are not pinned to a commit."""
    from darkroom.lab.source.models import TELL_COMMIT, unpinned

    if found := unpinned(lab.project.models):
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        warn(
            f"warning: experiments/models.toml: {'; '.join(found[:3])}{more}: what is published there may change; give the "
            f"commit as revision, which {TELL_COMMIT} prints"
        )


def _up_to_date(lab: Lab, *, stale: bool = False) -> Plan:
    """The plan after running what is missing, and if asked for what is *stale*, and drawing what is out of date."""
    plan = lab.planner().plan()
    if any(verdict.manifest is None or (stale and verdict.must_run) for verdict in plan.verdicts.values()):
        from darkroom.lab.running.schedule import run_missing

        outcome = run_missing(lab, plan, stale=stale)
        _report_unavailable(outcome)
        if outcome.ran or outcome.fresh:
            plan = lab.planner().plan()
    return drawn(lab, plan)


def _report_unavailable(outcome: Outcome) -> None:
    """Report what this machine cannot run; any other failure ends the build."""
    excused = (DeviceUnavailable, DataUnavailable, Locked)
    failed = [str(error) for error in outcome.failed.values() if not isinstance(error, excused)]
    if failed or outcome.faults:
        raise ExperimentError("\n".join(failed + outcome.faults))
    lacks = []
    for identity, error in outcome.failed.items():
        if isinstance(error, ImportedAtTop):
            warn(str(error))
        elif isinstance(error, DeviceUnavailable):
            lacks.append(identity)
    if lacks:
        from darkroom.lab.running.failures import INSTALL

        more = f" and {len(lacks) - 3} more" if len(lacks) > 3 else ""
        warn(f"cannot run {', '.join(lacks[:3])}{more} here: torch or a part of it is not installed; run {INSTALL}")
    for identity, minutes in outcome.unasked.items():
        warn(
            f"{identity} takes about {minutes:g} minutes, so a build does not start it; run python build.py run {identity}"
        )


def drawn(lab: Lab, plan: Plan) -> Plan:
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


def without_drawing(plan: Plan) -> Plan:
    """The same plan, after a warning for each outdated drawing: redrawing would run the project's code."""
    for name, verdict in plan.verdicts.items():
        for each in verdict.to_draw:
            warn(f"warning: {name}/{each} is out of date; run python build.py")
    return plan


def request_of(call: SimpleNamespace, lab: Lab, plan: Plan) -> SiteRequest:
    from darkroom.lab.plan import status
    from darkroom.press.build import SiteRequest

    return SiteRequest(
        root=lab.root,
        templates=lab.root / "templates",
        outputs=lab.outputs,
        site=Path(call.site).absolute() if call.site else lab.root / "site",
        cache=cache_of(call, lab.root) / "press",
        untrusted=bool(call.untrusted),
        statuses=[status(verdict) for verdict in plan.verdicts.values()],
        strict=call.strict,
        digests=lab.digests,
        command_line=_command_line,
    )


def _command_line() -> CommandLine:
    """Every command and option, for a page that shows them."""
    from darkroom.cli.options import command_line

    return command_line()


def _summarise(plan: Plan, report: BuildReport, site: Path) -> None:
    for warning in shown(report.warnings):
        warn(f"warning: {warning}")
    written = f"{report.written} of {report.files} files written" if report.written else "nothing to write"
    print_line(f"{_counts(plan.verdicts)}; {from_here(site)}: {report.pages} pages, {written}")


def _counts(verdicts: Mapping[str, Verdict]) -> str:
    """Such as ``10 experiments: 8 fresh, 2 stale``."""
    counts: dict[str, int] = {}
    for verdict in verdicts.values():
        counts[verdict.state] = counts.get(verdict.state, 0) + 1
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{len(verdicts)} experiments{': ' if states else ''}{states}"


COMMANDS = {"build": _build, "check": _check}
