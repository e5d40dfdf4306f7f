"""What retention deletes is remembered: originals, placements and uses; tiles can be deleted fast."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("original_gone_at", sa.Double(), nullable=True))
    op.add_column("mosaic", sa.Column("placement_dropped_at", sa.Double(), nullable=True))
    op.add_column("mosaic", sa.Column("uses_dropped_at", sa.Double(), nullable=True))
    op.create_index("tile_use_by_tile", "tile_use", ["tile_id"])
