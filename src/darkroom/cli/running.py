"""What stores outputs: ``run``, ``import`` and ``accept``."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

from darkroom.cli.shared import print_line, warn
from darkroom.core.errors import ExperimentError, UsageError

if TYPE_CHECKING:
    from darkroom.lab.plan import Lab


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

        print_line(table(forecast(lab, call.ids, options)))
        return 0
    if call.twice:
        from darkroom.lab.running.repeat import run_twice

        repeated = run_twice(lab, call.ids, options)
        for line in repeated.lines:
            print_line(line)
        different = any(repeated.different.values())
        worst = max((error.exit_code for error in repeated.outcome.failed.values()), default=0)
        return worst or (ExperimentError.exit_code if different or repeated.outcome.faults else 0)
    outcome = run(lab, call.ids, options)
    faults = [*outcome.faults, *_draw_left_over(lab, outcome.fresh)]
    for fault in faults:
        warn(fault)
    worst = max((error.exit_code for error in outcome.failed.values()), default=0)
    return worst or (ExperimentError.exit_code if faults else 0)


def _import(call: SimpleNamespace, lab: Lab) -> int:
    """Import results or, with ``--runs``, outputs; then draw what can be drawn from them."""
    names = _take_outputs(call, lab) if call.runs else [_import_results(call, lab)]
    faults = _draw_left_over(lab, names)
    for fault in faults:
        warn(fault)
    return ExperimentError.exit_code if faults else 0


def _take_outputs(call: SimpleNamespace, lab: Lab) -> list[str]:
    from darkroom.lab.importing.outputs import take_outputs

    if call.given or call.ran_on or call.took or call.source or call.names:
        raise UsageError("import --runs takes outputs with the record of their runs; leave out everything but --force")
    taken = take_outputs(lab, call.runs, force=call.force)
    for name in taken.left:
        print_line(f"{name}  fresh here already{'' if call.force else '; --force replaces it'}")
    for name in taken.stored:
        print_line(f"{name}  stored")
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
    print_line(f"{identity}  imported {', '.join(imported.results)} from {len(imported.files)} files; not run here")
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
            print_line(f"{identity}  accepted: {call.reason.strip()}")
    if refused:
        raise UsageError("\n".join(dict.fromkeys(refused)))
    return 0


COMMANDS = {"run": _run, "import": _import, "accept": _accept}
