"""The engine under the repository: one place for what SQLite needs to lose nothing.

Measured with 8 threads and 480 read-then-write increments: default settings kept 64 without any error; WAL with
`BEGIN IMMEDIATE` for each writing transaction kept all 480. Only this file knows SQLite's settings; PostgreSQL uses
the same models, migrations and queries.
"""

import contextlib
import functools
import tempfile
import time
import weakref
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Literal, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from cytosae_core.artifacts.files import sync
from cytosae_core.errors import ConfigError, DatabaseBusyError, DatabaseError
from cytosae_core.judging import migrations
from cytosae_core.judging.failures import translate_errors
from cytosae_core.judging.models import JudgementRow
from cytosae_core.judging.queue import FairQueue
from cytosae_core.judging.watch import FileWatch

BUSY_TIMEOUT_S = 15.0
"""How long a transaction waits for another one, in seconds, before DatabaseBusyError."""

Begin = Literal["IMMEDIATE", "DEFERRED", "NONE"]


def open_engine(path_or_url: Path | str, *, busy_timeout_s: float = BUSY_TIMEOUT_S, may_create: bool = True) -> Engine:
    """The engine of an annotation database, migrated when it has to be, and made, unless not `may_create`.

    `path_or_url` is the path of an SQLite file (its folder must exist) or an SQLAlchemy URL. A new file can be read by
    its owner only. Raises DatabaseError when the file cannot be opened or is something else, or is not there and not
    to be made; SchemaVersionError when a newer version of the workbench wrote it; DatabaseBusyError when another
    process holds it for longer than `busy_timeout_s`.
    """
    url = _url(path_or_url)
    if url.get_backend_name() == "sqlite":
        _find_or_make(Path(str(url.database)), may_create=may_create)
    migrating = _engine(url, busy_timeout_s, foreign_keys=False)
    try:
        if url.get_backend_name() == "sqlite":
            _switch_to_wal(migrating, busy_timeout_s)
        with reading(migrating) as connection:
            is_current = migrations.is_current(connection)
        if not is_current:
            with writing(migrating) as connection:
                migrations.upgrade(connection)
    finally:
        migrating.dispose()
    engine = _engine(url, busy_timeout_s, foreign_keys=True)
    if url.get_backend_name() == "sqlite" and not str(url.database).startswith("file:"):
        _GUARDS[engine] = Guard(FairQueue(), FileWatch(Path(str(url.database))), busy_timeout_s)
    return engine


class Guard(NamedTuple):
    """What stands before each transaction on an SQLite file."""

    queue: FairQueue
    watch: FileWatch
    timeout_s: float


_GUARDS: MutableMapping[Engine, Guard] = weakref.WeakKeyDictionary()


class Examined(NamedTuple):
    """What stands in a database."""

    engine: Engine
    """To read with, where the schema is the newest."""
    revision: str | None
    """Its schema."""
    is_current: bool
    """Whether that is the newest."""
    integrity: str
    """Verdict of SQLite on the whole file, "ok" where all is well; other databases are taken to be well."""
    n_judgements: int
    """Judgements in it; 0 where the schema is another one."""


