"""Libraries take turns, which are found among any number of jobs; a source is deleted in parts."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("job_by_kind", "job")
    op.create_index("job_by_turn", "job", ["state", "kind", "library_id", "id"])
    op.create_index("job_by_library", "job", ["library_id", "kind", "started_at"])
    op.add_column("source", sa.Column("purge_begun_at", sa.Double(), nullable=True))
