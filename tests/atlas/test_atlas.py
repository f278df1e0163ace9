import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.manifest import FORMAT_VERSION
from cytosae_core.errors import ArtifactError, ChecksumError, FormatVersionError
from tests.atlas.tiny import make_tiny_atlas
from tests.conftest import REPOSITORY


def test_statistics_are_the_counts_divided_by_their_denominators(tiny):
    rows = pq.read_table(tiny.path / "latents.parquet").to_pandas()
    rows = rows.loc[rows["dataset"] == "acevedo"].set_index("latent")
    found = tiny.statistics("acevedo")
    for latent in range(tiny.n_latents):
        n, total = rows.loc[latent, "n_active"], rows.loc[latent, "sum_activation"]
        assert found.loc[latent, "frequency"] == n / 40
        if n:
            assert found.loc[latent, "mean_activation"] == pytest.approx(total / n, rel=1e-12)
        else:
            assert np.isnan(found.loc[latent, "mean_activation"])


def test_one_latent_has_one_row_a_data_set_that_equals_the_statistics(tiny):
    for latent in (0, 9, 37):
        rows = tiny.latent(latent)
        assert list(rows.index) == ["mll23", "acevedo"]
        for dataset in rows.index:
            pd.testing.assert_series_equal(rows.loc[dataset], tiny.statistics(dataset).loc[latent], check_names=False)


def test_references_are_those_of_the_table_with_the_pictures_that_are_there(tiny):
    rows = pq.read_table(tiny.path / "references.parquet").to_pandas()
    images = pq.read_table(tiny.path / "images.parquet").to_pandas().set_index("image_id")["picture"]
    for latent in range(tiny.n_latents):
        found = tiny.references(latent)
        expected = rows.loc[rows["latent"] == latent]
        assert found["image_id"].tolist() == expected["image_id"].tolist()
        assert found["rank"].tolist() == expected["rank"].tolist()
        assert found["activation"].tolist() == expected["activation"].tolist()
        for image_id, picture in zip(found["image_id"], found["picture"], strict=True):
            assert picture == (None if pd.isna(images[image_id]) else images[image_id])


def test_references_of_one_data_set_are_that_part_of_all(tiny):
    both = tiny.references(5)
    parts = [tiny.references(5, "mll23"), tiny.references(5, "acevedo")]
    pd.testing.assert_frame_equal(both, pd.concat(parts, ignore_index=True), check_dtype=False)


def test_a_latent_that_few_images_activate_has_few_references_and_a_dead_one_none(tiny):
    for dataset in ("mll23", "acevedo"):
        n_active = tiny.statistics(dataset)["n_active"]
        for latent in range(tiny.n_latents):
            assert len(tiny.references(latent, dataset)) == min(10, n_active[latent])
    assert tiny.references(9).empty


def test_the_number_of_pictures_is_counted_from_the_references(tiny):
    for dataset in ("mll23", "acevedo"):
        counts = tiny.n_pictures(dataset)
        for latent in range(tiny.n_latents):
            assert counts[latent] == tiny.references(latent, dataset)["picture"].notna().sum()
    assert tiny.datasets[0].n_pictures < 40


def test_every_picture_named_by_a_reference_is_a_file(tiny):
    for latent in range(0, tiny.n_latents, 7):
        for picture in tiny.references(latent)["picture"]:
            assert picture is None or tiny.picture_path(picture).stat().st_size > 0


@pytest.mark.parametrize("name", ["../../manifest.json", "A" * 64, "a" * 63, "", "a" * 64 + "\n", "/etc/passwd"])
def test_a_picture_name_that_is_no_digest_is_refused(tiny, name):
    with pytest.raises(ArtifactError, match="is not the name of a picture"):
        tiny.picture_path(name)


def test_a_picture_that_is_not_there_is_named(tiny):
    with pytest.raises(ArtifactError, match=f"{'0' * 64}.webp is missing"):
        tiny.picture_path("0" * 64)


def test_the_scale_of_a_latent_is_the_largest_value_of_all_its_maps(tiny):
    indices = tiny.references(3)["map_index"]
    assert len(indices) > 10
    stored = np.load(tiny.path / "maps.npy")
    assert tiny.map_scale(3) == max(float(stored[index].max()) for index in indices)
    assert tiny.map(indices.iloc[0]).shape == (16, 16)
    assert tiny.map_scale(9) == 0.0
    with pytest.raises(ArtifactError, match="there is no map -1"):
        tiny.map(-1)


def test_an_atlas_without_maps_and_barcodes_says_so(tmp_path):
    atlas = make_tiny_atlas(tmp_path / "plain", n_latents=20)
    assert not atlas.has_maps
    assert atlas.barcodes() is None
    assert atlas.references(0)["map_index"].tolist() == [None] * len(atlas.references(0))
    with pytest.raises(ArtifactError, match="has no maps"):
        atlas.map(0)


def test_barcodes_come_back_with_their_denominators(tiny):
    barcodes = tiny.barcodes()
    assert barcodes.counts.shape == (24, tiny.n_latents)
    assert barcodes.dataset == "acevedo"
    n_images = barcodes.groups["n_images"].to_numpy()
    assert np.allclose(barcodes.per_image() * n_images[:, None], barcodes.counts)


def test_one_simulated_data_set_makes_the_atlas_simulated(tmp_path):
    assert make_tiny_atlas(tmp_path / "simulated", n_latents=10, simulated=True).simulated
    assert not make_tiny_atlas(tmp_path / "real", n_latents=10).simulated


def test_unknown_data_sets_and_latents_are_named_with_what_there_is(tiny):
    with pytest.raises(ArtifactError, match=r"no data set 'matek'; it has \['mll23', 'acevedo'\]"):
        tiny.statistics("matek")
    with pytest.raises(ArtifactError, match="there is no latent 120: they go from 0 to 119"):
        tiny.references(120)
    with pytest.raises(ArtifactError, match="there is no latent -1"):
        tiny.latent(-1)


