"""Bringing a database to the newest schema: Alembic, run by the program itself, inside one transaction."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, inspect

from cytosae_core.errors import DatabaseError, SchemaVersionError
from cytosae_core.judging import triggers
from cytosae_core.judging.models import IncidentRow

_FOLDER = Path(__file__).parent
# Alembic keeps its context in a module, so only one thread may migrate at a time.
_LOCK = threading.Lock()


def is_current(connection: Connection) -> bool:
    """Whether the database has the newest schema and its triggers, so that there is nothing to do."""
    return revision(connection) == _head() and triggers.are_installed(connection)


def upgrade(connection: Connection) -> None:
    """Make or migrate the tables and put the triggers in place, in the transaction of the caller.

    The connection must not enforce foreign keys on SQLite, where changing a table means rebuilding it. Raises
    SchemaVersionError for a database of a newer version, DatabaseError for one that is not ours.
    """
    found, path = revision(connection), connection.engine.url.database
    if found not in (None, *_known()):
        raise SchemaVersionError(
            f"{path} has schema {found!r}, which is newer than this version of the workbench (it knows up to "
            f"{_head()!r}); update the workbench, or open a backup made by this version"
        )
    if found is None:
        _refuse_foreign(connection)
    lost = _lost_triggers(connection, found)
    with _LOCK:
        command.upgrade(configuration(connection), "head")
    triggers.install(connection)
    if lost:
        _record_lost(connection, lost)
    _check_foreign_keys(connection)


def _lost_triggers(connection: Connection, found: str | None) -> list[str]:
    """Triggers that a database of this schema should have and has not: somebody removed them."""
    if found is None:
        return []
    return triggers.missing(connection) if found == _head() else triggers.missing_first(connection)


def _record_lost(connection: Connection, names: list[str]) -> None:
    what = (
        f"the triggers {', '.join(names)} were missing or changed when the database was opened, and were made anew; "
        "until then rows could be changed or deleted"
    )
    row = {"incident_id": uuid4().hex, "found_at": datetime.now(UTC), "what": what}
    connection.execute(insert(IncidentRow), row)


def revision(connection: Connection) -> str | None:
    """The schema revision of the database; None: it has none yet."""
    return MigrationContext.configure(connection).get_current_revision()


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for this connection, as `alembic.command` takes it."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))


def _head() -> str | None:
    return _scripts().get_current_head()


def _known() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


def _refuse_foreign(connection: Connection) -> None:
    tables = inspect(connection).get_table_names()
    if tables:
        raise DatabaseError(
            f"{connection.engine.url.database} holds tables of another program ({', '.join(sorted(tables)[:3])}); "
            "name another file for the annotations"
        )


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise DatabaseError(f"after migrating, {len(broken)} rows point to nothing; nothing was changed. Report this")
