"""Run by Alembic: upgrades the database that `Database.migrate` hands over."""

from alembic import context

from mosaicd.store.models import Base

engine = context.config.attributes["engine"]
with engine.execution_options(begin="IMMEDIATE").connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
