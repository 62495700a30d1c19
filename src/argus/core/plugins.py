"""Extensions that other packages bring: found by name, loaded when they are asked for.

A package offers one through an entry point in the group of the seam:

    [project.entry-points."argus.trackers"]
    mine = "my_package.tracking:MyTracker"

Every group is listed in `GROUPS`; importing Argus loads none of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from argus.core.errors import PluginBroken, UnknownName

GROUPS: Mapping[str, str] = {
    "source": "argus.sources",
    "engine": "argus.engines",
    "layout": "argus.layouts",
    "tracker": "argus.trackers",
    "gateway": "argus.gateways",
}
"""What is plugged in, in the words of a message, and the entry-point group it is found in."""


def plugin_names(kind: str, builtin: Mapping[str, str] | None = None) -> list[str]:
    """Return every name that `load_plugin` knows for this kind, sorted; loads nothing."""
    return sorted({*_installed(kind), *(builtin or {})})


def load_plugin(kind: str, name: str, builtin: Mapping[str, str] | None = None) -> Any:
    """Return the object that `name` stands for.

    Args:
        kind: One of `GROUPS`.
        name: What the user wrote.
        builtin: Our own, as `name: "module:attribute"`; they win over installed ones of the same name,
            so that no package changes what a name of ours means.

    Raises:
        UnknownName: nobody offers this name; the message lists the known ones.
        PluginBroken: the plugin is there, but importing it fails.
    """
    ours = builtin or {}
    if name in ours:
        module, _, attribute = ours[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    installed = _installed(kind)
    if name not in installed:
        raise UnknownName(kind, name, plugin_names(kind, ours))
    entry = installed[name]
    try:
        return entry.load()
    except Exception as error:  # the code of a stranger may raise anything
        raise PluginBroken(kind, name, _origin(entry), error) from error


def _installed(kind: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUPS[kind])}


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
