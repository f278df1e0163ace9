"""The exported folder: complete, self-explaining, safe to open, and marked when it is simulated."""

import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from cytosae_core.artifacts.tables import csv_text
from cytosae_core.errors import ConfigError, StudyError
from cytosae_core.evaluation.codebook import codebook
from cytosae_core.evaluation.export import export_study
from cytosae_core.study.files import read_study
from cytosae_core.study.protocol import Study, seal
from tests.judging.conftest import seat
from tests.judging.judged import A, B, Given, Shelf, judgement_table, small_study, verdicts
from tests.study.tiny_study import tiny_study

MAINS = [f"c{k}{n}" for k in (0, 1) for n in range(5)]
TABLES = {
    "judgements",
    "judgements_latest",
    "items",
    "raters",
    "strata",
    "consensus",
    "shares",
    "disease",
    "agreement",
    "latent_classes",
    "controls",
    "codebook",
}
TYPED = '=HYPERLINK("http://x","Auer rods"), "quoted"\nsecond line | é'


def noon() -> datetime:
    return datetime(2026, 5, 6, 12, tzinfo=UTC)


def export(folder: Path, study: Study, given: Given, revised: Given | None = None, **options) -> Path:
    shelf = Shelf(study, judgement_table(study, given, revised))
    return export_study(shelf, study.study_id, folder, n_resamples=50, now=noon, **options)


def two_raters() -> Given:
    specific = {
        ("R01", f"a{rank:02d}", "revealed"): {"specific": "yes" if rank <= 5 else "no", "concept": "faggots"}
        for rank in range(1, 13)
    }
    blind = {("R01", f"a{rank:02d}", "blind"): {"group": A, "confidence": "3"} for rank in range(1, 13)}
    typed = {("R01", "c00", "concept"): {"meaningful": "yes", "concept": TYPED, "terms": ["auer_rods", "granules"]}}
    controls = verdicts("R01", ["r0", "d0", "t0"], "yny")
    return {
        **verdicts("R01", MAINS, "yyyynnnaun"),
        **verdicts("R02", MAINS, "yyynnnnn--"),
        **controls,
        **typed,
        **specific,
        **blind,
    }


