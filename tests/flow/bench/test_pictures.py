"""Contenders that hand pictures from process to process; how fast they are is `make bench`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from argus.core.errors import ArgusError
from argus.flow.bench.pairs import Pair, Ran, Runs, run
from argus.flow.bench.picture_contenders import SENDERS, TAKERS
from argus.flow.bench.pictures import _TITLES
from argus.flow.bench.stages import STAGES, redis_server
from tests.sources.settling import comes_true, descriptors_and_threads


@pytest.mark.parametrize("contender", ["nodes-lent", "ring", "bare-copied", "redis", "zmq"])
def test_pictures_go_from_process_to_process_and_nothing_is_left(contender: str) -> None:
    files = descriptors_and_threads()
    ran = run(Pair(contender, 20, 0.3, warm_up_s=0.1))
    assert ran.rate > 1
    assert 0 < ran.sender_us <= ran.cpu_us
    assert ran.p50_us > 0
    assert comes_true(lambda: descriptors_and_threads() <= files)
    assert not list(Path("/dev/shm").glob(f"argus-bench-{os.getpid()}-*"))


def test_many_take_what_one_sends() -> None:
    assert run(Pair("ring-lent", 20, 0.3, takers=3, warm_up_s=0.1)).rate > 1


def test_a_contender_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(ArgusError, match=r"'iceoryx2-copy' failed:(.|\n)*No module named 'iceoryx2'"):
        run(Pair("iceoryx2-copy", 20, 0.3, python=sys.executable))


def test_what_is_compared_is_the_ratio_within_a_round() -> None:
    slow = Runs([Ran(10, 200, 50, 1), Ran(20, 100, 50, 1), Ran(30, 300, 50, 1)])
    fast = Runs([Ran(10, 100, 50, 1), Ran(10, 50, 50, 1), Ran(10, 100, 50, 1)])
    assert slow.ratio(fast, "p50_us") == 2
    assert slow.median("rate") == 20


def test_every_contender_has_a_stage_and_a_title() -> None:
    assert set(STAGES) == set(_TITLES)
    assert {*SENDERS, *TAKERS} <= set(STAGES)
    assert set(SENDERS) - set(TAKERS) == {"memcpy"}


def test_the_server_of_a_stage_ends_with_it() -> None:
    with redis_server(1) as stage:
        assert Path(stage.address).exists()
    assert not Path(stage.address).exists()
