"""Run by Alembic for each migration, on the connection and in the transaction of the caller."""

from alembic import context

from cytosae_core.judging.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
context.run_migrations()
