"""Write docs/reference/cli.md from the commands themselves: `python tools/cli_reference.py`.

The tests compare the file with what this gives, so that it cannot go stale.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from argus.cli.main import app

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
HEAD = """# Command line

Exit codes: 0 done, 1 the work failed, 2 the request itself is wrong, 130 interrupted. Results go to stdout,
progress and errors to stderr. `ARGUS_HOME` names the folder for models and caches; `ARGUS_DEBUG=1` shows
tracebacks.
"""


def reference() -> str:
    """Return the page: one section for each command, with its options."""
    command = typer.main.get_command(app)
    return HEAD + "".join(section(command, "argus"))


def section(command: Any, path: str) -> list[str]:
    """Return the Markdown of one command and of those below it."""
    parts = [f"\n## `{path}`\n\n{prose(command)}\n"]
    rows = [row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [text for text in rows if text]
    if rows:
        parts.append("\n| option | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    for name, sub in sorted(getattr(command, "commands", {}).items()):
        parts += section(sub, f"{path} {name}")
    return parts


def prose(command: Any) -> str:
    """Return the help text of a command."""
    return str(command.help or "").replace("\f", "").strip()


def row(parameter: Any) -> str:
    """Return one line of the table of options."""
    if parameter.name in {"help", "install_completion", "show_completion"}:
        return ""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    shown = getattr(parameter, "show_default", None)
    default = shown if isinstance(shown, str) else parameter.default
    if shown is False or default is None or default is False or callable(default) or parameter.required:
        default = "required" if parameter.required else ""
    return f"| {names} | {default} | {(parameter.help or '').strip().replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(reference(), encoding="utf-8")
