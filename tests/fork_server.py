"""Imports the slow libraries once, and forks for every program that a test starts; tests/forks.py is its other side.

python -m tests.fork_server SOCKET     says `ready`, and ends when its standard input does

The forks share nothing of the project: what a script forgets to import is missing here as on the command line.
"""

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import warnings
from pathlib import Path

from tests.forks import NUMBER

with warnings.catch_warnings():
    for shown in (UserWarning, FutureWarning, RuntimeWarning):  # what users would see, and tests of a fork would not
        warnings.simplefilter("error", shown)
    import alembic.command
    import pandas
    import plotly.graph_objects
    import pyarrow.parquet
    import scipy.stats
    import sklearn.linear_model
    import sqlalchemy.orm
    import timm
    import torch
    import torchvision
    import tyro

SHARED = (alembic, pandas, plotly, pyarrow, scipy, sklearn, sqlalchemy, timm, torch, torchvision, tyro)


def next_job(listener: socket.socket) -> dict:
    """Serve until standard input ends; comes back in forks alone, each with what it is to do."""
    while listener in select.select([listener, 0], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return job_of(connection)
        connection.close()
    os._exit(0)


def job_of(connection: socket.socket) -> dict:
    """Fork again; the outer fork tells the number of the inner one and how it ended, and the inner one comes back."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, output, _, _ = socket.recv_fds(connection, 1, 2)
    job = json.loads(connection.makefile().readline())
    child = os.fork()
    if child == 0:
        connection.close()
        for target, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), *output)):
            os.dup2(descriptor, target)
            os.close(descriptor)
        return job
    for descriptor in output:
        os.close(descriptor)
    connection.sendall(NUMBER.pack(child))
    _, status = os.waitpid(child, 0)
    connection.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def do(job: dict) -> None:
    """Be `python PROGRAM` or `python -m MODULE`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv, program = job["words"], job["words"][0]
    if program.endswith(".py"):
        sys.path[0] = str(Path(program).parent)
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def status_of(job: dict) -> int:
    """Do it and end as Python does, but without taking apart what is loaded: that takes seconds."""
    status = None
    try:
        do(job)
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - whatever it is, it is told
        sys.excepthook(*sys.exc_info())
        status = 1
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status or 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests; they end this process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the outer forks
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen()
    gc.freeze()  # what is loaded stays, so no fork looks through it
    print("ready", flush=True)
    os._exit(status_of(next_job(listener)))
