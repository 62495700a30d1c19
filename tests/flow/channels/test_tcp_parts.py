"""The arithmetic behind a TCP channel: sums, clocks, paces, keys."""

from __future__ import annotations

import msgspec
import pytest

from argus.core.errors import SpecError
from argus.flow.channels.protocol import LinkCounts
from argus.flow.channels.tcp_accounts import Account
from argus.flow.channels.tcp_board import Board
from argus.flow.channels.tcp_key import curve_keys, expect_key
from argus.flow.channels.tcp_requests import Requests
from argus.flow.channels.tcp_words import Ask, Clocks, Pace, on_our_clock, parts_of
from argus.flow.codec import Encoder, decode
from argus.flow.message import Header, Hop, Origin

MS = 1_000_000


def account(before: LinkCounts | None = None) -> Account:
    return Account(before or LinkCounts(dropped={}))


def handed(one: Account, session: str, times: int = 1) -> None:
    for _ in range(times):
        one.sent()
        one.handed(session)


def test_what_was_given_and_is_not_known_of_was_lost() -> None:
    one = account()
    one.told("s", 0, {})
    handed(one, "s", 3)
    one.told("s", 1, {})
    one.holds("s", 1)
    counts = one.counts()
    assert (counts.delivered, counts.pending, counts.dropped) == (1, 1, {"failed": 1})
    assert counts.closes


def test_who_is_silent_is_written_off_and_counted_again_when_heard() -> None:
    one = account()
    one.told("s", 0, {})
    handed(one, "s")
    one.silent("s")
    assert one.counts().dropped == {"failed": 1}
    one.told("s", 1, {})
    assert (one.counts().delivered, one.counts().dropped) == (1, {})


def test_another_sending_end_goes_on_and_what_was_under_way_is_lost() -> None:
    one = account(LinkCounts(sent=10, delivered=4, dropped={"newer": 4}, pending=2))
    assert one.counts().dropped == {"failed": 2, "newer": 4}
    assert one.counts().closes


@pytest.mark.parametrize("dropped", [{}, {"newer": 7}, {"nonsense": 3}, {"newer": -5}])
def test_the_sum_closes_whatever_a_consumer_says(dropped: dict[str, int]) -> None:
    one = account()
    one.told("liar", 1000, dropped)
    handed(one, "liar", 2)
    for delivered in (0, -4, 1001, 10**9):
        one.told("liar", delivered, dropped)
        one.holds("liar", -1)
        assert one.counts().closes
    one.gone("liar")
    assert one.counts().closes


def test_at_the_end_nothing_is_pending() -> None:
    one = account()
    one.told("s", 0, {})
    handed(one, "s")
    one.sent()
    one.ended()
    assert one.counts().dropped == {"ended": 2}


def test_a_board_keeps_counts_for_whoever_opens_it() -> None:
    board = Board.make(["a", "b"])
    counts = LinkCounts(sent=9, delivered=3, dropped={"newer": 4, "ended": 1}, pending=1, redelivered=2)
    board.write("b", counts)
    other = Board.inherited(board.fd, ["a", "b"])
    assert other.read() == {"a": LinkCounts(dropped={}), "b": counts}
    other.close()
    board.close()
    board.close()


def test_the_quickest_words_of_each_direction_tell_how_far_a_clock_is_ahead() -> None:
    clocks = Clocks()
    clocks.learn(0, 500 * MS + 40 * MS, 540 * MS, 41 * MS)  # 40 ms there, 1 ms back
    assert abs((clocks.ahead_ns or 0) - 500 * MS) <= 21 * MS
    clocks.learn(100 * MS, 601 * MS, 601 * MS, 102 * MS)
    assert clocks.ahead_ns == 500 * MS
    clocks.learn(200 * MS, 730 * MS, 730 * MS, 260 * MS)
    assert clocks.ahead_ns == 500 * MS


def test_times_of_another_host_become_ours() -> None:
    header = Header("cam/1/0", Origin("cam", 0, 0.5, 900 * MS), (Hop("cam", 900 * MS, 910 * MS),))
    packed = Encoder().encode(header, {"n": 1})
    ours, data = on_our_clock(memoryview(packed.header), 700 * MS)
    assert ours.origin == Origin("cam", 0, 0.5, 200 * MS)
    assert ours.hops == (Hop("cam", 200 * MS, 210 * MS),)
    assert decode(data) == (ours, {"n": 1})


def test_a_message_is_late_when_it_took_much_longer_than_others_of_its_size() -> None:
    pace = Pace()
    assert not pace.is_late(6_000_000, 0.05)
    assert pace.is_late(6_000_000, 0.5)
    pace.learn(6_000_000, 0.5)
    assert not pace.is_late(6_000_000, 1.0)
    assert pace.is_late(100, 0.5)
    pace.forget()
    assert pace.is_late(6_000_000, 0.5)


def test_parts_are_small_until_the_line_is_known_to_be_quick() -> None:
    pace, data = Pace(), memoryview(bytes(1_000_000))
    assert len(parts_of(data, pace.part)) == 4
    pace.learn(1_000_000, 0.01)
    assert len(parts_of(data, pace.part)) == 1
    pace.learn(1_000_000, 10.0)
    assert len(parts_of(data, pace.part)) == 16


def ask(session: str, number: int) -> Ask:
    return Ask(1, "a->b", session, number, 0, 0, 0, "", 0, {}, 0)


def test_a_request_is_open_once_per_connection() -> None:
    requests = Requests()
    asker, news = requests.hear(ask("s", 1), b"one", 0)
    assert news == "new"
    requests.answered(asker)
    assert requests.hear(ask("s", 1), b"one", 0)[1] == "sign"
    assert requests.hear(ask("s", 1), b"two", 0)[1] == "again"
    assert list(requests.waiting) == ["s"]


def test_who_has_asked_first_is_served_first() -> None:
    requests = Requests()
    for session in ("one", "two"):
        requests.hear(ask(session, 1), session.encode(), 0)
    requests.hear(ask("one", 1), b"one", 0)
    assert list(requests.waiting) == ["one", "two"]


def test_receiving_ends_that_come_and_go_for_ever_take_no_memory() -> None:
    requests = Requests()
    for number in range(2000):
        for gone in requests.too_many(str(number)):
            requests.forget(gone)
        requests.hear(ask(str(number), 1), b"way", 0)
    assert len(requests.waiting) <= 256


def test_both_sides_derive_keys_that_fit() -> None:
    sends, receives = (curve_keys("the same key for all", sends=side) for side in (True, False))
    assert (sends.other, receives.other) == (receives.public, sends.public)
    assert curve_keys("another key for all!", sends=True).public != sends.public
    assert sends.secret != receives.secret


def test_only_loopback_does_without_a_key() -> None:
    for address in ("127.0.0.1", "localhost", "::1", "127.8.8.8"):
        assert expect_key(address, "") is False
    for address in ("0.0.0.0", "::", "10.0.0.1", "camera.local", "127.0.0.1.evil.example"):
        with pytest.raises(SpecError, match="ARGUS_FLOW_KEY"):
            expect_key(address, "")
    assert expect_key("10.0.0.1", "sixteen letters!")


def test_no_spec_holds_the_key() -> None:
    from argus.flow.channels.tcp import TcpChannel
    from argus.flow.qos import QoS

    channel = TcpChannel.create([("a->b", QoS.REALTIME, 1)], key="sixteen letters and more")
    assert b"sixteen" not in msgspec.json.encode(channel.spec)
    channel.close()
