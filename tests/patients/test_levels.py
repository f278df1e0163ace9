"""Barcodes of images, patients and diseases; similarity; what scanpy gets."""

import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.concepts.directions import latents
from cytosae_core.concepts.planted import cell_type_shares, planted_cells
from cytosae_core.errors import AnalysisError
from cytosae_core.patients.anndata_export import to_anndata, write_h5ad
from cytosae_core.patients.levels import disease_level, image_level, patient_level
from cytosae_core.patients.similarity import group_similarity, nearest_patients, patient_similarity
from tests.concepts.stores import MemoryTokens
from tests.patients.test_differential import OTHER, A, B, barcodes_of, cohorts

ABOUT = {"atlas_id": "atlas-1", "tau": 0.2}


def statistics_of(n_latents):
    mean = np.linspace(0, 1, n_latents)
    mean[0] = np.nan
    return pd.DataFrame({"n_images": 9, "mean_activation": mean}, index=pd.RangeIndex(n_latents, name="latent"))


def test_images_patients_and_diseases_add_up():
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(9, 10, 4)).astype(np.float16)
    w_enc, b_enc, b_dec = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 6), 6, 4))
    store = MemoryTokens(tokens, patient=list("xxxyyzzzz"), diagnosis=[A] * 5 + [B] * 4)
    images = image_level(latents(w_enc, b_enc, b_dec), store, tau=0.2)
    h = np.maximum((tokens.astype(np.float64) - b_dec) @ w_enc + b_enc, 0)
    assert (images.counts.toarray() == (h[:, 1:] > 0.2).sum(axis=1)).all()
    with_cls = image_level(latents(w_enc, b_enc, b_dec), store, tau=0.2, with_cls=True)
    assert (with_cls.counts.toarray() == (h > 0.2).sum(axis=1)).all()
    counts = np.array([images.counts.toarray()[rows].sum(axis=0) for rows in ([0, 1, 2], [3, 4], [5, 6, 7, 8])])
    patients = patient_level(barcodes_of(counts, [A, A, B], [3, 2, 4]))
    diseases = disease_level(patients)
    dense = images.barcodes.toarray()
    assert diseases.barcodes[0] == pytest.approx((dense[:3].mean(axis=0) + dense[3:5].mean(axis=0)) / 2)
    assert (diseases.counts == [counts[0] + counts[1], counts[2]]).all()
    assert diseases.rows.to_dict("records") == [
        {"diagnosis": A, "n_patients": 2, "n_images": 5},
        {"diagnosis": B, "n_patients": 1, "n_images": 4},
    ]


@given(barcodes=cohorts(), data=st.data())
def test_duplicating_every_image_of_a_patient_changes_no_barcode(barcodes, data):
    before = patient_level(barcodes)
    row = data.draw(st.integers(0, len(barcodes.groups) - 1))
    barcodes.counts[row] *= 2
    barcodes.groups.loc[row, "n_images"] *= 2
    after = patient_level(barcodes)
    assert (before.barcodes == after.barcodes).all()
    assert (disease_level(before).barcodes == disease_level(after).barcodes).all()


def test_similarity_is_the_cosine_around_the_mean():
    barcodes = np.random.default_rng(1).gamma(1, 1, (6, 9))
    found = patient_similarity(barcodes)
    for i in range(6):
        for j in range(6):
            x, y = barcodes[i] - barcodes.mean(axis=0), barcodes[j] - barcodes.mean(axis=0)
            assert found[i, j] == pytest.approx(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))
    # a latent that is equally on in everybody changes nothing
    assert patient_similarity(np.hstack([barcodes, np.full((6, 1), 256.0)])) == pytest.approx(found)
    assert (patient_similarity(np.ones((3, 2))) == 0).all()
    with pytest.raises(AnalysisError, match="1 patients cannot be compared"):
        patient_similarity(barcodes[:1])


def test_pairs_within_and_between_groups_are_averaged_without_a_patient_and_itself():
    similarity = np.array([[1.0, 0.5, -0.2], [0.5, 1.0, 0.4], [-0.2, 0.4, 1.0]])
    groups = pd.DataFrame({"patient": ["p", "q", "r"], "diagnosis": [A, A, B]})
    table = group_similarity(similarity, groups["diagnosis"]).set_index(["group", "other"])
    assert table.loc[(A, A)].tolist() == [1, 0.5]
    assert table.loc[(A, B)].tolist() == [2, pytest.approx(0.1)]
    assert table.loc[(B, B), "n_pairs"] == 0
    nearest = nearest_patients(similarity, groups)
    assert nearest["nearest"].tolist() == ["q", "p", "q"]
    assert nearest["similarity"].tolist() == [0.5, 0.5, 0.4]


