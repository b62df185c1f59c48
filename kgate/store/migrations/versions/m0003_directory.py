"""The company's directory: people and groups that SCIM pushes."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "directory_entries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=1024), nullable=False),
        sa.Column("folded", sa.String(length=1024), nullable=False),
        sa.Column("external_id", sa.String(length=1024), nullable=False),
        sa.Column("email", sa.String(length=1024), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("modified", sa.Double(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_directory_entries")),
    )
    with op.batch_alter_table("directory_entries", schema=None) as batch_op:
        batch_op.create_index("ix_directory_entries_kind_external_id", ["kind", "external_id"], unique=False)
        batch_op.create_index("ix_directory_entries_kind_folded", ["kind", "folded"], unique=False)
    op.create_table(
        "directory_members",
        sa.Column("group", sa.String(length=64), nullable=False),
        sa.Column("member", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("display", sa.String(length=1024), nullable=False),
        sa.PrimaryKeyConstraint("group", "member", name=op.f("pk_directory_members")),
    )
    with op.batch_alter_table("directory_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_directory_members_member"), ["member"], unique=False)
