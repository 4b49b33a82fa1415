"""Runs experiments in worker processes, and has stale figures drawn. The plan decides what must run."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import msgspec

from darkroom.core import errors
from darkroom.core.errors import DarkroomError, ExperimentError, Locked, UsageError
from darkroom.core.units import duration
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.locking import held, holder
from darkroom.lab.plan import DAMAGED, FRESH, WAITING, Lab, Plan, Verdict
from darkroom.lab.running import events, failures, gpus
from darkroom.lab.running.display import Display, display
from darkroom.lab.running.job import END_OF_PRINTING, Job
from darkroom.lab.running.selection import Options, choose, refuse_to_replace, upstream_of
from darkroom.lab.source.declared import ExperimentRecipe
from darkroom.lab.source.edges import unpinned
from darkroom.lab.source.models import TELL_COMMIT
from darkroom.lab.source.variants import KEPT, as_given, lost, written

POLL_S = 2.0
QUICK_MINUTES = 5.0  # limit for sharing a process: starting one costs seconds, and state of earlier jobs remains in it
UNASKED_MINUTES = 15.0  # limit for what a build starts by itself


@dataclass
class Outcome:
    """What was run, what was fresh, what failed, by experiment; and faults of figures, which fail no results.

    ``unasked`` are those that take too long for a build to start, with the minutes they declare.
    """

    ran: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    failed: dict[str, DarkroomError] = field(default_factory=dict)
    held_up: dict[str, str] = field(default_factory=dict)
    unasked: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def run(lab: Lab, patterns: Iterable[str], options: Options, show: Display | None = None) -> Outcome:
    """Run the experiments that *patterns* name, and what they depend on.

    Args:
        lab: the project.
        patterns: ids, or globs of ids.
        options: how to run.
        show: where to show progress; by default stderr.

    Raises:
        UnknownName: a pattern matches nothing, or no experiment has a parameter that is set.
        UsageError: a value is not of its parameter's type, or a variant of that name has other settings.
    """
    chosen = choose(lab, patterns, options)
    with show or display() as shown:
        return _Schedule(chosen.lab, options, chosen.named, chosen.all, chosen.overrides, shown).work()


def run_missing(lab: Lab, plan: Plan, show: Display | None = None, *, stale: bool = False) -> Outcome:
    """Run what has no outputs, takes a short time here and depends on nothing stale.

    Outputs that are out of date are kept, unless *stale* is to run those as well; imported ones are kept in any case.
    """
    absent: list[str] = []
    outcome = Outcome()
    is_gpu_here = cache(lambda: gpus.possible() and bool(gpus.present()))
    for identity, verdict in plan.verdicts.items():
        behind = [each for each in verdict.recipe.upstreams if plan.verdicts[each].must_run and each not in absent]
        is_wanted = verdict.manifest is None or (stale and verdict.must_run and not verdict.is_imported)
        if not is_wanted or verdict.state == DAMAGED or not verdict.recipe.has_code:
            continue
        if verdict.manifest and lost(verdict.recipe, verdict.manifest.inputs, plan.verdicts):
            continue
        lacks = lacking(verdict.recipe)
        if lacks:
            outcome.failed[identity] = failures.no_package(identity, lacks)
        elif behind:
            outcome.held_up[identity] = behind[0]
        elif (minutes := _minutes(plan, identity, is_gpu_here)) > UNASKED_MINUTES:
            outcome.unasked[identity] = minutes
        else:
            absent.append(identity)
    if not absent:
        return outcome
    with show or display() as shown:
        return _Schedule(lab, Options(), set(absent), set(absent), {}, shown).work(outcome)


def _minutes(plan: Plan, identity: str, is_gpu_here: Callable[[], bool]) -> float:
    """The rough cost of a run here, with that of the upstreams whose temporary results have to be made again."""
    recipe = plan.verdicts[identity].recipe
    on_gpu = recipe.device == "gpu" and recipe.minutes > UNASKED_MINUTES and is_gpu_here()
    again = [each for each in dict.fromkeys(recipe.upstreams) if plan.verdicts[each].absent]
    return (recipe.gpu_minutes if on_gpu else recipe.minutes) + sum(_minutes(plan, each, is_gpu_here) for each in again)


def lacking(recipe: ExperimentRecipe) -> list[str]:
    """The packages that a run needs and that are not installed here."""
    return [name for name in failures.EXTRAS if name in recipe.packages and not _is_installed(name)]


def draw(lab: Lab, plan: Plan, show: Display | None = None) -> list[str]:
    """Draw every outdated figure and metric whose results are stored.

    Returns:
        a line for each that failed. What another process holds is skipped. A failure with results that are older than
        the code is only reported, and the old drawing stays.
    """
    wanted = {identity: verdict.to_draw for identity, verdict in plan.verdicts.items() if verdict.is_behind}
    if not wanted:
        return []
    lab.digests.look_again()
    shown = show or display()
    faults: list[str] = []

    def take(event: events.Event) -> None:
        if isinstance(event, events.Skipped):
            shown.line(event.message)
        elif isinstance(event, events.Drawn):
            identity = event.experiment
            if plan.verdicts[identity].must_run:
                for fault in event.faults:
                    shown.line(f"{fault}; its results are older than its code: run python build.py run {identity}")
            else:
                faults.extend(event.faults)
            if event.names:
                shown.line(f"{identity}  drew {', '.join(event.names)}")

    job = Job(
        root=str(lab.root),
        outputs=str(lab.outputs),
        project=lab.project,
        data=str(lab.data or ""),
        drawings=wanted,
    )
    process = Worker(job, shown)
    try:
        process.do(job, "figures", take)
    finally:
        process.close()
    return faults


class _Schedule:
    """Runs what must run, upstreams first; CPU experiments in parallel, and one at a time on each GPU."""

    def __init__(
        self,
        lab: Lab,
        options: Options,
        named: Collection[str],
        chosen: Collection[str],
        overrides: Mapping[str, Mapping[str, Any]],
        shown: Display,
    ) -> None:
        self.lab, self.options, self.named, self.shown = lab, options, named, shown
        self.overrides = overrides
        lab.digests.look_again()
        self.planner = lab.planner(overrides)
        self.verdicts = dict(self.planner.plan().verdicts)
        self.candidates = {*chosen} | upstream_of(lab.project, chosen)
        self.outcome = Outcome()
        self.done: queue.SimpleQueue[tuple[str, DarkroomError | events.Done]] = queue.SimpleQueue()
        self.running: dict[str, Worker] = {}
        self.gpus = self._gpus()
        self.jobs = options.jobs or max(1, len(self.gpus))
        self.taken: dict[str, str] = {}
        self.awaited: set[str] = set()
        self.wanted: dict[str, str] = {}
        self.idle: list[Worker] = []

    def work(self, outcome: Outcome | None = None) -> Outcome:
        """Run them; *outcome* is what is known already."""
        self.outcome = outcome or self.outcome
        self.remaining = [identity for identity in self.verdicts if identity in self.candidates]
        try:
            while self.remaining or self.running:
                ready = next((each for each in self.remaining if self._may_start(each)), None)
                if ready is None:
                    self._await()
                    continue
                self.remaining.remove(ready)
                self._start(ready)
        finally:
            for process in self.running.values():
                process.end()
            for process in self.idle:
                process.close()
            self.lab.digests.save()
        return self.outcome

    def _may_start(self, identity: str) -> bool:
        recipe = self.verdicts[identity].recipe
        if len(self.running) >= self.jobs:
            return False
        if any(each in self.running or each in self.remaining for each in recipe.upstreams):
            return False
        if self.gpus and recipe.device == "gpu" and not self._free_gpus():
            return False
        return not (self.options.wait and self._is_held(identity))

    def _free_gpus(self) -> list[str]:
        return [gpu for gpu in self.gpus if gpu not in self.taken.values()]

    def _is_held(self, identity: str) -> bool:
        """Whether another process is working on an experiment; it is reported once."""
        place = OutputFolder(self.lab.outputs, identity)
        try:
            is_held = held(place)
        except DarkroomError:  # reported when it is started
            is_held = False
        if not is_held:
            self.awaited.discard(identity)
            return False
        if identity not in self.awaited:
            self.awaited.add(identity)
            self.shown.line(f"{identity}  waits for {holder(place)}")
        return True

    def _start(self, identity: str) -> None:
        """Start a run, if the outputs are not fresh by now."""
        try:
            verdict = self._judged(identity)
        except DarkroomError as error:
            self._fail(identity, error)
            return
        held_up = [
            each for each in verdict.recipe.upstreams if each in self.outcome.failed or each in self.outcome.held_up
        ]
        forced = (self.options.force and identity in self.named) or (identity in self.wanted and verdict.absent)
        lacks = lacking(verdict.recipe)
        if held_up:
            self.outcome.held_up[identity] = held_up[0]
            self.shown.line(f"{identity}  not run: {held_up[0]} failed")
        elif verdict.state == WAITING:  # by an upstream added since the run began
            self._fail(identity, _changed(identity))
        elif verdict.state == FRESH and not forced:
            self._leave(verdict)
        elif not verdict.recipe.has_code:
            self._fail(identity, failures.no_code(verdict.recipe))
        elif verdict.is_imported and not forced:
            self._fail(identity, _would_replace(verdict))
        elif other := self._other(verdict):
            self._fail(identity, other)
        elif lacks:
            self._fail(identity, failures.no_package(identity, lacks))
        elif absent := [each for each in dict.fromkeys(verdict.recipe.upstreams) if self.verdicts[each].absent]:
            self.remaining[:0] = [*absent, identity]
            self.wanted |= dict.fromkeys(absent, identity)
            self.outcome.fresh = [each for each in self.outcome.fresh if each not in absent]
        else:
            self._launch(verdict)

    def _other(self, verdict: Verdict) -> UsageError | None:
        """Why a run would not give what the stored results are of: they are then kept."""
        recipe, manifest = verdict.recipe, verdict.manifest
        if manifest is None or self.options.replace:
            return None
        if recipe.variant is None and manifest.variant is not None:
            name, said = manifest.variant.name, written(manifest.variant.settings)
            return UsageError(
                f"{recipe.id} is a variant, with {said}, and {name!r} has become a model; give the model another name"
            )
        if recipe.variant is None:
            return None
        if gone := lost(recipe, manifest.inputs, self.lab.project.experiments):
            return UsageError(KEPT.format(recipe.id, gone))
        try:
            refuse_to_replace(recipe.id, manifest.variant, recipe.variant.settings)  # another process may have made it
        except UsageError as error:
            return error
        return None

    def _judged(self, identity: str) -> Verdict:
        """The verdict on an experiment with its current sources: the run may have begun hours ago.

        Raises:
            DarkroomError: it can no longer be read, or depends on what was not run.
        """
        self.lab = self.lab.read_anew()
        self.planner = self.lab.planner(self.overrides)
        recipe = self.lab.project.experiments.get(identity)
        if recipe is None or not self.verdicts.keys() >= set(recipe.upstreams):
            raise _changed(identity)
        self.verdicts[identity] = self.planner.judge(recipe, self.verdicts)
        return self.verdicts[identity]

    def _launch(self, verdict: Verdict) -> None:
        identity = verdict.recipe.id
        why = "forced" if verdict.state == FRESH else f"{verdict.state}{_because(verdict)}"
        if verdict.manifest and verdict.manifest.imported_from:
            why = f"forced; replaces results that were imported from {verdict.manifest.imported_from.source}"
        if verdict.state == FRESH and identity in self.wanted:
            why = f"{self.wanted[identity]} reads its {' and '.join(verdict.absent)}, which is temporary and not here"
        for name in self.overrides.get(identity, {}) if verdict.manifest else ():
            before, now = (each.parameters.get(name) for each in (verdict.manifest, verdict) if each)
            if before != now:
                self.shown.line(f"{identity}  replaces its results: {name} {as_given(before)} -> {as_given(now)}")
        self.shown.line(f"{identity}  runs ({why})")
        for place, revision in unpinned(verdict.recipe.edges):
            self.shown.line(
                f"{identity}  {place} at {revision!r} may change; pin it to the commit that {TELL_COMMIT} prints"
            )
        free = self._free_gpus()
        if verdict.recipe.device == "gpu" and free:
            self.taken[identity] = free[0]
        job, environment = self._job(verdict), gpus.environment(self.taken.get(identity, gpus.ANY))
        process = self._worker(job, verdict.recipe, environment)
        self.running[identity] = process
        threading.Thread(target=self._follow, args=(identity, process, job), daemon=True).start()

    def _worker(self, job: Job, recipe: ExperimentRecipe, environment: Mapping[str, str]) -> Worker:
        """A process for *job*: a suitable one that has done quick jobs before, else a new one."""
        for process in self.idle:
            if recipe.minutes <= QUICK_MINUTES and process.suits(job, environment):
                self.idle.remove(process)
                return process
        for process in self.idle:  # its memory may be needed
            process.close()
        self.idle.clear()
        return Worker(job, self.shown, environment)

    def _job(self, verdict: Verdict) -> Job:
        recipe = verdict.recipe
        drawings = [module for each in (*recipe.figures, *recipe.metrics) for module in each.modules]
        paths = {self.lab.project.modules[each] for each in {*recipe.modules, *drawings}}
        return Job(
            root=str(self.lab.root),
            outputs=str(self.lab.outputs),
            project=self.lab.project,
            data=str(self.lab.data or ""),
            experiment=recipe.id,
            key=verdict.key,
            parameters=dict(verdict.parameters),
            inputs=dict(verdict.inputs),
            device=self.options.device,
            threads=max(1, _cores() // self.jobs) if self.jobs > 1 else 0,
            sources={path: self.lab.project.sources[path] for path in sorted(paths)},
        )

    def _follow(self, identity: str, process: Worker, job: Job) -> None:
        """Wait for a run in its own thread, and report how it ended."""
        ends: list[events.Done] = []

        def take(event: events.Event) -> None:
            if isinstance(event, events.Done):
                ends.append(event)

        try:
            process.do(job, identity, take)
            self.done.put((identity, ends[-1]))
        except DarkroomError as error:
            self.done.put((identity, error))
        except BaseException as error:
            known = isinstance(error, RuntimeError) and "new thread" in str(error)
            said = "no thread can be started, perhaps for lack of memory; allow more with ulimit -u or ulimit -v"
            self.done.put((identity, ExperimentError(f"{identity}: {said if known else repr(error)}")))

    def _await(self) -> None:
        """Wait for the next run to end, or for another process to release what it holds."""
        try:
            identity, end = self.done.get(timeout=POLL_S if self.awaited else None)
        except queue.Empty:
            return
        process = self.running.pop(identity)
        self.taken.pop(identity, None)
        if isinstance(end, DarkroomError) or self.verdicts[identity].recipe.minutes > QUICK_MINUTES:
            process.close()
        else:
            self.idle.append(process)
        self.shown.finished(identity)
        self.planner.forget(identity)
        if isinstance(end, Locked) and self.options.wait:
            self.remaining.insert(0, identity)
        elif isinstance(end, DarkroomError):
            self._fail(identity, end)
        else:
            self.outcome.ran.append(identity)
            self.outcome.faults += end.faults
            legs = f", resumed {end.resumed} times" if end.resumed > 1 else ", resumed once" if end.resumed else ""
            self.shown.line(f"{identity}  done in {duration(end.duration_s)}{legs}")
        self.verdicts[identity] = self.planner.judge(self.verdicts[identity].recipe, self.verdicts)

    def _leave(self, verdict: Verdict) -> None:
        self.outcome.fresh.append(verdict.recipe.id)
        if verdict.recipe.id in self.named:
            imported = " it was imported, and not run here;" if verdict.is_imported else ""
            self.shown.line(f"{verdict.recipe.id}  fresh;{imported} --force runs it anyway")

    def _fail(self, identity: str, error: DarkroomError) -> None:
        self.outcome.failed[identity] = error
        self.shown.line(str(error))

    def _gpus(self) -> list[str]:
        """The GPUs to share out, one per experiment; none if nothing needs one or there is only one device.

        Raises:
            DeviceUnavailable: one that was asked for is not there.
        """
        wanted = any(self.verdicts[each].recipe.device == "gpu" for each in self.candidates)
        if not wanted or self.options.device == "cpu" or not _is_installed("torch"):
            return []
        if self.options.gpus:
            return gpus.chosen(self.options.gpus, gpus.present())
        is_alone = self.options.jobs == 1 or (self.options.jobs == 0 and gpus.likely() <= 1)
        return [] if is_alone else gpus.present()


class Worker:
    """A worker: it does jobs one at a time and reports events, until one fails or it is stopped."""

    def __init__(self, job: Job, shown: Display, environment: Mapping[str, str] | None = None) -> None:
        self.shown, self.environment, self.threads = shown, dict(environment or {}), job.threads
        self._sources: dict[str, str] = {}
        self._printed: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "darkroom.lab.running.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**_environment(Path(job.root), job.threads), **self.environment},
            cwd=job.root,
            start_new_session=True,
        )
        assert self._process.stderr
        threading.Thread(target=self._take_lines, args=(self._process.stderr,), daemon=True).start()

    def suits(self, job: Job, environment: Mapping[str, str]) -> bool:
        """Whether *job* can run here as in a new process: with its GPU, its threads and its current sources."""
        kept = {path: digest for path, digest in self._sources.items() if job.sources.get(path, digest) != digest}
        return (
            self._process.poll() is None and not kept and (self.environment, self.threads) == (environment, job.threads)
        )

    def do(self, job: Job, name: str, take: Callable[[events.Event], object]) -> None:
        """Send the job, show its progress, and pass every other event to *take*.

        Raises:
            DarkroomError: the job failed; the process has ended.
        """
        assert self._process.stdin and self._process.stdout
        place = OutputFolder(Path(job.outputs), name)
        place.claim()
        self._sources |= job.sources
        log = place.scratch / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        printing = threading.Thread(target=self._print, args=(log,), daemon=True)
        printing.start()
        with suppress(BrokenPipeError):  # it ended before it read its job; the exit code says why
            self._process.stdin.write(msgspec.json.encode(job) + b"\n")
            self._process.stdin.flush()
        failed: events.Failed | None = None
        trace: events.Trace | None = None
        for line in self._process.stdout:
            match events.decoded(line):
                case events.End():
                    break
                case events.Progress() as progress:
                    self.shown.progress(name, progress)
                case events.Failed() as event:
                    failed = event
                case events.Trace() as event:
                    trace = event
                case event:
                    take(event)
        else:
            code = self._process.wait()
            printing.join(timeout=5)
            raise _failure(name, log, code, failed, trace)
        printing.join(timeout=5)

    def close(self) -> None:
        """Let the worker end: there are no more jobs for it."""
        assert self._process.stdin
        with suppress(OSError):
            self._process.stdin.close()

    def end(self) -> None:
        """Kill the worker; its last checkpoint stays."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _take_lines(self, stream: IO[bytes]) -> None:
        """Read what its jobs print; None marks the end of a job."""
        for line in stream:
            printed = line.removesuffix(END_OF_PRINTING)
            if printed:
                self._printed.put(printed)
            if printed != line:
                self._printed.put(None)
        self._printed.put(None)

    def _print(self, log: Path) -> None:
        """Show what a job prints, and write it to the log."""
        mode = "wb"
        while (line := self._printed.get()) is not None:
            self.shown.line(line.decode(errors="replace").rstrip("\n"))
            with log.open(mode) as file:
                file.write(line)
            mode = "ab"


