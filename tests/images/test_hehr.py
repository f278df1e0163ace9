import pytest

from cytosae_core.errors import ImageTableError
from cytosae_core.images.hehr import published_quality, scan_hehr
from tests.images._trees import write_tree

HEADER = "patient_id,bag_label,age,sex_1f_2m,pb_myeloblast,pb_promyelocyte,pb_myelocyte\n"
METADATA = HEADER + (
    "AAA,CBFB_MYH11,50,1,10,5,5\n"  # exactly 20 %: stays
    "BBB,NPM1,51,2,19,0,0.5\n"
    "CCC,PML_RARA,52,1,0,90,0\n"
    "DDD,control,30,2,,,\n"
    "EEE,RUNX1_RUNX1T1,30,2,0,0,0\n"
)


@pytest.fixture
def hehr(tmp_path):
    folders = ["CBFB_MYH11/AAA", "NPM1/BBB", "PML_RARA/CCC", "control/DDD", "RUNX1_RUNX1T1/EEE"]
    write_tree(tmp_path / "data", *[f"{folder}/image_{i}.tif" for folder in folders for i in range(2)])
    (tmp_path / "metadata.csv").write_text(METADATA)
    return tmp_path


def test_groups_and_patients_come_from_the_folders(hehr):
    table = scan_hehr(hehr)
    assert table.frame.groupby("diagnosis")["patient"].unique().map(list).to_dict() == {
        "CBFB::MYH11": ["AAA"],
        "NPM1": ["BBB"],
        "PML::RARA": ["CCC"],
        "RUNX1::RUNX1T1": ["EEE"],
        "control": ["DDD"],
    }
    assert table.frame["label"].isna().all()
    assert scan_hehr(hehr / "data").fingerprint == table.fingerprint


def test_patients_below_twenty_percent_are_left_out_and_controls_stay(hehr):
    kept, left_out = published_quality(scan_hehr(hehr), hehr)
    assert left_out == ("BBB", "EEE")
    assert kept.frame["patient"].unique().tolist() == ["AAA", "CCC", "DDD"]
    assert kept.n_images == 6


def test_metadata_is_needed_for_the_rule_only(hehr):
    (hehr / "metadata.csv").unlink()
    table = scan_hehr(hehr)
    with pytest.raises(ImageTableError, match=r"metadata.csv: cannot be read .*; put the published metadata.csv there"):
        published_quality(table, hehr)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("CCC,PML_RARA,52,1,0,90,0\n", ""), "patient 'CCC' has images and no row in metadata.csv"),
        (("CCC,PML_RARA", "CCC,NPM1"), "patient 'CCC' lies in the folder of 'PML::RARA' and is 'NPM1'"),
        (("CCC,PML_RARA", "AAA,PML_RARA"), "patient 'AAA' has two rows"),
        (("pb_myelocyte", "myelocyte"), "no column 'pb_myelocyte'"),
    ],
)
def test_metadata_that_contradicts_the_folders_is_an_error(hehr, change, message):
    (hehr / "metadata.csv").write_text(METADATA.replace(*change))
    with pytest.raises(ImageTableError, match=message):
        scan_hehr(hehr)


@pytest.mark.parametrize("share", ["", "nan", "-1", "250", "many"])
def test_an_aml_patient_whose_share_cannot_be_told_is_an_error(hehr, share):
    (hehr / "metadata.csv").write_text(METADATA.replace("0,90,0", f"0,{share},0"))
    with pytest.raises(ImageTableError, match=f"patient 'CCC' has pb_promyelocyte = '{share}'"):
        published_quality(scan_hehr(hehr), hehr)
