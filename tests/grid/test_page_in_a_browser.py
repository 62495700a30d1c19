"""The page in a real browser: what is seen when the stream of pictures ends, or there is no room for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from argus.vision.grid import GridPage, grid_status
from argus.vision.grid.page import STREAMS
from argus.vision.lab.proxy import Proxy
from argus.vision.sinks.pictures import encode_picture
from tests.flow.gateway.browser import Page, browser
from tests.grid.scene import well
from tests.grid.test_page import address, start_watching
from tests.sources.settling import comes_true

# Asked of a page that may not be there yet.
SHOWN = "window.picture?.naturalWidth === 64 && !picture.hidden"
WAITING = "window.waiting && !waiting.hidden && waiting.textContent"


@pytest.fixture(scope="module")
def looking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One browser for all."""
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def page() -> Iterator[GridPage]:
    """A page whose picture and status are new all the time."""
    jpeg, ending = encode_picture(np.zeros((48, 64, 3), np.uint8)), threading.Event()
    with GridPage() as served:

        def publish() -> None:
            while not ending.wait(0.1):
                served.publish(jpeg, grid_status([well("gate")]))

        publisher = threading.Thread(target=publish)
        publisher.start()
        try:
            yield served
        finally:
            ending.set()
            publisher.join()


def test_a_stream_that_broke_off_for_a_moment_is_asked_for_again(page: GridPage, looking: Page) -> None:
    with Proxy(address(page)[1]) as network:
        looking.open(f"http://127.0.0.1:{network.port}/")
        assert looking.becomes(SHOWN)
        network.cut()
        assert comes_true(lambda: not page.wanted)
        assert comes_true(lambda: page.wanted)
        looking.open("about:blank")


def test_one_browser_too_many_is_told_why_it_sees_nothing(page: GridPage, looking: Page) -> None:
    others = [start_watching(page) for _ in range(STREAMS)]
    try:
        assert all(other.recv(100).startswith(b"HTTP/1.0 200") for other in others)
        looking.open(page.url)
        assert looking.becomes(f"({WAITING} || '').startsWith('As many are watching as may')")
        others.pop().close()
        assert looking.becomes(SHOWN)
    finally:
        for other in others:
            other.close()
    looking.open("about:blank")
