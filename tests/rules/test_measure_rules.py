from argus.vision.measure_rules import measure_rules


def test_the_measured_scene_gives_the_rules_work() -> None:
    cost = measure_rules(objects=20, zones=4, frames=60)
    assert (cost.objects, cost.zones) == (20, 4)
    assert cost.events > 0
    assert 0 < cost.median_ms <= cost.p99_ms


def test_without_zones_there_is_something_to_measure_too() -> None:
    assert measure_rules(objects=3, zones=0, frames=10).median_ms > 0