def test_a_file_of_another_size_is_refused_on_opening(tiny_copy):
    path = tiny_copy / "latents.parquet"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ChecksumError, match=f"latents.parquet has {size - 1} bytes, the manifest says {size}"):
        LatentAtlas.open(tiny_copy)


def test_a_missing_file_is_refused_on_opening(tiny_copy):
    (tiny_copy / "references.parquet").unlink()
    with pytest.raises(ChecksumError, match=r"references.parquet is missing.*copy the whole folder again"):
        LatentAtlas.open(tiny_copy)


def test_a_changed_byte_is_found_by_verify(tiny_copy):
    path = tiny_copy / "maps.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    atlas = LatentAtlas.open(tiny_copy)
    with pytest.raises(ChecksumError, match=r"maps.npy was changed since it was written: sha256 .* instead of"):
        atlas.verify()


def test_a_changed_picture_is_found_by_verify(tiny_copy):
    path = next(tiny_copy.glob("display/*/*.webp"))
    path.write_bytes(path.read_bytes()[:-2] + b"xx")
    with pytest.raises(ChecksumError, match=path.name):
        LatentAtlas.open(tiny_copy).verify()


def test_verify_reports_progress_up_to_all_files(tiny):
    seen = []
    tiny.verify(lambda n_done, n_all: seen.append((n_done, n_all)))
    assert [n for n, _ in seen] == list(range(1, seen[-1][1] + 1))


def test_a_folder_that_is_no_atlas_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"is not an atlas: it has no manifest.json"):
        LatentAtlas.open(tmp_path)


def _edit(folder: Path, **changes: object) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**document, **changes}))


def test_a_newer_format_is_refused_as_such(tiny_copy):
    _edit(tiny_copy, format_version=FORMAT_VERSION + 1)
    with pytest.raises(FormatVersionError, match=r"format version 2 of an atlas.*reads 1: update the workbench"):
        LatentAtlas.open(tiny_copy)


def test_an_edited_manifest_is_refused(tiny_copy):
    _edit(tiny_copy, sae_id="sae-of-somebody-else")
    with pytest.raises(ArtifactError, match="was changed after it was written"):
        LatentAtlas.open(tiny_copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_latents": "many"}, r"Expected `int`, got `str` - at `\$\.n_latents`"),
        ({"n_latents": 0}, "n_latents is 0"),
        ({"files": {"a": {"size": "1", "sha256": ""}}}, r"Expected `int`, got `str` - at `\$\.files"),
        ({"datasets": [{"name": "a", "n_images": 1, "simulated": "no"}]}, r"at `\$\.datasets\[0\]\.simulated`"),
    ],
)
def test_a_manifest_of_other_values_is_refused_with_their_place(tiny_copy, changes, message):
    _edit(tiny_copy, **changes)
    with pytest.raises(ArtifactError, match=rf"manifest\.json is damaged \(.*{message}"):
        LatentAtlas.open(tiny_copy)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": "cytosae-atlas", "format_version": 1}', "\xff"])
def test_a_manifest_that_is_none_is_refused(tiny_copy, content):
    (tiny_copy / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        LatentAtlas.open(tiny_copy)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "C:\\x", "..\\x"])
def test_no_listed_file_leaves_the_folder(tiny_copy, name):
    from cytosae_core.artifacts import files

    with pytest.raises(ArtifactError, match="leads out of the folder"):
        files.inside(tiny_copy, name)


def test_a_link_out_of_the_folder_is_refused(tiny_copy, tmp_path):
    outside = tmp_path / "outside.parquet"
    (tiny_copy / "latents.parquet").rename(outside)
    (tiny_copy / "latents.parquet").symlink_to(outside)
    with pytest.raises(ArtifactError, match="links to a place outside"):
        LatentAtlas.open(tiny_copy)


@pytest.mark.parametrize("name", ["latents.parquet", "references.parquet", "images.parquet", "barcodes/groups.parquet"])
def test_damage_that_keeps_the_size_ends_in_an_error_of_ours_or_in_nothing(tiny_copy, name):
    rng = np.random.default_rng(0)
    path = tiny_copy / name
    content = path.read_bytes()
    n_refused = 0
    for _ in range(40):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 8):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            atlas = LatentAtlas.open(tiny_copy)
            atlas.references(5)
            atlas.barcodes()
        except ArtifactError:
            n_refused += 1
    assert n_refused > 20


def test_an_atlas_can_be_asked_from_several_threads_at_once(tiny):
    expected = {latent: tiny.references(latent)["image_id"].tolist() for latent in range(0, 120, 3)}
    wrong: list[int] = []

    def ask() -> None:
        wrong.extend(k for k, ids in expected.items() if tiny.references(k)["image_id"].tolist() != ids)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_opening_an_atlas_imports_neither_torch_nor_streamlit_nor_sqlalchemy(tiny):
    code = (
        "import sys; from pathlib import Path; from cytosae_core.atlas.atlas import LatentAtlas; "
        "a = LatentAtlas.open(Path(sys.argv[1])); a.references(3); a.latent(3); a.barcodes(); a.map_scale(3); "
        "import cytosae_core.atlas.writer, cytosae_core.atlas.release.positions, cytosae_core.atlas.pictures; "
        "print([m for m in ('torch', 'streamlit', 'sqlalchemy', 'timm') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny.path)], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_importing_the_package_imports_none_of_its_modules():
    code = "import sys, cytosae_core.atlas; print([m for m in sys.modules if m.startswith('cytosae_core.atlas.')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
