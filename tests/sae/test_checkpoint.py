"""The published checkpoint, built in exactly its form: an object of a class that its reader does not have."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest
import torch

from cytosae_core.errors import ArtifactError, ConfigError
from cytosae_core.sae.checkpoint import read_checkpoint, read_published, save, weights_digest

MODULE = "src.sae_training.config"


@pytest.fixture
def config_class(monkeypatch):
    """The authors' class, there only while the file is written."""
    module = types.ModuleType(MODULE)

    @dataclasses.dataclass
    class ViTSAERunnerConfig:
        d_in: int = 6
        expansion_factor: int = 4
        lr: float = 4e-4
        l1_coefficient: float = float("nan")
        model_name: str = "dinobloom"
        use_ghost_grads: bool = True
        image_size: tuple = (224, 224)
        dtype: torch.dtype = torch.float32
        device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cuda:0"))
        nothing: object = None

    ViTSAERunnerConfig.__module__ = MODULE
    ViTSAERunnerConfig.__qualname__ = "ViTSAERunnerConfig"
    module.ViTSAERunnerConfig = ViTSAERunnerConfig
    for name in ("src", "src.sae_training"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, MODULE, module)
    return ViTSAERunnerConfig


def _weights(d_in=6, d_sae=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"W_enc": (d_in, d_sae), "b_enc": (d_sae,), "W_dec": (d_sae, d_in), "b_dec": (d_in,)}
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


@pytest.fixture(params=["cfg", "config"])
def published(request, tmp_path, config_class, monkeypatch):
    path = tmp_path / "final_sparse_autoencoder.pt"
    torch.save({request.param: config_class(), "state_dict": _weights()}, path)
    for name in (MODULE, "src.sae_training", "src"):
        monkeypatch.delitem(sys.modules, name)
    return path


def test_a_published_checkpoint_is_read_without_its_class(published):
    found = read_published(published)
    assert (found.d_in, found.d_sae) == (6, 24)
    assert all(torch.equal(found.weights[name], tensor) for name, tensor in _weights().items())
    assert MODULE not in sys.modules


def test_plain_values_are_kept_as_provenance(published):
    assert read_published(published).provenance == {
        "d_in": 6,
        "expansion_factor": 4,
        "lr": 4e-4,
        "l1_coefficient": "nan",
        "model_name": "dinobloom",
        "use_ghost_grads": True,
        "image_size": [224, 224],
        "dtype": "torch.float32",
        "device": "cuda:0",
        "nothing": None,
    }


def test_converted_weights_and_identity_are_those_of_the_published_file(published, tmp_path):
    before = read_published(published)
    save(before, tmp_path / "sae")
    assert sorted(path.name for path in (tmp_path / "sae").iterdir()) == ["config.json", "sae.safetensors"]
    after = read_checkpoint(tmp_path / "sae")
    assert after.sae_id == before.sae_id == read_checkpoint(published).sae_id
    assert after.provenance == before.provenance
    document = json.loads((tmp_path / "sae" / "config.json").read_text())
    assert (document["d_in"], document["d_sae"], document["activation"]) == (6, 24, "relu")


def test_the_digest_depends_on_every_weight_and_its_name_only():
    weights = _weights()
    digest = weights_digest(weights)
    assert weights_digest(dict(reversed(weights.items()))) == digest
    for name in weights:
        changed = {**weights, name: weights[name] + torch.finfo(torch.float32).eps}
        assert weights_digest(changed) != digest
    assert weights_digest({**weights, "W_enc": weights["W_enc"].T.contiguous().T}) == digest


