"""The first tables: change feed, sessions, sign-ins, codes, signing keys, robots."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("topic", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=1024), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "codes",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("user_code", sa.String(length=16), nullable=True),
        sa.Column("challenge", sa.String(length=128), nullable=False),
        sa.Column("redirect_uri", sa.String(length=2048), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("clusters", sa.Text(), nullable=False),
        sa.Column("polled", sa.Double(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("provider_tokens", sa.Text(), nullable=False),
        sa.Column("session", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_codes")),
        sa.UniqueConstraint("user_code", name=op.f("uq_codes_user_code")),
    )
    with op.batch_alter_table("codes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_codes_expires"), ["expires"], unique=False)

    op.create_table(
        "robot_uses",
        sa.Column("name", sa.String(length=1024), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_robot_uses")),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("user", sa.String(length=1024), nullable=False),
        sa.Column("issuer", sa.String(length=2048), nullable=False),
        sa.Column("subject", sa.String(length=1024), nullable=False),
        sa.Column("provider_session", sa.String(length=1024), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("clusters", sa.Text(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("ended_why", sa.String(length=1024), nullable=False),
        sa.Column("provider_tokens", sa.Text(), nullable=False),
        sa.Column("checked", sa.Double(), nullable=False),
        sa.Column("check_due", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_expires"), ["expires"], unique=False)
        batch_op.create_index("ix_sessions_issuer_provider_session", ["issuer", "provider_session"], unique=False)
        batch_op.create_index("ix_sessions_issuer_subject", ["issuer", "subject"], unique=False)
        batch_op.create_index(batch_op.f("ix_sessions_user"), ["user"], unique=False)

    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(length=64), nullable=False),
        sa.Column("begins", sa.Double(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_keys")),
    )
    op.create_table(
        "signins",
        sa.Column("state", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=2048), nullable=False),
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("verifier", sa.Text(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=False),
        sa.Column("redirect_uri", sa.String(length=2048), nullable=False),
        sa.Column("client_state", sa.String(length=1024), nullable=False),
        sa.Column("challenge", sa.String(length=128), nullable=False),
        sa.Column("user_code", sa.String(length=16), nullable=False),
        sa.Column("clusters", sa.Text(), nullable=False),
        sa.Column("step_up", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("state", name=op.f("pk_signins")),
    )
    with op.batch_alter_table("signins", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_signins_expires"), ["expires"], unique=False)

    op.create_table(
        "cookies",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name=op.f("fk_cookies_session_sessions"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_cookies")),
    )
    with op.batch_alter_table("cookies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cookies_session"), ["session"], unique=False)

    op.create_table(
        "refresh_secrets",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("session", sa.String(length=64), nullable=False),
        sa.Column("made", sa.Double(), nullable=False),
        sa.Column("next", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["session"], ["sessions.id"], name=op.f("fk_refresh_secrets_session_sessions"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_refresh_secrets")),
    )
    with op.batch_alter_table("refresh_secrets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_refresh_secrets_session"), ["session"], unique=False)
