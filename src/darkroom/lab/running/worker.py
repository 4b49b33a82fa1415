"""The process in which experiments run, or figures are drawn: ``python -m darkroom.lab.running.worker``.

It takes a job as one line of JSON on stdin and answers with one line of JSON for each event on stdout, the last of them
"end"; what an experiment prints goes to stderr, and a line of NUL after it. Then it takes the next job, if there is
one: quick experiments follow each other in one process, which has imported torch already. After a failure it ends.
When stdin ends during a job, the parent process is gone, so the worker ends too.

Everything needed is imported before an experiment starts: the sources may change while a training runs.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import os
import queue
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import filelock  # noqa: F401  taken by a lock later
import msgspec
import numpy as np  # noqa: F401  taken by results later
import safetensors.numpy  # noqa: F401

from darkroom.core.digests import Digests
from darkroom.core.errors import DamagedOutputs, DarkroomError, DeviceUnavailable, ExperimentError, Locked, UsageError
from darkroom.core.manifest import VERSION, Manifest, Provenance, SourcePlace, load
from darkroom.lab.outputs import results
from darkroom.lab.outputs.folders import OutputFolder
from darkroom.lab.outputs.locking import locked
from darkroom.lab.plan import Planner
from darkroom.lab.running import chance, draw, events, failures, provenance
from darkroom.lab.running.job import END_OF_PRINTING, Job
from darkroom.lab.running.run import Run
from darkroom.lab.source.declared import ExperimentRecipe
from darkroom.lab.source.edges import changed

INTERRUPTED = 130
Emit = Callable[[events.Event], None]


def main() -> int:
    """Do the jobs on stdin; the exit code is that of the first error, if there is one."""
    emit = _take_stdout()
    chance.notice_seeding()
    jobs = _Jobs()
    threading.Thread(target=jobs.read, daemon=True).start()
    while (job := jobs.next()) is not None:
        code = _done(job, emit)
        _end_printing()
        if code:
            return code
        jobs.finished()
        emit(events.End())
        _let_go()
    return 0


def _done(job: Job, emit: Emit) -> int:
    """Do *job*; the exit code is that of the error, if there is one."""
    try:
        _Worker(job, emit).work()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BaseException as error:
        if not isinstance(error, DarkroomError):
            emit(events.Trace(traceback.format_exc()))
        failure = failures.translated(error, job.experiment or "figures", Path(job.root))
        emit(events.Failed(type(failure).__name__, str(failure)))
        return failure.exit_code
    return 0


class _Worker:
    def __init__(self, job: Job, emit: Emit) -> None:
        self.job, self.emit = job, emit
        self.root, self.outputs = Path(job.root), Path(job.outputs)
        folder = Path(job.data) if job.data else None
        self.values = draw.Values(self.root, self.outputs, folder, self._downloading)
        self.planner = Planner(self.root, job.project, self.outputs, Digests())

    def work(self) -> None:
        drop_stale_bytecode(self.root, self.job.project.sources)
        if self.job.experiment:
            self._run(self.job.project.experiments[self.job.experiment])
        for identity, names in self.job.drawings.items():
            self._draw(self.job.project.experiments[identity], names)
        for identity, names in self.job.compared.items():
            recipe = self.job.project.experiments[identity]
            faults = draw.compare(OutputFolder(self.outputs, identity), recipe, self.values, names)
            self.emit(events.Compared(identity, faults))

    def _run(self, recipe: ExperimentRecipe) -> None:
        place = OutputFolder(self.outputs, recipe.id)
        with locked(place):
            commit = provenance.commit(self.root)
            function = self._imported(recipe)
            device = chosen_device(self.job.device, recipe)
            if "torch" in recipe.packages:  # an earlier job may have changed it
                _use_threads(self.job.threads or _threads_at_first())
            self.emit(events.Device(device))
            _tell_unused_gpu(device, self.job.device, recipe)
            if self._holds_this(place):
                place.drop_leftover(self.job.key)
            name = provenance.device_name(device)
            checkpoint, started_at = place.checkpoint(self.job.key), provenance.now()
            run = Run(device, self.job.key, checkpoint, started_at, self.emit, name, place.refuse_links)
            watch = chance.Watch(device)
            returned = self._call(recipe, function, run, place)
            unseeded = [] if _has_seed(self.job.parameters) else watch.unseeded()
            manifest = self._stored(recipe, place, returned, lambda: self._provenance(recipe, run, commit, unseeded))
            faults = self._drawn(recipe, place, [each.name for each in (*recipe.figures, *recipe.metrics)])
        took = manifest.provenance.duration_s
        self.emit(events.Done(took, manifest.results, list(faults.values()), run.resumed))

    def _imported(self, recipe: ExperimentRecipe) -> Callable[..., Any]:
        """The experiment's function, with every module that it reaches imported as the plan read it."""
        function = draw.function_of(recipe).function
        drawings = [module for each in (*recipe.figures, *recipe.metrics) for module in each.modules]
        for module in dict.fromkeys([*recipe.modules, *drawings]):
            with suppress(ImportError):
                importlib.import_module(module)
        for path, digest in self.job.sources.items():
            if Digests().of(f"{self.root}/{path}") != digest:
                raise ExperimentError(f"{recipe.id}: {path} changed while the run was starting; run it again")
        return function

    def _call(self, recipe: ExperimentRecipe, function: Callable[..., Any], run: Run, place: OutputFolder) -> object:
        parameters = {name: results.as_tuples(value) for name, value in self.job.parameters.items()}
        edges = self._edges(recipe)
        own = {recipe.run_parameter: run} if recipe.run_parameter else {}
        os.chdir(place.fresh_work())
        try:
            return function(**own, **edges, **parameters)
        finally:
            os.chdir(self.root)

    def _holds_this(self, place: OutputFolder) -> bool:
        """Whether the stored outputs came from a run with this key."""
        with suppress(DamagedOutputs):
            manifest = load(place.folder, drawable=True)
            return manifest is not None and manifest.key == self.job.key
        return False

    def _edges(self, recipe: ExperimentRecipe) -> dict[str, object]:
        """The inputs as they are in the key."""
        edges = self.values.of(recipe.edges)
        for edge in recipe.edges:
            try:
                found = edge.digest_of(edges[edge.parameter], self.values)
            except UsageError as error:
                raise UsageError(f"{recipe.id}: {error}") from None
            if found and found != self.job.inputs[edge.name]:
                raise changed(recipe.id, edge)
        return edges

    def _stored(
        self, recipe: ExperimentRecipe, place: OutputFolder, returned: object, made: Callable[[], Provenance]
    ) -> Manifest:
        folder = place.fresh_next()
        files = results.write_results(folder, returned, recipe.id, place.work)
        results.check_declared(files, folder, recipe.results, recipe.id)
        results.check_temporary(files, recipe.temporary, recipe.id)
        place.drop_work()
        manifest = Manifest(
            version=VERSION,
            experiment=recipe.id,
            summary=recipe.summary,
            source=SourcePlace(recipe.path, recipe.line),
            key=self.job.key,
            results=results.results_digest(files),
            parameters=self.job.parameters,
            inputs=self.job.inputs,
            code=recipe.code,
            files=files,
            metrics={},
            figures={},
            model=recipe.model,
            temporary=recipe.temporary,
            variant=recipe.variant,
            provenance=made(),
        )
        draw.write_manifest(folder, manifest)
        draw.keep_until_drawn(place, recipe)
        place.publish()
        place.drop_checkpoints(self.job.key)
        self.planner.forget(recipe.id)
        return manifest

    def _provenance(
        self, recipe: ExperimentRecipe, run: Run, commit: tuple[str, bool], unseeded: list[str]
    ) -> Provenance:
        seed = self.job.parameters.get("seed")
        return Provenance(
            commit=commit[0],
            clean=commit[1],
            seed=seed if isinstance(seed, int) else None,
            device=", then ".join(run.devices),
            versions=provenance.versions(draws=bool(recipe.figures)),
            started_at=run.started_at,
            finished_at=provenance.now(),
            duration_s=round(run.elapsed_s, 3),
            peak_memory_bytes=provenance.peak_memory_bytes(run.device),
            resumed=run.resumed,
            unseeded=unseeded,
        )

    def _draw(self, recipe: ExperimentRecipe, names: list[str]) -> None:
        place = OutputFolder(self.outputs, recipe.id)
        try:
            with locked(place):
                faults = self._drawn(recipe, place, names)
        except Locked as error:
            self.emit(events.Skipped(recipe.id, str(error)))
            return
        drawn = [name for name in names if name not in faults]
        self.emit(events.Drawn(recipe.id, drawn, list(faults.values())))

    def _drawn(self, recipe: ExperimentRecipe, place: OutputFolder, names: list[str]) -> dict[str, str]:
        """Draw the figures and metrics whose own upstreams have results."""
        drawings = {each.name: each for each in (*recipe.figures, *recipe.metrics)}
        ready = [name for name in names if self._is_ready(recipe, drawings[name].edges)]
        return draw.draw(place, recipe, self.planner, self.values, ready)

    def _is_ready(self, recipe: ExperimentRecipe, edges: list[Any]) -> bool:
        targets = [edge.upstream for edge in edges if edge.upstream not in {"", recipe.id}]
        return all((self.outputs / target / "manifest.json").exists() for target in targets)

    def _downloading(self, name: str, done: int, total: int) -> None:
        self.emit(events.Progress(done, total, f"bytes of {name}"))


