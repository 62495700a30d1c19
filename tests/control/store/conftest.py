"""What tests of stores may ask for."""

from __future__ import annotations

from tests.services.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]
