"""Alembic runs this: the migrations work in the transaction that ``kgate.store.migrate`` began."""

from alembic import context

from kgate.store.metadata import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
