import subprocess
import sys
from pathlib import Path

import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.images.datasets import FACTS, compare_counts, facts_of, where_to_get
from cytosae_core.images.sources import BMC_LABELS, HEHR_GROUPS, MATEK_LABELS, MLL23_LABELS, SOURCES, folder_source
from cytosae_core.images.table import scan
from tests.images._trees import write_tree

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "check_dataset.py"


def _check(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_there_are_facts_for_every_published_data_set_and_their_totals_are_those_of_the_tables():
    assert {key: facts.n_images for key, facts in FACTS.items()} == {
        "mll23": 41_621,
        "acevedo": 17_092,
        "matek": 18_365,
        "bmc": 171_373,
        "hehr": 81_214,
    }
    assert list(FACTS) == list(SOURCES)


def test_counts_per_class_add_up_to_the_total_and_name_the_classes_of_the_layout():
    extra = {"bmc": 1}  # the paper counts one file more than the published tables; the note says which
    for key in ("mll23", "acevedo", "matek", "bmc"):
        assert sum(FACTS[key].n_per_label.values()) == FACTS[key].n_images + extra.get(key, 0)
    assert set(FACTS["mll23"].n_per_label) == MLL23_LABELS
    assert set(FACTS["matek"].n_per_label) == MATEK_LABELS
    assert set(FACTS["bmc"].n_per_label) == BMC_LABELS
    assert set(FACTS["hehr"].n_patients) == set(HEHR_GROUPS.values())
    assert sum(FACTS["hehr"].n_patients.values()) == 189


def test_where_to_get_a_data_set_names_page_licence_and_layout():
    text = where_to_get("bmc")
    for part in ("10.7937/TCIA.AXH3-T579", "CC BY 4.0", "bone_marrow_cell_dataset/<CODE>/<range>", "171,373"):
        assert part in text


def test_an_unpublished_data_set_has_no_facts():
    with pytest.raises(ConfigError, match="nothing is published about data set 'mine'; known are mll23, acevedo"):
        facts_of("mine")


def test_counts_are_compared_by_class_and_by_group(tmp_path):
    write_tree(tmp_path / "data", "NPM1/AAA/1.tif", "NPM1/AAA/2.tif", "control/BBB/1.tif")
    counts = compare_counts(scan(SOURCES["hehr"], tmp_path), "hehr").set_index("name")
    assert counts.loc["hehr", ["n_found", "n_expected", "difference"]].tolist() == [3, 81_214, -81_211]
    assert counts.loc["NPM1", ["what", "n_found", "n_expected"]].tolist() == ["patients of a group", 1, 36]
    assert counts.loc["PML::RARA", "n_found"] == 0


def test_counts_without_anything_published_are_still_counts(tmp_path):
    table = scan(folder_source("mine"), write_tree(tmp_path, "a/1.png", "a/2.png"))
    counts = compare_counts(table, "mine")
    assert counts["n_found"].tolist() == [2, 2]
    assert counts["n_expected"].isna().all()


def test_the_script_says_where_to_get_a_data_set_when_no_folder_is_given():
    result = _check("--dataset", "matek")
    assert result.returncode == 0
    assert "https://doi.org/10.7937/tcia.2019.36f5o9ld" in result.stdout


def test_the_script_prints_counts_and_skipped_files_and_fails_past_the_limit(tmp_path):
    write_tree(tmp_path, "a/1.png")
    (tmp_path / "a" / "2.png").write_text("no image")
    arguments = ["--dataset", "mine", "--root", tmp_path, "--decode"]
    good = _check(*arguments)
    assert good.returncode == 0
    assert "a/2.png: not an image of a known format" in good.stdout
    bad = _check(*arguments, "--max-skipped", "0")
    assert bad.returncode == 1
    assert bad.stderr.splitlines()[-1].startswith("error: 1 files are left out and at most 0 may be")


@pytest.mark.shared_data
def test_the_published_acevedo_counts_are_those_of_the_published_file_list(acevedo, tmp_path):
    names = (acevedo / "file_list.txt").read_text().split()
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert (compare_counts(scan(SOURCES["acevedo"], tmp_path), "acevedo")["difference"] == 0).all()
