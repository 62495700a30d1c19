"""Addresses are shown without their secrets."""

from __future__ import annotations

import string
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.urls import mask_url, mask_urls, quote_user, scheme_of

HOSTS = st.sampled_from(["10.0.0.5", "cam.example.org:554", "[::1]:8554"])
# Upper case and digits only: nothing else in the addresses below can look like it.
SECRETS = st.text(string.ascii_uppercase + string.digits, min_size=6, max_size=20)
AWKWARD = st.text(string.ascii_uppercase + "@/#?:%&=;+ ", max_size=6)
KEYS = st.sampled_from(
    [
        "password",
        "PWD",
        "pass",
        "user_pass",
        "token",
        "access_token",
        "key",
        "apikey",
        "secret",
        "auth",
        "sig",
    ]
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:hunter2@10.0.0.5/stream1", "rtsp://admin:***@10.0.0.5/stream1"),
        ("rtsp://admin:a@b@10.0.0.5/stream1", "rtsp://admin:***@10.0.0.5/stream1"),
        ("rtsp://admin:p/w@10.0.0.5/stream1", "rtsp://admin:***@10.0.0.5/stream1"),
        ("rtsp://admin:?@/12@10.0.0.5/1", "rtsp://admin:***@10.0.0.5/1"),
        ("rtsp://admin:@12/?@10.0.0.5/1", "rtsp://admin:***@10.0.0.5/1"),
        ("rtsp://admin:12#34@10.0.0.5/1", "rtsp://admin:***@10.0.0.5/1"),
        ("https://ghp_sometoken@example.org/x", "https://***@example.org/x"),
        ("http://cam/snap.jpg?user=admin&pwd=hunter2", "http://cam/snap.jpg?user=admin&pwd=***"),
        ("http://cam/snap.jpg?pass%77ord=hunter2#t=3", "http://cam/snap.jpg?pass%77ord=***#t=3"),
        ("rtsp://cam/user=admin_password=hunter2_channel=1.sdp", "rtsp://cam/user=admin_password=***"),
        ("snapshot+http://u:p@cam/a.jpg", "snapshot+http://u:***@cam/a.jpg"),
    ],
)
def test_what_is_secret_is_masked_and_the_rest_stays_readable(url: str, shown: str) -> None:
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://10.0.0.5:554/stream1?channel=1&subtype=0",
        "http://cam.example.org:8080/path@2/x.m3u8",
        "rtsp://[fe80::1]/path@2",
        "synthetic:plaza?width=640&seed=3",
        "videos/a b@c.mp4",
        "/tmp/password=1.mp4",
    ],
)
def test_what_holds_no_secret_is_shown_as_it_is(url: str) -> None:
    assert mask_url(url) == url


@given(secret=SECRETS, before=AWKWARD, after=AWKWARD, host=HOSTS)
def test_no_password_is_shown_however_it_is_written(secret: str, before: str, after: str, host: str) -> None:
    assert secret not in mask_url(f"rtsp://admin:{before}{secret}{after}@{host}/stream1")


@given(secret=SECRETS, key=KEYS, host=HOSTS, more=st.sampled_from(["", "&channel=1", "#top", ";a=b"]))
def test_no_secret_parameter_is_shown(secret: str, key: str, host: str, more: str) -> None:
    for url in (f"http://{host}/x?{key}={secret}{more}", f"http://{host}/x?a=1&{key}={secret}{more}"):
        assert secret not in mask_url(url)
    assert secret not in mask_url(f"rtsp://{host}/live/{key}={secret}/1")


@given(st.text(max_size=60))
def test_masking_takes_any_text_and_masking_twice_changes_nothing(text: str) -> None:
    once = mask_url(f"rtsp://{text}")
    assert mask_url(once) == once


def test_addresses_within_a_message_are_masked() -> None:
    message = "Errno 5: 'rtsp://a:b@cam/1' and http://cam/?token=abc failed"
    assert mask_urls(message) == "Errno 5: 'rtsp://a:***@cam/1' and http://cam/?token=*** failed"


@pytest.mark.parametrize(
    ("source", "scheme"),
    [
        ("rtsp://cam/1", "rtsp"),
        ("RTSPS://cam/1", "rtsps"),
        ("synthetic:plaza", "synthetic"),
        ("snapshot+https://cam/a.jpg", "snapshot+https"),
        ("video.mp4", None),
        ("C:\\video.mp4", None),
        ("./a:b.mp4", None),
    ],
)
def test_the_scheme_is_what_stands_before_the_first_colon(source: str, scheme: str | None) -> None:
    assert scheme_of(source) == scheme


@pytest.mark.parametrize(
    ("url", "quoted"),
    [
        ("rtsp://admin:p#ss@10.0.0.5/1", "rtsp://admin:p%23ss@10.0.0.5/1"),
        ("rtsp://admin:1234#x@cam:554/1", "rtsp://admin:1234%23x@cam:554/1"),
        ("rtsp://admin:p/s?s@cam:554/1?x=a@b", "rtsp://admin:p%2Fs%3Fs@cam:554/1?x=a@b"),
        ("rtsp://admin:a@b@[::1]:8554", "rtsp://admin:a%40b@[::1]:8554"),
        (
            "rtsp://admin:p@s:s/w#?d é@10.0.0.5:554/1",
            "rtsp://admin:p%40s%3As%2Fw%23%3Fd%20%C3%A9@10.0.0.5:554/1",
        ),
        ("http://me:100%@cam/x", "http://me:100%25@cam/x"),
        ("snapshot+http://me@home:x@cam/a.jpg", "snapshot+http://me%40home:x@cam/a.jpg"),
    ],
)
def test_a_password_may_stand_in_an_address_as_it_is(url: str, quoted: str) -> None:
    assert quote_user(url) == quoted
    assert quote_user(quoted) == quoted


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://10.0.0.5:554/stream@2?channel=1",
        "http://cam/path@2/x.m3u8",
        "http://cam:8080?mail=a@b.org",
        "http://[fe80::1]/a@b",
        "rtsp://admin:p%40ss@cam/1",
        "rtsp://admin:it's(so)!$&*@cam/1",
        "synthetic:plaza?name=a@b",
        "a/file@home.mp4",
    ],
)
def test_an_address_that_keeps_the_rules_stays_as_it_is(url: str) -> None:
    assert quote_user(url) == url


@given(st.text(st.characters(codec="utf-8", exclude_characters="%\r\n\t"), min_size=1, max_size=8), HOSTS)
def test_what_was_written_is_what_the_server_hears(password: str, host: str) -> None:
    url = f"rtsp://admin:x{password}x@{host}/stream"
    if "@" in password and _a_host_may_follow(password):  # then nobody can tell
        return
    parts = urlsplit(quote_user(url))
    assert (parts.username, unquote(parts.password or "")) == ("admin", f"x{password}x")
    assert quote_user(url).endswith(f"@{host}/stream")


def _a_host_may_follow(password: str) -> bool:
    return any(c in password for c in "/?#")
