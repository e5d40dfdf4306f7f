"""Run by Alembic: upgrades the database that `Database.migrate` hands over."""

from alembic import context

from mosaicd.crash_points import CrashPoint, passed
from mosaicd.store.models import Base

engine = context.config.attributes["engine"]
with engine.execution_options(begin="IMMEDIATE").connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,  # from whatever revision to the last one at once: killed, it leaves the old one
        on_version_apply=lambda **_: passed(CrashPoint.SCHEMA_CHANGED),
    )
    with context.begin_transaction():
        context.run_migrations()