def _evil(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    return Evil()


@pytest.mark.parametrize("place", ["cfg", "state_dict", "whole"])
def test_a_checkpoint_that_would_execute_code_is_refused_and_executes_none(tmp_path, place):
    evil = _evil(tmp_path)
    content = evil if place == "whole" else {"cfg": None, "state_dict": _weights(), place: evil}
    torch.save(content, tmp_path / "evil.pt")
    with pytest.raises(ArtifactError, match=r"evil.pt is refused, and nothing in it was executed: .*open"):
        read_published(tmp_path / "evil.pt")
    assert not (tmp_path / "executed").exists()


def test_the_message_does_not_advise_to_switch_the_protection_off(tmp_path):
    torch.save(_evil(tmp_path), tmp_path / "evil.pt")
    with pytest.raises(ArtifactError) as caught:
        read_published(tmp_path / "evil.pt")
    assert "weights_only" not in str(caught.value)
    assert "add_safe_globals" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_cut_off_anywhere_is_refused_in_one_sentence(published, tmp_path):
    content = published.read_bytes()
    for length in range(0, len(content), 157):
        (tmp_path / "cut.pt").write_bytes(content[:length])
        with pytest.raises(ArtifactError, match=r"cut\.pt"):
            read_published(tmp_path / "cut.pt")


def test_a_changed_byte_of_a_weight_is_noticed(published, tmp_path):
    content = bytearray(published.read_bytes())
    needle = _weights()["W_dec"].numpy().tobytes()[:32]
    content[content.index(needle)] ^= 1
    (tmp_path / "changed.pt").write_bytes(content)
    with pytest.raises(ArtifactError, match="is cut off or damaged"):
        read_published(tmp_path / "changed.pt")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("b_enc", lambda t: t[:-1], r"b_enc has shape \(23,\), W_enc of shape \(6, 24\) demands \(24,\)"),
        ("W_dec", lambda t: t.T, r"W_dec has shape \(6, 24\)"),
        ("b_dec", lambda t: t.expand(3, -1), r"b_dec has shape \(3, 6\)"),
        ("W_enc", lambda t: t[0], r"W_enc has shape \(24,\), it must be \(d_in, d_sae\)"),
        ("W_enc", lambda t: t / 0, "W_enc holds values that are not finite"),
        ("b_dec", lambda t: None, "lacks one of the tensors"),
    ],
)
def test_weights_that_are_not_one_sae_are_refused(tmp_path, name, change, message):
    weights = _weights()
    weights[name] = change(weights[name])
    torch.save({"cfg": {}, "state_dict": weights}, tmp_path / "bad.pt")
    with pytest.raises(ArtifactError, match=message):
        read_published(tmp_path / "bad.pt")


def test_other_files_are_refused(tmp_path):
    torch.save({"model": 1}, tmp_path / "other.pt")
    with pytest.raises(ArtifactError, match="has no 'state_dict'"):
        read_published(tmp_path / "other.pt")
    with pytest.raises(ArtifactError, match=r"none.pt is missing"):
        read_published(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ArtifactError, match=r"text\.pt"):
        read_published(tmp_path / "text.pt")


def test_a_converted_folder_that_was_changed_is_refused(published, tmp_path):
    folder = tmp_path / "sae"
    save(read_published(published), folder)
    with pytest.raises(ConfigError, match="never overwritten"):
        save(read_published(published), folder)
    config = (folder / "config.json").read_text()
    for old, new, message in [
        ('"format_version": 1', '"format_version": 2', "format version 2 of an SAE, and .* reads 1"),
        ('"sae_id"', '"id"', "does not describe an SAE"),
        ('"sae-', '"sea-', "has weights sae-"),
        ("{", "", "config.json is damaged .*; convert the checkpoint again"),
    ]:
        (folder / "config.json").write_text(config.replace(old, new, 1))
        with pytest.raises(ArtifactError, match=message):
            read_checkpoint(folder)
    (folder / "config.json").write_text(config)
    content = (folder / "sae.safetensors").read_bytes()
    (folder / "sae.safetensors").write_bytes(content[:-4])
    with pytest.raises(ArtifactError, match="holds no readable SAE"):
        read_checkpoint(folder)
    (folder / "sae.safetensors").write_bytes(content[:-4] + np.float32(7).tobytes())
    with pytest.raises(ArtifactError, match=r"config\.json says sae-"):
        read_checkpoint(folder)
