"""Studies made from a tiny atlas: what is shown, what is recorded, and that nothing gives an item away."""

import dataclasses
import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cytosae_core.atlas.atlas import LatentAtlas
from cytosae_core.errors import AnalysisError, ArtifactError, ConfigError, StudyError
from cytosae_core.patients.differential import differential_latents
from cytosae_core.study.builder import StudyConfig, build_study, read_study, write_study
from cytosae_core.study.items import pictures_of
from cytosae_core.study.order import check_items
from cytosae_core.study.protocol import Study, digest_of, to_document
from tests.atlas.tiny import make_tiny_atlas

A, B = "CBFB::MYH11", "PML::RARA"
SMALL = StudyConfig("Tiny study", "mll23", seed=3, n_clusters=4, n_per_cluster=3, min_pictures=3)
BOTH = dataclasses.replace(SMALL, groups=(A, B), n_differential=10)


def noon() -> datetime:
    return datetime(2026, 5, 6, 12, tzinfo=UTC)


def salt() -> str:
    return "5a" * 32


@pytest.fixture(scope="module")
def atlas(tmp_path_factory) -> LatentAtlas:
    folder = tmp_path_factory.mktemp("atlas") / "tiny"
    return make_tiny_atlas(folder, with_barcodes=True, with_maps=True, missing_share=0.3)


@pytest.fixture(scope="module")
def study(atlas: LatentAtlas) -> Study:
    return build_study(atlas, BOTH, noon, salt)


def atlas_of(folder: Path, **options) -> LatentAtlas:
    return make_tiny_atlas(folder / "tiny", **options)


def expected_pictures(atlas: LatentAtlas, latent: int, datasets: list[str]) -> list[tuple]:
    """Every reference image of the latent, by data set and rank."""
    rows = []
    for dataset in datasets:
        table = atlas.references(latent, dataset)
        rows += sorted((dataset, int(row.rank), row.image_id, row.picture, row.map_index) for row in table.itertuples())
    return rows


def test_a_concept_item_shows_all_reference_images_of_its_latent_in_order_with_empty_frames(atlas, study):
    items = study.items_of("concept")
    assert len(items) == 12
    for item in items:
        shown = [(p.dataset, p.rank, p.image_id, p.sha256, p.map_index) for p in item.pictures]
        assert shown == expected_pictures(atlas, item.latent, ["mll23", "acevedo"])
    assert any(picture.sha256 is None for item in items for picture in item.pictures)


def test_sampled_latents_have_enough_pictures_and_one_of_each_stratum_in_a_block(study):
    for item in study.items_of("concept"):
        assert sum(picture.sha256 is not None for picture in item.pictures) >= 3
    assert Counter((item.block, item.stratum) for item in study.items_of("concept")) == {
        (block, stratum): 1 for block in range(3) for stratum in range(4)
    }


def test_the_disease_task_shows_the_differential_latents_with_pictures_of_the_barcodes_data_set_only(atlas, study):
    ranked = differential_latents(atlas.barcodes(), A, B, n=10)
    record = study.sampling["disease"]
    shown = {(item.latent, item.direction, item.rank) for item in study.items_of("disease")}
    listed = {(row.latent, row.direction, row.rank) for row in ranked.itertuples()}
    assert shown == {entry for entry in listed if entry[0] not in record["left_out_without_pictures"]}
    assert record["left_out_without_pictures"]
    assert {picture.dataset for item in study.items_of("disease") for picture in item.pictures} == {"acevedo"}
    assert record["n_patients"] == {A: 6, B: 6}
    assert record["ranking"] == "corrected"


def test_each_block_of_the_disease_task_has_both_directions_from_all_along_the_ranking(tmp_path):
    study = build_study(atlas_of(tmp_path, with_barcodes=True, missing_share=0), BOTH, noon)
    block_of = {(item.direction, item.rank): item.block for item in study.items_of("disease")}
    neighbours = [
        {block_of[direction, rank], block_of[direction, rank + 1]}
        for direction in (A, B)
        for rank in (1, 3, 5, 7, 9)
        if (direction, rank) in block_of and (direction, rank + 1) in block_of
    ]
    assert len(neighbours) > 5
    assert all(blocks == {0, 1} for blocks in neighbours)


def test_item_ids_are_unique_opaque_and_the_same_again(atlas, study):
    ids = [item.item_id for item in study.items]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{16}", item_id) for item_id in ids)
    assert build_study(atlas, BOTH, noon, salt) == study


def test_without_the_salt_nothing_public_gives_an_item_id_and_the_salt_is_all_that_the_seed_leaves_open(atlas, study):
    one, other = build_study(atlas, BOTH, noon), build_study(atlas, BOTH, noon)
    assert not {item.item_id for item in one.items} & {item.item_id for item in other.items}
    assert len(one.salt) == 64
    assert one.salt != other.salt
    alike = [dataclasses.replace(item, item_id="") for item in study.items]
    assert [dataclasses.replace(item, item_id="") for item in one.items] == alike
    public = [BOTH.seed, BOTH.title, atlas.atlas_id, one.created_at]
    derived = {hashlib.sha256(f"{digest_of(public)}/{k}".encode()).hexdigest()[:16] for k in range(len(one.items))}
    assert not {item.item_id for item in one.items} & derived, "as version 1 made them"


