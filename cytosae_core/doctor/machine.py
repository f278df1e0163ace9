"""The machine: Python, environment, disk, memory, graphics card, browser."""

from __future__ import annotations  # an older Python must get far enough to be told that it is too old

import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from cytosae_core.doctor.finding import Finding, State

NEWEST_NEEDED = (3, 11)
GIB = 2**30
_TORCH = "import json, torch; c = torch.cuda; print(json.dumps([torch.__version__, torch.get_num_threads(), " \
    "c.is_available(), c.get_device_name() if c.is_available() else '']))"  # fmt: skip


def check_machine(root: Path) -> list[Finding]:
    """Findings about the machine; `root` is the top of the repository."""
    return [
        check_python(sys.version_info[:3]),
        check_environment(root),
        check_disk(root, shutil.disk_usage(root).free),
        check_memory(available_memory()),
        check_torch(),
        check_chromium(),
    ]


def check_python(version: tuple[int, ...]) -> Finding:
    """Whether this Python is new enough."""
    found = f"{'.'.join(map(str, version))}, {sys.executable}"
    if version[:2] < NEWEST_NEEDED:
        needed = ".".join(map(str, NEWEST_NEEDED))
        return Finding("Python", State.FAULT, found, f"install Python {needed} or newer, and run this with it")
    return Finding("Python", State.OK, found)


def check_environment(root: Path) -> Finding:
    """Whether start.sh has made its environment, and whether this is it."""
    folder = root / ".venv"
    if (folder / ".installing").exists():
        return Finding(
            "environment", State.FAULT, "an installation was interrupted", "bash scripts/start.sh starts it afresh"
        )
    if Path(sys.prefix).resolve() == folder.resolve():
        return Finding("environment", State.OK, ".venv")
    if (folder / "bin" / "python").exists():
        return Finding(
            "environment",
            State.NOTE,
            f"{sys.prefix}, and there is .venv",
            "source .venv/bin/activate to look at that one",
        )
    return Finding("environment", State.NOTE, f"{sys.prefix}", "bash scripts/start.sh makes .venv")


def check_disk(root: Path, n_free: int) -> Finding:
    """Whether there is room for results."""
    found = f"{n_free / GIB:.1f} GiB free at {root}"
    if n_free < GIB:
        return Finding("disk", State.FAULT, found, "free some space: judgements are refused when the disk is full")
    if n_free < 5 * GIB:
        return Finding("disk", State.NOTE, found, "enough to label; the demo takes 1 GB, torch 6 GB, a data set more")
    return Finding("disk", State.OK, found)


def check_memory(n_available: int | None) -> Finding:
    """Whether a training run fits into memory."""
    if n_available is None:
        return Finding("memory", State.NOTE, "this system does not say how much is available")
    found = f"{n_available / GIB:.1f} GiB available, {os.cpu_count()} cores"
    if n_available < 3 * GIB:
        return Finding("memory", State.NOTE, found, "enough to label; close other programs before training")
    return Finding("memory", State.OK, found)


def available_memory() -> int | None:
    """Bytes that programs may still take; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def check_torch() -> Finding:
    """Whether torch starts, and what it computes on; it runs in a process of its own, so that a crash is a finding."""
    if find_spec("torch") is None:
        return Finding("torch and GPU", State.NOTE, "no torch: this installation labels, and trains nothing")
    done = subprocess.run([sys.executable, "-c", _TORCH], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding(
            "torch and GPU", State.FAULT, f"torch does not start: {said}", "delete .venv; bash scripts/start.sh"
        )
    version, n_threads, has_gpu, name = json.loads(done.stdout)
    if has_gpu:
        return Finding("torch and GPU", State.OK, f"torch {version}, {name}")
    found = f"torch {version}, {n_threads} threads, no GPU that it can use"
    if shutil.which("nvidia-smi"):
        return Finding(
            "torch and GPU", State.NOTE, found, "nvidia-smi is there: its driver may be too old for this torch"
        )
    return Finding("torch and GPU", State.OK, found)


def check_chromium() -> Finding:
    """Whether there is a browser for tests and screenshots."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        remedy = "for browser tests and screenshots only; on Debian: apt-get install chromium"
        return Finding("chromium", State.NOTE, f"none ({platform.system()})", remedy)
    return Finding("chromium", State.OK, path)
