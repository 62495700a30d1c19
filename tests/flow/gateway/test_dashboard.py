"""The page in a real browser: pictures, boxes over them, the graph, and a form that changes params."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.gateway.browser import Page, browser, pixels
from tests.flow.gateway.conftest import FakeSystem, Gate


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser for all."""
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def test_the_page_shows_pictures_boxes_the_graph_and_changes_params(
    gate: Gate, system: FakeSystem, page: Page, tmp_path: Path
) -> None:
    gate.show(0, brightness=128)
    gate.see(0)
    gate.give(
        [{"type": "zone.entered", "phase": "start", "class": "person", "zone": "door", "start": 1}],
        "zones->g",
    )
    page.open(gate.url + "/")
    assert page.becomes("document.title.startsWith('gate-test')")
    assert page.becomes("document.querySelector('[data-topic=camera] img')?.naturalWidth === 64")
    # Detections have no tile of their own: they are drawn over the picture they are of.
    topics = page.value("[...document.querySelectorAll('.tile')].map(t => t.dataset.topic)")
    assert sorted(topics) == ["camera", "zones"]
    gate.see(1)
    assert page.becomes(f"{pixels('[data-topic=camera] canvas')}.some(v => v)")
    assert page.value("document.querySelector('.happenings').textContent").endswith("zone.entereddoor")
    assert page.becomes("document.querySelectorAll('#graph .box').length === 3")
    assert page.value("document.querySelectorAll('#graph .wire').length") == 2
    assert "backing-off" in page.value("document.querySelector('#graph').textContent")
    assert "disk full at nodes/log.py:7" in page.value(
        "document.querySelector('[data-node=log]').textContent"
    )
    assert "geheim" not in page.value("document.documentElement.outerHTML")

    form = "document.querySelector('[data-node=detector] form')"
    enter = f"{form}.querySelector('#detector-confidence').value = '%s'; {form}.requestSubmit()"
    page.value(enter % "7")
    fault = f"{form}.querySelector('.fault:not([hidden])')?.textContent"
    assert page.becomes(f"{fault}?.includes('less than or equal to 1')")
    page.value(enter % "0.75")
    assert page.becomes(f"{form}.querySelector('output').textContent === 'changed'")
    assert system.params["confidence"] == 0.75

    page.shoot(tmp_path / "page.png")
    width, height = struct.unpack(">II", (tmp_path / "page.png").read_bytes()[16:24])
    assert width >= 1300
    assert height > 600
    # The refusal of 7 is all that the console may know of.
    assert [c for c in page.complaints if "422" not in c] == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_narrow_page_fits_its_window_in_either_light(gate: Gate, page: Page, scheme: str) -> None:
    gate.show(0)
    page.open(f"{gate.url}/dashboard", width=360, height=740, scheme=scheme)
    assert page.becomes("document.querySelectorAll('#links tr').length === 2")
    assert page.value("document.documentElement.scrollWidth") <= 360
    brightness = page.value("parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])")
    assert (brightness > 128) == (scheme == "light")


def test_the_page_shows_the_newest_picture_and_not_the_one_before(gate: Gate, page: Page) -> None:
    gate.show(0)
    page.open(f"{gate.url}/dashboard")
    assert page.becomes("document.querySelector('.stage img')?.naturalWidth === 64")
    middle = f"{pixels('.stage img')}[4 * (9 * 64 + 9)]"
    for index, brightness in enumerate((60, 120, 180), 1):
        gate.show(index, brightness=brightness)
        assert page.becomes(f"Math.abs({middle} - {brightness}) < 3")


def test_a_page_whose_gateway_is_gone_says_so(gate: Gate, page: Page) -> None:
    gate.show(0)
    page.open(f"{gate.url}/dashboard")
    assert page.becomes("document.querySelector('#trouble')?.hidden && !!document.querySelector('.tile')")
    gate.node.teardown()
    assert page.becomes("document.querySelector('#trouble').textContent.includes('does not answer')")