def drop_stale_bytecode(root: Path, sources: Iterable[str]) -> None:
    """Delete compiled modules that are older than their sources.

    Python compares times by the second, and sizes: of a source that was edited within a second, to the same size, it would
    run what was compiled before.
    """
    for path in sources:
        source = f"{root}/{path}"
        with suppress(OSError, NotImplementedError):
            compiled = importlib.util.cache_from_source(source)
            if os.stat(compiled).st_mtime_ns <= os.stat(source).st_mtime_ns:  # noqa: PTH116
                os.unlink(compiled)  # noqa: PTH108


def chosen_device(requested: str, recipe: ExperimentRecipe) -> str:
    """The device that a run uses: "cpu", "cuda" or "mps".

    Raises:
        DeviceUnavailable: the requested one, or torch, is not there.
    """
    if recipe.device == "cpu" or requested == "cpu":
        return "cpu"
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        if requested == "auto" and "torch" not in recipe.packages:
            return "cpu"
        raise failures.no_package(recipe.id, ["torch"]) from None
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if requested == "auto":
        return next(name for name, there in present.items() if there)
    if not present[requested]:
        raise DeviceUnavailable(
            f"{recipe.id}: --device {requested}, but torch {torch.__version__} finds no such device here; "
            "use --device auto, or install a build of torch that supports it"
        )
    return requested


