"""The benchmark compares passes that find the same."""

from dataclasses import replace

import numpy as np

from cytosae_core.bench.atlas import VARIANTS, AtlasBenchConfig, accumulation, bench, constructed, make_pass, run_pass

SMALL = AtlasBenchConfig(n_images=12, batch_size=4, n_rounds=1, d_in=16, d_sae=400, n_tokens=10)


def test_the_passes_that_are_compared_find_the_same():
    weights, tokens = constructed(SMALL)
    ours, dense = make_pass("ours", weights), make_pass("released", weights)
    for one in (ours, dense):
        run_pass(one, tokens, SMALL.batch_size)
    assert ours.statistics.n_active.tolist() == dense.n_active.long().tolist()
    np.testing.assert_allclose(ours.statistics.sum_activation, dense.sums, rtol=1e-4, atol=1e-6)
    latents, values, _, ranks = ours.top.entries()
    np.testing.assert_allclose(values, dense.values[latents, ranks], rtol=1e-4, atol=1e-6)
    assert len(values) == int((dense.values > 0).sum())


def test_the_constructed_sae_has_latents_that_are_always_on_rare_and_dead():
    weights, tokens = constructed(replace(SMALL, n_tokens=60))
    one = make_pass("ours", weights)
    run_pass(one, tokens, 4)
    share = one.statistics.n_active / SMALL.n_images
    assert (share == 0).mean() > 0.8
    assert (share > 0.5).sum() >= 8
    assert 0.5 < one.encoder.l0(tokens[0]) < 5


def test_every_variant_is_measured_in_every_round():
    times = bench(SMALL, *constructed(SMALL))
    assert times["variant"].tolist() == list(VARIANTS)
    assert (times["s"] > 0).all()
    assert len(accumulation(16, 300, n_active=20)) == 2
