"""Where attributes are known from."""

import numpy as np
import pandas as pd
import pytest

from cytosae_core.artifacts.tables import write_results
from cytosae_core.concepts.label_sources import WBCATT_ATTRIBUTES, find_labels, wbcatt_labels
from cytosae_core.errors import AnalysisError, ConfigError
from cytosae_core.simulated.synthetic import write_dataset


def index_of(*paths, label=None):
    return pd.DataFrame({"image_id": [f"a/{path}" for path in paths], "relative_path": paths, "label": label})


def test_wbcatt_values_belong_to_the_images_of_their_name(tmp_path):
    table = pd.DataFrame({"img_name": ["b.jpg", "a.jpg", "other.jpg"]} | dict.fromkeys(WBCATT_ATTRIBUTES, "x"))
    table["granularity"] = ["no", "yes", "yes"]
    table["nucleus_shape"] = ["round", "band", "round"]
    table.to_csv(tmp_path / "val.csv", index=False)
    known = find_labels(index_of("x/a.jpg", "x/missing.jpg", "y/b.jpg"), wbcatt=tmp_path / "val.csv")
    assert known.rows.tolist() == [True, False, True]
    assert known.labels["granularity = no"].tolist() == [False, True]
    with pytest.raises(AnalysisError, match="no image of the token store is in"):
        wbcatt_labels(index_of("z.jpg"), tmp_path / "val.csv")


@pytest.mark.shared_data
def test_all_eleven_attributes_of_the_val_split_are_read(wbcatt):
    csv = wbcatt / "pbc_attr_v1_val.csv"
    names = pd.read_csv(csv)["img_name"]
    known = wbcatt_labels(index_of(*("c/" + names)), csv)
    assert known.rows.all()
    assert {name.partition(" = ")[0] for name in known.labels} == set(WBCATT_ATTRIBUTES)
    assert known.labels["granularity = no"].mean() == pytest.approx(0.25, abs=0.01)


def test_a_file_that_is_no_table_of_wbcatt_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("img_name\nx\n")
    with pytest.raises(AnalysisError, match=r"a\.csv has no column 'cell_size'"):
        wbcatt_labels(index_of("x"), tmp_path / "a.csv")
    with pytest.raises(AnalysisError, match="cannot be read"):
        wbcatt_labels(index_of("x"), tmp_path / "b.csv")
    pd.DataFrame({"img_name": ["x", "x"]} | dict.fromkeys(WBCATT_ATTRIBUTES, "v")).to_csv(tmp_path / "c.csv")
    with pytest.raises(AnalysisError, match="names 'x' twice"):
        wbcatt_labels(index_of("x"), tmp_path / "c.csv")


def test_classes_are_scored_where_nothing_else_is_known_and_listed_images_are_left_out(tmp_path):
    (tmp_path / "show_only.txt").write_text("b/2.png\n\n")
    index = index_of("a/1.png", "b/2.png", "b/3.png", "c/4.png", "c/5.png", label=["a", "b", "b", "c", None])
    known = find_labels(index, listed=tmp_path / "show_only.txt")
    assert known.rows.tolist() == [True, False, True, True, False]
    assert known.labels["label = b"].tolist() == [False, True, False]
    (tmp_path / "show_only.txt").write_text("a/1.png\nb/2.png\nb/3.png\nc/4.png")
    with pytest.raises(AnalysisError, match="no image of the token store is among those"):
        find_labels(index, listed=tmp_path / "show_only.txt")
    with pytest.raises(AnalysisError, match="no image of the token store has a class"):
        find_labels(index_of("a.png"))


def test_attributes_and_cell_types_of_rendered_cells_are_read_with_their_masks(tmp_path):
    folder = write_dataset(tmp_path, "mll23", n_per_type=1, seed=1, cell_types=["basophil", "lymphocyte", "monocyte"])
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.TIF"))
    (tmp_path / "out.txt").write_text(paths[0])
    known = find_labels(index_of(*paths), rendered=folder)
    assert known.labels["basophilic_granules"].tolist() == [True, False, False]
    assert known.labels["cell_type = monocyte"].tolist() == [False, False, True]
    fewer = find_labels(index_of(*paths), rendered=folder, listed=tmp_path / "out.txt")
    assert fewer.rows.tolist() == [False, True, True]
    assert (fewer.truth.coverage == known.truth.coverage[1:]).all()
    with pytest.raises(AnalysisError, match="cannot be scored at once"):
        find_labels(index_of(*paths), rendered=folder, wbcatt=folder)


def test_every_file_and_table_of_simulated_cells_says_so(tmp_path):
    table = pd.DataFrame({"latent": [1, 2], "auroc": [0.5, np.nan]})
    folder = write_results(tmp_path / "out", {"scores": table}, {"seed": 1}, simulated=True)
    assert sorted(path.name for path in folder.iterdir()) == ["scores_SIMULATED.csv", "settings_SIMULATED.json"]
    assert (folder / "scores_SIMULATED.csv").read_text().splitlines()[1] == "SIMULATED,1,0.5"
    assert '"provenance": "SIMULATED"' in (folder / "settings_SIMULATED.json").read_text()
    real = write_results(tmp_path / "real", {"scores": table}, {}, simulated=False)
    assert (real / "scores.csv").read_text().splitlines()[0] == "provenance,latent,auroc"
    with pytest.raises(ConfigError, match="never overwritten"):
        write_results(tmp_path / "out", {"scores": table}, {}, simulated=True)
    with pytest.raises(AnalysisError, match="cannot be the name of a table"):
        write_results(tmp_path / "new", {"../scores": table}, {}, simulated=True)
    assert not (tmp_path / "new").exists()
