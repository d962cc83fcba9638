"""reports of broken pictures: one an address counts, and marks can be set aside"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("flaw", sa.Column("reporter", sa.String(length=64), nullable=True))
    op.add_column("flaw", sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True))
    # Until now every rater's report counted.
    rater = "(SELECT rater_id FROM assignment WHERE assignment.id = flaw.assignment_id)"
    op.execute(f"UPDATE flaw SET reporter = {rater} WHERE kind = 'broken'")


def downgrade() -> None:
    op.drop_column("flaw", "lifted_at")
    op.drop_column("flaw", "reporter")
