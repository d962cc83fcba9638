"""no risk of a rater: it is of a rater in one study, and stands with its reasons among the exclusions"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Every study's sweep wrote over the last one's, and nothing else read it. Not in a batch, see 0002.
    op.drop_column("rater", "risk_reasons")
    op.drop_column("rater", "risk")


def downgrade() -> None:
    reasons = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("rater", sa.Column("risk", sa.Double(), nullable=False, server_default="0"))
    op.add_column("rater", sa.Column("risk_reasons", reasons, nullable=False, server_default="[]"))
