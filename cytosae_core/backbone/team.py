"""Several processes at one extraction: who they are and where they wait for each other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch.distributed as dist

LONGEST_WAIT = timedelta(days=14)
"""How long a process waits for the others: as long as the longest extraction, since a dead one ends all at once."""


def _no_wait() -> None:
    """One process has nobody to wait for."""


@dataclass(frozen=True)
class Team:
    """The processes that share an extraction; each does every n-th shard that is left."""

    rank: int = 0
    """Number of this process."""
    n_ranks: int = 1
    """Processes in all."""
    local_rank: int = 0
    """Number of this process on its machine: the number of its GPU."""
    wait: Callable[[], object] = _no_wait
    """Returns when all processes have called it."""

    @property
    def is_lead(self) -> bool:
        """Whether this process does what is done once."""
        return self.rank == 0


@contextmanager
def torchrun_team() -> Iterator[Team]:
    """The team that `torchrun` started, or a team of one; gloo, since only barriers are exchanged."""
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        yield Team()
        return
    dist.init_process_group("gloo", timeout=LONGEST_WAIT)
    try:
        yield Team(dist.get_rank(), dist.get_world_size(), dist.get_node_local_rank(), dist.barrier)
    finally:
        dist.destroy_process_group()
