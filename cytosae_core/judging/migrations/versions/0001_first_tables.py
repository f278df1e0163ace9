"""First tables: studies, raters and their orders, signing in, presentations, judgements, drafts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_studies()
    _create_items()
    _create_raters()
    _create_study_raters()
    _create_rater_orders()
    _create_sessions()
    _create_sign_in_attempts()
    _create_presentations()
    _create_judgements()
    _create_drafts()


def _create_studies() -> None:
    op.create_table(
        "studies",
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("atlas_path", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("study_id", name="pk_studies"),
    )


def _create_items() -> None:
    op.create_table(
        "items",
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("item_id", sa.String(length=200), nullable=False),
        sa.Column("task_id", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.study_id"], name="fk_items_study_id"),
        sa.PrimaryKeyConstraint("study_id", "item_id", name="pk_items"),
    )


def _create_raters() -> None:
    op.create_table(
        "raters",
        sa.Column("rater_id", sa.String(length=32), nullable=False),
        sa.Column("rater_code", sa.String(length=32), nullable=False),
        sa.Column("code_key", sa.String(length=200), nullable=False),
        sa.Column("access_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("years", sa.Double(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rater_id", name="pk_raters"),
        sa.UniqueConstraint("code_key", name="uq_raters_code_key"),
    )


def _create_study_raters() -> None:
    op.create_table(
        "study_raters",
        sa.Column("rater_id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["rater_id"], ["raters.rater_id"], name="fk_study_raters_rater_id"),
        sa.ForeignKeyConstraint(["study_id"], ["studies.study_id"], name="fk_study_raters_study_id"),
        sa.PrimaryKeyConstraint("rater_id", "study_id", name="pk_study_raters"),
    )


def _create_rater_orders() -> None:
    op.create_table(
        "rater_orders",
        sa.Column("rater_id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("task_id", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("item_id", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["rater_id", "study_id"],
            ["study_raters.rater_id", "study_raters.study_id"],
            name="fk_rater_orders_rater_id_study_id",
        ),
        sa.ForeignKeyConstraint(
            ["study_id", "item_id"], ["items.study_id", "items.item_id"], name="fk_rater_orders_study_id_item_id"
        ),
        sa.PrimaryKeyConstraint("rater_id", "study_id", "task_id", "position", name="pk_rater_orders"),
        sa.UniqueConstraint("rater_id", "study_id", "item_id", name="uq_rater_orders_rater_id_study_id_item_id"),
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("rater_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["rater_id"], ["raters.rater_id"], name="fk_sessions_rater_id"),
        sa.PrimaryKeyConstraint("token_digest", name="pk_sessions"),
    )
    op.create_index("ix_sessions_rater_id", "sessions", ["rater_id"], unique=False)


def _create_sign_in_attempts() -> None:
    op.create_table(
        "sign_in_attempts",
        sa.Column("attempt_id", sa.String(length=32), nullable=False),
        sa.Column("code_key", sa.String(length=200), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", name="pk_sign_in_attempts"),
    )
    op.create_index("ix_sign_in_attempts_attempted_at", "sign_in_attempts", ["attempted_at"], unique=False)
    op.create_index(
        "ix_sign_in_attempts_code_key_attempted_at", "sign_in_attempts", ["code_key", "attempted_at"], unique=False
    )


def _create_presentations() -> None:
    op.create_table(
        "presentations",
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("rater_id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("item_id", sa.String(length=200), nullable=False),
        sa.Column("stage_id", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("pictures_digest", sa.String(length=64), nullable=False),
        sa.Column("app_version", sa.String(length=200), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["rater_id"], ["raters.rater_id"], name="fk_presentations_rater_id"),
        sa.ForeignKeyConstraint(
            ["study_id", "item_id"], ["items.study_id", "items.item_id"], name="fk_presentations_study_id_item_id"
        ),
        sa.PrimaryKeyConstraint("nonce", name="pk_presentations"),
        sa.UniqueConstraint("rater_id", "number", name="uq_presentations_rater_id_number"),
    )
    op.create_index(
        "ix_presentations_rater_id_item_id_stage_id_number",
        "presentations",
        ["rater_id", "item_id", "stage_id", "number"],
        unique=False,
    )


def _create_judgements() -> None:
    op.create_table(
        "judgements",
        sa.Column("judgement_id", sa.String(length=32), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("rater_id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("item_id", sa.String(length=200), nullable=False),
        sa.Column("stage_id", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("overlay_used", sa.Boolean(), nullable=False),
        sa.Column("pictures_digest", sa.String(length=64), nullable=False),
        sa.Column("app_version", sa.String(length=200), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["nonce"], ["presentations.nonce"], name="fk_judgements_nonce"),
        sa.ForeignKeyConstraint(["rater_id"], ["raters.rater_id"], name="fk_judgements_rater_id"),
        sa.ForeignKeyConstraint(
            ["study_id", "item_id"], ["items.study_id", "items.item_id"], name="fk_judgements_study_id_item_id"
        ),
        sa.PrimaryKeyConstraint("judgement_id", name="pk_judgements"),
        sa.UniqueConstraint("nonce", name="uq_judgements_nonce"),
        sa.UniqueConstraint(
            "rater_id",
            "study_id",
            "item_id",
            "stage_id",
            "revision",
            name="uq_judgements_rater_id_study_id_item_id_stage_id_revision",
        ),
    )
    op.create_index("ix_judgements_study_id", "judgements", ["study_id"], unique=False)


def _create_drafts() -> None:
    op.create_table(
        "drafts",
        sa.Column("rater_id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.String(length=200), nullable=False),
        sa.Column("item_id", sa.String(length=200), nullable=False),
        sa.Column("stage_id", sa.String(length=200), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("overlay_used", sa.Boolean(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["rater_id"], ["raters.rater_id"], name="fk_drafts_rater_id"),
        sa.ForeignKeyConstraint(
            ["study_id", "item_id"], ["items.study_id", "items.item_id"], name="fk_drafts_study_id_item_id"
        ),
        sa.PrimaryKeyConstraint("rater_id", "study_id", "item_id", "stage_id", name="pk_drafts"),
    )
