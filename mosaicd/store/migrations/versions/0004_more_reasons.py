"""Squares are left out for more reasons: blurred, credits, near-duplicates."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("skipped_blurred", "skipped_credits", "skipped_duplicate"):
        op.add_column("source", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
