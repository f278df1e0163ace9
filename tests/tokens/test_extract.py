"""Extraction: every image once, equal bytes after any interruption, unreadable images told."""

import dataclasses
import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cytosae_core.backbone.decode import N_AHEAD, decoded_batches
from cytosae_core.backbone.team import Team, torchrun_team
from cytosae_core.backbone.vit import random_backbone
from cytosae_core.errors import ArtifactError, BackboneError, ConfigError, ImageTableError
from cytosae_core.images.sources import folder_source
from cytosae_core.images.table import scan
from cytosae_core.images.transforms import read_rgb
from cytosae_core.simulated.cells.files import NOTICE
from cytosae_core.tokens import extract as extract_module
from cytosae_core.tokens.extract import extract
from cytosae_core.tokens.plan import ExtractConfig
from cytosae_core.tokens.store import TokenStore
from tests.backbone.conftest import TOY_ARGUMENTS
from tests.pixels import model_input

CONFIG = ExtractConfig(blocks=(2, 4), batch_size=3, shard_images=5, runtime="torch", n_workers=2)
LENIENT = dataclasses.replace(CONFIG, max_unreadable_share=0.5)


def digests(store_path):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(store_path.iterdir())}


def slow_tokens(backbone, path, block):
    """Tokens of one image, one at a time, by timm's own arguments."""
    pixels = torch.from_numpy(model_input(read_rgb(path), backbone.image_size))[None]
    with torch.no_grad():
        patches, prefix = backbone.model.forward_intermediates(
            pixels, indices=[block - 1], return_prefix_tokens=True, output_fmt="NLC", intermediates_only=True
        )[0]
    return torch.cat([prefix, patches], dim=1)[0].numpy()


def test_every_image_is_stored_once_with_its_own_tokens(toy_backbone, make_table, tmp_path):
    table = make_table(13)
    extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    for block in (2, 4):
        store = TokenStore.open(tmp_path / "tokens", block)
        assert list(store.index["image_id"]) == list(table.frame["image_id"])
        for position, path in enumerate(map(Path, table.frame["path"])):
            expected = slow_tokens(toy_backbone, path, block)
            assert np.abs(store.read([position])[0].astype(np.float32) - expected).max() < 4e-3
        store.verify()


