"""Folders of rendered cells: rendered cell by cell, resumed where they stopped, published whole.

A run writes into a hidden folder beside its goal, named by the digest of its configuration, and renames it when
everything is there. What was published is never changed.
"""

import contextlib
import functools
import json
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from cytosae_core.artifacts.files import describe, drop_unfinished, write_whole
from cytosae_core.artifacts.folders import publish_folder
from cytosae_core.artifacts.manifest import MANIFEST, digest_of, library_versions, read_json
from cytosae_core.errors import ConfigError
from cytosae_core.processes import in_parallel
from cytosae_core.progress import Progress, no_progress
from cytosae_core.simulated.cells.compose import Attributes, render_cell
from cytosae_core.simulated.cells.files import NOTICE, masks_bytes, picture_bytes
from cytosae_core.simulated.cells.parameters import CellParameters
from cytosae_core.simulated.cells.scene import MASK_NAMES
from cytosae_core.simulated.cells.styles import STYLES

FORMAT_VERSION = 1
RENDERING_VERSION = 1
"""Raised whenever the same seed would give other pixels."""
_BATCH = 16
"""Cells that a process renders at a time: less than a second, which is what a killed run loses."""
_FEW_BATCHES = 4
"""So few are rendered here before other processes have started."""


@dataclass(frozen=True)
class Job:
    """One cell to render."""

    path: PurePosixPath
    """Below the root of the data set."""
    parameters: CellParameters
    seed: int
    slide_seed: int | None = None
    patient: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Plan:
    """One folder to publish."""

    goal: Path
    """Must not exist, or hold the same configuration."""
    style: str
    configuration: dict[str, Any]
    """All that decides the bytes: recorded in the manifest."""
    jobs: tuple[Job, ...]
    with_masks: bool

    @property
    def digest(self) -> str:
        """Identity of the configuration: hexadecimal."""
        versions = {"format_version": FORMAT_VERSION, "drawing_version": RENDERING_VERSION}
        identity = versions | {"style": self.style, "with_masks": self.with_masks} | self.configuration
        return digest_of(identity, is_spaced=True)[:16]


def carry_out(plan: Plan, progress: Progress = no_progress, n_workers: int = 1) -> tuple[Path, pd.DataFrame]:
    """Render what is not rendered yet and return the unpublished folder and the attributes, one row per cell.

    Raises ConfigError where the goal holds something else, ArtifactError where the disk is full.
    """
    work = plan.goal.with_name(f".{plan.goal.name}.{plan.digest}.part")
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{work.parent} cannot hold the cells ({error}): choose another folder.") from error
    log = work / ".drawn.jsonl"
    rows = _rows_so_far(work, log)
    progress(len(rows), len(plan.jobs))
    rendered = _render_all(plan, [job for job in plan.jobs if str(job.path) not in rows], work, n_workers)
    with log.open("a", encoding="utf-8") as lines, contextlib.closing(rendered):
        for batch in rendered:
            for row in batch:
                rows[str(row["relative_path"])] = row
                lines.write(json.dumps(row) + "\n")
            lines.flush()
            progress(len(rows), len(plan.jobs))
    return work, pd.DataFrame([rows[str(job.path)] for job in plan.jobs])


def _render_all(plan: Plan, todo: Sequence[Job], work: Path, n_workers: int) -> Generator[list[Attributes]]:
    """Render in batches; every cell has its own random stream, so it does not matter who renders it, or when."""
    step = 1 if n_workers == 1 else _BATCH
    batches = [todo[start : start + step] for start in range(0, len(todo), step)]
    render = functools.partial(_render_batch, replace(plan, jobs=()), work)
    if n_workers == 1 or len(batches) <= _FEW_BATCHES:
        yield from map(render, batches)
    else:
        yield from in_parallel(render, batches, n_workers)


def _render_batch(plan: Plan, work: Path, jobs: Sequence[Job]) -> list[Attributes]:
    _keep_freed_memory()
    return [_render(plan, job, work) for job in jobs]


