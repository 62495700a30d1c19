"""The report of a run: what it holds, what it refuses to hold, and that a browser shows it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from argus.core.detections import Detections
from argus.core.errors import OutputError
from argus.core.frame import Channels, Frame, Image
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.results import Alert, Event, FrameResult
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.history import History
from argus.vision.sinks.report import render_report, write_report
from argus.vision.sinks.report.scene import traces_of
from argus.vision.sinks.report.thumbnails import SNAPSHOTS
from argus.vision.sources.protocol import SourceInfo
from tests.conftest import need

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'&"
SPEC = PipelineSpec.read(
    {
        "zones": {"door": {"polygon": [[0.1, 0.5], [0.6, 0.5], [0.6, 1], [0.1, 1]], "severity": "high"}},
        "lines": {"gate": {"from": [100, 20], "to": [100, 150], "units": "pixels"}},
        "crowds": {"square": {"count": 3, "polygon": [[0, 0], [1, 0], [1, 0.4]]}, "anywhere": {"count": 5}},
    },
    "spec",
)


class Painted:
    """A picture of one colour."""

    width, height = 320, 180

    def bgr(self) -> Image:
        return np.full((self.height, self.width, 3), 90, np.uint8)

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        return np.full((height, width, 3)[: 2 if channels == "gray" else 3], 90, np.uint8)


def event(number: int, **changes: object) -> Event:
    plain = Event(
        id=f"event-{number}",
        type="zone.entered",
        camera="yard",
        phase="end",
        start_s=float(number),
        started_at=START + timedelta(seconds=number),
        end_s=number + 2.5,
        object_id=number,
        class_name="person",
        region="door",
        region_kind="zone",
        severity="high",
        path=tuple((number + i / 10, 0.1 + 0.05 * i, 0.6) for i in range(8)),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def jpeg(width: int = 640, height: int = 360) -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return bytes(cv2.imencode(".jpg", noise)[1])


def run(
    events: Sequence[Event] = (), alerts: Sequence[Alert] = (), frames: int = 20
) -> tuple[RunSummary, History]:
    """Return what a run of `frames` frames leaves behind."""
    summary = RunSummary(
        SourceInfo("yard.mp4", "file", False, 320, 180, 10.0, frames, "h264"), "plaza (openvino, f32)"
    )
    history = History()
    for i in range(frames):
        detections = Detections(
            np.array([[10, 20, 40, 90]], np.float32), np.array([0.9], np.float32), np.array([0], np.int32),
            ("person",), track_id=np.array([1], np.int64),
        )  # fmt: skip
        frame = Frame(Painted(), "yard.mp4", i, i / 10, START + timedelta(seconds=i / 10))
        result = FrameResult(
            frame,
            detections,
            tuple(events) if i == 0 else (),
            tuple(alerts) if i == 0 else (),
            {"door": i % 3},
        )
        summary.count(result)
        history.write(result)
    summary.decoded, summary.wall_s = frames, frames / 50
    summary.stage_s = {"decode": 0.02, "wait": 0.2, "rules": 0.01}
    return summary, history


def page(
    events: Sequence[Event] = (), alerts: Sequence[Alert] = (), snapshots: dict[str, bytes] | None = None
) -> str:
    return render_report(*run(events, alerts), snapshots or {}, SPEC, "Yard")


def pictures_in(html: str) -> list[str]:
    return re.findall(r'src="(data:image/jpeg;base64,[^"]+)"', html)


def size_of(uri: str) -> tuple[int, int]:
    import base64

    image = cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.shape[1], image.shape[0]


def test_every_event_and_alert_of_the_run_is_in_the_report() -> None:
    events = [event(i) for i in range(1, 6)]
    html = page(events, [Alert(events[0], "high", "zone door", suppressed=2)])
    for e in events:
        assert f'data-event="{e.id}"' in html
    assert 'data-alert="event-1"' in html
    assert "2 equal alerts held back before it" in html
    assert "Person #1 entered zone door" in html


def test_the_key_figures_are_those_of_the_summary() -> None:
    html = page([event(1), event(2)])
    figures = dict(re.findall(r'<dt>([^<]+)</dt><dd class="value">([^<]+)</dd>', html))
    assert figures == {
        "Frames": "20",
        "Frames per second": "50",
        "Objects": "1",
        "Events": "2",
        "Alerts": "0",
    }


def test_what_went_wrong_is_told_and_what_did_not_is_not() -> None:
    summary, history = run()
    assert "Corrupt frames" not in render_report(summary, history, {}, None, "Yard")
    summary.corrupt, summary.problems, summary.interrupted = 3, ["frame 7: damaged"], True
    html = render_report(summary, history, {}, None, "Yard")
    assert "Corrupt frames" in html
    assert "frame 7: damaged" in html
    assert "The run was interrupted" in html


def test_names_from_outside_cannot_become_markup() -> None:
    hostile = event(1, id=HOSTILE, class_name=HOSTILE, region=HOSTILE, camera=HOSTILE)
    summary, history = run([hostile], [Alert(hostile, "high", HOSTILE)])
    summary.source = replace(summary.source, name=HOSTILE)
    summary.model, summary.problems, summary.outputs = HOSTILE, [HOSTILE], [HOSTILE]
    spec = PipelineSpec.read({"zones": {HOSTILE: {"polygon": [[0, 0], [1, 0], [1, 1]]}}}, "spec")
    html = render_report(summary, history, {HOSTILE: jpeg()}, spec, HOSTILE)
    assert "<script>alert" not in html
    assert html.count("<script>") == 1


def test_every_chart_is_sound_xml_with_finite_numbers() -> None:
    charts = re.findall(r"<svg.*?</svg>", page([event(i) for i in range(3)]), re.DOTALL)
    assert len(charts) >= 8
    for chart in charts:
        ElementTree.fromstring(chart)
        assert not re.search(r'="-?(nan|inf)', chart)


def test_ids_in_the_page_are_unique() -> None:
    html = page([event(1)], [Alert(event(1), "high", "zone door")])
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


class Addresses(HTMLParser):
    """Collects everything that a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            v or "" for k, v in attrs if k in {"src", "href", "srcset", "data", "poster", "xlink:href"}
        ]


