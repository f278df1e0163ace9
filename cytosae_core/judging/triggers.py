"""Append-only tables: the database itself refuses to change or delete what was judged and shown."""

from sqlalchemy import Connection, text

from cytosae_core.errors import DatabaseError

APPEND_ONLY = ("judgements", "presentations")
_ACTIONS = ("update", "delete")
_REFUSAL = "rows of this table are never changed or deleted; save a revision instead"

_FUNCTION = (
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
)
_CREATE = {
    "sqlite": "CREATE TRIGGER {name} BEFORE {action} ON {table} BEGIN SELECT RAISE(ABORT, '{refusal}'); END",
    "postgresql": "CREATE TRIGGER {name} BEFORE {action} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
}
_DROP = {"sqlite": "DROP TRIGGER IF EXISTS {name}", "postgresql": "DROP TRIGGER IF EXISTS {name} ON {table}"}
_INSTALLED = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}


def are_installed(connection: Connection) -> bool:
    """Whether every append-only table has its triggers."""
    names = set(connection.scalars(text(_for_dialect(_INSTALLED, connection))))
    return names >= {_name(table, action) for table in APPEND_ONLY for action in _ACTIONS}


def install(connection: Connection) -> None:
    """Make the triggers anew: migrations that rebuild a table on SQLite drop them silently."""
    create, drop = _for_dialect(_CREATE, connection), _for_dialect(_DROP, connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text(_FUNCTION))
    for table in APPEND_ONLY:
        for action in _ACTIONS:
            words = {"name": _name(table, action), "table": table, "action": action.upper(), "refusal": _REFUSAL}
            connection.execute(text(drop.format(**words)))
            connection.execute(text(create.format(**words)))


def _name(table: str, action: str) -> str:
    return f"{table}_refuse_{action}"


def _for_dialect(statements: dict[str, str], connection: Connection) -> str:
    name = connection.dialect.name
    if name not in statements:
        raise DatabaseError(f"databases of kind {name!r} are not supported; use one of {sorted(statements)}")
    return statements[name]
