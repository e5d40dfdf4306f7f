"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "library",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("penalties_reset_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("library_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "splice",
                "mosaic",
                name="jobkind_is_known",
                native_enum=False,
                create_constraint=True,
                length=12,
            ),
            nullable=False,
        ),
        sa.Column("path", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("mtime_ns", sa.Integer(), nullable=False),
        sa.Column("inode", sa.Integer(), nullable=False),
        sa.Column("first_seen_at", sa.Double(), nullable=False),
        sa.Column("admitted_at", sa.Double(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "waiting",
                "running",
                "done",
                "rejected",
                "withdrawn",
                name="jobstate_is_known",
                native_enum=False,
                create_constraint=True,
                length=12,
            ),
            nullable=False,
        ),
        sa.Column("explanation", sa.String(), nullable=True),
        sa.Column("not_before", sa.Double(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("interruptions", sa.Integer(), nullable=False),
        sa.Column("work_kept", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("progress", sa.Double(), nullable=False),
        sa.Column("moved_to", sa.LargeBinary(), nullable=True),
        sa.Column("redelivered_at", sa.Double(), nullable=True),
        sa.CheckConstraint("attempts >= 0", name="attempts_are_counted"),
        sa.CheckConstraint("interruptions >= 0", name="interruptions_are_counted"),
        sa.CheckConstraint("progress BETWEEN 0 AND 1", name="progress_is_a_share"),
        sa.ForeignKeyConstraint(
            ["library_id"],
            ["library.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("job_by_path", ["path", "id"], unique=False)
        batch_op.create_index("job_by_state", ["state", "id"], unique=False)
        batch_op.create_index(
            "one_active_job_a_path",
            ["path"],
            unique=True,
            sqlite_where=sa.text("state IN ('queued', 'waiting', 'running')"),
        )

    op.create_table(
        "source",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("library_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "video",
                "photo",
                name="sourcekind_is_known",
                native_enum=False,
                create_constraint=True,
                length=12,
            ),
            nullable=False,
        ),
        sa.Column("name", sa.LargeBinary(), nullable=False),
        sa.Column("sample_interval_seconds", sa.Double(), nullable=False),
        sa.Column("added_at", sa.Double(), nullable=False),
        sa.Column("next_sample", sa.Integer(), nullable=False),
        sa.Column("tiles_made", sa.Integer(), nullable=False),
        sa.Column("skipped_black", sa.Integer(), nullable=False),
        sa.Column("skipped_blank", sa.Integer(), nullable=False),
        sa.Column("skipped_repeated", sa.Integer(), nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=True),
        sa.Column("shortfall", sa.String(), nullable=True),
        sa.Column("completed_at", sa.Double(), nullable=True),
        sa.Column("removed_at", sa.Double(), nullable=True),
        sa.CheckConstraint("length(sha256) = 32", name="sha256_is_whole"),
        sa.CheckConstraint("sample_interval_seconds > 0", name="interval_is_positive"),
        sa.ForeignKeyConstraint(
            ["library_id"],
            ["library.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("library_id", "sha256"),
    )
    op.create_table(
        "mosaic",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("library_id", sa.Integer(), nullable=False),
        sa.Column("photo_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("photo_name", sa.LargeBinary(), nullable=False),
        sa.Column("stem", sa.LargeBinary(), nullable=False),
        sa.Column("stem_key", sa.LargeBinary(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("tiles_in_library", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("parent_id", sa.Integer(), nullable=True),
        sa.Column("published_at", sa.Double(), nullable=True),
        sa.Column("charges_undone_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["job.id"],
        ),
        sa.ForeignKeyConstraint(
            ["library_id"],
            ["library.id"],
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["mosaic.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id"),
        sa.UniqueConstraint("stem_key"),
    )
    with op.batch_alter_table("mosaic", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_mosaic_library_id"), ["library_id"], unique=False)

    op.create_table(
        "tile",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("library_id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("presentation_us", sa.Integer(), nullable=False),
        sa.Column("crop", sa.Integer(), nullable=False),
        sa.Column("shot", sa.Integer(), nullable=True),
        sa.Column("removed_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["library_id"],
            ["library.id"],
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["source.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source_id", "presentation_us", "crop"),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("tile", schema=None) as batch_op:
        batch_op.create_index("tile_by_library", ["library_id", "id"], unique=False)

    op.create_table(
        "descriptor",
        sa.Column("tile_id", sa.Integer(), nullable=False),
        sa.Column("scheme", sa.Integer(), nullable=False),
        sa.Column("subcells", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tile_id"],
            ["tile.id"],
        ),
        sa.PrimaryKeyConstraint("tile_id"),
    )
    op.create_table(
        "master",
        sa.Column("tile_id", sa.Integer(), nullable=False),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tile_id"],
            ["tile.id"],
        ),
        sa.PrimaryKeyConstraint("tile_id"),
    )
    op.create_table(
        "mosaic_placement",
        sa.Column("mosaic_id", sa.Integer(), nullable=False),
        sa.Column("tiles", sa.LargeBinary(), nullable=False),
        sa.Column("mirrored", sa.LargeBinary(), nullable=False),
        sa.Column("corrections", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["mosaic_id"],
            ["mosaic.id"],
        ),
        sa.PrimaryKeyConstraint("mosaic_id"),
    )
    op.create_table(
        "tile_use",
        sa.Column("mosaic_id", sa.Integer(), nullable=False),
        sa.Column("tile_id", sa.Integer(), nullable=False),
        sa.Column("library_id", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=False),
        sa.CheckConstraint("count > 0", name="use_is_real"),
        sa.ForeignKeyConstraint(
            ["library_id"],
            ["library.id"],
        ),
        sa.ForeignKeyConstraint(
            ["mosaic_id"],
            ["mosaic.id"],
        ),
        sa.ForeignKeyConstraint(
            ["tile_id"],
            ["tile.id"],
        ),
        sa.PrimaryKeyConstraint("mosaic_id", "tile_id"),
    )
    with op.batch_alter_table("tile_use", schema=None) as batch_op:
        batch_op.create_index("tile_use_by_library", ["library_id", "used_at"], unique=False)
