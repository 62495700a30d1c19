"""What a receiving end reads ahead, and in which order it hands it out: decisions over given times."""

from __future__ import annotations

from argus.flow.channels.redis_fetched import Fetched, Shelf
from tests.flow.channels.contract import message


def _item(number: int, *, source: str = "cam", failed: int = 0, not_before_s: float = 0.0) -> Fetched:
    item = Fetched(b"%d-0" % number, failed, 100, b"", b"")
    item.header = message(number, source=source)
    item.not_before_s = not_before_s
    return item


def _taken(shelf: Shelf, now_s: float) -> list[int]:
    taken = []
    while (item := shelf.take(now_s)) is not None:
        taken.append(item.header.origin.index)
    return taken


def test_messages_come_in_the_order_of_sending_whenever_they_were_read() -> None:
    shelf = Shelf(1)
    for number in (3, 5, 1, 4, 2):
        shelf.add(_item(number))
    assert _taken(shelf, 0.0) == [1, 2, 3, 4, 5]


def test_a_retry_holds_back_its_origin_until_it_may_be_had() -> None:
    shelf = Shelf(1)
    shelf.add(_item(1, failed=1, not_before_s=10.0))
    shelf.add(_item(2))
    shelf.add(_item(3, source="other"))
    assert shelf.next_s(4.0) == 6.0
    assert _taken(shelf, 4.0) == [3]
    assert _taken(shelf, 10.0) == [1, 2]
    assert shelf.next_s(10.0) is None


def test_a_lone_reader_reads_on_behind_a_retry_but_not_without_end() -> None:
    shelf = Shelf(1)
    shelf.add(_item(0, failed=1, not_before_s=10.0))
    for number in range(1, 999):
        shelf.add(_item(number))
    assert shelf.room(0) > 0
    shelf.add(_item(999))
    assert shelf.room(0) == 0


def test_it_reads_when_half_of_what_was_ahead_is_gone() -> None:
    shelf = Shelf(1)
    full = shelf.room(0)
    for number in range(full):
        shelf.add(_item(number))
    for _ in range(full // 2 - 1):
        assert shelf.room(1) == 0
        shelf.take(0.0)
    shelf.take(0.0)
    assert shelf.room(1) == full // 2


def test_one_of_several_replicas_takes_no_more_than_it_will_soon_look_at() -> None:
    shelf = Shelf(3)
    shelf.waiting = 100_000
    for number in range(100):
        shelf.add(_item(number))
        shelf.take(number * 0.1)  # ten a second
    assert 1 <= shelf.room(1) <= 3
    for number in range(100, 200):
        shelf.add(_item(number))
        shelf.take(10.0 + number * 0.001)
    assert shelf.room(1) > 50


def test_one_of_several_replicas_hoards_nothing_behind_a_retry() -> None:
    shelf = Shelf(3)
    shelf.waiting = 1000
    shelf.add(_item(0, failed=1, not_before_s=10.0))
    number = 1
    while (room := shelf.room(0)) > 0:
        for _ in range(room):
            shelf.add(_item(number))
            number += 1
    assert number < 10


def test_the_last_messages_are_left_to_whoever_is_free() -> None:
    shelf = Shelf(2)
    shelf.waiting = 7
    assert shelf.room(1) == 0
    assert shelf.room(0) == 1


def test_many_bytes_are_not_read_ahead_but_one_message_is() -> None:
    shelf = Shelf(1)
    large = _item(0)
    large.size = 100_000_000
    assert shelf.room(0) > 0
    shelf.add(large)
    assert shelf.room(0) == 0
    shelf.take(0.0)
    assert shelf.room(1) > 0


def test_what_stays_is_kept_and_the_rest_can_be_added_again() -> None:
    shelf = Shelf(1)
    for number in range(5):
        shelf.add(_item(number))
    shelf.keep({b"1-0", b"3-0"})
    assert _item(1) in shelf
    assert _item(2) not in shelf
    shelf.add(_item(2))
    shelf.discard(_item(3))
    shelf.discard(_item(3))
    assert _taken(shelf, 0.0) == [1, 2]
