"""Directions, pooling, choosing on one half and scoring on the other, maps on masks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.concepts.attribute_list import CELL_ATTRIBUTES
from cytosae_core.concepts.attributes import Best, Scorer, scorable, split_halves, summary_table
from cytosae_core.concepts.directions import components, dimensions, latents, random_directions
from cytosae_core.concepts.localisation import deal, fit_of, localisation
from cytosae_core.concepts.pooling import maps_of, pooled_chunks
from cytosae_core.concepts.rendered_labels import RenderedTruth
from cytosae_core.concepts.scoring import ScoringConfig, image_clusters, one_vs_rest, score_attributes, split_note
from cytosae_core.errors import AnalysisError
from cytosae_core.simulated.cells.scene import MASK_NAMES
from tests.concepts.stores import MemoryTokens


def tokens_of(n_images=10, grid=4, d_model=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_images, 1 + grid * grid, d_model)).astype(np.float16)


def sae_of(d_model=6, d_sae=11, seed=1):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=shape).astype(np.float32) for shape in ((d_model, d_sae), (d_sae,), (d_model,)))


def test_latents_are_pooled_as_the_method_says():
    tokens, (w_enc, b_enc, b_dec) = tokens_of(), sae_of()
    h = np.maximum((tokens.astype(np.float64) - b_dec) @ w_enc + b_enc, 0)
    chunks = list(pooled_chunks(latents(w_enc, b_enc, b_dec), MemoryTokens(tokens), chunk=4))
    assert [chunk.first for chunk in chunks] == [0, 4, 8]
    mean, high = (np.hstack([chunk.values[name] for chunk in chunks]) for name in ("mean", "max"))
    assert mean == pytest.approx(h.mean(axis=1), abs=1e-5)
    assert high == pytest.approx(h[:, 1:].max(axis=1), abs=1e-5)
    assert set(chunks[0].values) == {"mean", "max"}


def test_directions_with_two_ends_are_pooled_at_both():
    tokens = tokens_of()
    (chunk,) = pooled_chunks(dimensions(6), MemoryTokens(tokens))
    wide = tokens.astype(np.float64)
    assert chunk.values["-min"] == pytest.approx(-wide[:, 1:].min(axis=1), abs=1e-5)
    assert chunk.values["-mean"] == pytest.approx(-wide.mean(axis=1), abs=1e-5)


def test_components_are_those_of_the_covariance_of_the_chosen_images():
    tokens, rows = tokens_of() * np.float16([1, 3, 1, 5, 1, 1]), np.arange(10) < 6
    found = components(MemoryTokens(tokens), rows)
    flat = tokens[rows].reshape(-1, 6).astype(np.float64)
    values = found.of(tokens[rows]).reshape(-1, 6)
    covariance = np.cov(values.T)
    assert covariance == pytest.approx(np.diag(np.diag(covariance)), abs=1e-2)
    assert np.diag(covariance) == pytest.approx(np.linalg.eigvalsh(np.cov(flat.T))[::-1], rel=1e-3)
    assert values.mean(axis=0) == pytest.approx(np.zeros(6), abs=1e-4)


def test_random_directions_have_length_one_and_come_from_the_seed():
    one, two, other = (random_directions(5, 40, seed).weights for seed in (0, 0, 1))
    assert np.linalg.norm(one, axis=0) == pytest.approx(np.ones(40), abs=1e-6)
    assert (one == two).all()
    assert (one != other).any()


def test_part_correlations_are_those_of_all_patches_of_the_choosing_images():
    tokens, coverage = tokens_of(grid=16), np.random.default_rng(2).random((10, 3, 16, 16)).astype(np.float32)
    choosing = np.arange(10) % 2 == 0
    directions = latents(*sae_of())
    chunks = pooled_chunks(directions, MemoryTokens(tokens), coverage=coverage, choosing=choosing, chunk=6)
    found = np.hstack([chunk.part_correlation for chunk in chunks])
    z = directions.of(tokens[choosing])[:, 1:].reshape(-1, 11)
    for part in range(3):
        for latent in range(11):
            expected = np.corrcoef(coverage[choosing, part].ravel(), z[:, latent])[0, 1]
            assert found[part, latent] == pytest.approx(expected, abs=1e-4)


def test_maps_are_the_patches_of_the_chosen_images_row_by_row():
    tokens, directions = tokens_of(), latents(*sae_of())
    rows = np.arange(10) > 6
    maps = maps_of(directions, MemoryTokens(tokens), rows)
    assert maps.shape == (3, 11, 4, 4)
    assert maps[1, 5, 2, 3] == directions.of(tokens[8:9])[0, 1 + 2 * 4 + 3, 5]


@given(n=st.integers(2, 30), seed=st.integers(0, 99))
def test_halves_never_divide_a_patient(n, seed):
    clusters = np.random.default_rng(seed).integers(0, n, 3 * n + 2).astype(str).astype(object)
    clusters[0], clusters[1] = "a", "b"
    choosing = split_halves(clusters, seed)
    assert not set(clusters[choosing]) & set(clusters[~choosing])
    assert 0 <= len(set(clusters[~choosing])) - len(set(clusters[choosing])) <= 1


def test_images_without_a_patient_stand_for_themselves():
    index = pd.DataFrame({"image_id": ["a", "b", "c"], "patient": ["p", None, "p"]})
    assert list(image_clusters(index)) == ["patient p", "b", "patient p"]


def test_scores_without_patients_say_that_donors_may_be_on_both_sides():
    index = pd.DataFrame({"image_id": ["a", "b"], "patient": ["p", None]})
    assert "may be on both sides" in split_note(index)
    assert "no patient is on both sides" in split_note(index[:1])


def test_rare_attributes_are_left_out():
    labels = pd.DataFrame({"rare": [True] * 4 + [False] * 16, "half": [True, False] * 10})
    assert scorable(labels, np.arange(20) < 10) == ["half"]


def test_of_a_pair_of_values_only_the_rarer_is_scored():
    frame = pd.DataFrame({"vacuole": ["no", "no", "yes", None], "shape": ["a", "b", "c", "a"]})
    labels = one_vs_rest(frame)
    assert list(labels.columns) == ["vacuole = yes", "shape = a", "shape = b", "shape = c"]
    assert labels["vacuole = yes"].tolist() == [False, False, True, False]
    assert labels["shape = a"].tolist() == [True, False, False, True]


def slow_fit(values, on):
    inside = [v for v, is_on in zip(values, on, strict=True) if is_on]
    outside = [v for v, is_on in zip(values, on, strict=True) if not is_on]
    top = [is_on for v, is_on in zip(values, on, strict=True) if v == max(values)]
    pairs = [1.0 if a > b else 0.5 if a == b else 0.0 for a in inside for b in outside]
    silent = sum(values) == 0
    return 0 if silent else sum(inside) / sum(values), 0 if silent else np.mean(top), np.mean(pairs)


@given(values=st.lists(st.integers(0, 4), min_size=4, max_size=12), seed=st.integers(0, 99))
def test_maps_are_scored_as_by_counting_patches(values, seed):
    on = np.random.default_rng(seed).random(len(values)) < 0.4
    on[0], on[1] = True, False
    fit = fit_of(np.array([values]), on[None])
    assert (fit.mass_share[0], fit.hit[0], fit.patch_auroc[0]) == pytest.approx(slow_fit(values, on))


@given(n=st.integers(2, 20), seed=st.integers(0, 99))
def test_a_deal_leaves_no_map_on_its_own_image(n, seed):
    order = deal(n, np.random.default_rng(seed))
    assert sorted(order) == list(range(n))
    assert not (order == np.arange(n)).any()


def test_maps_that_only_like_the_middle_are_no_better_than_dealt_ones():
    rng = np.random.default_rng(0)
    coverage = np.zeros((30, 16, 16), np.float32)
    for image in coverage:
        row, column = rng.integers(4, 10, 2)
        image[row : row + 3, column : column + 3] = 1
    follows, middle = coverage * 2, np.tile(np.pad(np.ones((8, 8)), 4), (30, 1, 1))
    good, blind = (localisation(maps, coverage, seed=0, n_shuffles=99) for maps in (follows, middle))
    assert good["mass_share"] == good["hit_share"] == 1
    assert good["p_value"] == 0.01
    assert blind["mass_share"] > 2 * blind["area_share"]
    assert blind["mass_share"] == pytest.approx(blind["mass_share_shuffled"])
    assert blind["p_value"] == 1
    with pytest.raises(AnalysisError, match="0 images have the part"):
        localisation(follows, coverage * 0, seed=0)


def rendered_like(n_images=120, d_model=8, seed=0):
    """Images whose eosinophilic granules push tokens, where they lie, along a mixture of dimensions."""
    rng = np.random.default_rng(seed)
    has_it = rng.random(n_images) < 0.4
    coverage = np.zeros((n_images, len(MASK_NAMES), 16, 16), np.float32)
    tokens = rng.normal(0, 1, (n_images, 257, d_model))
    direction = np.ones(d_model) / np.sqrt(d_model)
    for image in np.flatnonzero(has_it):
        row, column = rng.integers(0, 12, 2)
        where = np.zeros((16, 16))
        where[row : row + 4, column : column + 4] = 1
        coverage[image, MASK_NAMES.index("eosinophilic_granules")] = where
        tokens[image, 1:] += 6 * where.reshape(-1, 1) * direction
    labels = pd.DataFrame({"eosinophilic_granules": has_it, "never": False})
    return tokens.astype(np.float16), labels, RenderedTruth(pd.DataFrame(), coverage), direction


def test_a_latent_that_knows_is_chosen_scored_beside_its_rivals_and_falls_on_the_mask():
    tokens, labels, truth, direction = rendered_like()
    rng = np.random.default_rng(1)
    w_enc = rng.normal(0, 0.1, (8, 20)).astype(np.float32)
    w_enc[:, 13] = direction
    sae = latents(w_enc, np.full(20, -3, np.float32), np.zeros(8, np.float32))
    config = ScoringConfig(n_bootstrap=100, n_random=10, n_shuffles=49, chunk=7)
    embeddings = tokens[:, 0].astype(np.float32)
    tables = score_attributes(sae, MemoryTokens(tokens), labels, embeddings, truth=truth, config=config)
    summary = tables["summary"].set_index("attribute").loc["eosinophilic_granules"]
    assert summary["in_range"]
    # the first component is that direction too, so the latent is good, and no better than all rivals
    assert summary["lead"] == summary["auroc_latent"] - max(summary["auroc_dimension"], summary["auroc_component"])
    assert summary["is_found"] == (summary["lead"] > 0)
    assert summary["place"] == "inside"
    assert summary["auroc_latent"] > 0.99 > summary["auroc_dimension"]
    assert summary["lead_low"] <= summary["lead"] <= summary["lead_high"]
    scores = tables["scores"].set_index("kind")
    assert scores.loc["latent", "direction"] == 13
    assert list(tables["left_out"]["attribute"]) == ["never"]
    maps = tables["maps_on_masks"].set_index("chosen_by")
    assert (maps["latent"] == 13).all()
    assert maps.loc["patch", "mass_share"] > 0.9 > 5 * maps.loc["patch", "area_share"]
    assert maps.loc["image", "p_value"] == 0.02
    assert tables["monosemanticity"].groupby("kind").size().to_dict() == {
        "latent": 20, "dimension": 8, "component": 8, "random": 10,
    }  # fmt: skip


def test_an_attribute_is_found_when_its_latent_is_good_and_beats_dimensions_and_components_but_not_by_chance_ones():
    labels = pd.DataFrame({"x": [True, False] * 10})
    clusters, choosing = np.arange(20), np.arange(20) < 10
    scorer = Scorer(labels, choosing, clusters, n_bootstrap=10, seed=0)
    truth = labels["x"].to_numpy(np.float32)
    nearly = truth.copy()
    nearly[11] = 2
    perfect, worse = (Best(0, "mean", 1.0, values) for values in (truth, nearly))
    for latent, rival, random, is_found in (
        (perfect, worse, perfect, True), (worse, perfect, worse, False), (perfect, perfect, worse, False),
        (worse, worse, worse, False),
    ):  # fmt: skip
        bests = {"latent": [latent], "dimension": [rival], "component": [worse], "random": [random]}
        assert bool(summary_table(scorer, ["x"], bests).loc[0, "is_found"]) == is_found


def test_the_held_out_half_has_no_say_in_the_choice():
    tokens, labels, _, _ = rendered_like(n_images=60)
    store, sae = MemoryTokens(tokens), latents(*sae_of(8, 30))
    config = ScoringConfig(n_bootstrap=5, n_random=5)
    choosing = split_halves(image_clusters(store.index), config.seed)
    other = labels.copy()
    other.loc[~choosing, "eosinophilic_granules"] = ~labels.loc[~choosing, "eosinophilic_granules"]
    embeddings = tokens[:, 0].astype(np.float32)
    one, two = (score_attributes(sae, store, own, embeddings, config=config)["scores"] for own in (labels, other))
    assert one["direction"].tolist() == two["direction"].tolist()
    assert (one["auroc"] + two["auroc"]).to_numpy() == pytest.approx(np.ones(4))


@pytest.mark.parametrize("seed", range(3))
def test_latents_that_never_fire_change_no_score_and_shift_no_number(seed):
    tokens, labels, truth, _ = rendered_like(n_images=60, seed=seed)
    w_enc, b_enc, b_dec = sae_of(8, 30, seed)
    where = np.sort(np.random.default_rng(seed).choice(5000, 30, replace=False))
    wide_w, wide_b = np.full((8, 5000), 0.01, np.float32), np.full(5000, -100, np.float32)  # enough to be screened
    wide_w[:, where], wide_b[where] = w_enc, b_enc
    config, embeddings = ScoringConfig(n_bootstrap=5, n_random=5, n_shuffles=3), tokens[:, 0].astype(np.float32)
    alone, among = (
        score_attributes(latents(*sae, b_dec), MemoryTokens(tokens), labels, embeddings, truth=truth, config=config)
        for sae in ((w_enc, b_enc), (wide_w, wide_b))
    )
    for table, column in (("scores", "direction"), ("maps_on_masks", "latent")):
        is_latent = alone[table].get("kind", pd.Series("latent", alone[table].index)) == "latent"
        own = alone[table].loc[is_latent, column].to_numpy()
        assert among[table].loc[is_latent, column].tolist() == where[own].tolist()
        pd.testing.assert_frame_equal(alone[table].drop(columns=column), among[table].drop(columns=column))
    pd.testing.assert_frame_equal(alone["summary"], among["summary"])
    found, of_all = (
        tables["monosemanticity"].query("kind == 'latent'")["score"].to_numpy() for tables in (alone, among)
    )
    assert of_all[where] == pytest.approx(found, nan_ok=True)
    assert np.isnan(np.delete(of_all, where)).all()


def test_tokens_on_which_no_latent_fires_are_named_as_those_of_another_sae():
    tokens, labels, _, _ = rendered_like(n_images=60)
    silent = latents(np.zeros((8, 3), np.float32), np.full(3, -1, np.float32), np.zeros(8, np.float32))
    with pytest.raises(AnalysisError, match="no latent is active on these images; take the tokens"):
        score_attributes(silent, MemoryTokens(tokens), labels, tokens[:, 0].astype(np.float32))


def test_without_any_attribute_to_score_it_says_so():
    tokens, labels, _, _ = rendered_like(n_images=20)
    with pytest.raises(AnalysisError, match="no attribute has enough images"):
        score_attributes(latents(*sae_of(8)), MemoryTokens(tokens), labels[["never"]], tokens[:, 0].astype(np.float32))


def test_every_item_of_the_list_has_a_mask_that_maps_can_fall_on():
    assert all(item.mask in MASK_NAMES for item in CELL_ATTRIBUTES)
