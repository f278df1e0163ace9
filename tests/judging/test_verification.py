"""Whoever changes what was judged is found out, and what was changed is named; each change by its own check."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import IntegrityError

from cytosae_core.errors import StudyError
from cytosae_core.judging import triggers, verification
from cytosae_core.judging.chain import genesis, heads, judgement_hash, parse_head
from cytosae_core.judging.database import _engine, _url, open_engine, reading, writing
from cytosae_core.judging.models import Base
from cytosae_core.judging.verification import CHECKS, verify
from tests.judging.conftest import seat

N_JUDGED = 6


@pytest.fixture
def judged(desk, repository, study, clock):
    """Six judgements of two raters, taking turns."""
    other = seat(repository, study, clock, "R02")
    for _ in range(N_JUDGED // 2):
        desk.judge_current()
        other.judge_current()
    return desk


def without_triggers(engine, *statements, restore=True):
    """What somebody does who owns the file: take the triggers away, change, and put them back."""
    with writing(engine) as connection:
        if connection.dialect.name == "sqlite":
            for name in connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement, *values in statements:
            connection.execute(text(statement), *values)
        if restore:
            triggers.install(connection)


def faults(engine, **given):
    return [fault for verdict in verify(engine, **given) for fault in verdict.faults]


def relinked(engine):
    """Statements that make the chain of the changed rows whole again, as a forger would who knows how it is made."""
    statements = []
    with reading(engine) as connection:
        head = heads(connection)[0]
        evidence = verification._evidence(connection, head.study_id, ())
    before = genesis(head.study_id, evidence.digest)
    for number, row in enumerate(evidence.judgements, start=1):
        linked = {**row, "chain_number": number, "previous_hash": before}
        before = judgement_hash(linked)
        values = {"id": row["judgement_id"], "n": number, "previous": linked["previous_hash"], "hash": before}
        change = "UPDATE judgements SET chain_number = :n, previous_hash = :previous, chain_hash = :hash"
        statements.append((f"{change} WHERE judgement_id = :id", values))
    statements.append(("UPDATE study_states SET n_judgements = :n, head_hash = :hash", {"n": number, "hash": before}))
    return statements


def test_what_was_judged_is_found_whole(judged, engine, study):
    (verdict,) = verify(engine)
    assert verdict.faults == []
    assert (verdict.study_id, verdict.n_judgements, verdict.head.n_judgements) == (study.study_id, N_JUDGED, N_JUDGED)
    assert verdict.head.n_before == 0


def test_each_judgement_carries_the_hash_of_the_one_before_in_its_study(judged, engine, study):
    with reading(engine) as connection:
        digest = connection.scalar(text("SELECT digest FROM studies"))
        rows = connection.execute(text("SELECT * FROM judgements ORDER BY chain_number")).mappings().all()
    assert [row["chain_number"] for row in rows] == list(range(1, N_JUDGED + 1))
    assert [row["previous_hash"] for row in rows] == [
        genesis(study.study_id, digest),
        *(row["chain_hash"] for row in rows[:-1]),
    ]


OTHER_ANSWER = """UPDATE judgements SET answers = '{"meaningful":"cannot_judge"}' WHERE chain_number = 3"""
LATER = "UPDATE judgements SET submitted_at = '2026-03-04 12:00:09.000000' WHERE chain_number = 2"
OTHER_HEAD = "UPDATE study_states SET head_hash = replace(head_hash, substr(head_hash, 1, 1), 'x')"
OTHER_STUDY = "UPDATE studies SET document = replace(document, 'Tiny study', 'Tiny studio')"
FIFTH = "WHERE nonce IN (SELECT nonce FROM judgements WHERE chain_number = 5)"
OTHER_ORDER = "DELETE FROM rater_orders WHERE position = 1 AND task_id = 'disease'"
CHANGED = (
    (OTHER_ANSWER, r"judgement 3 \(rater R01, item \S+, stage concept\) was changed after it was saved"),
    ("UPDATE judgements SET overlay_used = true WHERE chain_number = 3", "judgement 3 .* was changed"),
    (LATER, "judgement 2 .* was changed"),
    ("DELETE FROM judgements WHERE chain_number = 4", "judgement 4 of the chain is missing"),
    ("DELETE FROM judgements WHERE chain_number > 4", "the last 2 of 6 judgements are missing"),
    ("DELETE FROM judgements", "the last 6 of 6 judgements are missing"),
    ("DELETE FROM study_states", "the study has no chain: its row was removed"),
    (OTHER_HEAD, "the head of the chain is not the hash of judgement 6"),
    ("UPDATE study_states SET n_judgements = 5", "1 judgements follow after the head of the chain"),
    (OTHER_STUDY, "the study's document cannot be read as it was sealed"),
    ("UPDATE studies SET digest = 'abc'", "the study's document is not the one that was registered"),
    ("UPDATE items SET task_id = 'concept'", "the table of items is not that of the study's document"),
    (f"UPDATE presentations SET shown_at = '2026-03-04 11:00:00.000000' {FIFTH}", "judgement 5 .* nonce in shown_at"),
    (f"UPDATE presentations SET revision = 9 {FIFTH}", "judgement 5 .* differs from what was shown .* in revision"),
)


@pytest.mark.parametrize(("change", "named"), CHANGED)
def test_a_change_behind_the_triggers_is_named(judged, engine, change, named):
    without_triggers(engine, (change,))
    found = faults(engine)
    assert any(_matches(named, one) for one in found), found


def _matches(pattern, sentence):
    return re.search(pattern, sentence) is not None


def test_two_judgements_that_changed_places_are_both_named(judged, engine):
    without_triggers(
        engine,
        ("UPDATE judgements SET chain_number = 99 WHERE chain_number = 2",),
        ("UPDATE judgements SET chain_number = 2 WHERE chain_number = 3",),
        ("UPDATE judgements SET chain_number = 3 WHERE chain_number = 99",),
    )
    found = faults(engine)
    assert any(_matches(r"judgement 2 .* was changed", one) for one in found)
    assert any(_matches(r"judgement 3 .* was changed", one) for one in found)


def test_a_judgement_that_was_put_in_between_is_named(judged, engine):
    row = (
        "INSERT INTO judgements SELECT 'forged', nonce || 'x', rater_id, study_id, item_id, stage_id, 2, answers,"
        " overlay_used, pictures_digest, app_version, shown_at, submitted_at, 7, chain_hash, chain_hash"
        " FROM judgements WHERE chain_number = 6"
    )
    shown = (
        "INSERT INTO presentations SELECT nonce || 'x', rater_id, study_id, item_id, stage_id, 2, 999,"
        " pictures_digest, app_version, shown_at FROM judgements WHERE chain_number = 6"
    )
    with writing(engine) as connection:
        connection.execute(text(shown))
        connection.execute(text(row))
    found = faults(engine)
    assert any("1 judgements follow after the head of the chain" in one for one in found)
    assert any(_matches(r"judgement 7 .* was changed after it was saved", one) for one in found)


def test_a_forger_who_makes_the_chain_anew_is_found_by_the_head_that_was_written_down(judged, engine):
    with reading(engine) as connection:
        known = parse_head(str(heads(connection)[0]))
    without_triggers(engine, ("UPDATE judgements SET overlay_used = true WHERE chain_number = 1",))
    without_triggers(engine, *relinked(engine))
    assert faults(engine) == []
    assert faults(engine, known_heads=[known]) == [
        f"judgement {N_JUDGED}, or one before it, is not what it was when its head was written down"
    ]


def test_a_forger_who_cuts_the_last_ones_off_is_found_by_the_head_that_was_written_down(judged, engine):
    with reading(engine) as connection:
        known = parse_head(str(heads(connection)[0]))
    without_triggers(engine, ("DELETE FROM judgements WHERE chain_number > 4",))
    without_triggers(engine, *relinked(engine))
    assert faults(engine) == []
    assert faults(engine, known_heads=[known]) == [
        "a head that was written down is that of judgement 6, which is missing"
    ]


def test_answers_that_the_protocol_does_not_allow_are_named_even_in_a_whole_chain(judged, engine):
    without_triggers(engine, ('UPDATE judgements SET answers = \'{"meaningful":"perhaps"}\' WHERE chain_number = 2',))
    without_triggers(engine, *relinked(engine))
    (fault,) = faults(engine)
    assert _matches(r"judgement 2 .* holds what the protocol does not allow: 'perhaps' is not an answer", fault)


def test_answers_to_questions_that_were_not_asked_are_named_even_in_a_whole_chain(judged, engine):
    forged = '{"concept":"granules","meaningful":"no"}'
    without_triggers(engine, ("UPDATE judgements SET answers = :forged WHERE chain_number = 2", {"forged": forged}))
    without_triggers(engine, *relinked(engine))
    (fault,) = faults(engine)
    assert _matches(r"judgement 2 .* (holds answers to questions that were not asked|does not allow)", fault)


def test_other_pictures_than_the_item_has_are_named_even_in_a_whole_chain(judged, engine):
    change = (
        "UPDATE {} SET pictures_digest = 'f00' WHERE item_id = (SELECT item_id FROM judgements WHERE chain_number = 2)"
    )
    without_triggers(engine, (change.format("presentations"),), (change.format("judgements"),))
    without_triggers(engine, *relinked(engine))
    assert any(_matches(r"judgement \d .* was made of other pictures than the item has", one) for one in faults(engine))


def test_an_order_that_leaves_items_out_is_named(judged, engine):
    without_triggers(engine, (OTHER_ORDER,))
    assert "the order of rater R01 in task 'disease' is not one of the items of the study" in faults(engine)


def test_missing_triggers_are_named_and_the_next_start_does_not_hide_that(judged, engine, database_path):
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER judgements_refuse_delete")
    assert faults(engine)[0].startswith("the triggers judgements_refuse_delete are missing or changed")
    again = open_engine(database_path)
    (fault,) = faults(again)
    assert "the triggers judgements_refuse_delete were missing or changed when the database was opened" in fault
    again.dispose()


def test_a_trigger_that_does_nothing_is_a_missing_one(judged, engine):
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER judgements_refuse_update")
        connection.exec_driver_sql(
            "CREATE TRIGGER judgements_refuse_update BEFORE UPDATE ON judgements BEGIN SELECT 1; END"
        )
    assert "judgements_refuse_update" in faults(engine)[0]


@pytest.mark.parametrize("statement", [
    "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    "REPLACE INTO {table} SELECT * FROM {table}",
    "UPDATE OR REPLACE {table} SET item_id = item_id",
    "INSERT OR REPLACE INTO {table} (rowid, {columns}) SELECT rowid, {columns} FROM {table}",
])  # fmt: skip
@pytest.mark.parametrize("table", ["judgements", "presentations"])
def test_no_way_of_writing_replaces_a_row(judged, engine, table, statement):
    columns = ", ".join(Base.metadata.tables[table].c.keys())
    with pytest.raises(IntegrityError, match="never changed or deleted"), writing(engine) as connection:
        connection.exec_driver_sql(statement.format(table=table, columns=columns))
    assert faults(engine) == []


def test_a_row_that_cannot_be_read_is_named_and_the_others_are_still_checked(judged, engine):
    without_triggers(engine, ("UPDATE judgements SET submitted_at = 'yesterday' WHERE chain_number = 2",))
    found = faults(engine)
    assert any(_matches(r"row '\w+' of the table judgements cannot be read", one) for one in found)
    assert any("judgement 2 of the chain is missing" in one for one in found)


def test_any_flipped_bit_of_any_stored_value_is_found(judged, engine, database_path, study):
    """A bit in each column of a judgement, one after the other."""
    with reading(engine) as connection:
        row = dict(connection.execute(text("SELECT * FROM judgements WHERE chain_number = 4")).mappings().one())
    for name, value in row.items():
        if name == "chain_number":
            continue
        flipped = value ^ 1 if isinstance(value, int) else f"{value[:-3]}{chr(ord(value[-3]) ^ 1)}{value[-2:]}"
        change = f"UPDATE judgements SET {name} = :value WHERE judgement_id = :id"
        identity = row["judgement_id"] if name != "judgement_id" else flipped
        _without_foreign_keys(database_path, (change, {"value": flipped, "id": row["judgement_id"]}))
        assert faults(engine), name
        _without_foreign_keys(database_path, (change, {"value": value, "id": identity}))
        assert faults(engine) == [], name


def _without_foreign_keys(path, statement):
    bare = _engine(_url(path), 5, foreign_keys=False)
    without_triggers(bare, statement)
    bare.dispose()


ONLY = {
    "check_incidents": lambda engine: drop_a_trigger(engine),
    "check_document": lambda engine: without_triggers(engine, (OTHER_STUDY,)),
    "check_links": lambda engine: without_triggers(engine, (OTHER_ANSWER,)),
    "check_head": lambda engine: without_triggers(engine, ("DELETE FROM judgements WHERE chain_number = 6",)),
    "check_presentations": lambda engine: without_triggers(engine, ("UPDATE presentations SET app_version = 'x'",)),
    "check_items": lambda engine: without_triggers(engine, (OTHER_ORDER,)),
}


def drop_a_trigger(engine):
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER presentations_refuse_delete")


@pytest.mark.parametrize("check", ONLY)
def test_no_check_can_be_left_out(judged, engine, monkeypatch, check):
    """There is a change that only this one finds; known heads and answers have tests of their own above."""
    ONLY[check](engine)
    assert faults(engine)
    monkeypatch.setattr(verification, "CHECKS", tuple(one for one in CHECKS if one.__name__ != check))
    assert faults(engine) == []


def test_every_check_has_a_change_that_only_it_finds():
    assert {one.__name__ for one in CHECKS} == {*ONLY, "check_known_heads", "check_answers_fit"}


def test_a_study_that_is_not_there_is_refused(judged, engine):
    with pytest.raises(StudyError, match=r"there is no study 'other' in this database, which holds \['tiny"):
        verify(engine, ["other"])


@pytest.mark.parametrize("text", ["", "tiny", "tiny:x:" + "0" * 64, "tiny:1:abc"])
def test_what_is_no_head_is_refused(text):
    with pytest.raises(StudyError, match="is no chain head; give it as it is printed: STUDY:NUMBER:HASH"):
        parse_head(text)


def test_a_database_of_the_first_schema_is_chained_from_its_migration_on(tmp_path):
    path = tmp_path / "annotations.db"
    path.write_bytes((Path(__file__).parents[1] / "fixtures" / "version_1" / "annotations.sqlite").read_bytes())
    engine = open_engine(path)
    for verdict in verify(engine):
        assert verdict.faults == []
        assert verdict.head.n_before == verdict.n_judgements == verdict.head.n_judgements > 0
    without_triggers(
        engine, ("UPDATE judgements SET answers = replace(answers, 'yes', 'no') WHERE answers LIKE '%yes%'",)
    )
    assert any("was changed after it was saved" in fault for fault in faults(engine))
    engine.dispose()


def test_a_first_schema_without_its_triggers_says_so_for_ever(tmp_path):
    path = tmp_path / "annotations.db"
    path.write_bytes((Path(__file__).parents[1] / "fixtures" / "version_1" / "annotations.sqlite").read_bytes())
    bare = create_engine(f"sqlite:///{path}")
    with bare.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER judgements_refuse_update")
    bare.dispose()
    engine = open_engine(path)
    assert any("the triggers judgements_refuse_update were missing" in fault for fault in faults(engine))
    engine.dispose()


def test_the_canonical_form_of_the_first_judgement_is_the_documented_one(judged, engine, study):
    """A twin of the hash from chain.py's docstring alone."""
    with reading(engine) as connection:
        row = dict(connection.execute(text("SELECT * FROM judgements WHERE chain_number = 1")).mappings().one())
    chain_hash = row.pop("chain_hash")
    for name in ("shown_at", "submitted_at"):
        row[name] = row[name].replace(" ", "T") + "+00:00"
    row["overlay_used"] = bool(row["overlay_used"])
    form = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(b"cytosae-judgement-1\n" + form.encode()).hexdigest() == chain_hash
