"""Append-only tables: the database itself refuses to change or delete what was judged and shown.

SQLite's INSERT OR REPLACE would remove rows without asking the trigger that refuses to, so a row that is there already
is refused before it is inserted; PostgreSQL's TRUNCATE, which fires no trigger of a row, has one of its own.
"""

from sqlalchemy import Connection, text

from cytosae_core.errors import DatabaseError

APPEND_ONLY = {
    "judgements": (
        ("judgement_id",),
        ("nonce",),
        ("rater_id", "study_id", "item_id", "stage_id", "revision"),
        ("study_id", "chain_number"),
    ),
    "presentations": (("nonce",), ("rater_id", "number")),
    "study_events": (("event_id",),),
    "incidents": (("incident_id",),),
}
"""The tables, and what makes two of their rows one and the same."""
FIRST_TABLES = ("judgements", "presentations")
"""Those that the first schema had, with triggers against changing and deleting."""
_REFUSAL = "rows of this table are never changed or deleted; save a revision instead"

_FUNCTION = (
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
)
_SQLITE = "CREATE TRIGGER {name} BEFORE {action} ON {table}{when} BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
_POSTGRESQL = "CREATE TRIGGER {name} BEFORE {action} ON {table} FOR EACH {each} EXECUTE FUNCTION refuse_change()"
_DROP = {"sqlite": "DROP TRIGGER IF EXISTS {name}", "postgresql": "DROP TRIGGER IF EXISTS {name} ON {table}"}
_INSTALLED = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": (
        "SELECT tgname, CASE WHEN tgenabled = 'D' THEN 'disabled' ELSE pg_get_triggerdef(oid) END"
        " FROM pg_trigger WHERE NOT tgisinternal"
    ),
}


def install(connection: Connection) -> None:
    """Make the triggers anew: migrations that rebuild a table on SQLite drop them silently."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(_FUNCTION))
    for table in APPEND_ONLY:
        for name, statement in _triggers(connection, table).items():
            connection.execute(text(_DROP[connection.dialect.name].format(name=name, table=table)))
            connection.exec_driver_sql(statement)


def missing(connection: Connection) -> list[str]:
    """Names of the triggers that are not there, are switched off, or say something else than this version's."""
    found = _installed(connection)
    return [
        name
        for table in APPEND_ONLY
        for name, statement in _triggers(connection, table).items()
        if not _says_the_same(found.get(name), statement)
    ]


def missing_first(connection: Connection) -> list[str]:
    """Names of the triggers of the first schema that a database does not have."""
    found = _installed(connection)
    names = [_name(table, action) for table in FIRST_TABLES for action in ("update", "delete")]
    return [name for name in names if name not in found]


def are_installed(connection: Connection) -> bool:
    """Whether every append-only table has its triggers."""
    return not missing(connection)


def _installed(connection: Connection) -> dict[str, str]:
    if connection.dialect.name not in _INSTALLED:
        name = connection.dialect.name
        raise DatabaseError(f"databases of kind {name!r} are not supported; use one of {sorted(_INSTALLED)}")
    rows = connection.execute(text(_INSTALLED[connection.dialect.name]))
    return {str(name): str(statement) for name, statement in rows}


def _says_the_same(found: str | None, statement: str) -> bool:
    """SQLite keeps the statement as it was given; PostgreSQL writes its own, with the schema's name."""
    return found is not None and found.replace("public.", "").split() == statement.split()


def _triggers(connection: Connection, table: str) -> dict[str, str]:
    if connection.dialect.name == "postgresql":
        each = {"update": "ROW", "delete": "ROW", "truncate": "STATEMENT"}
        words = {_name(table, action): {"action": action.upper(), "each": each[action]} for action in each}
        return {name: _POSTGRESQL.format(name=name, table=table, **word) for name, word in words.items()}
    whens = {"update": "", "delete": "", "insert": f" WHEN {_is_there(table)}"}
    return {
        _name(table, action): _SQLITE.format(
            name=_name(table, action), action=action.upper(), table=table, when=when, refusal=_REFUSAL
        )
        for action, when in whens.items()
    }


def _is_there(table: str) -> str:
    """Whether the new row would take the place of one: the same key, or the same number of a row in the file."""
    same = " OR ".join(
        "(" + " AND ".join(f"{name} = NEW.{name}" for name in names) + ")" for names in APPEND_ONLY[table]
    )
    return f"EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid OR {same})"  # noqa: S608 - names of our own


def _name(table: str, action: str) -> str:
    return f"{table}_refuse_{action}"
