"""One encode for each picture, however many look."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from argus.core.errors import UnknownName
from argus.core.frame import Frame
from argus.stream.channels import Channel, Channels, NoPicture
from tests.stream.parts import frame


class Scene:
    """Pictures that come when they are told to; each knows how often it was encoded."""

    def __init__(self) -> None:
        self.frame: Frame | None = None
        self.encoded = 0
        self.closed = 0
        self.gone = False
        self.takes_s = 0.0
        self._working = threading.Lock()

    def newest(self) -> Frame | None:
        if self.gone:
            raise UnknownName("camera", "gate", [])
        return self.frame

    def jpeg(self, width: int | None) -> bytes:
        assert self._working.acquire(blocking=False), "two at once"
        time.sleep(self.takes_s)
        self.encoded += 1
        self._working.release()
        return b"picture %d" % self.encoded

    def close(self) -> None:
        self.closed += 1


def _channels(scene: Scene) -> Channels:
    return Channels(lambda *_: scene)


async def _take(channel: Channel, count: int, fps: float = 50.0) -> list[bytes]:
    pictures = channel.watch(fps)
    taken = [await anext(pictures) for _ in range(count)]
    await pictures.aclose()
    return taken


async def _feed(scene: Scene, frames: int, every_s: float = 0.02) -> None:
    for index in range(frames):
        scene.frame = frame(index)
        await asyncio.sleep(every_s)


def test_two_who_watch_cost_one_encode_for_each_picture() -> None:
    scene = Scene()
    scene.takes_s = 0.005

    async def watch() -> None:
        channels = _channels(scene)
        feeding = asyncio.create_task(_feed(scene, 12))
        one, other = (channels.channel("camera", "gate", None) for _ in range(2))
        await asyncio.gather(_take(one, 8), _take(other, 8), one.look(), other.look())
        await feeding
        channels.close()

    asyncio.run(watch())
    assert 8 <= scene.encoded <= 12


def test_nothing_is_encoded_while_nobody_looks() -> None:
    scene = Scene()

    async def nobody() -> None:
        channels = _channels(scene)
        await _take_one(channels, scene)
        before = scene.encoded
        await _feed(scene, 10, 0.01)
        assert scene.encoded == before
        assert scene.closed
        channels.close()

    async def _take_one(channels: Channels, scene: Scene) -> None:
        scene.frame = frame(0)
        await _take(channels.channel("camera", "gate", None), 1)

    asyncio.run(nobody())


def test_a_picture_that_was_encoded_is_not_encoded_again() -> None:
    scene = Scene()
    scene.frame = frame(0)

    async def twice() -> None:
        channels = _channels(scene)
        first, _ = await channels.channel("camera", "gate", None).look()
        second, _ = await channels.channel("camera", "gate", None).look()
        assert first == second
        channels.close()

    asyncio.run(twice())
    assert scene.encoded == 1


def test_who_is_slow_misses_pictures_and_keeps_nobody_waiting() -> None:
    scene = Scene()

    async def watch() -> tuple[list[bytes], list[bytes]]:
        channels = _channels(scene)
        channel = channels.channel("camera", "gate", None)
        feeding = asyncio.create_task(_feed(scene, 30, 0.01))

        async def slow() -> list[bytes]:
            seen = []
            async for picture in channel.watch(50):
                seen.append(picture)
                await asyncio.sleep(0.1)
                if len(seen) == 3:
                    return seen
            return seen

        quick, slowly = await asyncio.gather(_take(channel, 10), slow())
        await feeding
        channels.close()
        return quick, slowly

    quick, slowly = asyncio.run(watch())
    assert len(quick) == 10
    numbers = [int(picture.split()[1]) for picture in slowly]
    assert numbers[1] - numbers[0] > 1


def test_one_who_leaves_in_the_middle_of_an_encode_takes_nothing_from_the_others() -> None:
    scene = Scene()
    scene.frame = frame(0)
    scene.takes_s = 0.1

    async def leave() -> bytes:
        channels = _channels(scene)
        channel = channels.channel("camera", "gate", None)
        leaving = asyncio.create_task(channel.look())
        await asyncio.sleep(0.02)
        staying = asyncio.create_task(channel.look())
        await asyncio.sleep(0.02)
        leaving.cancel()
        jpeg, _ = await staying
        channels.close()
        return jpeg

    assert asyncio.run(leave()) == b"picture 1"


def test_where_there_is_no_picture_yet_it_is_said() -> None:
    async def look() -> None:
        channels = _channels(Scene())
        try:
            await channels.channel("camera", "gate", None).look()
        finally:
            channels.close()

    with pytest.raises(NoPicture):
        asyncio.run(look())


def test_who_watches_what_is_taken_away_hears_of_it() -> None:
    scene = Scene()
    scene.frame = frame(0)

    async def watch() -> None:
        channels = _channels(scene)
        pictures = channels.channel("camera", "gate", None).watch(50)
        await anext(pictures)
        scene.gone = True
        try:
            await anext(pictures)
        finally:
            channels.close()

    with pytest.raises(UnknownName):
        asyncio.run(watch())


def test_names_and_sizes_that_nobody_looks_at_are_forgotten() -> None:
    async def many() -> int:
        channels = _channels(Scene())
        for width in range(16, 1000):
            channels.channel("camera", "gate", width)
        channels.close()
        return len(channels._channels)

    assert asyncio.run(many()) <= 64
