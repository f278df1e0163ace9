"""Tables are marked, hold no formula, and come back from disk as they were."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.artifacts import tables
from cytosae_core.artifacts.tables import csv_bytes, csv_text, read_csv, read_result, write_results, write_table
from cytosae_core.errors import AnalysisError, ArtifactError, ConfigError

WORDS = ["=1+1", "+a", "-a", "@a", "\ta", "'=a", "''-a", "'a", "'", "a", "a=1", "NA", "None", "＝1", 'ä,"b"\nc']


def test_no_cell_and_no_heading_of_a_result_is_a_formula(tmp_path):
    table = pd.DataFrame({"=cmd": WORDS, "group": pd.Categorical(WORDS), "many": [[word, "b"] for word in WORDS]})
    folder = write_results(tmp_path / "out", {"scores": table}, {}, simulated=False)
    found = pd.read_csv(folder / "scores.csv", dtype=str, keep_default_na=False)
    assert list(found.columns) == ["provenance", "'=cmd", "group", "many"]
    cells = found.to_numpy().ravel()
    assert not [cell for cell in cells if cell.startswith(tables.FORMULA_STARTS)]
    assert found["group"].tolist() == [csv_text(word) for word in WORDS]
    assert found["many"].iloc[0] == "'=1+1; b"


@pytest.mark.parametrize("simulated", [False, True])
def test_a_result_comes_back_as_it_was(tmp_path, simulated):
    table = pd.DataFrame(
        {
            "=name": WORDS,
            "share": [np.nan, -0.125, *range(len(WORDS) - 2)],
            "is_kept": True,
            "maybe": [None, *WORDS[1:]],
        }
    )
    folder = write_results(tmp_path / "out", {"scores": table}, {"seed": 1}, simulated=simulated)
    found, is_simulated = read_result(folder, "scores")
    assert is_simulated == simulated
    pd.testing.assert_frame_equal(found, tables.marked(table, simulated), check_dtype=False)
    assert tables.results_marker(folder, simulated).is_file()
    assert not tables.results_marker(folder, not simulated).is_file()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), min_size=1)))
def test_any_text_comes_back(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("table") / "a.csv"
    texts = [*texts, "a column with a word in it is text"]
    path.write_bytes(csv_bytes(pd.DataFrame({"text": texts})))
    assert read_csv(path)["text"].tolist() == texts


def test_results_say_where_they_come_from(tmp_path):
    table = pd.DataFrame({"latent": [3], "auroc": [0.5]})
    writers = {"page.html": lambda path: path.write_text("page")}
    folder = write_results(tmp_path / "out", {"scores": table}, {"out": tmp_path}, simulated=True, writers=writers)
    assert sorted(path.name for path in folder.iterdir()) == [
        "page_SIMULATED.html", "scores_SIMULATED.csv", "settings_SIMULATED.json",
    ]  # fmt: skip
    assert (folder / "scores_SIMULATED.csv").read_text() == "provenance,latent,auroc\nSIMULATED,3,0.5\n"
    assert json.loads((folder / "settings_SIMULATED.json").read_text()) == {
        "provenance": "SIMULATED", "notice": tables.RESEARCH_USE_ONLY, "tables": ["scores"],
        "settings": {"out": str(tmp_path)},
    }  # fmt: skip
    with pytest.raises(ConfigError, match="never overwritten"):
        write_results(folder, {}, {}, simulated=True)
    with pytest.raises(AnalysisError, match="'a/b' cannot be the name of a table"):
        write_results(tmp_path / "new", {"a/b": table}, {}, simulated=True)


def test_what_is_missing_or_damaged_is_named_with_what_to_do(tmp_path):
    with pytest.raises(ArtifactError, match=r"holds no results: there is no settings\.json"):
        read_result(tmp_path, "scores")
    folder = write_results(tmp_path / "out", {"scores": pd.DataFrame({"a": [1]})}, {}, simulated=False)
    with pytest.raises(ArtifactError, match=r"has no table other\.csv; give the folder of another analysis"):
        read_result(folder, "other")
    (folder / "scores.csv").write_text("")
    with pytest.raises(ArtifactError, match=r"scores\.csv is damaged .*; run the analysis again"):
        read_result(folder, "scores")
    (folder / "settings.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"settings\.json is damaged .*; run the analysis again"):
        read_result(folder, "scores")


def test_the_three_forms_of_a_table_hold_the_same_rows(tmp_path):
    frame = pd.DataFrame({"name": ["=a", None], "n": [1, 2], "share": [0.5, np.nan]}, index=[7, 9])
    write_table(tmp_path, "rows", frame, simulated=False)
    expected = tables.marked(frame, simulated=False)
    pd.testing.assert_frame_equal(read_csv(tmp_path / "rows.csv"), expected, check_dtype=False)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "rows.parquet"), expected, check_dtype=False)
    document = json.loads((tmp_path / "rows.json").read_text())
    assert document["rows"] == [
        {"provenance": "photographed", "name": "=a", "n": 1, "share": 0.5},
        {"provenance": "photographed", "name": None, "n": 2, "share": None},
    ]
