"""no practice assignments: practice is kept with the rater and never was an assignment"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # No version of the studio wrote a practice row. Not in a batch: that would drop and rebuild the table, and votes hang on it.
    op.drop_column("assignment", "practice")


def downgrade() -> None:
    op.add_column("assignment", sa.Column("practice", sa.Boolean(), nullable=False, server_default=sa.false()))