def published(plan: Plan) -> bool:
    """Whether the goal already holds exactly this plan; raises ConfigError where it holds something else."""
    if not plan.goal.exists():
        return False
    manifest, remedy = plan.goal / MANIFEST, "choose another folder, or remove it"
    if manifest.is_file() and read_json(manifest, remedy).get("digest") == plan.digest:
        return True
    raise ConfigError(f"{plan.goal} already holds something else: {remedy}.")


def publish(plan: Plan, work: Path, attributes: pd.DataFrame) -> Path:
    """Write tables, README and manifest, and rename the folder to its goal."""
    attributes.to_parquet(work / "attributes.parquet", index=False)
    (work / "README.md").write_text(_readme(plan, attributes), encoding="utf-8")
    (work / ".drawn.jsonl").unlink()
    drop_unfinished(work)
    names = [path.relative_to(work).as_posix() for path in sorted(work.rglob("*")) if path.is_file()]
    manifest = {
        "simulated": True,
        "notice": NOTICE,
        "format_version": FORMAT_VERSION,
        "drawing_version": RENDERING_VERSION,
        "digest": plan.digest,
        "style": plan.style,
        "configuration": plan.configuration,
        "with_masks": plan.with_masks,
        "mask_names": list(MASK_NAMES),
        "n_images": len(attributes),
        "um_per_px": STYLES[plan.style].field_um / STYLES[plan.style].file_size[0],
        "libraries": library_versions("numpy", "scipy", "pillow"),
        "files": [record._asdict() for record in describe(work, names).values()],
    }
    (work / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    publish_folder(work, plan.goal)
    return plan.goal


def _keep_freed_memory() -> None:
    """Let the allocator reuse the arrays of the last cell: page faults took a quarter of the time.

    glibc raises its threshold for giving memory back to the largest block that was freed, up to 32 MiB; elsewhere
    this does nothing.
    """
    block = np.empty(31 * 2**20, dtype=np.uint8)
    del block


def _rows_so_far(work: Path, log: Path) -> dict[str, Attributes]:
    """Return the finished cells of an earlier run; a line that was cut off, or whose files are gone, does not count."""
    rows: dict[str, Attributes] = {}
    whole: list[str] = []
    for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if log.is_file() else []:
        if not line.endswith("\n"):
            continue
        row = json.loads(line)
        if (work / row["relative_path"]).is_file():
            rows[row["relative_path"]] = row
            whole.append(line)
    if log.is_file():
        log.write_text("".join(whole), encoding="utf-8")
    return rows


def _render(plan: Plan, job: Job, work: Path) -> Attributes:
    cell = render_cell(job.parameters, plan.style, job.seed, slide_seed=job.slide_seed)
    if plan.with_masks:
        _write(work / "masks" / job.path.with_suffix(".npz"), masks_bytes(cell))
    picture = picture_bytes(cell, STYLES[plan.style].file_size, job.path.suffix)
    _write(work / job.path, picture)
    who: dict[str, Any] = {"relative_path": str(job.path), "patient": job.patient, "group": job.group}
    return who | cell.attributes


def _write(path: Path, content: bytes) -> None:
    write_whole(path.parent, path.name, content, is_synced=False)


def _counted(attributes: pd.DataFrame, columns: Iterable[str]) -> str:
    counts = attributes.groupby(list(columns), dropna=True).size()
    lines = []
    for key, count in counts.items():
        words = key if isinstance(key, tuple) else (key,)
        lines.append(f"| {' / '.join(str(word) for word in words)} | {count} |")
    return "\n".join(lines)


def _readme(plan: Plan, attributes: pd.DataFrame) -> str:
    columns = ["group"] if attributes["group"].notna().any() else ["cell_type"]
    return f"""# SIMULATED

{NOTICE}.

{len(attributes)} blood cells in the look and layout of the data set `{plan.style}`, for tests and demonstrations.
Nothing learned or measured on them says anything about people. Every picture file says SIMULATED in its metadata.

| {columns[0]} | cells |
|---|---|
{_counted(attributes, columns)}

- `attributes.parquet`: one row a cell: what was asked for, what was drawn, what was measured.
- `masks/`: one `.npz` a cell, `parts` (288, 288) with one bit a mask, `names` in the order of the bits.
- `manifest.json`: configuration, seed, library versions, size and sha256 of every file.
"""