def test_the_folder_holds_every_table_three_times_and_a_manifest_with_every_digest(tmp_path):
    study = small_study()
    path = export(tmp_path, study, two_raters())
    assert path == tmp_path / f"{study.study_id}_20260506T120000Z"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    names = {f"{table}.{suffix}" for table in TABLES for suffix in ("csv", "parquet", "json")}
    assert {entry.name for entry in path.iterdir()} == names | {"manifest.json", "study.json", "report.md"}
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == names | {"study.json", "report.md"}
    for name, entry in manifest["files"].items():
        content = (path / name).read_bytes()
        assert entry == {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert manifest["simulated"] is False
    assert manifest["seed"] == study.seed
    assert manifest["n_judgements"] == len(two_raters())


def test_no_exported_file_holds_the_salt_that_item_ids_are_made_with(tmp_path):
    study = seal(dataclasses.replace(small_study(), salt="5a" * 32), "small")
    path = export(tmp_path, study, two_raters())
    for entry in path.iterdir():
        assert study.salt.encode() not in entry.read_bytes(), entry.name
    exported = read_study(path / "study.json")
    assert exported == dataclasses.replace(study, salt="")


def test_a_simulated_study_says_so_in_every_file_name_table_and_heading(tmp_path):
    study = small_study(simulated=True)
    path = export(tmp_path, study, two_raters())
    assert path.name.endswith("_SIMULATED")
    assert all(entry.stem.endswith("_SIMULATED") for entry in path.iterdir())
    for name in TABLES:
        assert set(pd.read_csv(path / f"{name}_SIMULATED.csv")["provenance"]) == {"SIMULATED"}
        assert set(pd.read_parquet(path / f"{name}_SIMULATED.parquet")["provenance"]) == {"SIMULATED"}
        document = json.loads((path / f"{name}_SIMULATED.json").read_text(encoding="utf-8"))
        assert document["provenance"] == "SIMULATED"
        assert {row["provenance"] for row in document["rows"]} == {"SIMULATED"}
    report = (path / "report_SIMULATED.md").read_text(encoding="utf-8")
    assert report.startswith("# SIMULATED: Small study")
    assert "**SIMULATED.** The pictures of this study were rendered by a program" in report
    assert json.loads((path / "manifest_SIMULATED.json").read_text(encoding="utf-8"))["provenance"] == "SIMULATED"


def test_a_real_study_does_not_say_simulated_but_for_the_codebook(tmp_path):
    path = export(tmp_path, small_study(), two_raters())
    for entry in path.iterdir():
        if entry.stem != "codebook" and entry.suffix != ".parquet":
            assert "SIMULATED" not in entry.read_text(encoding="utf-8"), entry.name


def test_text_is_safe_in_csv_and_exactly_as_typed_elsewhere(tmp_path):
    path = export(tmp_path, small_study(), two_raters())
    for name in ("judgements", "judgements_latest"):
        csv, parquet = pd.read_csv(path / f"{name}.csv"), pd.read_parquet(path / f"{name}.parquet")
        rows = json.loads((path / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        place = next(place for place, row in enumerate(rows) if row["item_id"] == "c00" and row["rater_code"] == "R01")
        assert rows[place]["answer_concept"] == parquet["answer_concept"][place] == TYPED
        assert csv["answer_concept"][place] == f"'{TYPED}"
        assert rows[place]["answer_terms"] == list(parquet["answer_terms"][place]) == ["auer_rods", "granules"]
        assert csv["answer_terms"][place] == "auer_rods; granules"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(start):
    assert csv_text(f"{start}1+1") == f"'{start}1+1"
    assert csv_text(f"1{start}1") == f"1{start}1"


def test_all_revisions_are_exported_and_the_latest_ones_by_themselves_unblinded(tmp_path):
    revised = verdicts("R01", ["c01"], "n")
    path = export(tmp_path, small_study(), two_raters(), revised)
    everything, latest = (pd.read_parquet(path / f"{name}.parquet") for name in ("judgements", "judgements_latest"))
    rows = everything[(everything["item_id"] == "c01") & (everything["rater_code"] == "R01")]
    assert list(zip(rows["revision"], rows["is_latest"], rows["answer_meaningful"], strict=True)) == [
        (1, False, "yes"),
        (2, True, "no"),
    ]
    assert len(latest) == len(everything) - 1
    row = latest[(latest["item_id"] == "c12") & (latest["rater_code"] == "R02")].iloc[0]
    assert (row["latent"], row["stratum"]) == (102, 1)
    assert set(latest["direction"].dropna()) == {A}


def test_items_are_unblinded_in_their_table(tmp_path):
    items = pd.read_parquet(export(tmp_path, small_study(), {}) / "items.parquet").set_index("item_id")
    assert items.loc["b07", ["direction", "rank", "role"]].tolist() == [B, 7, "main"]
    assert items.loc["r0", "repeat_of"] == "c00"
    assert pd.isna(items.loc["d0", "latent"])
    assert items.loc["c00", ["n_pictures", "n_empty_frames"]].tolist() == [2, 1]


def test_the_codebook_explains_every_column_of_every_table_and_every_option(tmp_path):
    path = export(tmp_path, small_study(), two_raters())
    book = pd.read_parquet(path / "codebook.parquet")
    for name in TABLES:
        for column in pd.read_parquet(path / f"{name}.parquet").columns:
            rows = book[(book["table"] == name) & (book["column"] == column)]
            assert (rows["value"] == "").sum() == 1, (name, column)
    values = book[(book["table"] == "judgements") & (book["column"] == "answer_meaningful")]
    assert set(values["value"]) == {"", "yes", "no", "artefact", "cannot_judge"}
    groups = book[(book["table"] == "judgements") & (book["column"] == "answer_group")]
    assert {A, B} < set(groups["value"])
    assert book["meaning"].str.contains("apostrophe").any()


@pytest.mark.parametrize("name", ["consensus", "shares", "disease", "agreement", "controls", "judgements"])
def test_the_codebook_explains_every_value_that_stands_for_something(tmp_path, name):
    path = export(tmp_path, small_study(), two_raters())
    book, table = pd.read_parquet(path / "codebook.parquet"), pd.read_parquet(path / f"{name}.parquet")
    coded = {
        "statistic",
        "weighting",
        "denominator",
        "measure",
        "control",
        "role",
        "provenance",
        "stage_id",
        "direction",
    }
    for column in coded & set(table.columns):
        known = set(book[(book["table"] == name) & (book["column"] == column)]["value"])
        assert set(table[column].dropna()) <= known, (name, column)


def test_a_column_without_a_meaning_is_refused():
    with pytest.raises(StudyError, match="column 'mood' of table 'raters' is not in the codebook"):
        codebook(small_study(), {"raters": pd.DataFrame({"mood": []})})


def test_names_are_exported_on_request_only(tmp_path):
    study = small_study()
    without, named = (
        export(tmp_path / "a", study, two_raters()),
        export(tmp_path / "b", study, two_raters(), with_names=True),
    )
    assert all(b"Grey" not in entry.read_bytes() for entry in without.iterdir())
    assert set(pd.read_csv(named / "raters.csv")["name"]) == {"Dr. Grey"}
    assert json.loads((named / "manifest.json").read_text(encoding="utf-8"))["with_names"] is True


def test_the_report_states_design_estimates_and_the_sentence_of_the_paper(tmp_path):
    report = (export(tmp_path, small_study(), two_raters()) / "report.md").read_text(encoding="utf-8")
    assert "**Research use only. Not for diagnosis.**" in report
    assert (
        "- R01: 5 of the top 10 and 5 of the top 12 differential latents stronger in CBFB::MYH11 were judged "
        "CBFB::MYH11-specific; of the top 12: 42 % (19 to 68 %)." in report
    )
    assert "- R02: nothing judged yet of the latents stronger in CBFB::MYH11." in report
    assert "- (consensus): no two raters have judged one of the latents stronger in CBFB::MYH11." in report
    for heading in ("Raters", "How items were sampled", "What raters saw", "Missing answers", "Agreement", "Hidden"):
        assert f"\n## {heading}" in report
    assert "- R02: 50 of 58 missing" in report
    assert "| R01 | haematologist | 12 | 34 | 58 | 10.5 |" in report
    assert "| 1 | 99 | 90 | 5 |" in report
    assert "weighted by cluster" in report
    assert "| repeat" not in report
    assert "same answer again | meaningful | R01 | 1 of 1" in report


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "There are no judgements yet"),
        (verdicts("R01", MAINS, "yyynn-----"), "One rater has judged so far, so there is no agreement to estimate"),
        (verdicts("R01", MAINS[:2], "yn") | verdicts("R02", MAINS[2:4], "yn"), "No item was answered by two raters"),
    ],
)
@pytest.mark.parametrize("with_disease", [True, False])
def test_unfinished_studies_export_and_say_what_is_missing(tmp_path, given, text, with_disease):
    path = export(tmp_path, small_study(with_disease=with_disease), given)
    report = (path / "report.md").read_text(encoding="utf-8")
    assert text in report
    assert len(pd.read_parquet(path / "judgements.parquet")) == len(given)
    for name in TABLES:
        rows = json.loads((path / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        assert len(rows) == len(pd.read_parquet(path / f"{name}.parquet")) == len(pd.read_csv(path / f"{name}.csv"))


def test_text_in_the_report_cannot_break_its_tables(tmp_path):
    study = small_study()
    shelf = Shelf(study, judgement_table(study, two_raters()))
    shelf.table = lambda study_id, with_names=False: pd.DataFrame(
        {"rater_code": ["R01"], "role": ["a|b\n<script>"], "years": [None]}
    )
    path = export_study(shelf, study.study_id, tmp_path, n_resamples=20, now=noon)
    assert "| R01 | a\\|b &lt;script&gt; |  | 34 |" in (path / "report.md").read_text(encoding="utf-8")


def test_an_export_is_never_overwritten(tmp_path):
    study = small_study()
    export(tmp_path, study, {})
    with pytest.raises(ConfigError, match="artifacts are never overwritten"):
        export(tmp_path, study, {})


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("cytosae_core.evaluation.export.report", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export(tmp_path, small_study(), {})
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_leads_out_of_the_folder_is_refused(tmp_path):
    study = seal(dataclasses.replace(small_study(), study_id=""), "../up")
    with pytest.raises(StudyError, match="cannot be a folder's name"):
        export(tmp_path / "exports", study, {})


def test_the_same_judgements_and_seed_give_the_same_tables(tmp_path):
    first, second = (export(tmp_path / name, small_study(), two_raters()) for name in ("a", "b"))
    for entry in first.iterdir():
        assert entry.read_bytes() == (second / entry.name).read_bytes(), entry.name


def test_judgements_saved_through_the_repository_are_exported(tmp_path, repository, desk, study, clock):
    other = seat(repository, study, clock, "R02")
    for judge in (desk, other):
        for _ in range(4):
            judge.judge_current()
        judge.judge_current("disease")
    path = export_study(repository, study.study_id, tmp_path, n_resamples=20, now=noon)
    judgements = pd.read_parquet(path / "judgements_SIMULATED.parquet")
    assert len(judgements) == 10
    assert set(judgements["seconds"]) == {1.0}
    assert judgements["submitted_at"].dt.tz is not None
    raters = pd.read_csv(path / "raters_SIMULATED.csv").set_index("rater_code")
    assert (raters["n_judged"] <= 5).all()
    assert "name" not in raters.columns
    assert study == tiny_study()
