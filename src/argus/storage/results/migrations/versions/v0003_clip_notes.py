"""What is said of a clip that is missing or not whole, until its event comes.

The event's own and its alerts' stand in their bodies.
"""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add a column; what was kept before says nothing."""
    text = "VARCHAR" if op.get_bind().dialect.name == "sqlite" else 'VARCHAR COLLATE "C"'
    op.execute(f"ALTER TABLE argus_attachments ADD COLUMN clip_note {text}")
