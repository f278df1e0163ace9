"""From miniature published tables to an atlas, and every way in which they can be wrong."""

import dataclasses

import numpy as np
import pytest
import torch

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.release.import_release import import_release
from cytosae_core.atlas.release.options import ReleaseImport
from cytosae_core.errors import ArtifactError, ConfigError, CytosaeError, ImageTableError, ReleaseError
from tests.atlas.published import change_table, make_release


def _import(release, tmp_path, **changes):
    options = ReleaseImport(
        tables=release.tables, out=tmp_path / "atlas", images={"acevedo": release.images}, n_workers=1
    )
    import_release(dataclasses.replace(options, **changes))
    return LatentAtlas.open(tmp_path / "atlas")


def _refused(release, tmp_path, message, error=ReleaseError, **changes):
    with pytest.raises(error, match=message):
        _import(release, tmp_path, **changes)
    assert not [path.name for path in tmp_path.iterdir() if "atlas" in path.name]


def test_the_atlas_says_what_the_activations_say(release, tmp_path):
    atlas = _import(release, tmp_path)
    found = atlas.statistics("acevedo")
    for latent, column in enumerate(release.activations.T):
        active = column[column > 0].astype(np.float64)
        assert found.loc[latent, "n_images"] == len(column)
        assert found.loc[latent, "n_active"] == len(active)
        if len(active):
            assert found.loc[latent, "mean_activation"] == pytest.approx(active.mean(), rel=1e-6)
        else:
            assert np.isnan(found.loc[latent, "mean_activation"])
            assert np.isnan(found.loc[latent, "label_entropy"])


def test_every_reference_is_the_file_that_activates_the_latent(release, tmp_path):
    atlas = _import(release, tmp_path, all_pictures=True)
    for latent, column in enumerate(release.activations.T):
        best = [i for i in np.argsort(-column, kind="stable")[:10] if column[i] > 0]
        rows = atlas.references(latent)
        assert rows["image_id"].tolist() == [f"acevedo/{release.names[i]}" for i in best]
        assert rows["label"].tolist() == [release.names[i].split("/")[0] for i in best]
        assert rows["activation"].tolist() == column[best].tolist()
        assert rows["picture"].notna().all()


def test_a_latent_with_two_images_has_two_references_and_no_padding(release, tmp_path):
    atlas = _import(release, tmp_path)
    assert len(atlas.references(1)) == 2
    assert atlas.references(0).empty


def test_pictures_are_made_for_high_latents_only_unless_all_are_wanted(release, tmp_path):
    atlas = _import(release, tmp_path)
    mean = atlas.statistics("acevedo")["mean_activation"]
    counts = atlas.n_pictures("acevedo")
    high = mean.index[mean > 1e-3]
    assert (counts[high] == np.minimum(10, atlas.statistics("acevedo").loc[high, "n_active"])).all()
    assert atlas.manifest.config["pictures_of"] == "latents above 10^-3 on any data set"


def test_a_missing_or_broken_image_becomes_an_empty_frame_and_is_listed(release, tmp_path):
    file_list = tmp_path / "list.txt"
    file_list.write_text("".join(f"{name}\n" for name in sorted(release.names)))
    (release.images / release.names[0]).unlink()  # the first image of latent 1
    (release.images / release.names[1]).write_bytes(b"broken")
    atlas = _import(release, tmp_path, file_lists={"acevedo": file_list})
    assert atlas.references(1)["picture"].tolist() == [None, None]
    assert atlas.references(1)["image_id"].tolist() == [f"acevedo/{name}" for name in release.names[:2]]
    reasons = {skipped.image_id: skipped.reason for skipped in atlas.manifest.skipped}
    assert reasons[f"acevedo/{release.names[0]}"] == "no such file"
    assert "not an image" in reasons[f"acevedo/{release.names[1]}"]
    assert str(tmp_path) not in (atlas.path / "manifest.json").read_text()


