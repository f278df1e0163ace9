"""An export that nobody touched has no faults, and one that somebody touched names what was changed."""

import re

import pytest

from cytosae_core.errors import ArtifactError, FormatVersionError
from cytosae_core.evaluation.export import export_study
from cytosae_core.evaluation.export_check import check_export, read_export_manifest
from tests.study.tiny_study import good_answers

COMMENTS = ("plain", "=1+1", "'=1+1", "'quoted'", "-", "")


@pytest.fixture
def exported(desk, repository, study, clock, tmp_path):
    """The export of a judgement per comment."""
    for comment in COMMENTS:
        turn = repository.desk.current(desk.rater_id, study.study_id, "concept")
        answers = good_answers(turn.stage_id) | {"comment": comment}
        desk.save(desk.show(turn.item_id, turn.stage_id).nonce, answers)
    return export_study(repository, study.study_id, tmp_path / "exports", n_resamples=10, now=clock)


def test_an_export_that_nobody_touched_has_no_faults(exported, engine):
    assert check_export(engine, exported) == []


def test_a_changed_comment_is_named(exported, engine):
    (path,) = exported.glob("judgements_SIMULATED.csv")
    path.write_text(path.read_text(encoding="utf-8").replace("plain", "other"), encoding="utf-8")
    faults = check_export(engine, exported)
    assert [fault for fault in faults if re.search(r"differs from the database in .*comment", fault)]
    assert [fault for fault in faults if f"{path} is not what was exported" in fault]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{", ArtifactError, r"is damaged .*; export the study again"),
        ('{"format": "cytosae-atlas"}', ArtifactError, "does not describe an export of a study"),
        (
            '{"format": "cytosae-study-export", "format_version": 2}',
            FormatVersionError,
            "version 2 of an export",
        ),
        ('{"format": "cytosae-study-export", "format_version": 1}', ArtifactError, r"is damaged \(it lists no files\)"),
    ],
)
def test_a_manifest_that_is_none_is_named(tmp_path, content, error, message):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(error, match=message):
        read_export_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_export(tmp_path):
    with pytest.raises(ArtifactError, match=r"is no export: it has no manifest\.json; give a folder that"):
        read_export_manifest(tmp_path)
