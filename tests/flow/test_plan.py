"""What a replica's processes leave each other."""

from __future__ import annotations

import mmap

from argus.flow.plan import Page


def test_a_page_outlives_who_wrote_it() -> None:
    page = Page()
    assert (page.begin(), page.next_index, page.last_end) == (1, 0, "")
    page.next_index = 7
    page.last_end = "signal 11 (SIGSEGV): at nöde.py:16 in loop"
    other = Page(page.fd)
    assert (other.begin(), other.next_index) == (2, 7)
    assert other.last_end == "signal 11 (SIGSEGV): at nöde.py:16 in loop"
    page.last_end = "exit 1"
    assert other.last_end == "exit 1"
    page.close()


def test_of_a_long_end_as_much_is_kept_as_there_is_room() -> None:
    page = Page()
    page.last_end = "x" * 10_000
    assert 2000 < len(page.last_end) < mmap.PAGESIZE
    assert (page.begin(), page.next_index) == (1, 0)
    page.close()


def test_a_fault_is_news_once() -> None:
    page = Page()
    assert page.is_news("no such file")
    assert not page.is_news("no such file")
    assert page.is_news("another")
    page.forget_fault()
    assert page.is_news("another")
    page.close()
