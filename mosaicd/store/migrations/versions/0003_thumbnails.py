"""Mosaics have thumbnails, for galleries; the next job of a kind is found among any number of others."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mosaic_thumbnail",
        sa.Column("mosaic_id", sa.Integer(), sa.ForeignKey("mosaic.id"), primary_key=True),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
    )
    op.create_index("job_by_kind", "job", ["state", "kind", "id"])
