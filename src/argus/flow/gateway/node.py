"""The gateway as a node: it keeps the newest of each topic, and interfaces show it.

Nothing of the web is imported before a gateway is set up.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from argus.core.errors import ArgusError
from argus.core.resources.spec import Names, Spec
from argus.flow.gateway.hub import Hub
from argus.flow.gateway.interface import Interface, load_interface
from argus.flow.node import GatewayNode


class Gateway(GatewayNode):
    """Shows pictures, results, status and params to browsers and programs; see `docs/how-to/flow-gateway.md`.

    It takes any value by any number of links. A link to it should be REALTIME: it shows what is newest.
    """

    class Params(Spec):
        """Where, and how much."""

        host: str = Field(default="127.0.0.1", min_length=1)
        """Address to listen at; beyond loopback only with a key in `ARGUS_API_KEY`."""
        port: int = Field(default=8080, ge=0, le=65535)
        """0 takes any that is free; the log says which."""
        quality: int = Field(default=80, ge=1, le=100)
        """Of the JPEGs. Higher looks better; lower takes less of the network."""
        fps: float | None = Field(default=15.0, gt=0, le=240)
        """Pictures per second and topic at most; None: all. Lower takes less of machine and network."""
        viewers: int = Field(default=64, ge=1, le=10_000)
        """Who may watch at the same time; each picture stream and each WebSocket counts."""
        interfaces: Names = ("web",)
        """How it is seen: `web`, `rtsp`, or names of the entry-point group `argus.gateways`."""
        options: dict[str, dict[str, Any]] = Field(default_factory=dict)
        """What interfaces besides `web` are told, by their names."""

    params: Params

    @property
    def urls(self) -> tuple[str, ...]:
        """Where its interfaces are to be found."""
        return tuple(interface.url for interface in self._interfaces)

    def setup(self) -> None:
        """Begin to listen.

        Raises:
            ArgusError: an interface cannot begin, and what to do about it.
        """
        self.hub = Hub(self.params, node=self.name)
        self._interfaces: list[Interface] = []
        self._taken = self.params
        self._start()

    def loop(self, data: Any) -> None:
        """Keep a message as the newest of its topic."""
        assert self.message is not None
        self.hub.put(self.message)

    def on_params(self, changed: frozenset[str]) -> None:
        """Show pictures otherwise at once; listen elsewhere where that is meant.

        Raises:
            ArgusError: it cannot listen there; it goes on as before.
        """
        if changed - {"quality", "fps"}:
            self._stop()
            try:
                self._start()
            except ArgusError:
                self._stop()
                self.params = self._taken
                self._start()
                raise
        self.hub.settings = self._taken = self.params

    def teardown(self) -> None:
        """Let everybody go."""
        if hasattr(self, "hub"):
            self._stop()

    def _start(self) -> None:
        for name in self.params.interfaces:
            interface = load_interface(name)
            self._interfaces.append(interface)
            own = self.params.model_dump(include={"host", "port", "viewers"}) if name == "web" else {}
            interface.start(self.hub, {**own, **self.params.options.get(name, {})})
            self.log.info("gateway.listening", interface=name, url=interface.url)

    def _stop(self) -> None:
        interfaces, self._interfaces = self._interfaces, []
        for interface in interfaces:
            interface.stop()
