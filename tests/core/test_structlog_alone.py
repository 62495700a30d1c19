"""A node's process starts without rich, which nothing in it needs; who needs it has it."""

from __future__ import annotations

import subprocess
import sys


def test_a_worker_of_flow_does_not_load_rich_and_may() -> None:
    code = (
        "import sys, argus.flow.worker; assert 'structlog' in sys.modules and 'rich' not in sys.modules;"
        "import rich.console; print(rich.console.Console)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Console" in ran.stdout


def test_who_loaded_structlog_before_keeps_it_as_it_was() -> None:
    code = "import structlog, argus.flow; assert structlog.dev.rich is not None; import rich; rich.print"
    subprocess.run([sys.executable, "-c", code], check=True)
