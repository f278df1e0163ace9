"""start.py, as a newcomer meets it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def start(*arguments) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / "start.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_without_tables_it_says_what_it_needs_and_makes_nothing():
    done = start()
    assert done.returncode == 1
    for word in ("--tables", "--images", "dynamical-inference/cytosae", "check_dataset.py"):
        assert word in done.stderr


def test_a_folder_without_tables_is_refused_in_one_sentence(tmp_path):
    done = start("--tables", tmp_path, "--images", "acevedo", tmp_path, "--port", free_port())
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_refused_before_any_work(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = start("--tables", tmp_path, "--images", "acevedo", tmp_path, "--port", port)
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
