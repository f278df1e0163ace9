"""Fixtures for the whole suite: where real cells and published tables lie, when they lie anywhere."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import settings

from tests.forks import REPOSITORY, Forks

# Programs that tests start import this checkout, in whatever environment they run.
os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])

# How long one example takes says nothing about a property on a busy machine.
settings.register_profile("suite", deadline=None, print_blob=True)
settings.load_profile("suite")

CHEAP_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Real argon2 with next to no work: what tests that are not about guessing give to their repositories."""

SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def _shared(name: str) -> Path:
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"needs the files of '{name}', which are not part of the project and are not beside it")
    return path


@pytest.fixture(scope="session")
def release_tables() -> Path:
    """Folder of the published latent tables: one folder per data set."""
    return _shared("cytosae_release") / "feature_data"


@pytest.fixture(scope="session")
def release_classnames() -> Path:
    """Folder of the published class lists."""
    return _shared("cytosae_release") / "classnames"


@pytest.fixture(scope="session")
def acevedo() -> Path:
    """Real Acevedo cells with `file_list.txt` and `show_only.txt`."""
    return _shared("acevedo")


@pytest.fixture(scope="session")
def bmc() -> Path:
    """Some real BMC cells."""
    return _shared("bmc")


@pytest.fixture(scope="session")
def mll23_example() -> Path:
    """One real MLL image."""
    return _shared("mll23_example")


@pytest.fixture(scope="session")
def wbcatt() -> Path:
    """Expert attributes of Acevedo cells."""
    return _shared("wbcatt")


@pytest.fixture(scope="session")
def folder_of_all(tmp_path_factory) -> Path:
    """One folder for all workers of this run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def forks(folder_of_all) -> Iterator[Forks]:
    """Runs scripts and modules in processes of their own."""
    (folder_of_all / "forks").mkdir(exist_ok=True)
    forks = Forks(folder_of_all / "forks")
    yield forks
    forks.close()


@pytest.fixture(scope="session")
def published_atlas(release_tables, acevedo, folder_of_all, forks) -> Path:
    """All five published data sets as an atlas, for all workers one; read only."""
    from tests.published_tables import import_once  # needs torch, which few tests do

    return import_once(folder_of_all / "published_atlas", release_tables, acevedo, forks)
