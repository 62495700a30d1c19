from __future__ import annotations

import math
from xml.etree import ElementTree

from argus.vision.sinks.report.charts import (
    NARROW,
    WIDE,
    Curve,
    Mark,
    Row,
    bars_chart,
    curves_chart,
    lanes_of,
    means_over,
    timeline_chart,
)

HOSTILE = "</svg><script>alert('x')</script>&\x00\x1b"


def told(svg: str) -> list[str]:
    """Return what pointers and screen readers are told."""
    return [title.text or "" for title in ElementTree.fromstring(svg).iter("title")]


def test_a_chart_of_curves_is_sound_xml_with_a_title_and_a_description() -> None:
    svg = curves_chart("c", "Objects", [Curve("person", [(0, 1), (5, 3), (9, 2)])], (0, 10), WIDE)
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.findtext("title") == "Objects"
    assert root.findtext("desc") == "From 0:00 to 0:10. person: at most 3."


def test_a_pointer_on_a_curve_is_told_the_time_and_every_value() -> None:
    curves = [Curve("person", [(0, 1), (10, 3)]), Curve("car", [(0, 0), (10, 2)])]
    hover = [text for text in told(curves_chart("c", "", curves, (0, 10), WIDE)) if ":" in text]
    assert hover == ["0:02: person 1, car 0", "0:08: person 3, car 2"]


def test_values_that_are_not_finite_leave_no_trace() -> None:
    points = [(0.0, 1.0), (1.0, math.nan), (2.0, math.inf), (math.nan, 2.0), (3.0, 2.0)]
    svg = curves_chart("c", "Objects", [Curve("person", points)], (0, 4), NARROW)
    assert "nan" not in svg.lower()
    assert "inf" not in svg.lower()


def test_a_chart_without_a_point_still_has_its_axes() -> None:
    svg = curves_chart("c", "Objects", [Curve("person", [])], (0, 0), WIDE)
    assert "Nothing was seen" in svg
    assert [t.text for t in ElementTree.fromstring(svg).iter("text")][:2] == ["0", "1"]


def test_names_cannot_break_out_of_a_chart() -> None:
    for svg in (
        curves_chart("c", HOSTILE, [Curve(HOSTILE, [(0, 1)])], (0, 1), WIDE),
        timeline_chart("t", HOSTILE, [Row(HOSTILE, [Mark(0, 1, "sev-high", HOSTILE)])], (0, 1), NARROW),
        bars_chart("b", HOSTILE, [(HOSTILE, 1.0)], "ms"),
    ):
        ElementTree.fromstring(svg)
        assert "<script" not in svg


def test_the_timeline_draws_what_lasted_as_long_as_it_lasted() -> None:
    row = Row("zone door", [Mark(0, 50, "sev-high", "long"), Mark(60, None, "type-crossed", "instant")])
    svg = timeline_chart("t", "Events", [row], (0, 100), WIDE)
    marks = [r for r in ElementTree.fromstring(svg).iter("rect") if "mark" in (r.get("class") or "").split()]
    band = next(r for r in ElementTree.fromstring(svg).iter("rect") if r.get("class") == "band")
    widths = [float(mark.get("width") or 0) for mark in marks]
    assert math.isclose(widths[0], float(band.get("width") or 0) / 2, rel_tol=1e-3)
    assert widths[1] == 3.0


def test_marks_that_overlap_stand_in_lanes_of_their_own() -> None:
    marks = [Mark(0, 10, "", ""), Mark(2, 4, "", ""), Mark(5, 6, "", ""), Mark(11, None, "", "")]
    assert lanes_of(marks, 4) == [0, 1, 1, 0]


def test_there_are_never_more_lanes_than_allowed() -> None:
    assert set(lanes_of([Mark(i, 100, "", "") for i in range(9)], 3)) == {0, 1, 2}


def test_bars_are_as_long_as_their_values_and_say_them() -> None:
    svg = bars_chart("b", "Time", [("decode", 1.0), ("wait", 4.0), ("broken", math.nan)], "ms")
    bars = [r for r in ElementTree.fromstring(svg).iter("rect") if (r.get("class") or "").startswith("bar")]
    decode, wait, broken = (float(bar.get("width") or 0) for bar in bars)
    assert math.isclose(wait, 4 * decode, rel_tol=1e-3)
    assert broken < 2
    assert "decode: 1 ms" in told(svg)


def test_a_mean_is_taken_over_each_step_and_the_last_value_holds() -> None:
    assert means_over([(1.0, 2.0), (1.5, 4.0), (3.2, 8.0)], 0.0, 1.0, 5) == [0.0, 3.0, 3.0, 8.0, 8.0]
