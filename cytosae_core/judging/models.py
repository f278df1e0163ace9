"""The tables of the annotation database, the same for SQLite and PostgreSQL.

Judgements, presentations, events and incidents are append-only (triggers.py refuses changes), and judgements are
chained (chain.py); drafts are the only mutable answers.
Times are UTC and come back aware. Ids are strings that mean nothing outside this database, except study and item ids,
which come from the study document.
"""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from cytosae_core.artifacts.manifest import canonical_json
from cytosae_core.errors import DatabaseError
from cytosae_core.study.protocol import Answers


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware going in (any zone), aware UTC coming out, to the microsecond."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC; raises DatabaseError for a naive one, which could be any of 24 moments."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise DatabaseError(f"{value.isoformat()} has no time zone; pass an aware datetime")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment, aware: SQLite gives it back without its zone, PostgreSQL in the zone of the connection."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CanonicalJson(TypeDecorator[Any]):
    """A JSON value as text with sorted keys, so that equal values are equal texts on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str:
        """The text of the value."""
        return canonical_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        """The value of the text; raises DatabaseError for text that is not JSON, which nothing here ever wrote."""
        if value is None:
            return None
        try:
            return json.loads(value)
        except ValueError as error:
            # The text itself may be what a rater typed, and this sentence comes into logs.
            raise DatabaseError(
                f"the database holds {len(value)} characters that are not JSON ({error}) where JSON belongs; "
                "restore a backup"
            ) from error


class Base(DeclarativeBase):
    """Shared metadata; constraints have names, because migrations can only change what has one."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


class StudyRow(Base):
    """A registered study: its sealed document, and where its atlas lies."""

    __tablename__ = "studies"
    study_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    simulated: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    atlas_path: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(CanonicalJson)


class ItemRow(Base):
    """An item of a study, for foreign keys; all else about it is in the document."""

    __tablename__ = "items"
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.study_id"), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    task_id: Mapped[str] = mapped_column(String(200))


