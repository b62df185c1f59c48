"""In which order notices were kept, and how far they were known when a sign-in began."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


# A gate of the release before goes on writing without them: then no notice was known when a sign-in began.
DEFAULTS = {"notices": "2147483647", "signins": "0"}


def upgrade() -> None:
    for table, default in DEFAULTS.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(sa.Column("place", sa.Integer(), nullable=False, server_default=default))
