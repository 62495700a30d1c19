"""The seam between a gateway and how it is seen: HTTP and RTSP are built in; others can be plugged in.

A package offers one through the entry-point group `argus.gateways`: a callable without arguments that
returns an `Interface`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast

from argus.core.plugins import load_plugin
from argus.flow.gateway.hub import Hub

BUILTIN: Final[Mapping[str, str]] = {
    "web": "argus.flow.gateway.web:Web",
    "rtsp": "argus.flow.gateway.rtsp:Rtsp",
}
"""Ours, by name."""


class Interface(Protocol):
    """One way to look at a system from outside. Used by the node's thread; serves from threads of its own."""

    @property
    def url(self) -> str:
        """Where it is to be found, once started."""
        ...

    def start(self, hub: Hub, options: Mapping[str, Any]) -> None:
        """Begin to serve what the hub has; returns when it can be asked.

        Args:
            hub: Where everything is; `hub.listen` tells when there is something new.
            options: The gateway's params under this interface's name; of `web` the gateway's own.

        Raises:
            ArgusError: it cannot, and what to do about it.
        """
        ...

    def stop(self) -> None:
        """Let everybody go, soon; no thread is left. Idempotent, also where `start` failed."""
        ...


def load_interface(name: str) -> Interface:
    """Return a new interface.

    Raises:
        UnknownName: nobody offers it; the message lists the known ones.
        PluginBroken: a package offers it, but it cannot be imported.
    """
    return cast("Callable[[], Interface]", load_plugin("gateway", name, BUILTIN))()
