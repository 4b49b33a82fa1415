"""``serve``, ``pdf`` and ``single``: the site while it is written, on paper, and as single files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from darkroom.cli.building import built, drawn, request_of, without_drawing
from darkroom.cli.shared import from_here, lab_of, print_line, warn

if TYPE_CHECKING:
    from darkroom.lab.plan import Lab
    from darkroom.press.build import SiteRequest


def _serve(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.press.serve import serve

    def request() -> SiteRequest:
        now = lab_of(call, lab.root)
        plan = now.planner().plan()
        plan = without_drawing(plan) if call.no_run else drawn(now, plan)
        now.digests.save()
        return request_of(call, now, plan)

    serve(request, port=call.port, folders=[lab.root / "experiments", lab.root / "src"], log=warn)
    return 0


def _pdf(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.press.paper import print_report

    request, target = built(call, lab), Path(call.to).absolute()
    printed = print_report(request, call.pages, target, call.paper)
    megabytes = target.stat().st_size / 1e6
    pages = "1 page" if len(printed.pages) == 1 else f"{len(printed.pages)} pages"
    print_line(f"{from_here(target)}: {pages} on {printed.sheets} sheets, {megabytes:.1f} MB")
    for line in printed.deliverables:
        print_line(line)
    return 0


def _single(call: SimpleNamespace, lab: Lab) -> int:
    from darkroom.press.single import write_single

    for path in write_single(built(call, lab), call.pages, Path(call.to).absolute()):
        print_line(f"{from_here(path)}: {path.stat().st_size / 1e6:.1f} MB")
    return 0


COMMANDS = {"serve": _serve, "pdf": _pdf, "single": _single}