def examine(path_or_url: Path | str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Examined:
    """Look at a database that is there, without migrating or changing it.

    Raises DatabaseError when it cannot be opened or is something else.
    """
    url = _url(path_or_url)
    engine = _engine(url, busy_timeout_s, foreign_keys=True)
    is_file = url.get_backend_name() == "sqlite"
    with reading(engine) as connection:
        integrity = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() if is_file else "ok"
        is_current = migrations.is_current(connection)
        count = select(func.count()).select_from(JudgementRow)
        n_judgements = connection.execute(count).scalar_one() if is_current else 0
        return Examined(engine, migrations.revision(connection), is_current, integrity, n_judgements)


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction that may write: committed at the end, rolled back by any exception."""
    guard = _GUARDS.get(engine)
    if guard is None:
        with _transaction(engine, "IMMEDIATE") as connection:
            yield connection
        return
    with guard.queue.turn(guard.timeout_s), _watched(engine, guard.watch, "IMMEDIATE") as connection:
        yield connection


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that only reads and neither waits for writers nor holds them up; on SQLite, one snapshot."""
    guard = _GUARDS.get(engine)
    if guard is None:
        with _transaction(engine, "DEFERRED") as connection:
            yield connection
        return
    with _watched(engine, guard.watch, "DEFERRED") as connection:
        yield connection


def backup(engine: Engine, path: Path) -> int:
    """Copy a live SQLite database to a new file; returns the number of judgements read back from the copy.

    The copy holds every row committed so far, also those that are still in the write-ahead log (copying the file
    itself would miss them). Raises DatabaseError when `path` exists or the database is not SQLite.
    """
    if engine.dialect.name != "sqlite":
        raise DatabaseError(f"backups of {engine.dialect.name!r} are made by its own tools (pg_dump)")
    if path.exists():
        raise DatabaseError(f"{path} exists; a backup never overwrites a file, so name another one")
    if not path.parent.is_dir():
        raise DatabaseError(f"the folder {path.parent} does not exist; make it or name another one")
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        copy = Path(folder) / path.name
        with _transaction(engine, "NONE") as connection:
            connection.execute(text("VACUUM INTO :copy"), {"copy": str(copy)})
        n_judgements = _checked_copy(copy)
        sync(copy)
        # A hard link, unlike a rename, fails when somebody made the target meanwhile.
        path.hardlink_to(copy)
    sync(path.parent)
    return n_judgements


@contextlib.contextmanager
def _watched(engine: Engine, watch: FileWatch, begin: Begin) -> Iterator[Connection]:
    """A transaction of a file that is at its place before and after: what went elsewhere is not called saved."""
    watch.check()
    with _transaction(engine, begin) as connection:
        if begin == "IMMEDIATE":
            watch.check_log(connection.info)
        yield connection
    watch.check()


@contextlib.contextmanager
def _transaction(engine: Engine, begin: Begin) -> Iterator[Connection]:
    try:
        with engine.execution_options(begin=begin).begin() as connection:
            yield connection
    except PoolTimeoutError as error:
        raise DatabaseBusyError(
            f"all connections to the database are in use ({error}); try again in a moment"
        ) from error


def _url(path_or_url: Path | str) -> URL:
    if isinstance(path_or_url, str) and "://" in path_or_url:
        try:
            url = make_url(path_or_url)
        except ArgumentError as error:
            raise ConfigError(f"{path_or_url!r} is neither a path nor a database URL ({error})") from error
    else:
        url = URL.create("sqlite", database=str(path_or_url))
    if url.get_backend_name() == "sqlite":
        _check_path(url.database)
    return url


def _check_path(database: str | None) -> None:
    if not database or ":memory:" in database:
        raise ConfigError("a database in memory would lose every judgement; name a file")
    path = Path(database)
    if path.is_dir():
        raise DatabaseError(f"{path} is a folder; name a file in it, for example {path / 'annotations.db'}")
    if not database.startswith("file:") and not path.parent.is_dir():
        raise DatabaseError(f"the folder {path.parent} of the database does not exist; make it or name another one")


def _find_or_make(path: Path, *, may_create: bool) -> None:
    """Make an empty file that only its owner can read, where there is none."""
    if path.exists() or str(path).startswith("file:"):
        return
    if not may_create:
        raise DatabaseError(
            f"there is no database at {path}; make one with scripts/create_study.py, restore a backup with "
            "scripts/restore_database.py, or name the right one with CYTOSAE_DATABASE"
        )
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise DatabaseError(
            f"{path}: the file cannot be opened or made ({error.strerror}). Check that its folder exists and that this "
            "program may write there"
        ) from error


def _engine(url: URL, busy_timeout_s: float, *, foreign_keys: bool) -> Engine:
    # Errors never quote the values of a statement: a server logs them, and answers do not belong into a log.
    create = functools.partial(create_engine, url, hide_parameters=True)
    if url.get_backend_name() != "sqlite":
        engine = create(pool_pre_ping=True)
    else:
        # isolation_level None: the driver begins nothing by itself, `_begin` does.
        arguments = {"isolation_level": None, "timeout": busy_timeout_s}
        if foreign_keys:
            engine = create(connect_args=arguments, max_overflow=-1)
        else:
            engine = create(connect_args=arguments, poolclass=NullPool)
        event.listen(engine, "connect", _with_foreign_keys if foreign_keys else _without_foreign_keys)
        event.listen(engine, "begin", _begin)
    translate_errors(engine)
    return engine


def _with_foreign_keys(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    _set_pragmas(connection, "foreign_keys=ON", "synchronous=FULL")


def _without_foreign_keys(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    _set_pragmas(connection, "foreign_keys=OFF", "synchronous=FULL")


def _set_pragmas(connection: DBAPIConnection, *pragmas: str) -> None:
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    begin: Begin = connection.get_execution_options().get("begin", "IMMEDIATE")
    if begin != "NONE":
        connection.exec_driver_sql(f"BEGIN {begin}")


def _switch_to_wal(engine: Engine, timeout_s: float) -> None:
    # SQLite does not wait for its busy timeout here, and processes that start together all try to switch.
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with _transaction(engine, "NONE") as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar_one()
            break
        except DatabaseBusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    if mode != "wal":
        raise DatabaseError(
            f"{engine.url.database}: this file system does not allow write-ahead logging (mode {mode!r}); "
            "put the database on a local disk, not on a network drive"
        )


def _checked_copy(path: Path) -> int:
    engine = _engine(URL.create("sqlite", database=str(path)), BUSY_TIMEOUT_S, foreign_keys=False)
    try:
        with reading(engine) as connection:
            verdict = connection.exec_driver_sql("PRAGMA integrity_check").scalar_one()
            n_judgements = connection.execute(select(func.count()).select_from(JudgementRow)).scalar_one()
    finally:
        engine.dispose()
    if verdict != "ok":
        raise DatabaseError(f"the copy is damaged ({verdict}), so the database is too; restore an earlier backup")
    return n_judgements
