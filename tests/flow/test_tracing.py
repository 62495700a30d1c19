"""The way of a frame from camera to sink: told whole, and the same by whoever tells it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from argus.core.errors import MissingExtra
from argus.flow.message import Header, Hop, Origin
from argus.flow.system import System, run
from argus.flow.tracing import FrameTrace, OpenTelemetry, as_text, spans_of, trace_of

MS = 1_000_000
HEADER = Header(
    "yolo/1/7",
    Origin("camera", 7, 0.28, 100 * MS),
    (Hop("camera", 102 * MS, 102 * MS), Hop("yolo", 103 * MS, 115 * MS)),
)


def to_gateway() -> FrameTrace:
    return trace_of(HEADER, "gateway", 116 * MS, 120 * MS)


def test_each_step_begins_where_the_last_one_ends() -> None:
    trace = to_gateway()
    assert [(step.name, step.kind, step.ms) for step in trace.steps] == [
        ("camera", "origin", 2.0),
        ("camera -> yolo", "link", 1.0),
        ("yolo", "node", 12.0),
        ("yolo -> gateway", "link", 1.0),
        ("gateway", "node", 4.0),
    ]
    assert all(a.end_ns == b.start_ns for a, b in zip(trace.steps, trace.steps[1:], strict=False))
    assert sum(step.ms for step in trace.steps) == 20.0


def test_clocks_that_disagree_by_a_little_give_no_negative_times() -> None:
    header = Header("a/1/1", Origin("a", 1, 0.0, 5000), (Hop("a", 4000, 4000), Hop("b", 3000, 2000)))
    assert all(step.ms >= 0 for step in trace_of(header, "c", 1000, 900).steps)


def test_a_message_without_hops_has_a_way_of_its_own() -> None:
    trace = trace_of(Header("a/1/1", Origin("a", 1, 0.0, 0)), "b", 2 * MS, 3 * MS)
    assert [step.name for step in trace.steps] == ["a -> b", "b"]


def test_as_text_a_trace_has_a_bar_for_each_step() -> None:
    assert as_text(to_gateway(), width=20) == (
        "camera frame 7 at 0.280 s: 20.00 ms to the end\n"
        "  camera               2.00 ms  ██\n"
        "  camera -> yolo       1.00 ms    ░\n"
        "  yolo                12.00 ms     ████████████\n"
        "  yolo -> gateway      1.00 ms                 ░\n"
        "  gateway              4.00 ms                  ████\n"
    )


def test_two_sinks_of_one_frame_tell_of_one_trace_and_share_the_steps_they_share() -> None:
    one = list(spans_of(to_gateway(), "robot", unix_minus_monotonic_ns=0))
    two = list(spans_of(trace_of(HEADER, "logger", 118 * MS, 119 * MS), "robot", unix_minus_monotonic_ns=0))
    assert {span.trace_id for span in (*one, *two)} == {one[0].trace_id}
    assert [span.span_id for span in one[:3]] == [span.span_id for span in two[:3]]
    assert one[3].span_id != two[3].span_id
    assert [span.parent_id for span in one] == [None, *(span.span_id for span in one[:-1])]
    assert len({span.span_id for span in (*one, *two)}) == 7
    other = next(iter(spans_of(to_gateway(), "other-robot", unix_minus_monotonic_ns=0)))
    assert other.trace_id != one[0].trace_id


def test_without_opentelemetry_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(MissingExtra, match=r"argus-vision\[otel\]"):
        OpenTelemetry("robot")


def test_opentelemetry_gets_the_spans_with_their_parents() -> None:
    export = pytest.importorskip("opentelemetry.sdk.trace.export", reason="the extra otel is not installed")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter = memory.InMemorySpanExporter()
    sender = OpenTelemetry("robot", every=7, processor=export.SimpleSpanProcessor(exporter))
    sender.take(to_gateway())
    unwanted = Header("yolo/1/8", Origin("camera", 8, 0.32, 140 * MS), HEADER.hops)
    sender.take(trace_of(unwanted, "gateway", 150 * MS, 151 * MS))
    sender.close()
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["camera", "camera -> yolo", "yolo", "yolo -> gateway", "gateway"]
    expected = list(spans_of(to_gateway(), "robot", unix_minus_monotonic_ns=0))
    assert [span.context.span_id for span in spans] == [span.span_id for span in expected]
    assert {span.context.trace_id for span in spans} == {expected[0].trace_id}
    assert [None if span.parent is None else span.parent.span_id for span in spans] == [
        span.parent_id for span in expected
    ]
    assert spans[2].end_time - spans[2].start_time == 12 * MS
    assert spans[0].resource.attributes["service.name"] == "robot"
    assert spans[0].attributes["argus.frame.index"] == 7


def test_the_tracer_node_prints_the_way_of_every_nth_frame(capsys: pytest.CaptureFixture[str]) -> None:
    system = System("traced")
    camera, work = system.node(numbers), system.node(doubled)
    tracer = system.node("argus.flow.nodes.tracer", every=2)
    system.link(camera).to(work).to(tracer)
    assert run(system, debug=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines if " frame " in line] == [
        ["numbers", "frame", "0"],
        ["numbers", "frame", "2"],
    ]
    assert [" ".join(line.split()[:-3]) for line in lines[1:5]] == [
        "numbers",
        "numbers -> doubled",
        "doubled",
        "doubled -> tracer",
    ]


def numbers() -> Iterator[int]:
    yield from range(4)


def doubled(data: int) -> int:
    return 2 * data
