"""A node that tells the way of what it gets: which nodes it went through, and what each step took.

What a trace is, is `argus.flow.tracing`. Link it behind whatever is to be measured: it ends the way.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from argus.core.resources.spec import Spec
from argus.flow.node import SinkNode

if TYPE_CHECKING:
    from argus.flow.tracing import OpenTelemetry


class Tracer(SinkNode):
    """Prints traces, or sends them to an OpenTelemetry collector, whose address is in the environment."""

    class Params(Spec):
        """Where to, and how many."""

        to: Literal["log", "otel"] = "log"
        """`log` prints a table; `otel` sends spans, and needs the extra `otel`."""
        every: int = Field(default=30, ge=1)
        """One frame of so many is told, by its index. Higher costs less; 1 tells all."""
        service: str = Field(default="argus", min_length=1)
        """What the service is called among the spans: the system's name is a good one."""

    params: Params

    def setup(self) -> None:
        """Find the collector.

        Raises:
            MissingExtra: OpenTelemetry is not installed.
        """
        self._sender: OpenTelemetry | None = None
        if self.params.to == "otel":
            from argus.flow.tracing import OpenTelemetry

            self._sender = OpenTelemetry(self.params.service)

    def loop(self, data: Any) -> None:
        """Tell the way of a message."""
        from argus.flow.tracing import as_text, trace_of

        received_ns = time.monotonic_ns()
        assert self.message is not None
        header = self.message.header
        if header.origin.index % self.params.every:
            return
        trace = trace_of(header, self.name, received_ns, time.monotonic_ns())
        if self._sender is not None:
            self._sender.take(trace)
        else:
            print(as_text(trace), end="", flush=True)

    def on_params(self, changed: frozenset[str]) -> None:
        """Tell it elsewhere from now on."""
        if changed & {"to", "service"}:
            self.teardown()
            self.setup()

    def teardown(self) -> None:
        """Send what waits."""
        sender = getattr(self, "_sender", None)
        if sender is not None:
            sender.close()
            self._sender = None
