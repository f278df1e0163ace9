"""Images to a token store: shard after shard, by one process or several, again after any interruption.

An unfinished extraction lies in the hidden folder `.<name>.partial` beside its destination. Each shard is computed
from its own rows of the table alone, in batches that never cross a shard, so that what is left can be done at any
time, by any process, and gives the same bytes. The last step writes the index and the manifest and renames the folder.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cytosae_core.artifacts.folders import file_lock, lock_path
from cytosae_core.artifacts.manifest import check_plan, write_plan
from cytosae_core.backbone.decode import UnreadableImage
from cytosae_core.backbone.team import Team
from cytosae_core.backbone.vit import Backbone
from cytosae_core.errors import ArtifactError
from cytosae_core.images.table import ImageTable
from cytosae_core.progress import Progress, no_progress
from cytosae_core.tokens.plan import ExtractConfig, make_plan, n_shards_of, shard_batches
from cytosae_core.tokens.publish import (
    clean_up,
    partial_folder,
    publish,
    refuse_unreadable,
    reopen,
    store_folder,
)
from cytosae_core.tokens.shards import ShardRecord, read_record, write_shard
from cytosae_core.tokens.shuffle import Tokens
from cytosae_core.tokens.store import TokenStore
from cytosae_core.tokens.stream import ForwardBatch, forward_batches

_DEFAULTS = ExtractConfig()
_ALONE = Team()


def extract(
    backbone: Backbone, table: ImageTable, output_path: Path, config: ExtractConfig = _DEFAULTS, *,
    team: Team = _ALONE, progress: Progress = no_progress,
) -> TokenStore:  # fmt: skip
    """The token store of these images at `output_path`, opened at its first block; resumes what an earlier run left.

    `progress` counts the images of this process. Raises ArtifactError where the folder, or what an earlier run left,
    was made with other settings, or where another run is at work on it; ImageTableError where more than
    `config.max_unreadable_share` of the images cannot be read; BackboneError where a token does not fit into float16.
    """
    plan = make_plan(backbone, table, config)
    run = _Run(backbone, table, config, plan, partial_folder(output_path))
    is_there = output_path.exists()
    team.wait()  # nobody publishes before all have looked
    if not is_there:
        with _alone(output_path) if team.is_lead else nullcontext():
            _prepare(run, team)
            run.extract_shards(run.todo(team), progress)
            team.wait()
            if team.is_lead:
                publish(run.folder, output_path, plan, table, config.max_unreadable_share)
    if team.is_lead:
        clean_up(run.folder)
    team.wait()
    return reopen(output_path, plan)


@contextmanager
def _alone(output_path: Path) -> Iterator[None]:
    """No other run, or team, at work on this store; ArtifactError where there is one."""
    output_path.parent.mkdir(parents=True, exist_ok=True)
    refusal = f"another run is making {output_path} already; wait for it, or give another output folder"
    with file_lock(lock_path(output_path), refusal):
        if output_path.exists():
            raise ArtifactError(f"another run has just finished {output_path}; run the same command again to open it")
        yield


def _prepare(run: "_Run", team: Team) -> None:
    """Make the folder of the unfinished run, or check that what lies in it belongs to this one."""
    if team.is_lead:
        store_folder(run.folder).mkdir(parents=True, exist_ok=True)
        write_plan(run.folder, run.plan)
    team.wait()
    check_plan(run.folder, run.plan)


@dataclass(frozen=True)
class _Run:
    """One process's part in an extraction."""

    backbone: Backbone
    table: ImageTable
    config: ExtractConfig
    plan: dict[str, Any]
    folder: Path

    def todo(self, team: Team) -> list[int]:
        """The shards that this process has to do."""
        left = [index for index in range(n_shards_of(self.plan)) if read_record(self.folder, index) is None]
        team.wait()  # all have seen the same list before anybody shortens it
        return left[team.rank :: team.n_ranks]

    def extract_shards(self, todo: list[int], progress: Progress) -> None:
        """Compute and write these shards; one is written while the next is computed."""
        n_all = sum(len(rows) for index in todo for rows in shard_batches(self.plan, index))
        writing: Future[ShardRecord] | None = None
        skipped: list[UnreadableImage] = []
        n_done = 0
        with ThreadPoolExecutor(1, thread_name_prefix="write") as writer:
            for shard in self._shards(todo):
                for batch in shard.batches():
                    n_done += len(batch.positions) + len(batch.skipped)
                    progress(n_done, n_all)
                skipped += shard.skipped
                refuse_unreadable(self.table, skipped, self.config.max_unreadable_share)
                if writing is not None:
                    writing.result()
                writing = writer.submit(shard.write, self.folder)
            if writing is not None:
                writing.result()

    def _shards(self, todo: list[int]) -> Iterator["_OpenShard"]:
        """The shards in order, all fed from one stream, so that the pipeline never drains between two of them."""
        runs = [shard_batches(self.plan, index) for index in todo]
        rows = (rows for batches in runs for rows in batches)
        stream = forward_batches(self.backbone, self.table, self.config, rows)
        for index, batches in zip(todo, runs, strict=True):
            yield _OpenShard(index, batches, self.plan, stream)


class _OpenShard:
    """A shard in memory while its batches come in."""

    def __init__(
        self, shard_index: int, batches: list[range], plan: dict[str, Any], stream: Iterator[ForwardBatch]
    ) -> None:
        self.shard_index, self.n_batches, self.stream = shard_index, len(batches), stream
        shape = (sum(map(len, batches)), plan["n_tokens"], plan["d_model"])
        self.tokens: dict[int, Tokens] = {block: np.empty(shape, np.float16) for block in plan["blocks"]}
        self.positions: list[int] = []
        self.skipped: list[UnreadableImage] = []

    def batches(self) -> Iterator[ForwardBatch]:
        """The batches of this shard out of the common stream, kept as they pass."""
        for _ in range(self.n_batches):
            batch = next(self.stream)
            self._keep(batch)
            yield batch

    def _keep(self, batch: ForwardBatch) -> None:
        start = len(self.positions)
        self.positions += batch.positions
        self.skipped += batch.skipped
        for block, tokens in batch.tokens.items():
            self.tokens[block][start : len(self.positions)] = tokens

    def write(self, folder: Path) -> ShardRecord:
        """Write what was kept; the rows of unreadable images are not part of it."""
        tokens = {block: array[: len(self.positions)] for block, array in self.tokens.items()}
        record = write_shard(store_folder(folder), folder, self.shard_index, tokens, self.positions, self.skipped)
        self.tokens.clear()
        return record
