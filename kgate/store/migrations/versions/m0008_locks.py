"""Locks."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "locks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("user", sa.String(length=1024), nullable=False),
        sa.Column("group", sa.String(length=1024), nullable=False),
        sa.Column("robot", sa.String(length=1024), nullable=False),
        sa.Column("device", sa.String(length=1024), nullable=False),
        sa.Column("cluster", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=1024), nullable=False),
        sa.Column("by", sa.String(length=1024), nullable=False),
        sa.Column("begins", sa.Double(), nullable=False),
        sa.Column("until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_locks")),
    )
