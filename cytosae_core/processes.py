"""Work in several processes that leave nothing behind: deaf to Ctrl-C, and gone when the process that started them is.

Spawned, not forked: the parent may hold torch's threads, which do not survive a fork.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import TypeVar

from cytosae_core.errors import ArtifactError

Job = TypeVar("Job")
Result = TypeVar("Result")


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(work: Callable[[Job], Result], jobs: Sequence[Job], n_workers: int) -> Generator[Result]:
    """`work` of every job, in whatever order they are finished; both must be importable by name.

    Whoever stops in the middle closes the generator, and what is not begun is not done. Raises what a job raises, and
    ArtifactError where a process is ended from outside.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(n_workers, len(jobs)), context, initializer=_serve_one_parent) as pool:
        with _interrupts_wait():
            futures = [pool.submit(work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise ArtifactError(
                "a process that helped was ended from outside, perhaps for want of memory; run the same command, with "
                "fewer workers where it takes their number: it continues where it stopped"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Hold Ctrl-C back while processes start: they inherit that, and so are deaf to it from their first moment."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows: `_serve_one_parent` is all there is
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve_one_parent() -> None:
    """Ctrl-C reaches the whole process group, and the parent alone decides; when it is killed, this process goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    # A pool's workers hold both ends of its queue, so nothing but this tells them that nobody will ever write again.
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
