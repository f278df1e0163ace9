"""What one request costs the database: few transactions and few statements, whatever the item."""

from collections import Counter
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from app import resources
from tests.app.test_api import ANSWERS, client, rater, submit, turn_of, unhurried

__all__ = ["client", "rater", "unhurried"]


SAVE = {"transactions": 3, "writing": 1, "statements": 12}
TURN = {"transactions": 2, "writing": 1, "statements": 6}
DRAFT = {"transactions": 3, "writing": 1, "statements": 7}
PICTURE = {"transactions": 1, "writing": 0, "statements": 1}
"""At most; `statements` are those besides BEGIN, COMMIT and ROLLBACK."""


@pytest.fixture
def within(rater, site):
    """Refuses what costs more than a limit. The study and its atlas are open already, as they are from then on."""
    turn_of(rater, site)

    @contextmanager
    def within(limit):
        engine, counts = resources.repository().store.engine, Counter()

        def note(_connection, _cursor, statement, *_rest):
            counts["transactions" if statement.startswith("BEGIN") else "statements"] += 1
            counts["writing"] += statement == "BEGIN IMMEDIATE"

        event.listen(engine, "before_cursor_execute", note)
        yield
        event.remove(engine, "before_cursor_execute", note)
        assert counts["statements"] > 0
        assert {name: n for name, n in counts.items() if n > limit[name]} == {}

    return within


@pytest.mark.parametrize(
    ("task", "steps"),
    [
        ("concept", [ANSWERS] * 4),
        ("disease", [{"group": "neither", "confidence": "1"}, {"specific": "no"}] * 2),
    ],
)
def test_a_save_and_the_turn_after_it_cost_three_transactions_and_twelve_statements(
    rater, site, unhurried, within, task, steps
):
    turn = turn_of(rater, site, task)
    for answers in steps:
        with within(SAVE):
            saved = submit(rater, site, turn, answers, task)
        assert saved.status_code == 200, saved.text
        turn = saved.json()["turn"]


def test_a_save_that_ends_a_task_a_revision_and_a_repeated_save_cost_no_more(rater, site, unhurried, within):
    turn = turn_of(rater, site)
    while turn["state"] == "turn":
        last = turn
        with within(SAVE):
            turn = submit(rater, site, last, ANSWERS).json()["turn"]
    with within(SAVE):
        assert submit(rater, site, last, ANSWERS).status_code == 200
    again = turn_of(rater, site, item=last["item_id"], stage=last["stage_id"])
    with within(SAVE):
        assert submit(rater, site, again, {**ANSWERS, "meaningful": "no"}).json()["revision"] == 2


def test_a_turn_costs_two_transactions_and_six_statements(rater, site, unhurried, within):
    for _ in range(3):
        with within(TURN):
            turn = turn_of(rater, site)
        submit(rater, site, turn, ANSWERS)
    with within(TURN):
        turn_of(rater, site, item=turn["item_id"], stage=turn["stage_id"])


def test_a_draft_costs_three_transactions_and_seven_statements(rater, site, within):
    body = {"nonce": turn_of(rater, site)["nonce"], "sequence": 1, "answers": {"concept": "half a wo"}}
    with within(DRAFT):
        assert rater.post("/api/draft", json=body).status_code == 200


def test_a_picture_costs_one_statement_and_waits_for_no_writer(rater, site, within):
    turn = turn_of(rater, site)
    shown = next(frame["picture"] for group in turn["groups"] for frame in group["frames"] if frame["picture"])
    with within(PICTURE):
        assert rater.get(f"/cells/{site.study.study_id}/{shown}").status_code == 200


def test_one_statement_too_many_is_noticed(within):
    def twice():
        with within(PICTURE):
            resources.repository().studies.all()
            resources.repository().studies.all()

    with pytest.raises(AssertionError, match=r"'(statements|transactions)': 2"):
        twice()