def test_a_file_for_scanpy_holds_barcodes_counts_groups_and_statistics(tmp_path):
    barcodes = barcodes_of([[4, 0, 6], [3, 9, 0], [5, 5, 5]], [A, B, B], [2, 3, 5])
    data = to_anndata(patient_level(barcodes), {"mll23": statistics_of(3)}, simulated=True, about=ABOUT)
    with warnings.catch_warnings(action="error"):
        write_h5ad(data, tmp_path / "a.h5ad")
        back = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert np.asarray(back.X).tolist() == [[2, 0, 3], [1, 3, 0], [1, 1, 1]]
    assert np.asarray(back.layers["counts"]).tolist() == barcodes.counts.tolist()
    assert list(back.obs["diagnosis"]) == [A, B, B]
    assert list(back.obs["n_images"]) == [2, 3, 5]
    assert set(back.obs["provenance"]) == {"SIMULATED"}
    assert list(back.var_names) == ["latent_0", "latent_1", "latent_2"]
    assert back.var["mean_activation_mll23"].to_numpy() == pytest.approx([np.nan, 0.5, 1], nan_ok=True)
    assert back.obsp["similarity"].shape == (3, 3)
    assert back.uns["cytosae"]["tau"] == 0.2
    assert back.uns["cytosae"]["simulated"]


def test_images_stay_sparse_and_missing_patients_stay_missing(tmp_path):
    tokens = np.random.default_rng(0).normal(size=(3, 5, 2)).astype(np.float16)
    store = MemoryTokens(tokens, patient=["x", None, "y"], label=[None] * 3)
    weights = (np.eye(2, 4, dtype=np.float32), np.zeros(4, np.float32), np.zeros(2, np.float32))
    data = to_anndata(image_level(latents(*weights), store, tau=0.2), {}, simulated=False, about=ABOUT)
    write_h5ad(data, tmp_path / "a.h5ad")
    back = anndata.read_h5ad(tmp_path / "a.h5ad")
    assert back.obs["patient"].isna().tolist() == [False, True, False]
    assert set(back.obs["provenance"]) == {"photographed"}
    assert back.X.format == "csr"


def test_statistics_of_another_sae_are_refused():
    level = patient_level(barcodes_of([[1, 2]], [A], [1]))
    with pytest.raises(AnalysisError, match="mll23 has statistics of 3 latents and the barcodes have 2"):
        to_anndata(level, {"mll23": statistics_of(3)}, simulated=False, about=ABOUT)


def test_differential_latents_are_traced_to_the_cells_that_were_put_there():
    rng = np.random.default_rng(0)
    types = ["eosinophil"] * 30 + ["lymphocyte"] * 10 + ["eosinophil"] * 5 + ["lymphocyte"] * 35 + ["monocyte"] * 9
    images = pd.DataFrame(
        {
            "cell_type": types,
            "diagnosis": [A] * 40 + [B] * 40 + [OTHER] * 9,
            "patient": [f"p{k // 20}" for k in range(89)],
        }
    )
    values = rng.random((89, 3))
    values[images["cell_type"] == "eosinophil", 0] += 1
    values[images["cell_type"] == "lymphocyte", 1:] += 1
    listed = pd.DataFrame({"latent": [7, 8, 9], "direction": [A, B, A]})
    table = planted_cells(listed, values, images, A, B)
    assert table["cell_type"].tolist() == ["eosinophil", "lymphocyte", "lymphocyte"]
    assert table["auroc_cell_type"].tolist() == [1, 1, 1]
    assert table["share_a"].tolist() == [0.75, 0.25, 0.25]
    assert table["is_planted"].tolist() == [True, True, False]
    # patients p0 and p1 of A have 100 % and 50 % eosinophils
    assert cell_type_shares(images).loc["eosinophil", A] == 0.75
    with pytest.raises(AnalysisError, match="no cell type has 5 images"):
        planted_cells(listed, values[:4], images[:4], A, B)
