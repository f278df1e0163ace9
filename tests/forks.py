"""Programs in processes of their own that need not import torch and its like anew: forks of one server.

Where a property is about what is imported or how Python starts, a test starts a plain process instead.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
NUMBER = struct.Struct("i")
"""What the server answers: the number of the process, and later how it ended."""


class Fork:
    """A program that runs; `pid` is its number, and a kill hits it alone."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.connection, self.pid = connection, pid

    def is_running(self) -> bool:
        return not select.select([self.connection], [], [], 0)[0]

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """How it ended, as `subprocess` counts: minus the signal that killed it."""
        with self.connection:
            return _number(self.connection)


class Forks:
    """Starts programs as forks of the server whose socket lies in `folder`; whoever finds none starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.socket_path, self.server = folder, folder / "socket", None

    def run(self, program, *arguments, cwd=REPOSITORY, **environment) -> subprocess.CompletedProcess:
        """Run a script of the project, or a module, to its end."""
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            status = self.start(program, *arguments, cwd=cwd, output=output, errors=errors, **environment).wait()
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess([program, *arguments], status, output.read(), errors.read())

    def start(self, program, *arguments, output, errors=sys.__stderr__, cwd=REPOSITORY, **environment) -> Fork:
        """Start it, with its standard output and error in these files."""
        script = REPOSITORY / "scripts" / program
        words = [str(script) if program.endswith(".py") else program, *map(str, arguments)]
        job = json.dumps({"words": words, "folder": str(cwd), "environment": {**os.environ, **environment}})
        connection = self._connection()
        socket.send_fds(connection, [b"!"], [output.fileno(), errors.fileno()])
        connection.sendall(f"{job}\n".encode())
        return Fork(connection, _number(connection))

    def close(self) -> None:
        """End the server, where this one started it; what it forked runs on, and other workers start another."""
        if self.server is not None:
            with self._alone():
                self.socket_path.unlink(missing_ok=True)
            self.server.stdin.close()
            self.server.wait()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait here
            yield

    def _connection(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        with self._alone():
            try:
                connection.connect(str(self.socket_path))
            except OSError:  # no server yet, or none any more
                self._start_server()
                connection.connect(str(self.socket_path))
        return connection

    def _start_server(self) -> None:
        self.socket_path.unlink(missing_ok=True)
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", self.socket_path],
            cwd=REPOSITORY, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        with self.server.stdout as said:
            assert said.readline() == b"ready\n"


def _number(connection: socket.socket) -> int:
    return NUMBER.unpack(connection.recv(NUMBER.size, socket.MSG_WAITALL))[0]


if __name__ == "__main__":  # for those who start programs themselves: the folder, the program and its arguments
    started = Forks(Path(sys.argv[1])).start(*sys.argv[2:], output=sys.stdout, errors=sys.stderr)
    sys.exit(started.wait())
