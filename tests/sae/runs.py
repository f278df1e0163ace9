"""Training runs in processes of their own, to be killed; started by the tests as a script.

python -m tests.sae.runs <folder> <number of kills> <seed>

One warm process forks every run, so that torch is loaded once. Prints, as JSON, what the kills hit.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from cytosae_core.sae.logs import MetricsTable
from cytosae_core.sae.train import train
from cytosae_core.sae.training_state import STATE_NAME
from cytosae_core.tokens.source import ArrayTokens
from tests.sae.toys import toy, toy_tokens

CONFIG = toy(
    n_images=4 * 200, checkpoint_every=3, evaluate_every=50, dead_window=5, batches="tokens", order="reshuffled"
)  # fmt: skip


def one_run(folder, tell=None):
    """Train in `folder`, or go on; write a byte into `tell` at every step."""
    tokens = toy_tokens()

    def progress(n_done, n_all):
        if tell is not None:
            os.write(tell, b".")

    held_out = ArrayTokens(tokens.array[:3])
    train(CONFIG, tokens, folder, held_out=held_out, observers=[MetricsTable(folder)], progress=progress)


def in_child(work):
    """Fork a process that does `work`; its id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the parent must see the status, whatever happened
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
        os._exit(0)
    return child


def finish(folder):
    """Run to the end in a child; its exit status."""
    return os.waitstatus_to_exitcode(os.waitpid(in_child(lambda: one_run(folder)), 0)[1])


def kill_once(folder, rng):
    """Kill a run at a random moment within one of its next steps; whether it was still running."""
    steps, tell = os.pipe()
    child = in_child(lambda: one_run(folder, tell))
    os.close(tell)
    for _ in range(rng.randint(0, 18)):
        os.read(steps, 1)
    time.sleep(rng.uniform(0, 0.01))
    os.kill(child, signal.SIGKILL)
    os.close(steps)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def main(folder, n_kills, seed):
    torch.set_num_threads(1)
    rng, folder = random.Random(int(seed)), Path(folder)
    status = finish(folder / "whole")
    killed, states = [], []
    for _ in range(int(n_kills)):
        killed.append(kill_once(folder / "killed", rng))
        states.append((folder / "killed" / STATE_NAME).is_file())
    status |= finish(folder / "killed")
    print(json.dumps({"status": status, "killed": killed, "states": states}))


if __name__ == "__main__":
    main(*sys.argv[1:])
