import pytest

from cytosae_core.errors import ConfigError
from cytosae_core.images.select import list_images
from tests.images._trees import write_tree


def test_a_name_and_a_folder_or_a_csv_give_the_images(tmp_path):
    write_tree(tmp_path / "classes", "a/1.png")
    write_tree(tmp_path / "patients", "AML/P1/1.png")
    write_tree(tmp_path / "acevedo", "ig/PMY_1.jpg")
    (tmp_path / "list.csv").write_text("path,label\nclasses/a/1.png,x\n")
    assert list_images("mine", tmp_path / "classes").frame["label"].tolist() == ["a"]
    assert list_images("mine", tmp_path / "patients", by_patient=True).frame["patient"].tolist() == ["P1"]
    assert list_images("acevedo", tmp_path / "acevedo").frame["label"].tolist() == ["promyelocyte"]
    assert list_images("mine", csv=tmp_path / "list.csv").frame["label"].tolist() == ["x"]


def test_a_scale_that_is_given_wins_over_the_published_one(tmp_path):
    write_tree(tmp_path, "basophil/1.tif")
    assert list_images("mll23", tmp_path, um_per_px=0.5).frame["um_per_px"].tolist() == [0.5]
    assert list_images("mine", tmp_path, um_per_px=0.25).frame["um_per_px"].tolist() == [0.25]


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_is_no_length_is_an_error(tmp_path, scale):
    with pytest.raises(ConfigError, match="give micrometres per pixel as a positive number"):
        list_images("mine", write_tree(tmp_path, "a/1.png"), um_per_px=scale)


def test_the_published_quality_rule_leaves_patients_out(tmp_path):
    write_tree(tmp_path / "data", "NPM1/AAA/1.tif", "control/BBB/1.tif")
    columns = "patient_id,bag_label,pb_myeloblast,pb_promyelocyte,pb_myelocyte\n"
    (tmp_path / "metadata.csv").write_text(columns + "AAA,NPM1,1,1,1\nBBB,control,,,\n")
    assert list_images("hehr", tmp_path, um_per_px=0.2).frame["um_per_px"].tolist() == [0.2, 0.2]
    assert list_images("hehr", tmp_path, only_published_quality=True).frame["patient"].tolist() == ["BBB"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset": "mine"}, "'mine' has neither a folder nor a CSV"),
        ({"dataset": "mine", "only_published_quality": True}, "quality rule is one of 'hehr'"),
        ({"dataset": "bmc", "by_patient": True, "root": "."}, "'bmc' is published as <CODE>"),
    ],
)
def test_options_that_contradict_each_other_are_errors(tmp_path, options, message):
    options = options | ({"root": tmp_path} if "root" in options else {})
    with pytest.raises(ConfigError, match=message):
        list_images(**options)
