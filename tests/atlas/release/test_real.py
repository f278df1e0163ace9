"""The real published tables against the real list of Acevedo images, computed here from the description alone."""

import numpy as np
import pytest
import torch

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.release.import_release import import_release
from cytosae_core.atlas.release.options import ReleaseImport

N_IMAGES = {"mll23": 41_621, "acevedo": 17_092, "matek": 18_365, "bmc": 171_373, "hehr": 81_214}
N_HIGH = {"mll23": 3801, "acevedo": 3816, "matek": 4116, "bmc": 4025, "hehr": 3860}
REFINED = {
    "BA": "basophil", "EO": "eosinophil", "ERB": "erythroblast", "IG": "ig", "MMY": "metamyelocyte",
    "MY": "myelocyte", "PMY": "promyelocyte", "LY": "lymphocyte", "MO": "monocyte", "NEUTROPHIL": "neutrophil",
    "BNE": "neutrophil_band", "SNE": "neutrophil_segmented", "PLATELET": "platelet",
}  # fmt: skip


def _table(folder, name):
    return torch.load(folder / f"max_activating_image_{name}.pt", "cpu", weights_only=True).numpy()


@pytest.fixture(scope="module")
def atlas(published_atlas):
    return LatentAtlas.open(published_atlas)


@pytest.fixture(scope="module")
def shuffled(acevedo):
    """Position -> (relative path, class), by the description of the release."""
    lines = (acevedo / "file_list.txt").read_text().split()
    classed = [(REFINED[line.split("/")[1].split("_")[0]], line) for line in lines]
    classed.sort(key=lambda pair: f"{pair[0]}/{pair[1].split('/')[1]}")
    return [classed[i][::-1] for i in np.random.default_rng(1).permutation(len(classed))]


def test_every_filled_acevedo_slot_is_the_file_with_the_stored_label(atlas, shuffled, release_tables):
    folder = release_tables / "acevedo"
    values, positions, labels = (_table(folder, name) for name in ("values", "indices", "label_indices"))
    classes = sorted(REFINED.values())
    rows = atlas._references._read(list(range(len(atlas._references._first)))).to_pandas()
    rows = rows.loc[rows["dataset"] == "acevedo"].set_index(["latent", "rank"])
    n_filled = int((values > 0).sum())
    assert len(rows) == n_filled == 469_861
    for latent in range(0, len(values), 41):
        for slot in range(10):
            if values[latent, slot] > 0:
                path, label = shuffled[int(positions[latent, slot])]
                assert rows.loc[(latent, slot), "image_id"] == f"acevedo/{path}"
                assert rows.loc[(latent, slot), "label"] == label == classes[labels[latent, slot]]
            else:
                assert (latent, slot) not in rows.index
    names = np.array([label for _, label in shuffled])
    filled = values > 0
    assert (names[positions[filled].astype(int)] == np.array(classes)[labels[filled]]).all()


def test_numbers_of_images_and_of_high_latents_are_the_published_ones(atlas):
    assert {info.name: info.n_images for info in atlas.datasets} == N_IMAGES
    found = {name: int((np.log10(atlas.statistics(name)["mean_activation"]) > -3).sum()) for name in N_HIGH}
    assert found == N_HIGH


def test_statistics_are_the_stored_ones(atlas, release_tables):
    for name in N_IMAGES:
        found = atlas.statistics(name)
        stored = torch.load(release_tables / name / "sae_mean_acts.pt", "cpu", weights_only=True).numpy()
        np.testing.assert_allclose(found["mean_activation"], stored, rtol=1e-12)
        frequency = torch.load(release_tables / name / "sae_sparsity.pt", "cpu", weights_only=True).numpy()
        np.testing.assert_allclose(found["frequency"], frequency, rtol=2e-7)


def test_any_subset_of_the_published_data_sets_is_the_same_sae(atlas, release_tables, tmp_path):
    import_release(ReleaseImport(release_tables, tmp_path / "one", datasets=("matek",)))
    assert LatentAtlas.open(tmp_path / "one").sae_id == atlas.sae_id == "release-8jsxk3co"


@pytest.mark.parametrize(
    ("latent", "label", "n_of_label"), [(40689, "monocyte", 10), (13819, "eosinophil", None), (18918, None, None)]
)
def test_known_latents_show_known_cells(atlas, latent, label, n_of_label):
    rows = atlas.references(latent, "acevedo")
    assert len(rows) == 10
    if n_of_label is not None:
        assert (rows["label"] == label).sum() == n_of_label


def test_where_labels_are_patients_the_atlas_says_so(atlas, release_classnames):
    kinds = {info.name: info.label_kind for info in atlas.datasets}
    assert kinds == {"mll23": "class", "acevedo": "class", "matek": "class", "bmc": "class", "hehr": "patient"}


def test_patients_have_their_published_names_when_these_are_given(release_tables, release_classnames, tmp_path):
    import_release(ReleaseImport(release_tables, tmp_path / "atlas", datasets=("hehr",), classnames=release_classnames))
    labels = torch.load(release_tables / "hehr" / "max_activating_image_label_indices.pt", "cpu", weights_only=True)
    names = (release_classnames / "hehr_classnames.txt").read_text().split()
    rows = LatentAtlas.open(tmp_path / "atlas").references(30000)
    assert rows["label"].tolist() == [names[i] for i in labels[30000][: len(rows)].tolist()]


@pytest.mark.slow
def test_real_pictures_have_the_pixels_of_their_files(release_tables, acevedo, tmp_path):
    from PIL import Image

    chosen = {"images": {"acevedo": _few(acevedo, tmp_path)}, "file_lists": {"acevedo": acevedo / "file_list.txt"}}
    import_release(ReleaseImport(release_tables, tmp_path / "atlas", datasets=("acevedo",), **chosen))
    atlas = LatentAtlas.open(tmp_path / "atlas")
    assert 0 < atlas.datasets[0].n_pictures <= 300
    rows = next(rows for k in range(49_152) if (rows := atlas.references(k))["picture"].notna().any())
    row = rows.loc[rows["picture"].notna()].iloc[0]
    original = acevedo / "PBC_dataset_normal_DIB" / row["image_id"].removeprefix("acevedo/")
    with Image.open(atlas.picture_path(row["picture"])) as picture, Image.open(original) as image:
        assert np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(image.convert("RGB")))
    assert all(skipped.reason == "no such file" for skipped in atlas.manifest.skipped)


def _few(acevedo, tmp_path):
    """A folder with every 57th image."""
    for line in (acevedo / "file_list.txt").read_text().split()[::57]:
        path = tmp_path / "few" / line
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((acevedo / "PBC_dataset_normal_DIB" / line).read_bytes())
    return tmp_path / "few"
