"""How a run came to be: commit, device, versions, memory. Recorded, never hashed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import darkroom

# What results may depend on, if a run has imported it, by the names of modules; and what draws pictures.
_COMPUTING = (
    *("torch", "torchvision", "diffusers", "transformers", "accelerate", "jax", "tensorflow"),
    *("numpy", "scipy", "sklearn", "skimage", "pandas", "cv2"),
)
_DRAWING = ("matplotlib", "pillow", "imageio")


def now() -> str:
    """The time, UTC in ISO 8601, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def commit(root: Path) -> tuple[str, bool]:
    """The commit of the working tree and whether the tree equals it, generated files aside; empty without git."""
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return "", False
    changes = _git(root, "status", "--porcelain", "--", ".", ":(exclude)experiments/outputs", ":(exclude)site")
    return head.strip(), changes == ""


def versions(*, draws: bool = False) -> dict[str, str]:
    """The versions of Python, of Darkroom, of what a run imported, and if it *draws* figures of what they are drawn with."""
    found = {"python": platform.python_version(), "darkroom": darkroom.__version__}
    for name in _COMPUTING:
        if name in sys.modules:
            found[name] = str(getattr(sys.modules[name], "__version__", "unknown"))
    return found | (drawing_versions() if draws else {})


def drawing_versions() -> dict[str, str]:
    """The versions of what figures are drawn with."""
    found = {}
    for name in _DRAWING:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def device_name(device: str) -> str:
    """The device's product name; of several GPUs also which one, if the process sees only that one."""
    if device == "cuda":
        name, seen = str(sys.modules["torch"].cuda.get_device_name()), os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return f"{name}, GPU {seen.removeprefix('GPU-')[:8]}" if seen and "," not in seen else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (
        f"{_processor()}, {cores} core{'s' if cores > 1 else ''}" if device == "cpu" else f"{_processor()} ({device})"
    )


def peak_memory_bytes(device: str) -> int:
    """The peak memory of this process, on CUDA including that of the GPU; 0 where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return peak + (int(sys.modules["torch"].cuda.max_memory_allocated()) if device == "cuda" else 0)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return _brand_of_apple() or platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _brand_of_apple() -> str:
    """The name of an Apple processor, which has the GPU in it, such as "Apple M2"; Python only knows that it is "arm"."""
    try:
        return subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