def test_more_missing_images_than_allowed_are_refused(release, tmp_path):
    for name in release.names[:2]:
        (release.images / name).write_bytes(b"broken")
    _refused_keeping_work = pytest.raises(ReleaseError, match="2 images cannot be shown, more than the limit of 1")
    with _refused_keeping_work:
        _import(release, tmp_path, max_missing=1)
    assert not (tmp_path / "atlas").exists()
    assert len(_import(release, tmp_path, max_missing=2).manifest.skipped) == 2


def test_hidden_files_do_not_count_and_an_extra_file_is_refused_with_the_right_number(release, tmp_path):
    (release.images / "basophil" / ".DS_1.png").write_bytes(b"junk")
    _import(release, tmp_path)
    (tmp_path / "atlas").rename(tmp_path / "fine")
    (release.images / "basophil" / "BA_999.png").write_bytes(b"extra")
    with pytest.raises(ReleaseError, match=r"the list has 61 images, .* no whole number .*made from 60 images"):
        _import(release, tmp_path)


def test_a_missing_file_without_a_list_is_refused_with_the_way_out(release, tmp_path):
    (release.images / release.names[5]).unlink()
    _refused(release, tmp_path, r"the list has 59 images.*give the data set's list of files")


def test_a_list_in_which_one_file_has_another_class_is_refused_with_the_first_disagreement(release, tmp_path):
    position = int(np.argmax(release.activations[:, 2]))
    name = release.names[position]
    other = "EO" if not name.startswith("eosinophil") else "MO"
    folder = {"EO": "eosinophil", "MO": "monocyte"}[other]
    (release.images / name).rename(release.images / folder / f"{other}_999.png")
    _refused(
        release, tmp_path, r"Latent \d+, slot \d+, position \d+: the tables say label \d \(\w+\), the list has \w+/"
    )


def test_a_file_list_with_a_foreign_line_is_refused(release, tmp_path):
    file_list = tmp_path / "list.txt"
    for line, message in [
        ("../x/BA_1.png", "'../x/BA_1.png' is not"),
        ("/BA_1.png", "'/BA_1.png'"),
        ("basophil/ZZ_1.png", "ZZ_1.png"),
    ]:
        file_list.write_text("\n".join([*release.names, line]))
        _refused(release, tmp_path, message, ImageTableError, file_lists={"acevedo": file_list})
    file_list.write_text("\n".join([*release.names, release.names[0]]))
    _refused(release, tmp_path, "names .* twice", ImageTableError, file_lists={"acevedo": file_list})
    _refused(release, tmp_path, "cannot be read", ImageTableError, file_lists={"acevedo": tmp_path / "none.txt"})


def test_a_data_set_without_images_has_positions_for_ids_and_names_for_labels(tmp_path):
    release = make_release(tmp_path / "release", dataset="mine")
    atlas = _import(release, tmp_path, images={})
    assert atlas.datasets[0].n_images == 60  # found from the frequencies
    assert atlas.references(1)["image_id"].tolist() == ["mine#0", "mine#1"]
    assert set(atlas.references(1)["label"]) <= {"class 0", "class 1", "class 2"}
    assert atlas.datasets[0].n_pictures == 0


def test_a_published_data_set_without_images_must_have_the_published_number(release, tmp_path):
    _refused(release, tmp_path, r"published data set has 17,092 images.*made from 60 images", images={})


def test_several_data_sets_of_one_sae_share_their_strongest_latents_or_are_refused(tmp_path):
    release = make_release(tmp_path / "release", n_latents=400)
    make_release(tmp_path / "release", dataset="second", n_latents=400)
    make_release(tmp_path / "release", dataset="third", n_latents=400, seed=7)
    images = {}
    _import(release, tmp_path, images=images, datasets=("second",))
    (tmp_path / "atlas").rename(tmp_path / "one")
    chosen = ("second", "third")
    _refused_by = r"second and third share \d+% of their strongest latents.*two SAEs"
    with pytest.raises(ReleaseError, match=_refused_by):
        _import(release, tmp_path, images=images, datasets=chosen)
    atlas = _import(release, tmp_path, images=images, datasets=chosen, allow_different_saes=True)
    assert [info.name for info in atlas.datasets] == ["second", "third"]


