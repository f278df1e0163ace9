"""Several processes that average their gradients: one core each is faster than one process on all cores."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from cytosae_core.errors import BackboneError


@dataclass(frozen=True)
class Worker:
    """One process among the others."""

    rank: int
    n: int

    def mean(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its mean over all processes."""
        if self.n == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1).float() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.n
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def wait(self) -> None:
        """Return when all have come here."""
        if self.n > 1:
            dist.barrier()


@contextmanager
def workers(n_workers: int, work: Callable[[Worker], None]) -> Iterator[Worker]:
    """This process as the first of `n_workers`; the others run `work`, which must be importable by name.

    Raises BackboneError where one of them failed.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // n_workers))
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder) / "meeting"
        others = [
            mp.get_context("spawn").Process(target=_join, args=(meeting, rank, n_workers, work), daemon=True)
            for rank in range(1, n_workers)
        ]
        for other in others:
            other.start()
        try:
            with _member(meeting, 0, n_workers) as me:
                yield me
        finally:
            torch.set_num_threads(threads)
        for other in others:
            other.join()
    if any(other.exitcode for other in others):
        raise BackboneError(
            "a worker ended early, see above; run the same command again, it goes on from the last state"
        )


def _join(meeting: Path, rank: int, n_workers: int, work: Callable[[Worker], None]) -> None:
    torch.set_num_threads(1)
    with _member(meeting, rank, n_workers) as me:
        work(me)


@contextmanager
def _member(meeting: Path, rank: int, n_workers: int) -> Iterator[Worker]:
    if n_workers > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=n_workers)
    try:
        yield Worker(rank, n_workers)
    finally:
        if n_workers > 1:
            dist.destroy_process_group()
