import shutil

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from cytosae_core.errors import DatabaseError, SchemaVersionError
from cytosae_core.judging import migrations, triggers
from cytosae_core.judging.database import open_engine, reading, writing
from cytosae_core.judging.models import Base
from cytosae_core.judging.repository import Repository


def statement(engine, sql):
    with writing(engine) as connection:
        connection.execute(text(sql))


def test_migrations_make_exactly_the_tables_of_the_models(engine):
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_opening_again_changes_nothing(desk, database_path):
    receipt = desk.judge_current()
    again = Repository(open_engine(database_path), clock=desk.clock)
    table = again.results.judgement_table(desk.study.study_id)
    assert list(table["judgement_id"]) == [receipt.judgement_id]


def test_a_database_of_a_newer_version_is_refused_with_both_revisions_and_left_alone(engine, database_path):
    statement(engine, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaVersionError, match=r"schema '9999', which is newer .* up to '0003'\); update the work"):
        open_engine(database_path)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "other.db"
    other = create_engine(f"sqlite:///{path}")
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE recipes (name TEXT)"))
    with pytest.raises(DatabaseError, match=r"tables of another program \(recipes\)"):
        open_engine(path)
    with other.begin() as connection:
        assert connection.scalars(text("SELECT name FROM sqlite_master")).all() == ["recipes"]
    other.dispose()


@pytest.mark.parametrize("table", ["judgements", "presentations"])
@pytest.mark.parametrize("change", ["UPDATE {table} SET revision = 7", "DELETE FROM {table}"])
def test_the_database_itself_refuses_to_change_what_was_judged_or_shown(desk, engine, table, change):
    desk.judge_current()
    with pytest.raises(IntegrityError, match="never changed or deleted; save a revision instead"):
        statement(engine, change.format(table=table))


def test_triggers_that_are_missing_come_back_when_the_database_is_opened(engine, database_path):
    statement(engine, "DROP TRIGGER judgements_refuse_delete")
    again = open_engine(database_path)
    with reading(again) as connection:
        assert triggers.are_installed(connection)
    again.dispose()


NEXT = '''
"""A made-up next schema that rebuilds both append-only tables."""
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

def upgrade():
    for table in ("presentations", "judgements"):
        with op.batch_alter_table(table, recreate="always") as batch:
            batch.add_column(sa.Column("site", sa.Text(), nullable=False, server_default="here"))
'''


@pytest.fixture
def next_version(tmp_path, monkeypatch):
    """The folder of migrations of a later version of the workbench."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrations._FOLDER, folder)
    monkeypatch.setattr(migrations, "_FOLDER", folder)
    path = folder / "versions" / "0004_sites.py"
    path.write_text(NEXT)
    return path


def test_a_migration_that_rebuilds_tables_keeps_rows_foreign_keys_and_triggers(desk, database_path, next_version):
    receipt = desk.judge_current()
    again = open_engine(database_path)
    with reading(again) as connection:
        assert migrations.revision(connection) == "0004"
        assert connection.execute(text("SELECT judgement_id, site FROM judgements")).one() == (
            receipt.judgement_id,
            "here",
        )
        assert triggers.are_installed(connection)
    with pytest.raises(IntegrityError, match="save a revision instead"):
        statement(again, "DELETE FROM judgements")
    with pytest.raises(IntegrityError, match="FOREIGN KEY"):
        statement(again, "DELETE FROM items")
    again.dispose()


def test_a_migration_that_fails_leaves_the_database_as_it_was(desk, database_path, next_version, engine):
    receipt = desk.judge_current()
    next_version.write_text(NEXT + "    op.execute('INSERT INTO nowhere VALUES (1)')\n")
    with pytest.raises(DatabaseError, match="no such table: nowhere"):
        open_engine(database_path)
    with reading(engine) as connection:
        assert migrations.revision(connection) == "0003"
        assert triggers.are_installed(connection)
        assert connection.scalars(text("SELECT judgement_id FROM judgements")).all() == [receipt.judgement_id]
        assert "site" not in {column["name"] for column in inspect(connection).get_columns("judgements")}
