"""Loads structlog without rich, which it would load for tracebacks that Argus never shows.

Those print the values of variables, which may be secrets; and rich is a fifth of what a process takes to
start. Whoever wants rich for something else has it as always.
"""

from __future__ import annotations

import sys


def load_structlog() -> None:
    """Load structlog, unless it or rich is there already."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # what is None here cannot be imported
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