def test_two_studies_of_the_same_seed_have_different_item_ids(atlas, study):
    later = build_study(atlas, dataclasses.replace(BOTH, title="Another"), noon)  # a salt of its own
    assert not {item.item_id for item in later.items} & {item.item_id for item in study.items}


def test_the_record_says_how_latents_were_chosen_and_which_data_sets_are_shown(study):
    record = study.sampling["concept"]
    assert record["seed"] == study.seed == 3
    assert record["dataset"] == "mll23"
    assert record["min_pictures"] == 3
    assert record["datasets_shown"] == ["mll23", "acevedo"]
    assert record["datasets_left_out"] == {}
    assert study.datasets == ("mll23", "acevedo")
    assert study.um_per_px == {"mll23": 0.1}
    assert sum(stratum.n_drawn for stratum in study.strata) == 12


def test_a_study_without_groups_has_the_concept_task_only(atlas):
    study = build_study(atlas, SMALL, noon)
    assert [task.task_id for task in study.tasks] == ["concept"]
    assert "disease" not in study.sampling


def test_a_data_set_without_pictures_is_left_out_and_the_record_says_so(tmp_path, monkeypatch):
    atlas = atlas_of(tmp_path)
    bare = dataclasses.replace(atlas.manifest.datasets[0], n_pictures=0)
    monkeypatch.setattr(
        atlas, "manifest", dataclasses.replace(atlas.manifest, datasets=(bare, atlas.manifest.datasets[1]))
    )
    study = build_study(atlas, SMALL, noon)
    assert study.datasets == ("acevedo",)
    assert study.sampling["concept"]["datasets_left_out"] == {"mll23": "no picture on disk"}
    assert {picture.dataset for item in study.items for picture in item.pictures} == {"acevedo"}


def test_repeats_show_the_pictures_of_another_item_and_name_it(atlas):
    study = build_study(atlas, dataclasses.replace(BOTH, n_repeats=3, n_disease_repeats=2), noon)
    repeats = [item for item in study.items if item.role == "repeat"]
    assert Counter(item.task_id for item in repeats) == {"concept": 3, "disease": 2}
    for item in repeats:
        original = study.item(item.repeat_of)
        assert original.role == "main"
        assert original.pictures_digest == item.pictures_digest
        assert (original.latent, original.direction) == (item.latent, item.direction)
    assert len({item.repeat_of for item in repeats}) == 5
    check_items(study)


def frames_of(pictures) -> list[tuple]:
    return [(picture.dataset, picture.rank, picture.sha256 is None) for picture in pictures]


def test_decoys_have_the_frames_of_a_latent_that_was_not_sampled_and_each_picture_from_another_one(atlas):
    study = build_study(atlas, dataclasses.replace(SMALL, n_decoys=4), noon)
    sampled = {item.latent for item in study.items if item.role == "main"}
    decoys = [item for item in study.items if item.role == "decoy"]
    unsampled = [latent for latent in range(atlas.n_latents) if latent not in sampled]
    patterns = {tuple(frames_of(pictures_of(atlas, latent, ["mll23", "acevedo"]))) for latent in unsampled}
    owners = {picture: latent for latent in unsampled for picture in atlas.references(latent)["map_index"]}
    assert len(decoys) == 4
    for decoy in decoys:
        assert decoy.latent is None
        assert tuple(frames_of(decoy.pictures)) in patterns
        shown = [p for p in decoy.pictures if p.sha256 is not None]
        assert len(shown) >= SMALL.min_pictures
        assert len({p.sha256 for p in shown}) == len(shown)
        assert len({owners[p.map_index] for p in shown}) == len(shown)
    check_items(study)


def test_the_pictures_of_a_decoy_keep_their_ranks_wherever_a_latent_has_so_many(atlas):
    study = build_study(atlas, dataclasses.replace(SMALL, n_decoys=4), noon)
    ranks = {}
    for latent in range(atlas.n_latents):
        for row in atlas.references(latent).itertuples():
            ranks[row.map_index] = row.rank
    shown = [p for item in study.items if item.role == "decoy" for p in item.pictures if p.sha256 is not None]
    off = [abs(ranks[picture.map_index] - picture.rank) for picture in shown]
    assert sum(off) / len(off) < 0.5, "most are at their own rank, where maps are as strong and as wide"


def test_decoys_need_as_many_latents_to_be_made_after(atlas):
    config = dataclasses.replace(SMALL, n_clusters=2, n_per_cluster=20, n_decoys=40)
    with pytest.raises(StudyError, match=r"40 decoys are made after as many latents .* there are \d+; ask for fewer"):
        build_study(atlas, config, noon)