def test_tables_with_different_numbers_of_latents_are_refused(tmp_path):
    release = make_release(tmp_path / "release")
    make_release(tmp_path / "release", dataset="second", n_latents=60)
    _refused(release, tmp_path, "acevedo has 50 latents and second 60: these are tables of two SAEs")


def _set(index, value):
    def change(table):
        table[index] = value
        return table

    return change


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("sae_mean_acts", lambda t: t[:-1], r"sae_mean_acts.pt has shape \(49,\).*demands \(50,\)"),
        ("sae_mean_acts", lambda t: t.double(), r"holds torch.float64 of shape \(50,\); it must be torch.float32"),
        ("sae_mean_acts", lambda t: t[None], "with 1 dimension"),
        ("sae_mean_acts", lambda t: {"t": t}, "holds a dict, not a tensor"),
        ("sae_mean_acts", _set(2, float("nan")), "latent 2: mean activation and activated frequency contradict"),
        ("sae_mean_acts", _set(2, 9.0), "latent 2: the mean activation is above the largest"),
        ("sae_mean_acts", _set(1, 0.3), "latent 1: the mean activation is not that of its reference images"),
        ("sae_sparsity", _set(2, 1.5), "latent 2: the activated frequency is not between 0 and 1"),
        ("sae_sparsity", _set(1, 3 / 60), "latent 1: the number of reference images is not min"),
        ("max_activating_image_values", _set((2, 3), float("inf")), "latent 2, slot 3: an activation"),
        ("max_activating_image_values", _set((2, 9), 5.0), "latent 2, slot 8: the activations .* rise"),
        ("max_activating_image_indices", _set((2, 3), 0.5), "latent 2, slot 3 points to position 0.5"),
        ("max_activating_image_indices", _set((2, 3), 60.0), "latent 2, slot 3: a position is not below 60"),
        ("max_activating_image_label_indices", _set((2, 3), -1), "latent 2, slot 3: a label is negative"),
        ("max_activating_image_label_indices", lambda t: t.int(), "it must be torch.int64"),
        ("top_entropy", _set(2, 3.0), "latent 2 has label entropy 3.000000 in the tables"),
    ],
)
def test_a_damaged_table_is_refused_with_the_first_bad_latent(release, tmp_path, table, change, message):
    change_table(release, table, change)
    _refused(release, tmp_path, message)


def test_one_image_with_two_labels_is_found_without_any_image(tmp_path):
    release = make_release(tmp_path / "release", dataset="mine")
    change_table(release, "max_activating_image_label_indices", lambda t: (t + 1) % 3, "mine")
    labels = torch.load(release.tables / "mine" / "max_activating_image_label_indices.pt", weights_only=True)
    change_table(release, "max_activating_image_label_indices", _set((2, 0), (int(labels[2, 0]) + 1) % 3), "mine")
    _refused(release, tmp_path, "an image has another label than with another latent", images={})


def test_truncated_tables_are_refused_at_every_length(release, tmp_path):
    path = release.tables / "acevedo" / "sae_mean_acts.pt"
    content = path.read_bytes()
    for length in range(0, len(content), 131):
        path.write_bytes(content[:length])
        with pytest.raises(CytosaeError, match=r"sae_mean_acts\.pt"):
            _import(release, tmp_path)
    assert not (tmp_path / "atlas").exists()


def test_a_missing_table_is_named(release, tmp_path):
    (release.tables / "acevedo" / "sae_sparsity.pt").unlink()
    _refused(release, tmp_path, "sae_sparsity.pt is missing", ArtifactError)


