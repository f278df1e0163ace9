"""Majorities: more than half, never forced."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cytosae_core.evaluation.consensus import NO_CONSENSUS, Majority, consensus_answers, consensus_table, majority
from tests.judging.judged import answer_table, small_study, verdicts

MAINS = [f"c{k}{n}" for k in (0, 1) for n in range(5)]


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        (["yes", "yes", "no"], Majority("yes", 2, 3)),
        (["yes", "no"], Majority(NO_CONSENSUS, 1, 2)),
        (["yes", "yes", "no", "artefact"], Majority(NO_CONSENSUS, 2, 4)),
        (["no", None, None], Majority(None, 1, 1)),
        ([None, None], Majority(None, 0, 0)),
        ([], Majority(None, 0, 0)),
    ],
)
def test_consensus_is_the_answer_of_more_than_half_of_those_who_answered(answers, verdict):
    assert majority(answers) == verdict


@given(answers=st.lists(st.sampled_from(["yes", "no", "artefact", None]), max_size=7), seed=st.randoms())
def test_the_order_of_raters_changes_no_consensus(answers, seed):
    shuffled = list(answers)
    seed.shuffle(shuffled)
    assert majority(shuffled) == majority(answers)


def test_the_consensus_of_a_table_is_that_of_its_rows():
    answers = pd.DataFrame({"R01": ["yes", "no", None], "R02": ["yes", "yes", None]}, index=["a", "b", "c"])
    assert list(consensus_answers(answers.astype(object).where(answers.notna(), None))) == ["yes", NO_CONSENSUS, None]


def test_the_table_gives_counts_and_the_concepts_as_typed():
    study = small_study(with_disease=False)
    given_answers = {
        **verdicts("R01", MAINS, "yynnaauu--"),
        **verdicts("R02", MAINS, "ynnyyaun--"),
        **verdicts("R03", MAINS, "yynnnaay--"),
        ("R02", "c00", "concept"): {"meaningful": "yes", "concept": "=Auer rods; faggots"},
    }
    table = consensus_table(answer_table(study, given_answers)).set_index("item_id")
    expected = ["yes", "yes", "no", "no", NO_CONSENSUS, "artefact", "cannot_judge", NO_CONSENSUS, None, None]
    assert [None if pd.isna(value) else value for value in table["consensus"]] == expected
    assert list(table["n_for"]) == [3, 2, 3, 2, 1, 3, 2, 1, 0, 0]
    assert list(table["n_raters"]) == [3] * 8 + [0, 0]
    assert table.loc["c00", "concepts"] == ["R01: R01's words", "R02: =Auer rods; faggots", "R03: R03's words"]
    assert table.loc["c02", "concepts"] == []
    assert table.loc["c02", "answers"] == ["R01: no", "R02: no", "R03: no"]
    assert table.loc["c12", "latent"] == 102
    assert list(table.index) == MAINS
