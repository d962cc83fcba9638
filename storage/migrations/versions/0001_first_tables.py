"""first tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal_mark",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_mark")),
    )
    op.create_table(
        "rater",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=True),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("practice", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("risk", sa.Double(), nullable=False),
        sa.Column("risk_reasons", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rater")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_rater_key_hash")),
    )
    op.create_table(
        "setting",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=True),
        sa.Column("schedule", sa.String(), nullable=True),
        sa.Column("scale", sa.Double(), nullable=True),
        sa.Column("temperature", sa.Double(), nullable=True),
        sa.Column("top_k", sa.Integer(), nullable=True),
        sa.Column("top_p", sa.Double(), nullable=True),
        sa.Column("checkpoint", sa.String(), nullable=False),
        sa.Column("values", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_setting")),
        sa.UniqueConstraint("hash", name=op.f("uq_setting_hash")),
    )
    op.create_table(
        "study",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("invite", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("prompts", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("settings", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("criteria", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("raters_per_pair", sa.Integer(), nullable=False),
        sa.Column("contrasts", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("plan", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('draft', 'generating', 'open', 'paused', 'closed')", name=op.f("ck_study_state")),
        sa.CheckConstraint("raters_per_pair >= 1", name=op.f("ck_study_raters_per_pair")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("invite", name=op.f("uq_study_invite")),
        sa.UniqueConstraint("name", name=op.f("uq_study_name")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("study_id", sa.String(length=36), nullable=True),
        sa.Column("request", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("request_key", sa.String(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("worker_id", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("progress", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled', 'interrupted')",
            name=op.f("ck_job_state"),
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_job_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("owner", "request_key", name=op.f("uq_job_owner_request_key")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_job_owner"), ["owner"], unique=False)
        batch_op.create_index(batch_op.f("ix_job_state"), ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_job_study_id"), ["study_id"], unique=False)

    op.create_table(
        "look",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("study_id", sa.String(length=36), nullable=False),
        sa.Column("contrast", sa.String(), nullable=False),
        sa.Column("criterion", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("votes", sa.Integer(), nullable=False),
        sa.Column("result", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_look_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_look")),
        sa.UniqueConstraint(
            "study_id",
            "contrast",
            "criterion",
            "number",
            name=op.f("uq_look_study_id_contrast_criterion_number"),
        ),
    )
    op.create_table(
        "generation",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=True),
        sa.Column("image_index", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.String(length=36), nullable=True),
        sa.Column("setting_id", sa.String(length=36), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("derived_from", sa.String(length=36), nullable=True),
        sa.Column("prompt", sa.String(), nullable=True),
        sa.Column("prompt_sent", sa.String(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.LargeBinary(), nullable=True),
        sa.Column("token_hash", sa.String(length=64), nullable=True),
        sa.Column("pixel_hash", sa.String(length=64), nullable=True),
        sa.Column("image", sa.String(length=64), nullable=True),
        sa.Column("thumbnail", sa.String(length=64), nullable=True),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("timings", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("numerics_id", sa.String(), nullable=False),
        sa.Column("environment", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_down_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_down_reason", sa.String(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("source IN ('model', 'rival', 'degraded')", name=op.f("ck_generation_source")),
        sa.ForeignKeyConstraint(
            ["derived_from"], ["generation.id"], name=op.f("fk_generation_derived_from_generation")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_generation_job_id_job")),
        sa.ForeignKeyConstraint(["setting_id"], ["setting.id"], name=op.f("fk_generation_setting_id_setting")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_generation_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_generation")),
        sa.UniqueConstraint("job_id", "image_index", name=op.f("uq_generation_job_id_image_index")),
    )
    with op.batch_alter_table("generation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_generation_image"), ["image"], unique=False)
        batch_op.create_index(batch_op.f("ix_generation_owner"), ["owner"], unique=False)
        batch_op.create_index(batch_op.f("ix_generation_published_at"), ["published_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_generation_setting_id"), ["setting_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_generation_study_id"), ["study_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_generation_thumbnail"), ["thumbnail"], unique=False)

    op.create_table(
        "comparison",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("study_id", sa.String(length=36), nullable=False),
        sa.Column("generation_a", sa.String(length=36), nullable=False),
        sa.Column("generation_b", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("factor", sa.String(), nullable=True),
        sa.Column("block", sa.String(), nullable=True),
        sa.Column("expected", sa.String(), nullable=True),
        sa.CheckConstraint("expected IN ('a', 'b')", name=op.f("ck_comparison_expected")),
        sa.CheckConstraint(
            "kind IN ('matched', 'wrong_prompt', 'degraded', 'identical', 'free')",
            name=op.f("ck_comparison_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["generation_a"], ["generation.id"], name=op.f("fk_comparison_generation_a_generation")
        ),
        sa.ForeignKeyConstraint(
            ["generation_b"], ["generation.id"], name=op.f("fk_comparison_generation_b_generation")
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_comparison_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison")),
        sa.UniqueConstraint(
            "study_id",
            "generation_a",
            "generation_b",
            "kind",
            name=op.f("uq_comparison_study_id_generation_a_generation_b_kind"),
        ),
    )
    with op.batch_alter_table("comparison", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_comparison_generation_a"), ["generation_a"], unique=False)
        batch_op.create_index(batch_op.f("ix_comparison_generation_b"), ["generation_b"], unique=False)

    op.create_table(
        "sighting",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("viewer", sa.String(), nullable=False),
        sa.Column("generation_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["generation_id"], ["generation.id"], name=op.f("fk_sighting_generation_id_generation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sighting")),
        sa.UniqueConstraint("viewer", "generation_id", name=op.f("uq_sighting_viewer_generation_id")),
    )
    with op.batch_alter_table("sighting", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sighting_generation_id"), ["generation_id"], unique=False)

    op.create_table(
        "assignment",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("study_id", sa.String(length=36), nullable=False),
        sa.Column("rater_id", sa.String(length=36), nullable=False),
        sa.Column("comparison_id", sa.String(length=36), nullable=False),
        sa.Column("left_side", sa.String(length=1), nullable=False),
        sa.Column("criteria", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("chosen_by", sa.String(length=32), nullable=False),
        sa.Column("repeat", sa.Integer(), nullable=False),
        sa.Column("repeat_of", sa.String(length=36), nullable=True),
        sa.Column("practice", sa.Boolean(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("left_side IN ('a', 'b')", name=op.f("ck_assignment_left_side")),
        sa.CheckConstraint("propensity > 0 AND propensity <= 1", name=op.f("ck_assignment_propensity")),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparison.id"], name=op.f("fk_assignment_comparison_id_comparison")
        ),
        sa.ForeignKeyConstraint(["rater_id"], ["rater.id"], name=op.f("fk_assignment_rater_id_rater")),
        sa.ForeignKeyConstraint(["repeat_of"], ["assignment.id"], name=op.f("fk_assignment_repeat_of_assignment")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_assignment_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
        sa.UniqueConstraint(
            "rater_id", "comparison_id", "repeat", name=op.f("uq_assignment_rater_id_comparison_id_repeat")
        ),
    )
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assignment_comparison_id"), ["comparison_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_assignment_study_id"), ["study_id"], unique=False)

    op.create_table(
        "flaw",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assignment_id", sa.String(length=36), nullable=False),
        sa.Column("generation_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("x0", sa.Double(), nullable=False),
        sa.Column("y0", sa.Double(), nullable=False),
        sa.Column("x1", sa.Double(), nullable=False),
        sa.Column("y1", sa.Double(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint("kind IN ('area', 'broken')", name=op.f("ck_flaw_kind")),
        sa.CheckConstraint(
            "x0 >= 0 AND x1 <= 1 AND y0 >= 0 AND y1 <= 1 AND x0 < x1 AND y0 < y1", name=op.f("ck_flaw_area")
        ),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignment.id"], name=op.f("fk_flaw_assignment_id_assignment")),
        sa.ForeignKeyConstraint(["generation_id"], ["generation.id"], name=op.f("fk_flaw_generation_id_generation")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flaw")),
    )
    with op.batch_alter_table("flaw", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_flaw_assignment_id"), ["assignment_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_flaw_generation_id"), ["generation_id"], unique=False)

    op.create_table(
        "vote",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("assignment_id", sa.String(length=36), nullable=False),
        sa.Column("criterion", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(length=16), nullable=True),
        sa.Column("decision_ms", sa.Integer(), nullable=True),
        sa.Column("display", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("supersedes", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignment.id"], name=op.f("fk_vote_assignment_id_assignment")),
        sa.ForeignKeyConstraint(["supersedes"], ["vote.id"], name=op.f("fk_vote_supersedes_vote")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vote")),
        sa.UniqueConstraint(
            "assignment_id", "criterion", "revision", name=op.f("uq_vote_assignment_id_criterion_revision")
        ),
        sa.UniqueConstraint("supersedes", name=op.f("uq_vote_supersedes")),
    )
    op.create_table(
        "exclusion",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("vote_id", sa.String(length=36), nullable=False),
        sa.Column("rule", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["vote_id"], ["vote.id"], name=op.f("fk_exclusion_vote_id_vote")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exclusion")),
        sa.UniqueConstraint("vote_id", "rule", name=op.f("uq_exclusion_vote_id_rule")),
    )


def downgrade() -> None:
    op.drop_table("exclusion")
    op.drop_table("vote")
    with op.batch_alter_table("flaw", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_flaw_generation_id"))
        batch_op.drop_index(batch_op.f("ix_flaw_assignment_id"))

    op.drop_table("flaw")
    with op.batch_alter_table("assignment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assignment_study_id"))
        batch_op.drop_index(batch_op.f("ix_assignment_comparison_id"))

    op.drop_table("assignment")
    with op.batch_alter_table("sighting", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sighting_generation_id"))

    op.drop_table("sighting")
    with op.batch_alter_table("comparison", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_comparison_generation_b"))
        batch_op.drop_index(batch_op.f("ix_comparison_generation_a"))

    op.drop_table("comparison")
    with op.batch_alter_table("generation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_generation_thumbnail"))
        batch_op.drop_index(batch_op.f("ix_generation_study_id"))
        batch_op.drop_index(batch_op.f("ix_generation_setting_id"))
        batch_op.drop_index(batch_op.f("ix_generation_published_at"))
        batch_op.drop_index(batch_op.f("ix_generation_owner"))
        batch_op.drop_index(batch_op.f("ix_generation_image"))

    op.drop_table("generation")
    op.drop_table("look")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_job_study_id"))
        batch_op.drop_index(batch_op.f("ix_job_state"))
        batch_op.drop_index(batch_op.f("ix_job_owner"))

    op.drop_table("job")
    op.drop_table("study")
    op.drop_table("setting")
    op.drop_table("rater")
    op.drop_table("journal_mark")
