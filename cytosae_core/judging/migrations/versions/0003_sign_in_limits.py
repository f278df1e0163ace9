"""Attempts to sign in know where they come from, and raters the devices they have used."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("sign_in_attempts", sa.Column("source", sa.String(length=64), nullable=False, server_default=""))
    known: sa.Column[bool] = sa.Column("is_known_device", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("sign_in_attempts", known)
    op.create_index(
        "ix_sign_in_attempts_source_attempted_at", "sign_in_attempts", ["source", "attempted_at"], unique=False
    )
    op.create_table(
        "known_devices",
        sa.Column("code_key", sa.String(length=200), nullable=False),
        sa.Column("device_digest", sa.String(length=64), nullable=False),
        sa.Column("known_since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code_key", "device_digest", name="pk_known_devices"),
    )
