from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from cytosae_core.errors import DatabaseError
from cytosae_core.judging.models import Base, CanonicalJson, UtcDateTime


def test_times_come_back_aware_in_utc_to_the_microsecond(repository, study, clock):
    moment = datetime(2026, 5, 6, 23, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=-5)))
    clock.now = moment
    repository.raters.add("R09", study.study_id, access_code="correct-horse")
    with repository.store.reading() as connection:
        stored = connection.execute(text("SELECT created_at FROM raters")).scalar_one()
    assert stored == "2026-05-07 04:30:00.123456"
    assert UtcDateTime().process_result_value(datetime.fromisoformat(stored), None) == moment
    assert UtcDateTime().process_result_value(moment, None).tzinfo is UTC


def test_a_time_without_zone_is_refused_through_the_engine_too(repository, study, clock):
    clock.now = datetime(2026, 5, 6)
    with pytest.raises(DatabaseError, match="2026-05-06T00:00:00 has no time zone"):
        repository.raters.add("R09", study.study_id, access_code="correct-horse")


def test_equal_answers_are_equal_texts():
    one, other = {"a": ["x", "ü"], "b": "y"}, {"b": "y", "a": ["x", "ü"]}
    texts = {CanonicalJson().process_bind_param(value, None) for value in (one, other)}
    assert texts == {'{"a":["x","ü"],"b":"y"}'}


def test_text_that_is_no_json_names_the_remedy():
    with pytest.raises(DatabaseError, match=r"holds 7 characters that are not JSON \(.*\) where JSON belongs; restore"):
        CanonicalJson().process_result_value("{broken", None)


def test_every_table_can_be_written_for_postgresql():
    for table in Base.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))


def test_names_of_constraints_fit_postgresql(engine):
    for table in Base.metadata.sorted_tables:
        names = [constraint.name for constraint in (*table.constraints, *table.indexes)]
        assert all(name and len(name) <= 63 for name in names)
    assert set(Base.metadata.tables) <= set(inspect(engine).get_table_names())
