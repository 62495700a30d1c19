"""The way of one frame from its camera to a sink, with the time that each step took.

A message carries its way with it (`Header.hops`), so nothing is kept anywhere: whoever takes the last message
can tell the whole way, as text or as OpenTelemetry spans. Times are those of one host's monotonic clock; hops
of other hosts are as their channel carried them over.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Protocol

from argus.core.errors import MissingExtra
from argus.flow.message import Header


@dataclass(frozen=True, slots=True)
class Step:
    """One stretch of the way."""

    name: str
    """The node, or `camera -> yolo` for the way between two."""
    kind: Literal["origin", "link", "node"]
    """`origin`: from when it was made until its producer sent it."""
    start_ns: int
    end_ns: int

    @property
    def ms(self) -> float:
        """How long it took, in milliseconds."""
        return (self.end_ns - self.start_ns) / 1e6


@dataclass(frozen=True, slots=True)
class FrameTrace:
    """The way of one frame to one sink."""

    source: str
    index: int
    time_s: float
    """See `Origin`."""
    steps: tuple[Step, ...]
    """In order; each begins where the last one ends."""
    life: int = 0
    """See `Origin`."""

    @property
    def start_ns(self) -> int:
        """When the frame was made, on the monotonic clock."""
        return self.steps[0].start_ns

    @property
    def end_ns(self) -> int:
        """When the sink had done with it."""
        return self.steps[-1].end_ns


def trace_of(header: Header, node: str, received_ns: int, done_ns: int) -> FrameTrace:
    """Return the way of a message to a node that has looked at it.

    Args:
        header: The message's.
        node: Who looked at it.
        received_ns: When it got it, on the monotonic clock (`time.monotonic_ns`).
        done_ns: When it had looked.
    """
    origin = header.origin
    steps: list[Step] = []
    last, at_ns = origin.source, origin.born_ns
    for hop in header.hops:
        if not steps:
            steps.append(Step(hop.node, "origin", min(at_ns, hop.sent_ns), hop.sent_ns))
        else:
            steps.append(Step(f"{last} -> {hop.node}", "link", at_ns, max(at_ns, hop.received_ns)))
            steps.append(Step(hop.node, "node", steps[-1].end_ns, max(steps[-1].end_ns, hop.sent_ns)))
        last, at_ns = hop.node, steps[-1].end_ns
    steps.append(Step(f"{last} -> {node}", "link", at_ns, max(at_ns, received_ns)))
    steps.append(Step(node, "node", steps[-1].end_ns, max(steps[-1].end_ns, done_ns)))
    return FrameTrace(origin.source, origin.index, origin.time_s, tuple(steps), origin.life)


def as_text(trace: FrameTrace, *, width: int = 40) -> str:
    """Return a trace as a table with bars, `width` letters for the whole way."""
    whole_ns = max(1, trace.end_ns - trace.start_ns)
    names = max(len(step.name) for step in trace.steps)
    lines = [
        f"{trace.source} frame {trace.index} at {trace.time_s:.3f} s: {whole_ns / 1e6:.2f} ms to the end"
    ]
    for step in trace.steps:
        begin = (step.start_ns - trace.start_ns) * width // whole_ns
        end = max(begin + 1, (step.end_ns - trace.start_ns) * width // whole_ns)
        bar = (" " * begin + ("░" if step.kind == "link" else "█") * (end - begin))[: width + 1]
        lines.append(f"  {step.name:{names}} {step.ms:9.2f} ms  {bar}")
    return "\n".join(lines) + "\n"


class TraceSink(Protocol):
    """Takes traces; called by the thread of a node, so it must be quick."""

    def take(self, trace: FrameTrace) -> None:
        """Take one."""
        ...

    def close(self) -> None:
        """Hand on what waits; idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """One span as OpenTelemetry has them."""

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    start_ns: int
    """Unix time."""
    end_ns: int
    attributes: dict[str, str | int | float]


def spans_of(trace: FrameTrace, system: str, *, unix_minus_monotonic_ns: int) -> Iterator[SpanFacts]:
    """Yield the spans of a trace, each before its child: every step is a child of the one before it.

    Ids follow from what is traced: two sinks that tell of one frame tell of one trace, and the steps that
    they have in common are the same spans.
    """
    trace_id = _id(16, system, trace.source, trace.life, trace.index)
    path: list[str] = []
    parent: int | None = None
    for step in trace.steps:
        path.append(step.name)
        span_id = _id(8, trace_id, *path)
        yield SpanFacts(
            trace_id,
            span_id,
            parent,
            step.name,
            step.start_ns + unix_minus_monotonic_ns,
            step.end_ns + unix_minus_monotonic_ns,
            {
                "argus.system": system,
                "argus.step": step.kind,
                "argus.source": trace.source,
                "argus.frame.index": trace.index,
                "argus.frame.time_s": trace.time_s,
            },
        )
        parent = span_id


class OpenTelemetry:
    """Sends traces to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names; see `TraceSink`."""

    def __init__(self, system: str, *, every: int = 1, processor: Any = None) -> None:
        """Begin to send.

        Args:
            system: Its name, which becomes the service's.
            every: One frame of so many is told of. Higher costs less.
            processor: The `SpanProcessor` that takes the spans; None: batches over OTLP and HTTP.

        Raises:
            MissingExtra: OpenTelemetry is not installed.
        """
        try:
            self._otel: Any = import_module("opentelemetry.trace")
            resources: Any = import_module("opentelemetry.sdk.resources")
            sdk: Any = import_module("opentelemetry.sdk.trace")
            if processor is None:
                export: Any = import_module("opentelemetry.sdk.trace.export")
                otlp: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
                processor = export.BatchSpanProcessor(otlp.OTLPSpanExporter())
        except ImportError as error:
            raise MissingExtra("tracing", "otel") from error
        self._system = system
        self._every = max(1, every)
        self._ids = _GivenIds()
        resource = resources.Resource.create({"service.name": system})
        self._provider: Any = sdk.TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer: Any = self._provider.get_tracer("argus.flow")

    def take(self, trace: FrameTrace) -> None:
        """Hand the spans of a trace to the processor, which sends them when it likes."""
        if trace.index % self._every:
            return
        otel = self._otel
        offset_ns = time.time_ns() - time.monotonic_ns()
        for facts in spans_of(trace, self._system, unix_minus_monotonic_ns=offset_ns):
            self._ids.trace_id, self._ids.span_id = facts.trace_id, facts.span_id
            context = None
            if facts.parent_id is not None:
                sampled = otel.TraceFlags(otel.TraceFlags.SAMPLED)
                parent = otel.SpanContext(
                    facts.trace_id, facts.parent_id, is_remote=True, trace_flags=sampled
                )
                context = otel.set_span_in_context(otel.NonRecordingSpan(parent))
            span = self._tracer.start_span(
                facts.name, context, start_time=facts.start_ns, attributes=facts.attributes
            )
            span.end(facts.end_ns)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


class _GivenIds:
    """Gives spans the ids that they are to have; see `opentelemetry.sdk.trace.IdGenerator`."""

    trace_id = 0
    span_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id

    def is_trace_id_random(self) -> bool:
        return False


def _id(size: int, *parts: object) -> int:
    """Return a number of so many bytes, never 0, that follows from the parts."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=size).digest()) or 1