def _failure(
    name: str, log: Path, code: int, failed: events.Failed | None, trace: events.Trace | None
) -> DarkroomError:
    """The error of a job that a worker has reported, or whose worker has ended."""
    if failed is None:
        return ExperimentError(f"{name}: its process ended {_ending(code)}; what it printed is in {log}")
    message = failed.message
    if trace is not None:
        with suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.write(trace.text)
        message += f"; its traceback is in {log}"
    failure: DarkroomError = getattr(errors, failed.kind, ExperimentError)(message)
    return failure


def _changed(identity: str) -> ExperimentError:
    return ExperimentError(f"{identity}: its declaration changed during the run; run it again")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False


def _ending(code: int) -> str:
    if code == -9:
        return "by signal 9, possibly out of memory"
    return f"by signal {-code}" if code < 0 else f"with code {code}"


# glibc returns large arrays to the system as soon as they are freed, and a training that allocates them again at the
# next step spends a tenth of its time on that. Other C libraries ignore these variables.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 27)}


def _environment(root: Path, threads: int) -> dict[str, str]:
    """The environment of a worker: it imports the project's own sources first, and string hashes are fixed."""
    here = Path(__file__).parents[3]
    places = [str(root), str(root / "src"), str(here), os.environ.get("PYTHONPATH", "")]
    environment = {
        "PYTHONHASHSEED": "0",
        **KEEP_MEMORY,
        **os.environ,
        "PYTHONPATH": os.pathsep.join(each for each in places if each),
    }
    return environment | ({"OMP_NUM_THREADS": str(threads)} if threads else {})


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _would_replace(verdict: Verdict) -> UsageError:
    """The error for a run that would replace results that were imported."""
    identity = verdict.recipe.id
    return UsageError(
        f"{identity}: its results were imported, for another declaration than is here{_because(verdict)}; import them again, "
        f"or replace them by a run: python build.py run {identity} --force"
    )


def _because(verdict: Verdict) -> str:
    shown = ", ".join(map(str, verdict.reasons[:3]))
    more = f" and {len(verdict.reasons) - 3} more" if len(verdict.reasons) > 3 else ""
    return f": {shown}{more}" if shown else ""
