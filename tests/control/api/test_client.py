"""The client, against a real server."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from argus.control.client import (
    Client,
    NotAllowed,
    NotThere,
    Overtaken,
    RequestInvalid,
    RequestRefused,
    ServerMissing,
    ServerTroubled,
    find_server,
)
from argus.control.client.events import Place
from argus.control.lock import ControlLock, ControlNote
from argus.control.runtime.protocol import Workload
from argus.core.errors import ArgusError, SourceNotFound, SpecError
from argus.core.settings import Settings
from tests.control.api.harness import Live, World, alert, event, listening

CAMERA = {"kind": "Camera", "metadata": {"name": "gate"}, "spec": {"url": "rtsp://10.0.0.5/1"}}


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    with Client(live.url) as one:
        yield one


def test_resources_are_made_read_changed_and_deleted(client: Client) -> None:
    made = client.create(CAMERA)
    assert client.get("cam", "gate") == made
    version = made["metadata"]["resourceVersion"]
    changed = client.patch("Camera", "gate", {"spec": {"fps": 5}}, match=version)
    assert changed["spec"]["fps"] == 5.0
    with pytest.raises(Overtaken):
        client.patch("Camera", "gate", {"spec": {"fps": 6}}, match=version)
    assert client.put(changed)["spec"] == changed["spec"]
    assert client.delete("cameras", "gate", dry_run=True)["metadata"]["name"] == "gate"
    client.delete("cameras", "gate")
    with pytest.raises(NotThere, match="there is no Camera 'gate'"):
        client.get("cameras", "gate")


def test_lists_of_many_pages_come_as_one(client: Client) -> None:
    cameras = {f"cam-{n:04}": f"rtsp://10.0.0.5/{n}" for n in range(1100)}
    outcomes = client.apply([{"cameras": cameras}])
    assert {item["outcome"] for item in outcomes} == {"created"}
    assert [item["metadata"]["name"] for item in client.list("cameras")] == sorted(cameras)
    assert client.list(selector="no=such") == []
    assert client.apply_text("cameras: {cam-0000: rtsp://new}", dry_run=True)[0]["before"]["spec"]["url"]


def test_results_of_many_pages_come_as_one(live: Live, client: Client) -> None:
    live.do(live.world.results.write([event(f"e{n}", n) for n in range(1100)]))
    assert len(list(client.events())) == 1100
    assert [one["id"] for one in client.events(most=3, class_="person", camera=["gate", "yard"])] == [
        "e1099", "e1098", "e1097",
    ]  # fmt: skip
    assert list(client.alerts()) == list(client.tracks()) == list(client.detections()) == []
    assert client.acknowledge("event", "e0", by="Ada")["acknowledged_by"] == "Ada"
    assert client.event("e0")["acknowledged_by"] == "Ada"


def test_what_the_server_refuses_is_told_in_its_words_and_with_the_right_exit_code(client: Client) -> None:
    with pytest.raises(RequestInvalid) as caught:
        client.create({**CAMERA, "spec": {"url": "rtsp://x", "fsp": 5}})
    assert "did you mean 'fps'" in str(caught.value)
    assert caught.value.faults[0]["pointer"] == "#/spec/fsp"
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, SpecError)
    client.create(CAMERA)
    with pytest.raises(Overtaken, match="exists already: change it with PUT or PATCH") as taken:
        client.create(CAMERA)
    assert taken.value.exit_code == 1
    with pytest.raises(SpecError, match="did you mean 'cameras'"):
        client.list("camaras")


def test_a_part_that_does_not_answer_is_worth_trying_again(live: Live, client: Client) -> None:
    live.call(lambda: live.world.store.fail("the database is locked"))
    with pytest.raises(ServerTroubled, match="locked"):
        client.list("cameras")
    with pytest.raises(ServerTroubled):
        client.ready()


def test_without_a_server_it_is_said_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ServerMissing, match="argus up"):
        find_server({}, Settings(tmp_path))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        with Client(f"127.0.0.1:{port}") as client, pytest.raises(ServerMissing, match=rf"{port}.*argus up"):
            client.status()
    with pytest.raises(SpecError, match="no address"):
        Client("ftp://host")


def test_what_answers_and_is_no_argus_is_said_to_be_none(tmp_path: Path) -> None:
    def serve(listening_: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listening_.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<html")

    with socket.create_server(("127.0.0.1", 0)) as somebody:
        thread = threading.Thread(target=serve, args=(somebody,))
        thread.start()
        with Client(f"http://127.0.0.1:{somebody.getsockname()[1]}") as client:
            for _ in range(2):
                with pytest.raises(RequestRefused, match="no control plane of Argus"):
                    client.status()
        thread.join(10)


def test_the_server_of_this_home_is_found_and_a_named_one_wins(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    with ControlLock(settings) as lock:
        lock.tell(ControlNote("http://127.0.0.1:7071", 1, "0"))
        assert find_server({}, settings).url == "http://127.0.0.1:7071"
        named = find_server({"ARGUS_SERVER": "box:7070/", "ARGUS_API_KEY": "k3y"}, settings)
        assert (named.url, named.key) == ("http://box:7070", "k3y")
        assert "k3y" not in repr(named)


def test_the_key_opens_and_another_one_does_not(tmp_path: Path) -> None:
    with listening(World(tmp_path, key="a-long-enough-key", host="0.0.0.0")) as live:
        with Client(live.url, "a-long-enough-key") as client:
            assert client.status()["ready"] is True
        for key in (None, "wrong"):
            with Client(live.url, key) as client, pytest.raises(NotAllowed, match="ARGUS_API_KEY"):
                client.status()


def test_a_watch_tells_what_there_is_and_then_what_changes(live: Live, client: Client) -> None:
    client.create(CAMERA)
    watching = client.watch("cameras")
    assert next(watching).type == "ADDED"
    assert next(watching).type == "BOOKMARK"
    with Client(live.url) as other:
        other.patch("cameras", "gate", {"spec": {"fps": 5}})
    change = next(watching)
    assert (change.type, change.resource["spec"]["fps"]) == ("MODIFIED", 5.0)
    watching.close()


def test_a_stream_goes_on_after_the_server_was_started_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    with listening(world) as live:
        port = live.port
        client = Client(live.url)
        stream = client.stream("alerts", after=0, severity="high")
        live.do(world.results.write([alert("a1")]))
        assert next(stream)["id"] == "a1"
    again = World(tmp_path)
    again.results = again.plane.results = world.results  # the same database
    again.rebuild()
    asyncio.run(world.results.write([alert("a2", 1), alert("low", 2, severity="low")]))
    with listening(again, port=port) as live:
        assert next(stream)["id"] == "a2"
        live.do(world.results.write([alert("a3", 3)]))
        assert next(stream)["id"] == "a3"
    stream.close()
    client.close()


def test_a_watch_that_was_away_too_long_begins_anew(live: Live, client: Client) -> None:
    client.create(CAMERA)
    watching = client.watch("cameras", since="999")
    assert [next(watching).type, next(watching).type] == ["ADDED", "BOOKMARK"]
    watching.close()


def test_logs_are_read_and_a_missing_workload_is_not_found(live: Live, client: Client) -> None:
    live.do(live.world.runtime.ensure(Workload(name="w", command=("x",))))
    live.call(lambda: live.world.runtime.print("w", "one\ntwo\n"))
    assert b"".join(client.logs("w", tail=1)) == b"two\n"
    assert client.workload("w")["metadata"]["name"] == "w"
    assert client.restart("w")["status"]["pid"] == 1001
    assert [one["metadata"]["name"] for one in client.workloads()] == ["w"]
    with pytest.raises(NotThere):
        b"".join(client.logs("other"))


def test_a_file_is_sent_with_its_progress_and_becomes_a_job(client: Client, tmp_path: Path) -> None:
    video = tmp_path / "gate A.mp4"
    video.write_bytes(bytes(range(256)) * 4000)
    heard: list[tuple[int, int]] = []
    told = client.upload(video, pipeline="p", ttl="1h", on_progress=lambda *at: heard.append(at))
    assert told["state"] == "complete"
    assert heard[-1] == (1_024_000, 1_024_000)
    saved = tmp_path / "saved.mp4"
    client.save_blob(told["key"], saved)
    assert saved.read_bytes() == video.read_bytes()
    assert client.get("job", told["job"])["spec"]["pipeline"] == "p"
    assert client.delete_blob(told["key"])
    assert not client.delete_blob(told["key"])
    with pytest.raises(NotThere):
        client.save_blob(told["key"], saved)
    assert not list(tmp_path.glob(".*.part"))


def test_an_upload_that_was_begun_is_gone_on_with(live: Live, client: Client, tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.write_bytes(b"x" * 1000 + b"y" * 1000)
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "2000"}
    begun = httpx.post(f"{live.url}/api/v1/uploads", headers=headers, trust_env=False).json()
    headers |= {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    where = f"{live.url}/api/v1/uploads/{begun['id']}"
    httpx.patch(where, content=b"x" * 1000, headers=headers, trust_env=False)
    heard: list[int] = []
    told = client.upload(video, resume=begun["id"], on_progress=lambda at, _: heard.append(at))
    assert heard == [1000, 2000]
    assert b"".join(client.blob(told["key"])) == video.read_bytes()


def test_a_file_that_is_not_there_and_an_empty_one(client: Client, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        client.upload(tmp_path / "none.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert client.upload(empty)["length"] == 0


def test_models_jobs_and_the_rest_have_their_methods(client: Client) -> None:
    client.apply(
        [{"models": {"people": {"path": "a.onnx"}}, "jobs": {"n": {"source": "x", "pipeline": "p"}}}]
    )
    assert client.swap_model("people", "b.onnx")["spec"]["path"] == "b.onnx"
    assert client.rollback_model("people")["spec"]["path"] == "a.onnx"
    assert client.job("suspend", "n")["spec"]["suspend"] is True
    assert client.runs("n") == []
    assert client.decisions() == []
    assert "argus_info" in client.metrics()
    assert client.schema("camera")
    client.create(CAMERA)
    assert client.camera_health("gate")["state"] == "unknown"
    assert client.probe("gate", "synthetic:plaza")["outcome"] == "unasked"
    with pytest.raises(ServerTroubled, match="no worker reads"):
        client.snapshot("gate")
    client.apply([{"pipelines": {"p": {"camera": "gate", "detect": {"model": "people"}}}}])
    assert client.explain("p", window_s=20)["reasons"]


def test_frames_are_read_as_the_standard_says() -> None:
    place = Place()
    text = (
        "retry: 5\nid: 7\n\n: alive\n\nevent: a\nid: 8\ndata: one\ndata:two\n\ndata\n\nid: bad\0\ndata: x\n\n"
    )
    events = [found for found in place.read(text.split("\n")) if found is not None]
    assert [(e.name, e.data, e.id) for e in events] == [
        ("a", "one\ntwo", "8"), ("message", "", "8"), ("message", "x", "8"),
    ]  # fmt: skip
    assert place.last == "8"


def test_no_error_of_the_client_is_anything_but_ours(live: Live) -> None:
    with Client(live.url) as client:
        with pytest.raises(ArgusError):
            client.event("no/such id?")
        with pytest.raises(ArgusError):
            client.get("cam", "../x")
        with pytest.raises(ArgusError):
            client.alert("é")
