"""A server's worth of data in a folder: tiny atlas, study with both tasks, two raters."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from app import resources
from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.judging.database import backup, open_engine
from cytosae_core.judging.repository import Repository
from cytosae_core.study.builder import build_study
from cytosae_core.study.config import StudyConfig
from cytosae_core.study.protocol import Study
from tests.atlas.tiny import make_tiny_atlas
from tests.conftest import CHEAP_HASHER

ACCESS_CODES = {f"R{number:02}": f"abcd-efgh-jk{number:02}" for number in range(1, 61)}
"""Enough raters for each test to have fresh ones."""


@dataclass(frozen=True)
class Site:
    """What a coordinator has prepared."""

    database_path: Path
    atlas: LatentAtlas
    study: Study
    repository: Repository


def make_site(folder: Path, *, n_differential: int = 3, simulated: bool = False) -> Site:
    atlas = make_tiny_atlas(
        folder / "atlas", n_latents=200, datasets=("acevedo", "hehr"), with_maps=True, with_barcodes=True,
        simulated=simulated,
    )  # fmt: skip
    config = StudyConfig(
        title="A study for tests",
        dataset="acevedo",
        n_clusters=4,
        n_per_cluster=3,
        groups=("CBFB::MYH11", "PML::RARA"),
        n_differential=n_differential,
    )
    study = build_study(atlas, config)
    repository = Repository(open_engine(folder / "annotations.db"), hasher=CHEAP_HASHER)
    repository.studies.register(study, str(folder / "atlas"))
    for rater_code, access_code in ACCESS_CODES.items():
        repository.raters.add(rater_code, study.study_id, access_code=access_code)
    return Site(folder / "annotations.db", atlas, study, repository)


def copied_site(prepared: Path, folder: Path) -> Site:
    """The prepared atlas and study with a database of its own."""
    backup(open_engine(prepared / "annotations.db"), folder / "annotations.db")
    repository = Repository(open_engine(folder / "annotations.db"))
    study = repository.studies.load(repository.studies.all()[0].study_id)
    return Site(folder / "annotations.db", LatentAtlas.open(prepared / "atlas"), study, repository)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A site made once; tests work on copies of its database."""
    folder = tmp_path_factory.mktemp("site")
    make_site(folder)
    return folder


@pytest.fixture
def site(prepared, tmp_path, monkeypatch) -> Site:
    """A site of its own, which `app.resources` of this process uses."""
    made = copied_site(prepared, tmp_path)
    monkeypatch.setenv("CYTOSAE_DATABASE", str(made.database_path))
    resources.repository.cache_clear()
    resources.open_study.cache_clear()
    yield made
    resources.repository.cache_clear()
    resources.open_study.cache_clear()
