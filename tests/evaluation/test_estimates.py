"""Shares, disease counts, controls and agreement of small studies, by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from cytosae_core.evaluation.agreement_table import agreement_table
from cytosae_core.evaluation.consensus import CONSENSUS
from cytosae_core.evaluation.controls import control_table
from cytosae_core.evaluation.disease import disease_table
from cytosae_core.evaluation.shares import share_table
from tests.judging.judged import A, B, answer_table, small_study, verdicts

MAINS = [f"c{k}{n}" for k in (0, 1) for n in range(5)]
CONTROLS = ["r0", "d0", "t0"]


def shares(table):
    return share_table(table, n_resamples=400, seed=1)


def share_of(table: pd.DataFrame, rater: str, denominator: str, weighting: str) -> pd.Series:
    keys = (table["rater_code"] == rater, table["denominator"] == denominator, table["weighting"] == weighting)
    (index,) = table.index[keys[0] & keys[1] & keys[2]]
    return table.loc[index]


def test_the_weighted_share_speaks_for_the_clusters_and_the_plain_one_for_the_sampled_latents():
    given = verdicts("R01", MAINS, "yyyyy" + "ynnnn")
    table = shares(answer_table(small_study(), given))
    plain, weighted = (share_of(table, "R01", "judged", name) for name in ("plain", "cluster_weighted"))
    assert plain["share"] == 0.6
    assert weighted["share"] == pytest.approx(0.1 * 1.0 + 0.9 * 0.2)
    assert plain["low"] < 0.6 < plain["high"]
    assert weighted["low"] < 0.28 < weighted["high"]
    assert weighted["coverage"] == 1


def test_both_denominators_are_reported():
    given = verdicts("R01", MAINS, "yyaun" + "yyyn-")
    table = shares(answer_table(small_study(), given))
    judged, answered = (share_of(table, "R01", name, "plain") for name in ("judged", "yes_or_no"))
    assert (judged["n_yes"], judged["n"]) == (5, 9)
    assert (answered["n_yes"], answered["n"]) == (5, 7)


def test_items_without_a_consensus_stay_below_the_line_in_every_denominator():
    given = {**verdicts("R01", MAINS, "yyyynnnnna"), **verdicts("R02", MAINS, "yynnnnnyya")}
    table = shares(answer_table(small_study(), given))
    judged, decided = (share_of(table, CONSENSUS, name, "plain") for name in ("judged", "yes_or_no"))
    assert (judged["n_yes"], judged["n"]) == (2, 10)
    assert (decided["n_yes"], decided["n"]) == (2, 9)


def test_items_that_one_rater_answered_have_no_consensus_and_count_nowhere():
    given = {**verdicts("R01", MAINS, "yyyyyyyyyy"), **verdicts("R02", MAINS, "yynnn-----")}
    judged = share_of(shares(answer_table(small_study(), given)), CONSENSUS, "judged", "plain")
    assert (judged["n_yes"], judged["n"]) == (2, 5)
    assert judged["coverage"] == pytest.approx(0.1)


def test_controls_never_enter_the_shares_or_the_agreement():
    study, mains = small_study(), verdicts("R01", MAINS, "yyyyynnnnn") | verdicts("R02", MAINS, "yyyynnnnnn")
    controls = verdicts("R01", CONTROLS, "yyy") | verdicts("R02", CONTROLS, "nnn")
    without, with_controls = (answer_table(study, given) for given in (mains, mains | controls))
    pd.testing.assert_frame_equal(shares(without), shares(with_controls))
    pd.testing.assert_frame_equal(
        agreement_table(without, n_resamples=50, seed=1), agreement_table(with_controls, n_resamples=50, seed=1)
    )


def test_a_revised_answer_replaces_the_first_one():
    study = small_study()
    revised = verdicts("R01", ["c00"], "n")
    table = shares(answer_table(study, verdicts("R01", MAINS, "yyyyyyyyyy"), revised))
    assert share_of(table, "R01", "judged", "plain")["n_yes"] == 9


def test_a_cluster_nobody_judged_lowers_the_coverage():
    table = shares(answer_table(small_study(), verdicts("R01", MAINS, "yynnn-----")))
    weighted = share_of(table, "R01", "judged", "cluster_weighted")
    assert weighted["share"] == pytest.approx(0.4)
    assert weighted["coverage"] == pytest.approx(0.1)


def test_intervals_do_not_collapse_when_every_answer_is_yes():
    table = shares(answer_table(small_study(), verdicts("R01", MAINS, "y" * 10)))
    of_rater = table[table["rater_code"] == "R01"]
    assert (of_rater["high"] - of_rater["low"] > 0.2).all()
    assert (of_rater["share"] == 1).all()


def test_without_judgements_the_shares_are_unknown():
    table = shares(answer_table(small_study(), {}))
    assert set(table["rater_code"]) == {CONSENSUS}
    assert table["share"].isna().all()
    assert (table["n"] == 0).all()


def disease_answers(rater: str, specific: str, guesses: str, name: str = "a") -> dict:
    groups = {"a": A, "b": B, "n": "neither", "u": "cannot_tell"}
    words = {"y": "yes", "n": "no", "u": "cannot_judge"}
    given = {}
    for rank, (verdict, guess) in enumerate(zip(specific, guesses, strict=True), start=1):
        if guess != "-":
            given[rater, f"{name}{rank:02d}", "blind"] = {"group": groups[guess], "confidence": "2"}
        if verdict != "-":
            given[rater, f"{name}{rank:02d}", "revealed"] = {"specific": words[verdict]}
    return given


def disease_row(table: pd.DataFrame, measure: str, direction: str, top: int, rater: str) -> tuple[int, int, int]:
    keys = (table["measure"] == measure, table["direction"] == direction, table["top"] == top)
    (index,) = table.index[keys[0] & keys[1] & keys[2] & (table["rater_code"] == rater)]
    return tuple(int(table.loc[index, name]) for name in ("n_yes", "n_judged", "n_shown"))


def test_specific_latents_are_counted_in_the_top_10_and_in_all_for_each_rater_and_the_consensus():
    given = {
        **disease_answers("R01", "yyyyynnnnnyy", "aaaaaaaaaaab"),
        **disease_answers("R02", "yynnnnnnnnyu", "abnuaaaaaaaa"),
        **disease_answers("R02", "y-----------", "b-----------", name="b"),
    }
    table = disease_table(answer_table(small_study(), given))
    assert disease_row(table, "specific", A, 10, "R01") == (5, 10, 10)
    assert disease_row(table, "specific", A, 12, "R01") == (7, 12, 12)
    assert disease_row(table, "specific", A, 10, "R02") == (2, 10, 10)
    assert disease_row(table, "specific", A, 12, "R02") == (3, 12, 12)
    assert disease_row(table, "specific", A, 10, CONSENSUS) == (2, 10, 10)
    assert disease_row(table, "specific", A, 12, CONSENSUS) == (3, 12, 12)
    assert disease_row(table, "specific", B, 10, "R02") == (1, 1, 10)
    assert disease_row(table, "specific", B, 12, "R01") == (0, 0, 12)


def test_the_blind_choice_is_compared_with_the_known_direction():
    given = {
        **disease_answers("R01", "-" * 12, "aaaabbnnuuaa"),
        **disease_answers("R01", "-" * 12, "bbbbbbbbbbaa", name="b"),
    }
    table = disease_table(answer_table(small_study(), given))
    assert disease_row(table, "blind_correct", A, 10, "R01") == (4, 10, 10)
    assert disease_row(table, "blind_correct", A, 12, "R01") == (6, 12, 12)
    assert disease_row(table, "blind_correct", B, 12, "R01") == (10, 12, 12)


def test_a_study_without_the_disease_task_has_no_disease_counts():
    assert disease_table(answer_table(small_study(with_disease=False), {})).empty


def test_controls_give_repeat_agreement_and_the_rate_of_meaningful_decoys():
    given = verdicts("R01", [*MAINS, *CONTROLS], "ynnnnnnnnn" + "yyn") | verdicts("R02", ["c00", "r0", "d0"], "ynn")
    table = control_table(answer_table(small_study(), given))
    counts = {(row.control, row.rater_code): (row.n_yes, row.n) for row in table.itertuples()}
    assert counts == {
        ("repeat", "R01"): (1, 1),
        ("decoy", "R01"): (1, 1),
        ("repeat", "R02"): (0, 1),
        ("decoy", "R02"): (0, 1),
    }


@pytest.mark.parametrize(("given", "revised", "n_same"), [("yn", "nn", 0), ("nn", "yn", 1)])
def test_a_revision_on_either_side_of_a_repeat_changes_no_agreement_with_oneself(given, revised, n_same):
    """Who revises can read the earlier answer, so only what was said first tells whether it would be said again."""
    pair = ["c00", "r0"]
    for ids in (pair, pair[::-1]):
        table = answer_table(small_study(), verdicts("R01", ids, given), verdicts("R01", ids[:1], revised[:1]))
        (row,) = control_table(table).query("control == 'repeat'").itertuples()
        assert (row.n_yes, row.n) == (n_same, 1)


def test_a_repeat_counts_only_when_both_showings_were_judged():
    table = control_table(answer_table(small_study(), verdicts("R01", ["r0"], "y")))
    (row,) = table[table["control"] == "repeat"].itertuples()
    assert (row.n_yes, row.n) == (0, 0)
    assert math.isnan(row.share)


def agreement_row(table: pd.DataFrame, statistic: str, raters: str = "all", weighting: str = "plain") -> pd.Series:
    keys = (table["question_id"] == "meaningful", table["statistic"] == statistic, table["raters"] == raters)
    (index,) = table.index[keys[0] & keys[1] & keys[2] & (table["weighting"] == weighting)]
    return table.loc[index]


def test_agreement_of_two_raters_is_that_of_scikit_learn():
    first, second = "yyyynnauun", "yynynnauny"
    given = verdicts("R01", MAINS, first) | verdicts("R02", MAINS, second)
    table = agreement_table(answer_table(small_study(with_disease=False), given), n_resamples=200, seed=1)
    row = agreement_row(table, "cohen_kappa", "R01 / R02")
    assert row["value"] == pytest.approx(cohen_kappa_score(list(first), list(second)))
    assert row["low"] < row["value"] < row["high"]
    assert row["n_items"] == 10
    assert agreement_row(table, "percent")["value"] == pytest.approx(0.7)


def test_weighted_agreement_counts_each_item_for_the_latents_it_stands_for():
    given = verdicts("R01", MAINS, "yyyyyyyyyy") | verdicts("R02", MAINS, "nnnnnyyyyn")
    table = agreement_table(answer_table(small_study(with_disease=False), given), n_resamples=50, seed=1)
    assert agreement_row(table, "percent")["value"] == pytest.approx(0.4)
    weighted = agreement_row(table, "percent", weighting="cluster_weighted")
    assert weighted["value"] == pytest.approx(0.9 * 0.8)


def test_all_pairs_of_three_raters_are_compared():
    given = (
        verdicts("R01", MAINS, "y" * 10) | verdicts("R02", MAINS, "n" * 10) | verdicts("R03", MAINS, "y" * 5 + "n" * 5)
    )
    table = agreement_table(answer_table(small_study(with_disease=False), given), n_resamples=20, seed=1)
    assert set(table["raters"]) == {"all", "R01 / R02", "R01 / R03", "R02 / R03"}
    assert agreement_row(table, "percent", "R01 / R03")["value"] == 0.5
    assert agreement_row(table, "percent")["value"] == pytest.approx(1 / 3)


def test_one_answer_only_is_full_agreement_and_a_kappa_that_is_not_defined():
    given = verdicts("R01", MAINS, "y" * 10) | verdicts("R02", MAINS, "y" * 10)
    table = agreement_table(answer_table(small_study(with_disease=False), given), n_resamples=20, seed=1)
    percent, kappa = agreement_row(table, "percent"), agreement_row(table, "fleiss_kappa")
    assert percent["value"] == 1
    assert percent["note"] == "all pairs agree: the width of the interval is that of the weak prior"
    assert percent["low"] < percent["high"] == 1
    assert math.isnan(kappa["value"])
    assert kappa["note"] == "not defined: only one answer was given"


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({}, "needs at least two raters"),
        (verdicts("R01", MAINS, "y" * 10), "needs at least two raters"),
        (
            verdicts("R01", MAINS, "yyyyy-----") | verdicts("R02", MAINS, "-----yyyyy"),
            "no item was answered by two raters",
        ),
    ],
)
def test_without_two_answers_to_an_item_there_is_no_estimate_and_a_reason(given, note):
    table = agreement_table(answer_table(small_study(), given), n_resamples=20, seed=1)
    assert table["value"].isna().all()
    assert set(table["note"]) <= {note, "no item was answered by two raters"}
    assert note in set(table["note"])


def test_confidence_is_compared_between_raters_as_an_order_alone():
    table = agreement_table(answer_table(small_study(), {}), n_resamples=20, seed=1)
    is_confidence = table["question_id"] == "confidence"
    assert list(dict.fromkeys(table.loc[~is_confidence, "question_id"])) == ["meaningful", "group", "specific"]
    ordinal = {"percent", "gwet_ac2_linear", "gwet_ac2_quadratic", "krippendorff_alpha_ordinal"}
    assert set(table.loc[is_confidence, "statistic"]) == ordinal
    assert set(table.loc[is_confidence, "raters"]) == {"all"}


def test_near_steps_of_confidence_agree_in_part():
    given = {
        (rater, item, "concept"): {"meaningful": "yes", "confidence": step}
        for rater, steps in (("R01", "3333322222"), ("R02", "3333333333"))
        for item, step in zip(MAINS, steps, strict=True)
    }
    table = agreement_table(answer_table(small_study(with_disease=False), given), n_resamples=20, seed=1)
    rows = table[(table["question_id"] == "confidence") & (table["weighting"] == "plain")].set_index("statistic")
    assert rows.loc["percent", "value"] == 0.5
    assert rows.loc["gwet_ac2_linear", "value"] > rows.loc["percent", "value"]


def test_the_bootstrap_of_a_whole_study_takes_seconds():
    rng = np.random.default_rng(0)
    given = {}
    for rater in ("R01", "R02", "R03", "R04", "R05"):
        given |= verdicts(rater, MAINS, "".join(rng.choice(list("ynau"), 10)))
    table = agreement_table(answer_table(small_study(), given), seed=1)
    assert (table.loc[table["question_id"] == "meaningful", "n_resamples"] == 2000).all()


def test_specific_agreement_is_given_for_each_answer_and_undefined_for_one_that_nobody_gave():
    given = verdicts("R01", MAINS, "yyyyyynnnn") | verdicts("R02", MAINS, "yyyyynnnnn")
    table = agreement_table(answer_table(small_study(with_disease=False), given), n_resamples=50, seed=1)
    rows = table[(table["statistic"] == "specific_agreement") & (table["weighting"] == "plain")]
    by_answer = rows[rows["question_id"] == "meaningful"].set_index("answer")
    assert by_answer.loc["yes", "value"] == pytest.approx(10 / 11)
    assert by_answer.loc["no", "value"] == pytest.approx(8 / 9)
    assert math.isnan(by_answer.loc["artefact", "value"])
    assert by_answer.loc["artefact", "note"] == "not defined: nobody gave this answer"


def test_every_statistic_is_also_weighted_by_cluster():
    given = verdicts("R01", MAINS, "yyyyynynyn") | verdicts("R02", MAINS, "yyyynnnnyy")
    table = agreement_table(answer_table(small_study(with_disease=False), given), n_resamples=50, seed=1)
    table = table[table["question_id"] == "meaningful"]
    named = {
        name: set(zip(rows["raters"], rows["statistic"], rows["answer"], strict=True))
        for name, rows in table.groupby("weighting")
    }
    assert named["plain"] == named["cluster_weighted"]
    assert ("R01 / R02", "cohen_kappa", "") in named["plain"]


def test_missing_answers_take_no_weight_from_their_cluster():
    """Four of five latents of the large cluster were not judged by R02; the fifth speaks for all of it."""
    given = verdicts("R01", MAINS, "yyyyyyyyyy") | verdicts("R02", MAINS, "nnnnny----")
    table = agreement_table(answer_table(small_study(with_disease=False), given), n_resamples=50, seed=1)
    assert agreement_row(table, "percent", weighting="cluster_weighted")["value"] == pytest.approx(0.9)