def _has_seed(parameters: Iterable[str]) -> bool:
    """Whether one of the *parameters* is a seed, such as ``seed`` or ``noise_seeds``."""
    return any("seed" in name.lower() for name in parameters)


def _tell_unused_gpu(device: str, requested: str, recipe: ExperimentRecipe) -> None:
    """Say that a run which could use a GPU of NVIDIA's does not, since torch was built for CPUs only."""
    if (device, requested, recipe.device) != ("cpu", "auto", "gpu") or shutil.which("nvidia-smi") is None:
        return
    torch = importlib.import_module("torch")
    if torch.version.cuda is None and torch.version.hip is None:
        sys.stderr.write(
            f"{recipe.id} runs on the CPU: torch {torch.__version__} is built without CUDA, but NVIDIA's driver is "
            "installed; install a build of torch with CUDA, or choose --device cpu\n"
        )


def _use_threads(threads: int) -> None:
    torch = importlib.import_module("torch")
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _take_stdout() -> Emit:
    """Reserve stdout for events; other prints to stdout go to stderr from now on."""
    channel = os.dup(1)
    os.dup2(2, 1)

    def emit(event: events.Event) -> None:
        os.write(channel, events.encoded(event))

    return emit


class _Jobs:
    """The jobs on stdin, one after the other."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._is_busy = False

    def read(self) -> None:
        """Read lines to the end; an end during a job ends the process."""
        content = bytearray()
        while chunk := os.read(0, 1 << 16):
            content += chunk
            while (end := content.find(b"\n")) >= 0:
                self._is_busy = True
                self._waiting.put(bytes(content[:end]))
                del content[: end + 1]
        if self._is_busy:
            os._exit(INTERRUPTED)
        self._waiting.put(None)

    def next(self) -> Job | None:
        """Wait for the next job; None at the end."""
        line = self._waiting.get()
        return None if line is None else msgspec.json.decode(line, type=Job)

    def finished(self) -> None:
        """The job that was taken last is done."""
        self._is_busy = False


def _end_printing() -> None:
    """Mark the end of what the job has printed."""
    sys.stdout.flush()
    sys.stderr.flush()
    with suppress(OSError):
        os.write(2, END_OF_PRINTING)


@cache
def _threads_at_first() -> int:
    """How many threads torch uses by default."""
    return int(importlib.import_module("torch").get_num_threads())


def _let_go() -> None:
    """Release what the job has left in memory, and reset the peak of memory."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    elif torch is not None and hasattr(torch, "mps") and torch.backends.mps.is_available():
        torch.mps.empty_cache()
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak of what is in memory


if __name__ == "__main__":
    sys.exit(main())
