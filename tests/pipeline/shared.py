"""The fixture of the tiny demo, for the folders of tests that need it."""

import os

import pytest

from tests.pipeline.tiny_demo import TinyDemo, make_once


@pytest.fixture(scope="session")
def tiny_demo(tmp_path_factory) -> TinyDemo:
    """Made once for all workers; read only, take `copied` for a database to write to."""
    folder = tmp_path_factory.getbasetemp()
    return make_once((folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "tiny_demo")
