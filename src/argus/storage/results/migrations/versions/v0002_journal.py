"""What a journal needs: a number per transaction, and one that tells databases apart.

Of files alone: a server keeps a journal of its own.
"""

from __future__ import annotations

import secrets

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add both to the state."""
    if op.get_bind().dialect.name == "sqlite":
        lineage = secrets.randbits(62)
        op.execute(
            "INSERT INTO argus_results_state (name, value) "  # noqa: S608 - a number of ours
            f"VALUES ('entry', 0), ('lineage', {lineage})"
        )