class RaterRow(Base):
    """A person who judges; the name is never needed and never exported unasked."""

    __tablename__ = "raters"
    rater_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    rater_code: Mapped[str] = mapped_column(String(32))
    code_key: Mapped[str] = mapped_column(String(200), unique=True)
    """The code as it is looked up: two codes that differ only in case are one."""
    access_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text, default="")
    years: Mapped[float | None]
    name: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StudyRaterRow(Base):
    """A rater takes part in a study."""

    __tablename__ = "study_raters"
    rater_id: Mapped[str] = mapped_column(ForeignKey("raters.rater_id"), primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.study_id"), primary_key=True)
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OrderRow(Base):
    """Position of an item in a rater's own order, from 1."""

    __tablename__ = "rater_orders"
    rater_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    task_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    item_id: Mapped[str] = mapped_column(String(200))
    __table_args__ = (
        ForeignKeyConstraint(["rater_id", "study_id"], ["study_raters.rater_id", "study_raters.study_id"]),
        ForeignKeyConstraint(["study_id", "item_id"], ["items.study_id", "items.item_id"]),
        UniqueConstraint("rater_id", "study_id", "item_id"),
    )


class SessionRow(Base):
    """Somebody who is signed in; only the digest of the token is kept."""

    __tablename__ = "sessions"
    token_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    rater_id: Mapped[str] = mapped_column(ForeignKey("raters.rater_id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignInAttemptRow(Base):
    """One attempt to sign in, under the code that was typed, whether such a rater exists or not."""

    __tablename__ = "sign_in_attempts"
    attempt_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    code_key: Mapped[str] = mapped_column(String(200))
    attempted_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    succeeded: Mapped[bool]
    source: Mapped[str] = mapped_column(String(64), server_default="")
    """Digest of the device, where its rater had signed in with it before, else of the network address."""
    is_known_device: Mapped[bool] = mapped_column(server_default=false())
    __table_args__ = (Index(None, "code_key", "attempted_at"), Index(None, "source", "attempted_at"))


class KnownDeviceRow(Base):
    """A rater has signed in with this browser before."""

    __tablename__ = "known_devices"
    code_key: Mapped[str] = mapped_column(String(200), primary_key=True)
    device_digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    known_since: Mapped[datetime] = mapped_column(UtcDateTime)


class PresentationRow(Base):
    """An item was shown to a rater, to be judged under this nonce."""

    __tablename__ = "presentations"
    nonce: Mapped[str] = mapped_column(String(64), primary_key=True)
    rater_id: Mapped[str] = mapped_column(ForeignKey("raters.rater_id"))
    study_id: Mapped[str] = mapped_column(String(200))
    item_id: Mapped[str] = mapped_column(String(200))
    stage_id: Mapped[str] = mapped_column(String(200))
    revision: Mapped[int]
    number: Mapped[int]
    """Position among all that the rater was ever shown, from 1: unlike a clock it never steps back."""
    pictures_digest: Mapped[str] = mapped_column(String(64))
    app_version: Mapped[str] = mapped_column(String(200))
    shown_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (
        ForeignKeyConstraint(["study_id", "item_id"], ["items.study_id", "items.item_id"]),
        UniqueConstraint("rater_id", "number"),
        Index(None, "rater_id", "item_id", "stage_id", "number"),
    )


class JudgementRow(Base):
    """What a rater saved about one stage of an item; a revision is another row."""

    __tablename__ = "judgements"
    judgement_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    nonce: Mapped[str] = mapped_column(ForeignKey("presentations.nonce"), unique=True)
    rater_id: Mapped[str] = mapped_column(ForeignKey("raters.rater_id"))
    study_id: Mapped[str] = mapped_column(String(200), index=True)
    item_id: Mapped[str] = mapped_column(String(200))
    stage_id: Mapped[str] = mapped_column(String(200))
    revision: Mapped[int]
    answers: Mapped[Answers] = mapped_column(CanonicalJson)
    overlay_used: Mapped[bool]
    pictures_digest: Mapped[str] = mapped_column(String(64))
    app_version: Mapped[str] = mapped_column(String(200))
    shown_at: Mapped[datetime] = mapped_column(UtcDateTime)
    submitted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    chain_number: Mapped[int]
    """Place in the chain of the study, from 1."""
    previous_hash: Mapped[str] = mapped_column(String(64))
    chain_hash: Mapped[str] = mapped_column(String(64))
    __table_args__ = (
        ForeignKeyConstraint(["study_id", "item_id"], ["items.study_id", "items.item_id"]),
        UniqueConstraint("rater_id", "study_id", "item_id", "stage_id", "revision"),
        UniqueConstraint("study_id", "chain_number"),
    )


class StudyStateRow(Base):
    """What changes about a study while it is judged: the head of its chain (chain.py), and whether it still goes on."""

    __tablename__ = "study_states"
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.study_id"), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    n_before: Mapped[int]
    """Judgements that an older version had stored without a chain."""
    n_judgements: Mapped[int]
    head_hash: Mapped[str] = mapped_column(String(64))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From then on nothing is stored; None: the study goes on."""
    unblinded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """From then on nothing is revised; None: nobody who rates has been told what the items are."""


class StudyEventRow(Base):
    """A study was closed, opened again, or unblinded, and why."""

    __tablename__ = "study_events"
    event_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.study_id"), index=True)
    kind: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(Text)
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)


class IncidentRow(Base):
    """Something about this database that whoever trusts it must know, such as triggers that were missing."""

    __tablename__ = "incidents"
    incident_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    found_at: Mapped[datetime] = mapped_column(UtcDateTime)
    what: Mapped[str] = mapped_column(Text)


class DraftRow(Base):
    """Answers that were chosen but not yet submitted."""

    __tablename__ = "drafts"
    rater_id: Mapped[str] = mapped_column(ForeignKey("raters.rater_id"), primary_key=True)
    study_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    stage_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    answers: Mapped[Answers] = mapped_column(CanonicalJson)
    number: Mapped[int]
    """Of the presentation in which it was written."""
    sequence: Mapped[int] = mapped_column(BigInteger)
    """Position among the drafts of that presentation, as the browser counts them."""
    overlay_used: Mapped[bool]
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (ForeignKeyConstraint(["study_id", "item_id"], ["items.study_id", "items.item_id"]),)
