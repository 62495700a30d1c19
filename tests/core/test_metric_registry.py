"""What is declared is said correctly, and nothing that a process says can spoil what the others say."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from argus.core.errors import UnknownName
from argus.core.metric_registry import METRICS, Samples, merged, metric
from argus.core.metrics import Histogram

GATE = {"camera": "gate", "pipeline": "gate-safety"}


def read(text: bytes) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Return values by sample and labels, as Prometheus' own client reads them."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            values = found.setdefault(sample.name, {})
            key = tuple(sorted(sample.labels.items()))
            assert key not in values, f"{sample.name} {key} is said twice"
            values[key] = sample.value
    return found


def labelled(**labels: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def histogram(*seconds: float) -> Any:
    held = Histogram()
    for value in seconds:
        held.observe(value)
    return held.snapshot()


def test_names_follow_the_conventions_of_prometheus() -> None:
    for one in METRICS:
        assert re.fullmatch(r"argus_[a-z]+(_[a-z]+)*", one.name)
        assert (one.kind == "counter") == one.name.endswith("_total")
        assert not one.name.endswith(("_bucket", "_sum", "_count", "_info_total"))
        assert one.kind != "histogram" or one.name.endswith("_seconds")
        assert one.help.endswith(".")
        assert all(re.fullmatch(r"[a-z]+", label) for label in one.labels)
        assert len(set(one.labels)) == len(one.labels)
        assert "le" not in one.labels
    assert len({one.name for one in METRICS}) == len(METRICS)


def test_metrics_that_share_a_panel_share_its_unit_and_row() -> None:
    for one in METRICS:
        others = [other for other in METRICS if other.panel == one.panel and one.panel is not None]
        assert {(other.unit, other.area) for other in others} <= {(one.unit, one.area)}


def test_what_is_said_is_read_by_prometheus_own_client() -> None:
    samples = Samples()
    samples.set("argus_frames_total", 12, GATE | {"outcome": "processed"})
    samples.set("argus_camera_state", 1, {"camera": "gate", "state": "online"})
    samples.histogram("argus_frame_age_seconds", histogram(0.0009, 0.04, 70.0), GATE)
    found = read(samples.render())
    assert found["argus_frames_total"] == {labelled(**GATE, outcome="processed"): 12}
    assert found["argus_camera_state"] == {labelled(camera="gate", state="online"): 1}
    assert found["argus_frame_age_seconds_count"] == {labelled(**GATE): 3}
    assert found["argus_frame_age_seconds_sum"][labelled(**GATE)] == pytest.approx(70.0409)
    buckets = found["argus_frame_age_seconds_bucket"]
    assert buckets[labelled(**GATE, le="0.001")] == 1
    assert buckets[labelled(**GATE, le="0.05")] == 2
    assert buckets[labelled(**GATE, le="60.0")] == 2
    assert buckets[labelled(**GATE, le="+Inf")] == 3


def test_help_and_type_are_said_once_and_before_the_samples() -> None:
    samples = Samples()
    for camera in ("gate", "yard"):
        samples.set("argus_camera_reconnects_total", 1, {"camera": camera})
    assert samples.render().decode().splitlines() == [
        "# HELP argus_camera_reconnects_total Connections to a camera after the first.",
        "# TYPE argus_camera_reconnects_total counter",
        'argus_camera_reconnects_total{camera="gate"} 1',
        'argus_camera_reconnects_total{camera="yard"} 1',
    ]


def test_a_job_is_not_called_as_prometheus_calls_what_it_scrapes() -> None:
    samples = Samples()
    samples.set("argus_job_progress_ratio", 0.5, {"job": "nightly"})
    for text in (samples.render(), merged([({}, samples.render())])):
        assert read(text) == {"argus_job_progress_ratio": {labelled(job_name="nightly"): 0.5}}


def test_the_last_value_of_a_sample_holds_and_nothing_said_is_an_empty_text() -> None:
    samples = Samples()
    assert samples.render() == b""
    samples.set("argus_uploads_open", 3)
    samples.set("argus_uploads_open", 2.5)
    assert read(samples.render())["argus_uploads_open"] == {(): 2.5}


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("argus_frame_total", {}, "unknown metric 'argus_frame_total'; did you mean 'argus_frames_total'"),
        ("argus_frames_total", GATE, "unknown set of labels of metric argus_frames_total 'camera,pipeline'"),
        ("argus_frames_total", GATE | {"fate": "x"}, "unknown label of metric argus_frames_total 'fate'"),
        ("argus_stage_seconds", GATE | {"stage": "x"}, "unknown counter or gauge 'argus_stage_seconds'"),
        ("argus_uploads_open", {"camera": "gate"}, "unknown label of metric argus_uploads_open 'camera'"),
    ],
)
def test_what_is_not_declared_cannot_be_said(name: str, labels: dict[str, str], message: str) -> None:
    with pytest.raises(UnknownName, match=re.escape(message)):
        Samples().set(name, 1, labels)


def test_a_counter_is_no_histogram() -> None:
    with pytest.raises(UnknownName, match="unknown histogram 'argus_frames_total'"):
        Samples().histogram("argus_frames_total", histogram(), GATE | {"outcome": "x"})
    with pytest.raises(UnknownName, match="unknown metric"):
        metric("argus_none")


@given(st.text(max_size=50), st.floats())
def test_any_value_of_a_label_and_any_number_comes_through(camera: str, value: float) -> None:
    samples = Samples()
    samples.set("argus_camera_state_seconds", value, {"camera": camera})
    told = samples.render()
    ((labels, number),) = read(told)["argus_camera_state_seconds"].items()
    assert labels == labelled(camera=camera)
    assert number == value or (math.isnan(number) and math.isnan(value))
    assert read(merged([({"workload": "w"}, told)])) == {
        "argus_camera_state_seconds": {
            labelled(camera=camera, workload="w"): pytest.approx(value, nan_ok=True)
        }
    }


def test_a_label_without_end_is_cut_and_half_a_character_is_replaced() -> None:
    samples = Samples()
    samples.set("argus_camera_state_seconds", 1, {"camera": "\ud800" + "x" * 5000})
    ((labels, _),) = read(samples.render())["argus_camera_state_seconds"].items()
    assert labels == labelled(camera="?" + "x" * 999)


def worker(camera: str, processed: int) -> bytes:
    samples = Samples()
    labels = {"camera": camera, "pipeline": camera}
    samples.set("argus_frames_total", processed, labels | {"outcome": "processed"})
    samples.histogram("argus_stage_seconds", histogram(0.01, 0.1), labels | {"stage": "infer"})
    return samples.render()


def test_the_texts_of_several_processes_become_one_with_each_family_once() -> None:
    text = merged([({"workload": "w0"}, worker("gate", 3)), ({"workload": "w1"}, worker("yard", 4))])
    assert text.decode().count("# TYPE argus_frames_total counter\n") == 1
    assert text.decode().count("# TYPE argus_stage_seconds histogram\n") == 1
    found = read(text)
    assert found["argus_frames_total"] == {
        labelled(camera="gate", pipeline="gate", outcome="processed", workload="w0"): 3,
        labelled(camera="yard", pipeline="yard", outcome="processed", workload="w1"): 4,
    }
    assert list(found["argus_stage_seconds_count"].values()) == [2, 2]


def test_a_worker_cannot_speak_for_another() -> None:
    said = b'argus_workload_ready{workload="other"} 1\nargus_uploads_open{workload="other"} 7\n'
    found = read(merged([({"workload": "mine"}, said)]))
    assert found == {
        "argus_workload_ready": {labelled(workload="mine"): 1},
        "argus_uploads_open": {labelled(workload="mine"): 7},
    }


def test_what_is_said_twice_counts_once() -> None:
    text = worker("gate", 3)
    assert read(merged([({}, text), ({}, worker("gate", 9))])) == read(text)


@pytest.mark.parametrize("length", range(0, len(worker("gate", 123)), 7))
def test_a_text_that_was_cut_off_says_only_what_is_whole(length: int) -> None:
    whole = read(worker("gate", 123))
    found = read(merged([({}, worker("gate", 123)[:length]), ({"workload": "w1"}, worker("yard", 4))]))
    for name, values in found.items():
        of_gate = {labels: value for labels, value in values.items() if ("camera", "gate") in labels}
        assert of_gate in ({}, whole[name])
    assert (
        found["argus_frames_total"][
            labelled(camera="yard", pipeline="yard", outcome="processed", workload="w1")
        ]
        == 4
    )


HOSTILE = [
    b"\xff\xfe\x00binary\n",
    b"argus_uploads_open\n",
    b"argus_uploads_open one\n",
    b"argus_uploads_open 1_000\n",
    b"argus_uploads_open 0x10\n",
    b"argus_uploads_open 1 2 3\n",
    b"argus_none_such 1\n",
    b'argus_uploads_open{camera="gate"} 1\n',
    b'argus_camera_state_seconds{camera="gate"  1\n',
    b'argus_camera_state_seconds{camera="gate",camera="yard"} 1\n',
    b'argus_camera_state_seconds{camera="gate\n',
    b"argus_camera_state_seconds 1\n",
    b"argus_storage_dropped_records_total -1\n",
    b"argus_storage_dropped_records_total NaN\n",
    b"argus_reconcile_seconds 1\n",
    b'argus_reconcile_seconds_bucket{le="1.0"} 5\nargus_reconcile_seconds_sum 1\n'
    b"argus_reconcile_seconds_count 5\n",
    b'argus_reconcile_seconds_bucket{le="1.0"} 5\nargus_reconcile_seconds_bucket{le="+Inf"} 4\n'
    b"argus_reconcile_seconds_sum 1\nargus_reconcile_seconds_count 4\n",
    b'argus_reconcile_seconds_bucket{le="+Inf"} 4\nargus_reconcile_seconds_sum 1\n'
    b"argus_reconcile_seconds_count 5\n",
    b'argus_reconcile_seconds_bucket{le="x"} 4\nargus_reconcile_seconds_bucket 4\n',
    b"# TYPE argus_uploads_open counter\n# HELP argus_uploads_open lies\n",
    b"# TYPE\n#\n# HELP\n\n\r\n",
    b"argus_uploads_open " + b"9" * 100_000 + b"\n",
    b"a" * 1_000_000 + b"\n",
    b'argus_camera_state_seconds{camera="' + b'\\"' * 500_000 + b"\n",
    b"{" * 1_000_000 + b"\n",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:40]))
def test_nonsense_is_left_out_and_harms_nobody(text: bytes) -> None:
    sound = worker("yard", 4)
    began = time.process_time()
    assert merged([({}, text), ({}, sound)]) == merged([({}, sound)])
    assert time.process_time() - began < 1.0


@given(st.binary(max_size=300))
def test_no_bytes_at_all_can_break_the_text(text: bytes) -> None:
    read(merged([({"workload": "w"}, text)]))


def test_a_label_that_cannot_be_called_so_is_refused() -> None:
    with pytest.raises(UnknownName, match="label for metrics"):
        merged([({'x"} 1\n': "w"}, b"")])


def test_a_hundred_cameras_are_joined_in_less_than_a_scrape_has() -> None:
    samples = Samples()
    for number in range(100):
        labels = {"camera": f"c{number}", "pipeline": f"c{number}"}
        for stage in ("wait", "infer", "steps"):
            samples.histogram("argus_stage_seconds", histogram(0.01), labels | {"stage": stage})
        for outcome in ("processed", "gated", "corrupt"):
            samples.set("argus_frames_total", 1, labels | {"outcome": outcome})
    text = samples.render()
    began = time.process_time()
    merged([({"workload": "w"}, text)])
    assert time.process_time() - began < 1.0
