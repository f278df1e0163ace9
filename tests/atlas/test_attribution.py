"""Which latents explain a patch: from the atlas, and for an image that somebody brings."""

import numpy as np
import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.atlas.attribution import explain_patch
from cytosae_core.atlas.build.build import build_atlas
from cytosae_core.atlas.build.explain import Explainer
from cytosae_core.atlas.build.inputs import InputChoice, dataset_inputs
from cytosae_core.atlas.build.options import BuildConfig
from cytosae_core.atlas.build.plan import DatasetInput
from cytosae_core.atlas.noise import NoiseFilter
from cytosae_core.backbone.vit import random_backbone
from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.sae.checkpoint import Checkpoint
from tests.atlas import dense_twin
from tests.atlas.array_tokens import random_checkpoint, random_tokens
from tests.atlas.toy import TOY, toy_checkpoint, write_toy_cells

NOISE = NoiseFilter(max_mean_activation=0.1)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    source = random_tokens("mll23", 21, seed=9)
    out = tmp_path_factory.mktemp("attribution") / "atlas"
    build_atlas(random_checkpoint(), [DatasetInput(source)], out, BuildConfig(part_images=6, noise=NOISE))
    return source, LatentAtlas.open(out)


def _dense(source):
    weights = {name: w.numpy() for name, w in random_checkpoint().weights.items()}
    return dense_twin.dense_activations(source.tokens, weights)


def test_maps_are_the_patches_of_the_references_without_cls(built):
    source, atlas = built
    z = _dense(source)
    rows = {name: row for row, name in enumerate(source.images["image_id"])}
    for latent in range(atlas.n_latents):
        for reference in atlas.references(latent).to_dict("records"):
            expected = z[rows[reference["image_id"]], 1:, latent].reshape(2, 2)
            np.testing.assert_array_equal(atlas.map(reference["map_index"]), expected.astype(np.float16))


def test_a_patch_is_explained_by_its_strongest_latents_that_are_no_noise(built):
    source, atlas = built
    z = _dense(source)
    noise = np.nan_to_num(atlas.statistics("mll23")["mean_activation"].to_numpy()) > NOISE.max_mean_activation
    assert 0 < noise.sum() < atlas.n_latents
    for image, image_id in enumerate(source.images["image_id"]):
        for patch in range(4):
            expected = np.sort(np.where(noise, 0, z[image, 1 + patch]))[::-1]
            found = explain_patch(atlas, image_id, *divmod(patch, 2), n=3)
            n_active = int((expected[:3] > 0).sum())
            np.testing.assert_array_equal(found.latents["activation"], expected[:n_active].astype(np.float16))
            assert not noise[found.latents["latent"]].any()
            assert (found.latents["scale"] >= found.latents["activation"]).all()
            assert found.references["latent"].unique().tolist() == found.latents["latent"].tolist()


def test_images_and_patches_that_are_not_there_are_refused(built):
    source, atlas = built
    first = source.images["image_id"].iat[0]
    with pytest.raises(ArtifactError, match=r"'mll23/none.png' are not in the atlas"):
        explain_patch(atlas, "mll23/none.png", 0, 0)
    with pytest.raises(ConfigError, match="no patch in row 2"):
        explain_patch(atlas, first, 2, 0)
    with pytest.raises(ConfigError, match="keeps the 5 strongest"):
        explain_patch(atlas, first, 0, 0, n=6)


def test_an_atlas_without_patches_says_how_to_get_them(tmp_path):
    config = BuildConfig(maps=False, n_patch_latents=0)
    build_atlas(random_checkpoint(), [DatasetInput(random_tokens("mll23", 4))], tmp_path / "atlas", config)
    atlas = LatentAtlas.open(tmp_path / "atlas")
    assert not atlas.has_maps
    with pytest.raises(ArtifactError, match="build it with n_patch_latents"):
        atlas.patch_latents("mll23/blast/0000.png")
    with pytest.raises(ArtifactError, match="build it from images of patients"):
        atlas.patient_references(0)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    """A toy backbone and SAE on a folder of images."""
    folder = tmp_path_factory.mktemp("streamed")
    write_toy_cells(folder)
    (folder / "cells" / "class_0" / "broken.png").write_bytes(b"no image")
    backbone = random_backbone("dinobloom-s", seed=0, **TOY)
    checkpoint = toy_checkpoint()
    choice = InputChoice(images={"toy": folder / "cells"}, block=3, batch_size=3)
    config = BuildConfig(part_images=5, noise=NoiseFilter(max_mean_activation=1e9))
    build_atlas(checkpoint, dataset_inputs(choice, lambda: backbone), folder / "atlas", config)
    return folder, backbone, checkpoint


def test_backbone_and_images_in_one_stream_make_an_atlas_with_pictures(streamed):
    folder, _, _ = streamed
    atlas = LatentAtlas.open(folder / "atlas")
    assert atlas.datasets[0].n_images == 7
    assert atlas.datasets[0].n_pictures == 7
    assert [one.image_id for one in atlas.manifest.skipped] == ["toy/class_0/broken.png"]
    atlas.verify()


def test_an_image_that_somebody_brings_is_explained_as_the_atlas_explains_its_own(streamed):
    folder, backbone, checkpoint = streamed
    atlas = LatentAtlas.open(folder / "atlas")
    image = Explainer(atlas, checkpoint, backbone, 3, NoiseFilter(max_mean_activation=1e9)).open(
        folder / "cells" / "class_1" / "3.png"
    )
    own, other = image.patch(1, 0), explain_patch(atlas, "toy/class_1/3.png", 1, 0)
    assert own.latents["latent"].tolist() == other.latents["latent"].tolist()
    np.testing.assert_allclose(own.latents["activation"], other.latents["activation"], rtol=5e-3)
    latent = int(own.latents["latent"].iat[0])
    assert image.map(latent)[1, 0] == pytest.approx(own.latents["activation"].iat[0], rel=1e-5)
    assert image.scale(latent) >= image.map(latent).max()


def test_an_image_is_not_explained_with_another_sae_or_block(streamed):
    folder, backbone, checkpoint = streamed
    atlas = LatentAtlas.open(folder / "atlas")
    other = Checkpoint({name: tensor + 1 for name, tensor in checkpoint.weights.items()}, {})
    with pytest.raises(ArtifactError, match="give the atlas's own"):
        Explainer(atlas, other, backbone, 3)
    with pytest.raises(ArtifactError, match="block 2 was given"):
        Explainer(atlas, checkpoint, backbone, 2)


def test_a_build_without_data_sets_says_what_to_name():
    with pytest.raises(ConfigError, match=r"--tokens, or folders in --images"):
        dataset_inputs(InputChoice(), lambda: None)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_noise_filter_that_drops_everything_is_refused(limit):
    with pytest.raises(ConfigError, match="max_mean_activation is"):
        NoiseFilter(max_mean_activation=limit)
    with pytest.raises(ConfigError, match="'bmc', which is not among"):
        NoiseFilter("bmc").dataset_among(["mll23"])
