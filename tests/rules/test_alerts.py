from typing import Any

import pytest

from tests.rules.scene import MIDDLE, Motion, at_fps, run, walk

IN_AND_OUT = walk(
    *((4 * n + after, x, 0.5) for n in range(8) for after, x in ((0, 0.5), (2, 0.5), (2.1, 0.9), (3.9, 0.9)))
)
"""Enters the middle zone every four seconds, eight times."""


def zone(**fields: Any) -> dict[str, Any]:
    return {"zones": {"middle": {"polygon": MIDDLE, **fields}}}


def test_a_zone_with_a_severity_alerts_when_somebody_enters() -> None:
    (alert,) = run(zone(severity="high"), {7: lambda _: (0.5, 0.5)}, at_fps(10, 3)).alerts
    assert (alert.severity, alert.rule, alert.suppressed) == ("high", "zone middle", 0)
    assert (alert.event.type, alert.event.severity, alert.event.object_id) == ("zone.entered", "high", 7)


def test_a_zone_without_a_severity_gives_events_only() -> None:
    told = run(zone(), {7: lambda _: (0.5, 0.5)}, at_fps(10, 3))
    assert told.alerts == []
    assert told.one("zone.entered").severity is None


def test_entering_and_dwelling_of_one_visit_is_one_alert() -> None:
    told = run(zone(severity="high", dwell=1), {7: lambda _: (0.5, 0.5)}, at_fps(10, 3))
    assert [a.event.type for a in told.alerts] == ["zone.entered"]
    assert told.one("zone.dwelled").severity == "high"


def test_the_same_alert_is_raised_once_per_cooldown_and_the_next_tells_how_many_were_held_back() -> None:
    told = run({**zone(severity="low"), "cooldown": "10s"}, {7: IN_AND_OUT}, at_fps(10, 32))
    assert [(round(a.event.start_s), a.suppressed) for a in told.alerts] == [(0, 0), (12, 2), (24, 2)]


def test_another_object_is_another_alert() -> None:
    told = run(zone(severity="low"), {7: IN_AND_OUT, 8: IN_AND_OUT}, at_fps(10, 32))
    assert sorted(a.event.object_id or 0 for a in told.alerts) == [7, 8]


def test_cooldown_zero_raises_each() -> None:
    told = run({**zone(severity="low"), "cooldown": 0}, {7: IN_AND_OUT}, at_fps(10, 32))
    assert len(told.alerts) == 8


def test_a_line_and_a_crowd_alert_under_their_own_names() -> None:
    walkers: dict[int, Motion] = {n: walk((0, 0.3, 0.4 + n / 20), (4, 0.7, 0.5)) for n in (1, 2)}
    told = run(
        {
            "lines": {"door": {"from": (0.5, 0.9), "to": (0.5, 0.1), "severity": "medium"}},
            "crowds": {"pair": {"count": 2, "formed_after": 1, "severity": "critical"}},
        },
        walkers,
        at_fps(10, 4),
    )
    assert [(a.rule, a.severity) for a in told.alerts] == [
        ("crowd pair", "critical"), ("line door", "medium"), ("line door", "medium"),
    ]  # fmt: skip


def test_a_rule_makes_alerts_of_the_events_it_names() -> None:
    spec = {**zone(dwell=1), "alerts": [{"on": "zone.dwelled", "severity": "high", "regions": "middle"}]}
    (alert,) = run(spec, {7: lambda _: (0.5, 0.5)}, at_fps(10, 3)).alerts
    assert (alert.rule, alert.severity, alert.event.type) == ("zone.dwelled middle", "high", "zone.dwelled")


@pytest.mark.parametrize(("wanted", "expected"), [("person", [7]), (["dog", "car"], [8])])
def test_a_rule_may_ask_for_classes(wanted: Any, expected: list[int]) -> None:
    spec = {"alerts": [{"on": ["object.appeared"], "classes": wanted}]}
    told = run(spec, {7: lambda _: (0.5, 0.5), 8: lambda _: (0.2, 0.5)}, at_fps(10, 1), classes={8: "dog"})
    assert [a.event.object_id for a in told.alerts] == expected
    assert [a.severity for a in told.alerts] == ["medium"]


def test_an_exit_can_be_alerted_too() -> None:
    spec = {**zone(), "alerts": [{"on": ["zone.exited"]}]}
    (alert,) = run(spec, {7: walk((0, 0.5, 0.5), (1, 0.9, 0.5), (3, 0.9, 0.5))}, at_fps(10, 3)).alerts
    assert alert.event.type == "zone.exited"


def test_an_event_that_several_rules_fit_is_one_alert_of_the_gravest() -> None:
    spec = {**zone(severity="low"), "alerts": [{"on": ["zone.entered"], "severity": "critical"}]}
    (alert,) = run(spec, {7: lambda _: (0.5, 0.5)}, at_fps(10, 2)).alerts
    assert (alert.severity, alert.event.severity) == ("critical", "critical")


def test_one_object_in_two_zones_is_two_alerts() -> None:
    spec = {
        "zones": {"a": {"polygon": MIDDLE}, "b": {"polygon": MIDDLE}},
        "alerts": [{"on": ["zone.entered"]}],
    }
    told = run(spec, {7: lambda _: (0.5, 0.5)}, at_fps(10, 2))
    assert sorted(a.rule for a in told.alerts) == ["zone.entered a", "zone.entered b"]


def test_thousands_of_objects_do_not_confuse_the_cooldown() -> None:
    passing = {n: walk((n / 50, 0.5, 0.5), (n / 50 + 0.4, 0.5, 0.5)) for n in range(1, 1501)}
    told = run({**zone(severity="low"), "cooldown": 5}, passing, at_fps(10, 31))
    assert len({a.event.object_id for a in told.alerts}) == len(told.alerts) == 1500
