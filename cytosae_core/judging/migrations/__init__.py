"""Bringing a database to the newest schema: Alembic, run by the program itself, inside one transaction."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from cytosae_core.errors import DatabaseError, SchemaVersionError
from cytosae_core.judging import triggers

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
    with _LOCK:
        command.upgrade(configuration(connection), "head")
    triggers.install(connection)
    _check_foreign_keys(connection)


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