def test_the_manifest_says_what_made_the_tokens(toy_backbone, make_table, tmp_path):
    table = make_table(4)
    manifest = extract(toy_backbone, table, tmp_path / "tokens", CONFIG).manifest
    assert manifest["backbone"]["backbone_id"] == toy_backbone.backbone_id
    assert manifest["dataset"] == {"names": ["toy"], "fingerprint": table.fingerprint, "n_images": 4}
    assert manifest["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert manifest["libraries"]["torch"] == torch.__version__.split("+")[0]
    assert manifest["run"]["runtime"] == "torch"
    assert manifest["blocks"] == [2, 4]


def test_a_store_of_rendered_cells_says_simulated_and_one_of_photographs_does_not(toy_backbone, make_table, tmp_path):
    table = make_table(4)
    assert not extract(toy_backbone, table, tmp_path / "photographs", CONFIG).simulated
    with Image.open(table.path_of(3)) as image:
        text = PngInfo()
        text.add_text("Description", NOTICE)
        image.save(table.path_of(3).with_name("a.png"), pnginfo=text)
    rendered = scan(folder_source("toy"), tmp_path / "cells")
    store = extract(toy_backbone, rendered, tmp_path / "rendered", CONFIG)
    assert store.simulated
    assert store.manifest["simulated"] is True


def test_a_second_run_on_the_same_output_is_told_and_writes_nothing(toy_backbone, make_table, tmp_path):
    table = make_table(13)
    refused = []

    def second(n_done, n_all):
        if not refused:
            with pytest.raises(ArtifactError, match=r"another run is making .*tokens already; wait for it, or give"):
                extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
            refused.append(n_done)

    extract(toy_backbone, table, tmp_path / "tokens", CONFIG, progress=second)
    assert refused
    extract(toy_backbone, table, tmp_path / "alone", CONFIG)
    assert digests(tmp_path / "tokens") == digests(tmp_path / "alone")
    assert not list(tmp_path.glob(".tokens*"))


def test_the_number_of_decoding_threads_changes_no_byte(toy_backbone, make_table, tmp_path):
    table = make_table(11)
    for n_workers in (1, 5):
        extract(toy_backbone, table, tmp_path / str(n_workers), dataclasses.replace(CONFIG, n_workers=n_workers))
    assert digests(tmp_path / "1") == digests(tmp_path / "5")


def test_unreadable_images_are_left_out_and_told_without_a_path(toy_backbone, make_table, tmp_path):
    table = make_table(13, damaged=(0, 5, 6, 7, 8, 9))
    store = extract(toy_backbone, table, tmp_path / "tokens", LENIENT)
    readable = [index for index in range(13) if index not in (0, 5, 6, 7, 8, 9)]
    assert list(store.index["image_id"]) == list(table.frame["image_id"].iloc[readable])
    assert [shard["n_images"] for shard in store.manifest["shards"]] == [4, 0, 3]
    told = {image["image_id"]: image["reason"] for image in store.manifest["skipped"]}
    assert len(told) == 6
    assert (
        "not an image" in told["toy/class_0/cell_0000.png"] or "cannot be decoded" in told["toy/class_0/cell_0000.png"]
    )
    assert str(tmp_path) not in json.dumps(dict(store.manifest))
    expected = slow_tokens(toy_backbone, table.path_of(10), 2)
    assert np.abs(store.read([4])[0].astype(np.float32) - expected).max() < 4e-3


def test_too_many_unreadable_images_are_refused_with_the_first_ones(toy_backbone, make_table, tmp_path):
    table = make_table(20, damaged=(3, 4))
    with pytest.raises(
        ImageTableError, match=r"2 of 20 images cannot be read, and at most 1\.00%.*First of them: toy/class_"
    ):
        extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    assert not (tmp_path / "tokens").exists()


def test_a_refused_run_goes_on_when_the_limit_is_raised(toy_backbone, make_table, tmp_path):
    table = make_table(12, damaged=(11,))
    with pytest.raises(ImageTableError):
        extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    done = []
    store = extract(toy_backbone, table, tmp_path / "tokens", LENIENT, progress=lambda n, total: done.append(total))
    assert store.n_images == 11
    assert done[-1] == 2  # only the last shard was left


def test_an_interrupted_run_does_only_what_is_left(toy_backbone, make_table, tmp_path, monkeypatch):
    table = make_table(13)
    expected = extract(toy_backbone, table, tmp_path / "whole", CONFIG)
    computed = []
    plain = extract_module.write_shard

    monkeypatch.setattr(
        extract_module, "write_shard", lambda *a: computed.append(a[2]) or plain(*a) if a[2] < 2 else 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    assert computed == [0, 1]
    assert not (tmp_path / "tokens").exists()
    monkeypatch.setattr(extract_module, "write_shard", lambda *a: computed.append(a[2]) or plain(*a))
    extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    assert computed == [0, 1, 2]
    assert digests(tmp_path / "tokens") == digests(expected.path)
    assert not list(tmp_path.glob(".*partial"))


def test_a_shard_whose_file_was_cut_is_made_again(toy_backbone, make_table, tmp_path, monkeypatch):
    table = make_table(10)
    extract(toy_backbone, table, tmp_path / "whole", CONFIG)
    monkeypatch.setattr(extract_module, "publish", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    monkeypatch.undo()
    shard = tmp_path / ".tokens.partial" / "store" / "shard-00001-block-04.npy"
    shard.write_bytes(shard.read_bytes()[:-7])
    (shard.parent / ".shard-00000-block-02.npy.1.tmp").write_bytes(b"half")
    extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    assert digests(tmp_path / "tokens") == digests(tmp_path / "whole")


def test_a_finished_extraction_is_found_and_not_repeated(toy_backbone, make_table, tmp_path):
    table = make_table(5)
    extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    before = digests(tmp_path / "tokens")
    extract(toy_backbone, table, tmp_path / "tokens", CONFIG, progress=lambda n, total: pytest.fail("computed again"))
    assert digests(tmp_path / "tokens") == before


@pytest.mark.parametrize("is_finished", [True, False])
def test_other_settings_are_refused_by_name(toy_backbone, make_table, tmp_path, monkeypatch, is_finished):
    table = make_table(5)
    if not is_finished:
        monkeypatch.setattr(extract_module, "publish", lambda *a: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
        monkeypatch.undo()
    else:
        extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    other = random_backbone("dinobloom-s", 1, **TOY_ARGUMENTS)
    with pytest.raises(
        ArtifactError, match=r"backbone\.backbone_id was '\w+' and is '\w+'.*choose another output folder"
    ):
        extract(other, table, tmp_path / "tokens", CONFIG)
    with pytest.raises(ArtifactError, match=r"run\.batch_size was 3 and is 2"):
        extract(toy_backbone, table, tmp_path / "tokens", dataclasses.replace(CONFIG, batch_size=2))


def test_tokens_beyond_float16_are_refused_by_image_and_value(make_table, tmp_path):
    backbone = random_backbone("dinobloom-s", 0, **TOY_ARGUMENTS)
    backbone.model.pos_embed.data[0, 3, 7] = 70_000.0
    with pytest.raises(
        BackboneError, match=r"toy/class_0/cell_0000\.png: a token of block 2 reaches .*float16 ends at 65504"
    ):
        extract(backbone, make_table(3), tmp_path / "tokens", CONFIG)


def test_tokens_that_are_no_numbers_are_refused(make_table, tmp_path):
    backbone = random_backbone("dinobloom-s", 0, **TOY_ARGUMENTS)
    backbone.model.blocks[1].ls2.gamma.data[:] = float("nan")
    with pytest.raises(BackboneError, match="a token of block 2 reaches nan"):
        extract(backbone, make_table(3), tmp_path / "tokens", CONFIG)


def test_shares_of_several_processes_make_up_the_whole(toy_backbone, make_table, tmp_path):
    table = make_table(23)
    extract(toy_backbone, table, tmp_path / "one", CONFIG)
    # two ranks by turns in one process: the follower's share first, then the lead finds the rest and publishes
    follower = Team(rank=1, n_ranks=2, wait=lambda: None)
    (tmp_path / ".two.partial" / "store").mkdir(parents=True)
    plan = extract_module.make_plan(toy_backbone, table, CONFIG)
    extract_module.write_plan(tmp_path / ".two.partial", plan)
    run = extract_module._Run(toy_backbone, table, CONFIG, plan, tmp_path / ".two.partial")
    assert run.todo(follower) == [1, 3]
    run.extract_shards(run.todo(follower), lambda n, total: None)
    extract(toy_backbone, table, tmp_path / "two", CONFIG)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_without_torchrun_there_is_a_team_of_one():
    with torchrun_team() as team:
        assert (team.rank, team.n_ranks, team.is_lead) == (0, 1, True)
        team.wait()


def test_progress_counts_every_image_once(toy_backbone, make_table, tmp_path):
    told = []
    table = make_table(7, damaged=(2,))
    extract(toy_backbone, table, tmp_path / "tokens", LENIENT, progress=lambda n, total: told.append((n, total)))
    assert told == [(3, 7), (5, 7), (7, 7)]


def test_decoding_runs_only_a_few_batches_ahead(tmp_path):
    asked = []

    def path_of(row):
        asked.append(row)
        return tmp_path / "missing.png"

    batches = decoded_batches(([row] for row in range(50)), path_of, 8)
    first = next(batches)
    batches.close()
    assert first.positions == []
    assert "no such file" in first.skipped[0].reason
    assert len(asked) == N_AHEAD + 1


def test_a_table_without_images_is_refused(toy_backbone, make_table, tmp_path):
    with pytest.raises(ConfigError, match="the table holds no images"):
        extract(toy_backbone, make_table(2).where(np.zeros(2, dtype=bool)), tmp_path / "tokens", CONFIG)


def test_a_full_disk_is_told_and_what_is_finished_stays(toy_backbone, make_table, tmp_path, monkeypatch):
    table = make_table(13)
    plain = os.fsync

    def full(descriptor):
        if "shard-00001" in str(Path(f"/proc/self/fd/{descriptor}").readlink()):
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ArtifactError, match=r"cannot be written \(No space left on device\).*what is finished is kept"):
        extract(toy_backbone, table, tmp_path / "tokens", CONFIG)
    monkeypatch.undo()
    done = []
    extract(toy_backbone, table, tmp_path / "tokens", CONFIG, progress=lambda n, total: done.append(total))
    assert done[-1] == 8
    assert not list((tmp_path / "tokens").glob(".*"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size 0"),
        ({"shard_images": 0}, "shard_images 0 must be at least 1"),
        ({"max_unreadable_share": 2.0}, r"max_unreadable_share 2\.0 between 0 and 1"),
        ({"n_workers": 0}, "n_workers 0"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_value(settings, message):
    with pytest.raises(ConfigError, match=message):
        ExtractConfig(**settings)
