"""Differential latents against exact fractions, and what must not change them."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.errors import AnalysisError
from cytosae_core.patients.differential import differential_latents, stronger

A, B, OTHER = "CBFB::MYH11", "PML::RARA", "control"


@dataclass
class Counts:
    counts: np.ndarray
    groups: pd.DataFrame


def barcodes_of(counts, diagnoses, n_images) -> Counts:
    names = [f"patient {number:02d}" for number in range(len(diagnoses))]
    return Counts(
        np.array(counts), pd.DataFrame({"patient": names, "diagnosis": diagnoses, "n_images": list(n_images)})
    )


def slow_ranking(barcodes: Counts, group: str, other: str, n: int, width: int | None = None) -> list[int]:
    """Latents of one direction in exact fractions; `width` divides instead of the number of images."""

    def disease_mean(name: str, latent: int) -> Fraction:
        values = []
        for row, patient in enumerate(barcodes.groups.itertuples()):
            if patient.diagnosis == name:
                values.append(Fraction(int(barcodes.counts[row][latent]), width or patient.n_images))
        return sum(values) / len(values)

    differences = {s: disease_mean(group, s) - disease_mean(other, s) for s in range(barcodes.counts.shape[1])}
    ranked = sorted((-difference, latent) for latent, difference in differences.items() if difference > 0)
    return [latent for _, latent in ranked[:n]]


@st.composite
def cohorts(draw) -> Counts:
    n_patients, n_latents = draw(st.integers(2, 9)), draw(st.integers(1, 12))
    diagnoses = [A, B] + [draw(st.sampled_from([A, B, OTHER])) for _ in range(n_patients - 2)]
    rows = st.lists(st.integers(0, 12), min_size=n_latents, max_size=n_latents)
    counts = [draw(rows) for _ in range(n_patients)]
    return barcodes_of(counts, diagnoses, [draw(st.integers(1, 9)) for _ in range(n_patients)])


def latents_of(table: pd.DataFrame, direction: str) -> list[int]:
    return list(table.loc[table["direction"] == direction, "latent"])


@given(barcodes=cohorts(), n=st.integers(1, 5), ranking=st.sampled_from(["corrected", "released"]))
def test_rankings_are_those_of_exact_fractions_with_ties_by_latent_number(barcodes, n, ranking):
    """The released one divides counts by the width of the autoencoder, the corrected one by the images."""
    table = differential_latents(barcodes, A, B, n=n, ranking=ranking)
    width = barcodes.counts.shape[1] if ranking == "released" else None
    assert latents_of(table, A) == slow_ranking(barcodes, A, B, n, width)
    assert latents_of(table, B) == slow_ranking(barcodes, B, A, n, width)


@settings(max_examples=50)
@given(barcodes=cohorts(), data=st.data())
def test_duplicating_every_image_of_a_patient_changes_nothing(barcodes, data):
    row = data.draw(st.integers(0, len(barcodes.groups) - 1))
    before = differential_latents(barcodes, A, B)
    barcodes.counts[row] *= 2
    barcodes.groups.loc[row, "n_images"] *= 2
    pd.testing.assert_frame_equal(before, differential_latents(barcodes, A, B), check_exact=True)


@settings(max_examples=50)
@given(barcodes=cohorts(), seed=st.integers(0, 1000))
def test_the_order_of_patients_changes_nothing(barcodes, seed):
    order = np.random.default_rng(seed).permutation(len(barcodes.groups))
    shuffled = Counts(barcodes.counts[order], barcodes.groups.iloc[order])
    pd.testing.assert_frame_equal(
        differential_latents(barcodes, A, B), differential_latents(shuffled, A, B), check_exact=True
    )


@settings(max_examples=50)
@given(barcodes=cohorts())
def test_swapping_the_groups_swaps_the_directions(barcodes):
    forward, backward = differential_latents(barcodes, A, B), differential_latents(barcodes, B, A)
    assert latents_of(forward, A) == latents_of(backward, A)
    assert latents_of(forward, B) == latents_of(backward, B)


def test_duplicating_images_does_change_the_released_ranking():
    counts = [[4, 3], [0, 6]]
    once, twice = ([1, 1], [2, 1])
    assert latents_of(differential_latents(barcodes_of(counts, [A, B], once), A, B, ranking="released"), A) == [0]
    doubled = barcodes_of([[8, 12], [0, 6]], [A, B], twice)
    assert latents_of(differential_latents(doubled, A, B, ranking="released"), A) == [0, 1]
    assert latents_of(differential_latents(doubled, A, B), A) == [0]


def test_constructed_signal_latents_come_out_on_top():
    rng = np.random.default_rng(3)
    n_images = rng.integers(20, 400, 40)
    diagnoses = [A] * 20 + [B] * 20
    rates = np.full((40, 300), 2.0)
    rates[:20, [11, 200]] += 1.5
    rates[20:, [5, 299]] += 1.5
    barcodes = barcodes_of(rng.poisson(rates * n_images[:, None]), diagnoses, n_images)
    table = differential_latents(barcodes, A, B, n=2)
    assert set(latents_of(table, A)) == {11, 200}
    assert set(latents_of(table, B)) == {5, 299}


def test_the_table_gives_means_and_differences_by_hand():
    barcodes = barcodes_of([[6, 0, 5], [2, 0, 5], [3, 8, 15]], [A, A, B], [2, 1, 3])
    table = differential_latents(barcodes, A, B)
    assert table.to_dict("records") == [
        {"latent": 0, "direction": A, "rank": 1, "difference": 1.5, "mean_a": 2.5, "mean_b": 1.0},
        {
            "latent": 1,
            "direction": B,
            "rank": 1,
            "difference": pytest.approx(-8 / 3),
            "mean_a": 0.0,
            "mean_b": pytest.approx(8 / 3),
        },
        {"latent": 2, "direction": B, "rank": 2, "difference": -1.25, "mean_a": 3.75, "mean_b": 5.0},
    ]


def test_equal_means_that_differ_in_their_last_digit_are_not_listed():
    barcodes = barcodes_of([[1], [1], [1], [1], [1]], [A, A, A, B, B], [10, 10, 10, 10, 10])
    assert differential_latents(barcodes, A, B).empty


def test_patients_without_a_single_count_give_an_empty_table_with_its_columns():
    table = differential_latents(barcodes_of([[0, 0], [0, 0]], [A, B], [1, 1]), A, B)
    assert list(table.columns) == ["latent", "direction", "rank", "difference", "mean_a", "mean_b"]
    assert table.empty


def test_patients_with_few_images_can_be_left_out():
    barcodes = barcodes_of([[10, 0], [0, 90], [3, 0]], [A, A, B], [10, 1, 3])
    assert latents_of(differential_latents(barcodes, A, B), A) == [1]
    assert differential_latents(barcodes, A, B, min_images=2).empty


def test_an_unknown_group_is_refused_with_the_known_ones():
    with pytest.raises(AnalysisError, match=r"'NPM1' in the barcodes; there are \['CBFB::MYH11', 'PML::RARA'\]"):
        differential_latents(barcodes_of([[1], [2]], [A, B], [1, 1]), A, "NPM1")


def test_a_group_is_not_compared_with_itself():
    with pytest.raises(AnalysisError, match="cannot be compared with itself"):
        differential_latents(barcodes_of([[1], [2]], [A, B], [1, 1]), A, A)


def test_a_patient_without_images_is_named():
    with pytest.raises(AnalysisError, match=r"'patient 01' has no images.*min_images=1"):
        differential_latents(barcodes_of([[1], [0]], [A, B], [1, 0]), A, B)


def test_a_group_of_which_no_patient_is_left_is_refused():
    with pytest.raises(AnalysisError, match="no patients of group 'PML::RARA'"):
        differential_latents(barcodes_of([[1], [1]], [A, B], [9, 1]), A, B, min_images=2)


def test_a_repeated_patient_is_named():
    barcodes = barcodes_of([[1], [1]], [A, B], [1, 1])
    barcodes.groups["patient"] = "p"
    with pytest.raises(AnalysisError, match="patient 'p' is in the barcodes twice"):
        differential_latents(barcodes, A, B)


@pytest.mark.parametrize(("option", "text"), [({"n": 0}, "n is 0"), ({"ranking": "best"}, "'best' is not known")])
def test_options_that_cannot_work_are_refused(option, text):
    with pytest.raises(AnalysisError, match=text):
        differential_latents(barcodes_of([[1], [2]], [A, B], [1, 1]), A, B, **option)


@given(means=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40), n=st.integers(1, 45))
def test_the_strongest_are_those_of_a_full_sort_ties_by_number(means, n):
    mean, other = np.array(means, dtype=float).T
    slow = sorted(np.flatnonzero(mean > other), key=lambda latent: (other[latent] - mean[latent], latent))
    assert stronger(mean, other, n).tolist() == slow[:n]