def test_the_report_loads_nothing_from_anywhere() -> None:
    html = page([event(1)], [Alert(event(1), "high", "zone door")], {"event-1": jpeg()})
    addresses = Addresses()
    addresses.feed(html)
    assert addresses.found
    assert all(address.startswith("data:") for address in addresses.found)
    assert not re.search(r"https?://|url\(|@import", html)
    assert "default-src 'none'" in html


def test_snapshots_are_made_smaller_than_they_came() -> None:
    html = page([event(1)], [Alert(event(1), "high", "zone door")], {"event-1": jpeg(640, 360)})
    card, *others = pictures_in(html)
    assert size_of(card) == (320, 180)
    assert len(others) == 2  # the scene, and the small one in the table


def test_a_damaged_snapshot_is_left_out() -> None:
    html = page(
        [event(1)],
        [Alert(event(1), "high", "zone door")],
        {"event-1": b"\xff\xd8 no picture", "event-2": b""},
    )
    assert "no snapshot" in html


def test_a_long_run_stays_a_small_file_and_says_what_it_leaves_out() -> None:
    events = [event(i, end_s=float(i)) for i in range(1500)]
    alerts = [Alert(e, "low", "zone door") for e in events[:300]]
    alerts.append(Alert(event(1499, severity="critical"), "critical", "zone door"))
    html = page(events, alerts, {e.id: jpeg(64, 48) for e in events})
    assert html.count("data-event=") == 1000
    assert "500 more are left out" in html
    assert "A further 221, less grave or later, are not shown here" in html
    assert len(pictures_in(html)) <= SNAPSHOTS + 1
    assert 'data-alert="event-1499"' in html  # the gravest stays, however late it came
    assert len(html) < 6_000_000


def test_a_run_that_saw_nothing_gives_a_report_that_says_so() -> None:
    summary = RunSummary(SourceInfo("empty.mp4", "file", False, 0, 0), "plaza")
    html = render_report(summary, History(), {}, None, "Nothing")
    assert "No frame was processed." in html
    assert "nan" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert "data-event=" not in html


def test_zones_and_lines_are_shown_even_where_no_frame_came() -> None:
    summary = RunSummary(SourceInfo("empty.mp4", "file", False, 640, 360), "plaza")
    html = render_report(summary, History(), {}, SPEC, "Nothing")
    assert "zone door, line gate, crowd square." in html


def test_the_scene_names_each_region_and_points_the_line_inwards() -> None:
    html = page([event(1)])
    scene = next(s for s in re.findall(r"<svg.*?</svg>", html, re.DOTALL) if "scene-wide" in s)
    root = ElementTree.fromstring(scene)
    assert {t.text for t in root.iter("text")} == {"door", "gate", "square"}
    stem = next(line for line in root.iter("line") if line.get("class") == "stem")
    # The line runs down the screen, so its right hand, which is `in`, is towards the left.
    assert float(stem.get("x2") or 0) < float(stem.get("x1") or 0)


def test_the_paths_of_one_object_become_one_trace() -> None:
    first = event(1, path=((0.0, 0.1, 0.1), (0.1, 0.2, 0.1)))
    second = event(2, object_id=1, path=((0.1, 0.2, 0.1), (0.2, 0.3, 0.1)))
    assert [trace.points for trace in traces_of([first, second])] == [((0.1, 0.1), (0.2, 0.1), (0.3, 0.1))]


def test_the_report_appears_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "made" / "report.html"
    write_report(target, *run([event(1)]), {}, SPEC, "Yard")
    assert target.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_a_place_where_nothing_can_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"cannot write .*report\.html: .+"):
        write_report(tmp_path / "file" / "report.html", *run(), {}, None, "Yard")


def browse(html: str, folder: Path) -> tuple[str, list[str]]:
    """Return the page as a browser made it, and what it said on its console."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    need(chromium is not None, "no Chromium to look at the report with (apt-get install chromium)")
    assert chromium is not None
    (folder / "page.html").write_text(html, encoding="utf-8")
    quiet = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", *quiet, "--enable-logging=stderr", "--dump-dom",
         (folder / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def test_a_browser_shows_the_report_without_a_complaint(tmp_path: Path) -> None:
    events = [event(i, region=HOSTILE) for i in range(3)]
    html = page(events, [Alert(events[0], "high", "zone door")], {"event-0": jpeg()})
    shown, console = browse(html, tmp_path)
    assert console == []
    assert '<p class="filter">' in shown  # the script ran: its filter box is no longer hidden


def test_a_click_on_a_heading_sorts_the_events(tmp_path: Path) -> None:
    lasted = {1: 4.0, 2: 30.0, 3: 0.5}
    html = page([event(i, end_s=i + s) for i, s in lasted.items()])
    click = "[...document.querySelectorAll('th button')].find(b => b.textContent == 'Lasted').click()"
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html).replace(
        "</body>", f"<script>{click}</script></body>"
    )
    shown, console = browse(html, tmp_path)
    assert console == []
    assert re.findall(r'data-event="event-(\d)"', shown) == ["3", "1", "2"]
