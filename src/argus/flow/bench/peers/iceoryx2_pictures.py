"""Pictures over iceoryx2, run by the Python of the peers, never imported.

Usage: python iceoryx2_pictures.py loan|copy send|take NAME FPS SECONDS WARM_UP. `loan` fills a sample in
place, `copy` copies a picture into it; the taker has a view that keeps the sample, until the next one is
there.
"""

from __future__ import annotations

import ctypes
import sys

import iceoryx2 as iox2  # type: ignore[import-not-found,unused-ignore]
import numpy as np
from loops import SIZE, send_all, take_all  # type: ignore[import-not-found,unused-ignore]


class _Kept(np.ndarray):
    """A view that keeps its sample, as do views of it; what the binding gives is overwritten without one."""

    sample: object


def _services(name: str) -> tuple[object, object, object]:
    iox2.set_log_level(iox2.LogLevel.Error)
    node = iox2.NodeBuilder.new().create(iox2.ServiceType.Ipc)
    pictures = (
        node.service_builder(iox2.ServiceName.new(name))
        .publish_subscribe(iox2.Slice[ctypes.c_uint8])
        .subscriber_max_buffer_size(2)
        .subscriber_max_borrowed_samples(4)
        .enable_safe_overflow(True)
        .open_or_create()
    )
    wakes = node.service_builder(iox2.ServiceName.new(name + "/wake")).event().open_or_create()
    return node, pictures, wakes


def _send(how: str, name: str, fps: float, seconds: float, warm_up_s: float) -> None:
    node, pictures, wakes = _services(name)
    publisher = pictures.publisher_builder().initial_max_slice_len(SIZE).max_loaned_samples(2).create()  # type: ignore[attr-defined]
    notifier = wakes.notifier_builder().create()  # type: ignore[attr-defined]
    picture = np.random.default_rng(0).integers(0, 255, SIZE, np.uint8)

    def send(number: int) -> None:
        sample = publisher.loan_slice_uninit(SIZE)
        view = np.frombuffer(sample.payload().as_memory_view(), np.uint8)
        if how == "copy":
            np.copyto(view, picture)
        view[:8].view(np.uint64)[0] = number
        sample.assume_init().send()
        notifier.notify()

    send_all(send, fps, seconds, warm_up_s)
    del node


def _take(name: str) -> None:
    node, pictures, wakes = _services(name)
    subscriber = pictures.subscriber_builder().buffer_size(2).create()  # type: ignore[attr-defined]
    listener = wakes.listener_builder().create()  # type: ignore[attr-defined]
    kept: _Kept | None = None

    def take(within_s: float) -> int | None:
        nonlocal kept
        listener.timed_wait(iox2.Duration.from_secs_f64(within_s))
        while listener.try_wait():
            pass
        newest = subscriber.receive()
        if newest is None:
            return None
        while (newer := subscriber.receive()) is not None:
            newest.delete()
            newest = newer
        kept = np.frombuffer(newest.payload().as_memory_view(), np.uint8).view(_Kept)
        kept.sample = newest
        return int(kept[:8].view(np.uint64)[0])

    take_all(take)
    del node


if __name__ == "__main__":
    _, kind, role, where, rate, for_s, warm_up = sys.argv
    if role == "send":
        _send(kind, where, float(rate), float(for_s), float(warm_up))
    else:
        _take(where)