def test_a_table_that_asks_for_code_is_refused(release, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save(Evil(), release.tables / "acevedo" / "sae_sparsity.pt")
    _refused(release, tmp_path, "is refused, and nothing in it was executed", ArtifactError)
    assert not (tmp_path / "executed").exists()


def test_an_existing_output_folder_is_refused_before_anything_is_read(release, tmp_path):
    (tmp_path / "atlas").mkdir()
    with pytest.raises(ConfigError, match="never overwritten"):
        _import(release, tmp_path, tables=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": ("bmc",)}, "no tables of 'bmc'; it has"),
        ({"images": {"bmc": "x"}}, "given for 'bmc', which is not imported"),
    ],
)
def test_what_is_not_there_is_named(release, tmp_path, changes, message):
    _refused(release, tmp_path, message, CytosaeError, **changes)


def test_settings_that_cannot_work_are_refused(release, tmp_path):
    for changes, message in [
        ({"max_side": 8}, "max_side is 8 px"),
        ({"n_workers": 0}, "n_workers is 0"),
        ({"patients": tmp_path}, "give --patient-counts too"),
    ]:
        with pytest.raises(ConfigError, match=message):
            _import(release, tmp_path, **changes)


def test_an_interrupted_import_continues_and_ends_in_the_same_atlas(release, tmp_path):
    whole = _import(release, tmp_path, all_pictures=True).atlas_id
    (tmp_path / "atlas").rename(tmp_path / "whole")
    options = ReleaseImport(
        tables=release.tables,
        out=tmp_path / "atlas",
        images={"acevedo": release.images},
        n_workers=1,
        all_pictures=True,
    )

    def stop(n_done: int, _: int) -> None:
        if n_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_release(options, stop)
    assert not options.out.exists()
    seen: list[int] = []
    import_release(options, lambda n_done, _: seen.append(n_done))
    assert seen[0] == 32
    assert LatentAtlas.open(options.out).atlas_id == whole
    assert not list(tmp_path.glob(".*"))


def test_an_image_that_changed_meanwhile_is_made_again(release, tmp_path):
    options = ReleaseImport(release.tables, tmp_path / "atlas", images={"acevedo": release.images}, n_workers=1)

    def stop(n_done: int, n_all: int) -> None:
        if n_done == n_all:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_release(options, stop)
    (release.images / release.names[0]).write_bytes(b"broken")
    import_release(options)
    assert LatentAtlas.open(options.out).references(1)["picture"].iloc[0] is None


def test_the_identity_of_the_sae_is_that_of_its_weights_when_they_are_given(release, tmp_path):
    from cytosae_core.sae.checkpoint import Checkpoint, save

    def checkpoint(d_sae):
        weights = {"W_enc": torch.ones(4, d_sae), "b_enc": torch.zeros(d_sae), "b_dec": torch.zeros(4)}
        return Checkpoint(weights | {"W_dec": torch.ones(d_sae, 4)}, {})

    save(checkpoint(50), tmp_path / "sae")
    atlas = _import(release, tmp_path, checkpoint=tmp_path / "sae")
    assert atlas.sae_id == checkpoint(50).sae_id
    assert atlas.manifest.config["sae_id_from"] == "weights"
    (tmp_path / "atlas").rename(tmp_path / "first")
    save(checkpoint(51), tmp_path / "sae51")
    with pytest.raises(ReleaseError, match="has 51 latents and the tables have 50"):
        _import(release, tmp_path, checkpoint=tmp_path / "sae51")
    assert _import(release, tmp_path, sae_id="mine").sae_id == "mine"


def test_without_weights_the_identity_comes_from_the_tables(release, tmp_path):
    first = _import(release, tmp_path).sae_id
    (tmp_path / "atlas").rename(tmp_path / "first")
    change_table(release, "top_entropy", lambda t: t)
    assert _import(release, tmp_path).sae_id == first
    assert first.startswith("tables-")
