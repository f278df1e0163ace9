"""What start.py and create_study.py leave behind when something was removed, is somebody else's, or fails."""

import importlib
import sys
from pathlib import Path

import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import DatabaseBusyError, SignInError, StudyError
from cytosae_core.judging.database import open_engine
from cytosae_core.judging.repository import Repository
from cytosae_core.study.builder import StudyConfig, build_study, read_study
from tests.atlas.tiny import make_tiny_atlas
from tests.study.tiny_study import tiny_study

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"n_clusters": 4, "n_per_cluster": 3, "min_pictures": 3}
TITLE = "Concepts of the published CytoSAE"
ASKED = StudyConfig(title=TITLE, dataset="mll23", **SMALL)
"""What the tests start with: a study that fits a tiny atlas."""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Module `_start` with a root of its own and an empty database."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setenv("CYTOSAE_DATABASE", str(tmp_path / "annotations.db"))
    modules = [importlib.import_module(name) for name in ("_publish", "_start")]
    for module in modules:
        monkeypatch.setattr(module, "ROOT", tmp_path)
    yield modules[1]
    for name in ("_publish", "_start", "_cli", "_database", "_root"):
        sys.modules.pop(name, None)


@pytest.fixture
def repository(start, tmp_path):
    engine = open_engine(tmp_path / "annotations.db")
    yield Repository(engine)
    engine.dispose()


@pytest.fixture
def atlas(tmp_path):
    make_tiny_atlas(tmp_path / "artifacts" / "atlases" / "tiny", with_barcodes=True)
    return LatentAtlas.open(tmp_path / "artifacts" / "atlases" / "tiny")


def test_the_guest_signs_in_with_the_code_that_is_told_even_after_the_artifacts_are_gone(start, repository, tmp_path):
    study, other = tiny_study(), tiny_study(seed=8)
    for one in (study, other):
        repository.studies.register(one, "x")
    note = tmp_path / "artifacts" / "guest-access-code.txt"
    first = start.sign_in_of(study.study_id)
    assert start.sign_in_of(other.study_id) == start.sign_in_of(study.study_id) == first
    assert note.stat().st_mode & 0o077 == 0
    note.unlink()
    second = start.sign_in_of(study.study_id)
    assert second != first
    assert repository.sessions.sign_in(*second).rater_code == "GUEST"
    with pytest.raises(SignInError):
        repository.sessions.sign_in(*first)
    assert [path.name for path in note.parent.iterdir()] == [note.name]


def test_a_code_that_could_not_be_noted_is_replaced_by_the_next_start(start, repository, tmp_path, monkeypatch):
    study = tiny_study()
    repository.studies.register(study, "x")
    with monkeypatch.context() as patched:
        patched.setattr(start, "whole_path", lambda path, mode: (_ for _ in ()).throw(OSError("disk is full")))
        with pytest.raises(OSError, match="disk is full"):
            start.sign_in_of(study.study_id)
    assert repository.sessions.sign_in(*start.sign_in_of(study.study_id)).rater_code == "GUEST"


@pytest.mark.parametrize(
    "more",
    [{"title": "The real study"}, {"seed": 5}, {"n_decoys": 1}, {"groups": ("CBFB::MYH11", "PML::RARA")}],
)
def test_the_guest_never_gets_into_a_study_that_a_coordinator_made(start, repository, atlas, more):
    given = {"title": TITLE, "dataset": "mll23", **SMALL, **more}
    theirs = build_study(atlas, StudyConfig(**given))
    repository.studies.register(theirs, "x")
    study_id = start.study_of(atlas, ASKED)
    assert study_id != theirs.study_id
    assert start.study_of(atlas, ASKED) == study_id
    assert len(repository.studies.all()) == 2


def test_a_study_whose_folder_was_removed_is_found_in_the_database_and_written_anew(start, repository, atlas, tmp_path):
    study_id = start.study_of(atlas, ASKED)
    path = tmp_path / "artifacts" / "studies" / study_id / "study.json"
    path.unlink()
    path.parent.rmdir()
    assert start.study_of(atlas, ASKED) == study_id
    assert read_study(path) == repository.studies.load(study_id)
    assert repository.studies.atlas_path(study_id) == "artifacts/atlases/tiny"


def test_a_study_that_cannot_be_registered_leaves_no_folder(start, repository, tmp_path, monkeypatch):
    study, folder = tiny_study(), tmp_path / "studies"
    publish_study = sys.modules["_publish"].publish_study

    def busy(study, atlas_path):
        raise DatabaseBusyError("somebody else is writing")

    with monkeypatch.context() as patched:
        patched.setattr(repository.studies, "register", busy)
        with pytest.raises(DatabaseBusyError):
            publish_study(study, repository, tmp_path / "atlas", folder)
        assert list(folder.iterdir()) == []
    path = publish_study(study, repository, tmp_path / "atlas", folder)
    with monkeypatch.context() as patched:
        patched.setattr(repository.studies, "register", busy)
        with pytest.raises(DatabaseBusyError):
            publish_study(study, repository, tmp_path / "atlas", folder)
    assert read_study(path) == repository.studies.load(study.study_id) == study


def test_a_study_that_cannot_be_written_is_not_registered(start, repository, tmp_path):
    (tmp_path / "studies").write_text("a file where a folder belongs")
    with pytest.raises(StudyError, match=r"could not be written to .*studies.*run the same command again"):
        sys.modules["_publish"].publish_study(tiny_study(), repository, tmp_path / "atlas", tmp_path / "studies")
    assert repository.studies.all() == []