def test_by_default_there_are_main_items_only(study):
    assert {item.role for item in study.items} == {"main"}


def test_a_simulated_atlas_makes_a_simulated_study_and_its_id_says_so(tmp_path):
    study = build_study(atlas_of(tmp_path, simulated=True), SMALL, noon)
    assert study.simulated
    assert study.study_id.startswith("tiny-study-SIMULATED-")


def test_a_real_atlas_makes_a_study_that_is_not_simulated(study):
    assert not study.simulated
    assert re.fullmatch("tiny-study-[0-9a-f]{12}", study.study_id)


def test_a_title_without_letters_still_makes_a_name(atlas):
    study = build_study(atlas, dataclasses.replace(SMALL, title="../ 細胞"), noon)
    assert study.study_id.startswith("study-")


def test_an_atlas_without_barcodes_has_no_disease_task(tmp_path):
    with pytest.raises(StudyError, match="needs barcodes, and this atlas has none; build an atlas from images"):
        build_study(atlas_of(tmp_path), BOTH, noon)


def test_barcodes_of_a_data_set_without_pictures_are_refused_with_what_to_do(tmp_path, monkeypatch):
    atlas = atlas_of(tmp_path, with_barcodes=True)
    bare = dataclasses.replace(atlas.manifest.datasets[1], n_pictures=0)
    monkeypatch.setattr(
        atlas, "manifest", dataclasses.replace(atlas.manifest, datasets=(atlas.manifest.datasets[0], bare))
    )
    with pytest.raises(StudyError, match=r"of 'acevedo', of which no picture is on disk.*put images of 'acevedo'"):
        build_study(atlas, BOTH, noon)


def test_an_atlas_without_any_picture_is_refused(tmp_path):
    with pytest.raises(StudyError, match=r"none of the data sets \['mll23', 'acevedo'\] has a picture"):
        build_study(atlas_of(tmp_path, missing_share=1.1), SMALL, noon)


def test_too_few_latents_are_refused_with_numbers_and_a_remedy(atlas):
    with pytest.raises(AnalysisError, match=r"only \d+ of \d+ high-activation latents .* 100 are to be sampled"):
        build_study(atlas, dataclasses.replace(SMALL, n_per_cluster=25), noon)


def test_an_unknown_data_set_is_refused_with_the_known_ones(atlas):
    with pytest.raises(ArtifactError, match=r"no data set 'matek'; it has \['mll23', 'acevedo'\]"):
        build_study(atlas, dataclasses.replace(SMALL, dataset="matek"), noon)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"n_repeats": 13}, "13 repeats of 12 items"), ({"n_decoys": 13}, "13 decoys beside 12 items")],
)
def test_more_controls_than_items_are_refused(atlas, options, text):
    with pytest.raises(StudyError, match=text):
        build_study(atlas, dataclasses.replace(SMALL, **options), noon)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"title": " "}, "needs a title"),
        ({"n_decoys": -1}, "n_decoys is -1"),
        ({"n_disease_repeats": 1}, "needs the disease task"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(options, text):
    with pytest.raises(ConfigError, match=text):
        dataclasses.replace(SMALL, **options)


def test_a_study_is_written_once_and_read_back_equal(study, tmp_path):
    path = write_study(study, tmp_path)
    assert path == tmp_path / study.study_id / "study.json"
    assert write_study(study, tmp_path) == path
    assert read_study(path) == read_study(path.parent) == study
    assert [entry.name for entry in tmp_path.iterdir()] == [study.study_id]


def test_only_the_owner_can_read_a_study_that_was_written(study, tmp_path):
    path = write_study(study, tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert study.salt in path.read_text(encoding="utf-8")


def test_a_study_edited_by_hand_is_recognised(study, tmp_path):
    path = write_study(study, tmp_path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["items"][0]["latent"] += 1
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(StudyError, match="was changed after it was made"):
        read_study(path)


@pytest.mark.parametrize(
    ("content", "text"),
    [("{", r"no study can be read: .*study\.json is damaged"), ("[1]", r"no study can be read: .*holds a list")],
)
def test_what_is_no_study_is_refused(tmp_path, content, text):
    (tmp_path / "study.json").write_text(content, encoding="utf-8")
    with pytest.raises(StudyError, match=text):
        read_study(tmp_path)


def test_a_missing_study_says_how_to_make_one(tmp_path):
    with pytest.raises(StudyError, match="make one with create_study"):
        read_study(tmp_path)


def test_an_id_never_leaves_the_folder(study, tmp_path):
    digest = study.study_id.rpartition("-")[2]
    with pytest.raises(StudyError, match="cannot be a folder's name"):
        write_study(dataclasses.replace(study, study_id=f"../up-{digest}"), tmp_path / "studies")
    assert list(tmp_path.iterdir()) == []


def test_the_document_survives_json(study):
    assert json.loads(json.dumps(to_document(study))) == to_document(study)
