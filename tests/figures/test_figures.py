"""What the figures show is what the tables say: no more points, no fewer, and text that stays text."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cytosae_core.errors import AnalysisError
from cytosae_core.figures.diseases import Axes, disease_plane
from cytosae_core.figures.patient_scores import confusion_figure, f1_curve, shown_method
from cytosae_core.figures.plane import latent_plane
from cytosae_core.figures.similarity import patient_order, similarity_figure
from cytosae_core.figures.thresholds import threshold_counts, threshold_figure
from cytosae_core.patients.differential import differential_latents, group_means
from cytosae_core.patients.similarity import patient_similarity

NO_LABELS = pd.Series(dtype="str")
EVIL = '<img src="http://evil.example/x">'


def scatters(figure):
    return [trace for trace in figure.data if trace.type == "scattergl"]


def statistics(n_active, entropy=None):
    n_active = np.array(n_active)
    return pd.DataFrame(
        {
            "n_active": n_active,
            "frequency": n_active / 100,
            "mean_activation": np.where(n_active > 0, 10.0 ** -np.arange(1, len(n_active) + 1), np.nan),
            "label_entropy": entropy if entropy is not None else np.where(n_active > 0, 0.5, np.nan),
        }
    ).rename_axis("latent")


def plane(table, labels=NO_LABELS, title="t", simulated=False):
    return latent_plane(table, labels, title, activation="mean over all tokens", simulated=simulated)


@pytest.mark.parametrize("n_active", [[7], [0, 100, 0, 1], [3] * 30 + [0] * 5])
def test_every_latent_with_activity_is_one_point_and_no_other_is(n_active):
    found = np.concatenate([trace.customdata[:, 0] for trace in scatters(plane(statistics(n_active)))])
    assert sorted(found) == [latent for latent, n in enumerate(n_active) if n]


def test_a_point_lies_at_the_logarithms_and_says_which_latent_it_is():
    figure = plane(statistics([10, 0, 100]), pd.Series({0: "basophil"}))
    (points,) = scatters(figure)
    np.testing.assert_allclose(points.x, [-1, 0])
    np.testing.assert_allclose(points.y, [-1, -3])
    assert list(points.text) == ["basophil", "not known"]


def test_latents_without_an_entropy_are_points_of_their_own_colour():
    grey, coloured = scatters(plane(statistics([5, 5, 5], [0.2, np.nan, 1.0])))
    assert list(grey.customdata[:, 0]) == [1]
    np.testing.assert_allclose(coloured.marker.color, [0.2, 1.0])


def test_the_marginal_histograms_count_all_points():
    figure = plane(statistics([3, 0, 7, 100]))
    upper, right = (trace for trace in figure.data if trace.type == "bar")
    assert sum(upper.y) == sum(right.x) == 3


def test_only_rendered_cells_are_called_simulated_and_every_figure_says_research_use_only():
    for simulated in (True, False):
        title = plane(statistics([5]), simulated=simulated).layout.title
        assert ("SIMULATED" in title.text) == simulated
        assert title.subtitle.text == "Research use only. Not for diagnosis."


def test_text_of_labels_and_titles_is_escaped():
    figure = plane(statistics([5]), pd.Series({0: EVIL}), title=EVIL)
    assert EVIL not in str(figure.to_plotly_json())
    assert "&lt;img" in figure.layout.title.text
    assert "&lt;img" in scatters(figure)[0].text[0]


def test_a_plane_without_any_active_latent_is_refused():
    with pytest.raises(AnalysisError, match="no latent is active on any image"):
        plane(statistics([0, 0]))


@given(st.lists(st.sampled_from([np.nan, 0.0, 1e-7, 0.001, 0.0011, 0.5, 3.0]), max_size=20))
def test_the_count_at_a_threshold_is_that_of_a_plain_loop(means):
    counts = threshold_counts({"one": np.array(means)}, (-6.0, -3.0, -1.0, 0.0))
    for threshold, n_latents in zip(counts["threshold"], counts["n_latents"], strict=True):
        expected = 0
        for mean in means:
            if mean > 0 and np.log10(mean) > threshold:
                expected += 1
        assert n_latents == expected


def test_each_name_is_a_line_with_its_count_at_the_papers_threshold():
    counts = threshold_counts({"a": np.array([0.1, 1e-4]), EVIL: np.array([0.1, 0.2])})
    figure = threshold_figure(counts, "t", simulated=False)
    assert [trace.name.rpartition(": ")[2] for trace in figure.data] == ["1", "2"]
    assert "<img" not in figure.data[1].name
    looks = threshold_figure(counts, "t", simulated=False, looks={"a": (1, 0), EVIL: (1, 1)}).data
    assert looks[0].line.color == looks[1].line.color
    assert looks[0].line.dash != looks[1].line.dash
    with pytest.raises(AnalysisError, match="no latent is above any threshold"):
        threshold_figure(threshold_counts({"a": np.array([np.nan])}), "t", simulated=False)


SCORES = pd.DataFrame(
    {
        "method": ["majority class", "probe, t = -3", "probe, t = -1", "probe, t chosen"],
        "family": ["baseline", "probe at the paper's t", "sweep", "probe"],
        "reading": [np.nan, "samples", "samples", "samples"],
        "threshold": [np.nan, -3.0, -1.0, np.nan],
        "weighted_f1": [0.2, 0.8, 0.6, 0.7],
        "weighted_f1_sd_folds": [0.0, 0.1, np.nan, 0.1],
    }
)


def test_the_curve_has_the_scores_of_the_sweep_and_level_lines_for_the_others():
    curves = {trace.name: trace for trace in f1_curve(SCORES, simulated=False).data if trace.mode}
    assert list(curves["barcode probe above the threshold, C by samples"].y) == [0.8, 0.6]
    assert list(curves["majority class"].y) == [0.2, 0.2]
    assert list(curves["probe, t chosen"].y) == [0.7, 0.7]
    assert len(curves) == 3


def test_scores_without_a_threshold_make_no_curve():
    with pytest.raises(AnalysisError, match="no method with a threshold"):
        f1_curve(SCORES[SCORES["threshold"].isna()], simulated=False)


def test_the_confusion_matrix_has_true_groups_as_rows():
    table = pd.DataFrame(
        {
            "method": "probe, t = -3", "group": ["a", "a", "b", "b"], "predicted": ["a", "b", "a", "b"],
            "n_mean": [3.0, 1.0, 0.0, 2.0], "share": [0.75, 0.25, 0.0, 1.0],
        }
    )  # fmt: skip
    heat = confusion_figure(table, shown_method(SCORES), simulated=True).data[0]
    np.testing.assert_allclose(heat.z, [[0.75, 0.25], [0.0, 1.0]])
    assert heat.text[0][0] == "3"
    with pytest.raises(AnalysisError, match="no method 'other'"):
        confusion_figure(table, "other", simulated=True)


class Patients:
    """Counts of eight patients in two groups."""

    def __init__(self, n_latents=30, seed=0):
        rng = np.random.default_rng(seed)
        self.counts = rng.poisson(2.0, (8, n_latents)) * (np.arange(n_latents) % 7 > 0)
        self.counts[:4, 1] = 0
        self.groups = pd.DataFrame(
            {"patient": [f"p{i}" for i in range(8)], "diagnosis": ["A"] * 4 + [EVIL] * 4, "n_images": 10}
        )


def test_the_marked_latents_are_those_of_the_ranking_and_all_active_ones_are_points():
    patients = Patients()
    means = group_means(patients, "A", EVIL)
    marked = differential_latents(patients, "A", EVIL, n=5)
    known = pd.DataFrame({"frequency": 0.5, "label": EVIL}, index=means.index)
    figure = disease_plane(means, marked, known, Axes("A", EVIL, "unit"), simulated=True)
    others, in_a, in_b = scatters(figure)
    for trace, group in ((in_a, "A"), (in_b, EVIL)):
        assert trace.customdata[:, 0].tolist() == marked.loc[marked["direction"] == group, "latent"].tolist()
        assert trace.customdata[:, 4].tolist() == [1, 2, 3, 4, 5]
    n_active = int((means > 0).any(axis=1).sum())
    assert len(others.x) == n_active - 10
    assert EVIL not in str(figure.to_plotly_json())


def test_a_mean_of_zero_stands_on_a_line_of_its_own():
    patients = Patients()
    known = pd.DataFrame({"frequency": 0.5, "label": "x"}, index=range(30))
    means = group_means(patients, "A", EVIL)
    marked = differential_latents(patients, "A", EVIL, n=1)
    figure = disease_plane(means, marked, known, Axes("A", EVIL, "unit"), simulated=False)
    zero = figure.layout.yaxis.tickvals[0]
    assert figure.layout.yaxis.ticktext[0] == "0"
    of_latent = {int(row[0]): y for trace in scatters(figure) for row, y in zip(trace.customdata, trace.y, strict=True)}
    assert of_latent[1] == pytest.approx(zero)
    assert min(y for latent, y in of_latent.items() if means["mean_a"][latent] > 0) > zero


def test_groups_in_which_nothing_is_active_are_refused():
    means = pd.DataFrame({"mean_a": [0.0], "mean_b": [0.0]}).rename_axis("latent")
    marked = pd.DataFrame({"latent": [], "direction": [], "rank": []})
    with pytest.raises(AnalysisError, match="no latent is active in patients of 'A' or 'B'"):
        disease_plane(means, marked, pd.DataFrame(), Axes("A", "B", "unit"), simulated=False)


@settings(max_examples=40)
@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=12), st.integers(0, 5))
def test_patients_are_ordered_by_group_and_none_is_lost(diagnoses, seed):
    similarity = patient_similarity(np.random.default_rng(seed).random((len(diagnoses), 6)))
    order = patient_order(similarity, pd.Series(diagnoses))
    assert sorted(order) == list(range(len(diagnoses)))
    assert [diagnoses[place] for place in order] == sorted(diagnoses)


def test_the_heat_map_holds_the_similarity_of_the_pair_that_it_names():
    patients = Patients()
    similarity = patient_similarity(patients.counts / 10)
    heat = similarity_figure(similarity, patients.groups, simulated=True).data[0]
    places = [int(name[1]) for name in heat.x]
    np.testing.assert_allclose(heat.z, similarity[np.ix_(places, places)], rtol=1e-6)
    assert EVIL not in str(heat)
    with pytest.raises(AnalysisError, match="give at least 2"):
        similarity_figure(similarity[:1, :1], patients.groups[:1], simulated=True)
