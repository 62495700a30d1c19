"""Uploads over HTTP, and the jobs that follow from them."""

from __future__ import annotations

import asyncio
import base64
import errno
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from argus.control.api.meter import ApiMeter
from argus.control.api.upload_jobs import keep_up, recover, uploads_of
from argus.storage.uploads import Upload, Uploads
from tests.control.api.harness import Live, World, problem, until

TUS = {"Tus-Resumable": "1.0.0"}
OFFSET = {**TUS, "Content-Type": "application/offset+octet-stream"}
VIDEO = bytes(range(256)) * 400


def _begin(world: World, length: int, **metadata: str) -> str:
    coded = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in metadata.items())
    answer = world.post(
        "/api/v1/uploads", headers={**TUS, "Upload-Length": str(length), "Upload-Metadata": coded}
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


def _append(world: World, where: str, offset: int, data: bytes) -> httpx.Response:
    return world.request("PATCH", where, content=data, headers={**OFFSET, "Upload-Offset": str(offset)})


def test_a_file_in_one_request_becomes_a_blob_and_a_job(world: World) -> None:
    answer = world.post("/api/v1/uploads?filename=Gate%20A.MP4&pipeline=gate-safety&ttl=1h", content=VIDEO)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["state"] == "complete"
    with world.blobs.open(told["key"]) as file:
        assert file.read() == VIDEO
    job = world.get(f"/api/v1/jobs/{told['job']}").json()
    assert told["job"] == f"upload-{told['id']}"
    assert job["spec"]["source"] == f"blob:{told['key']}"
    assert (job["spec"]["pipeline"], job["spec"]["ttl_after_finished"]) == ("gate-safety", 3600.0)


def test_without_a_pipeline_there_is_a_blob_and_no_job(world: World) -> None:
    told = world.post("/api/v1/uploads?filename=a.mp4", content=VIDEO).json()
    assert told["job"] is None
    assert world.blobs.info(told["key"]).size == len(VIDEO)
    assert world.get("/api/v1/jobs").json()["items"] == []


def test_what_the_job_could_not_be_is_said_before_a_byte_is_taken(world: World) -> None:
    problem(world.post("/api/v1/uploads?pipeline=p&ttl=soon", content=VIDEO), 422)
    problem(world.post("/api/v1/uploads", content=b""), 400)
    assert world.get("/api/v1/uploads").json()["items"] == []


@pytest.mark.parametrize("coded", [b"not base64", b"\xc3\xa9t\xc3\xa9", b"\xe9t\xe9", b"/w=="])
def test_metadata_that_is_no_text_in_base64_is_said_to_be_none(world: World, coded: bytes) -> None:
    headers = {**TUS, "Upload-Length": "3", "Upload-Metadata": b"filename " + coded}
    assert (
        "'filename' has no text in base64"
        in problem(world.post("/api/v1/uploads", headers=headers), 400)["detail"]
    )


def test_an_upload_goes_on_where_it_broke_off(world: World) -> None:
    where = _begin(world, len(VIDEO), filename="gate.mp4", pipeline="p")
    assert _append(world, where, 0, VIDEO[:1000]).headers["upload-offset"] == "1000"
    head = world.request("HEAD", where, headers=TUS)
    assert (head.headers["upload-offset"], head.headers["upload-length"]) == ("1000", str(len(VIDEO)))
    assert head.headers["cache-control"] == "no-store"
    done = _append(world, where, 1000, VIDEO[1000:])
    assert (done.status_code, done.headers["upload-offset"]) == (204, str(len(VIDEO)))
    told = world.get(where).json()
    assert (told["state"], told["filename"]) == ("complete", "gate.mp4")
    with world.blobs.open(told["key"]) as file:
        assert file.read() == VIDEO
    assert world.get(f"/api/v1/jobs/{told['job']}").status_code == 200


def test_bytes_for_another_place_are_refused_with_the_right_one(world: World) -> None:
    where = _begin(world, 100)
    _append(world, where, 0, b"x" * 10)
    answer = _append(world, where, 50, b"y" * 10)
    problem(answer, 409)
    assert answer.headers["upload-offset"] == "10"
    problem(_append(world, where, 10, b"y" * 1000), 413)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Length": "-1"}, 400),
        ({"Upload-Length": "ten"}, 400),
        ({"Upload-Length": "9" * 30}, 400),
        ({"Upload-Length": "9" * 17}, 503),
        ({}, 400),
        ({"Upload-Length": "1", "Tus-Resumable": "0.2.0"}, 412),
        ({"Upload-Length": "1", "Upload-Metadata": "filename not-base64!"}, 400),
        ({"Upload-Length": "1", "Upload-Metadata": "pipeline Tm90IEEgTmFtZSE="}, None),
    ],
)
def test_a_strange_beginning_is_refused(shared: World, headers: dict[str, str], status: int | None) -> None:
    answer = shared.post("/api/v1/uploads", headers={**TUS, **headers})
    if status is None:
        assert answer.status_code in {201, 422}
    else:
        problem(answer, status)


def test_what_is_no_upload_is_not_found(shared: World) -> None:
    for method in ("GET", "HEAD", "DELETE"):
        assert shared.request(method, f"/api/v1/uploads/{'0' * 32}", headers=TUS).status_code == 404
        assert shared.request(method, "/api/v1/uploads/..%2fx", headers=TUS).status_code in {404, 422}
    problem(_append(shared, f"/api/v1/uploads/{'0' * 32}", 0, b"x"), 404)


def test_an_upload_that_is_given_up_is_forgotten(world: World) -> None:
    where = _begin(world, 100)
    assert world.request("DELETE", where, headers=TUS).status_code == 204
    problem(world.get(where), 404)


def test_the_server_says_what_it_can(world: World) -> None:
    headers = world.request("OPTIONS", "/api/v1/uploads").headers
    assert headers["tus-version"] == "1.0.0"
    assert "creation-with-upload" in headers["tus-extension"]


def test_a_connection_that_breaks_costs_only_what_had_not_come(live: Live) -> None:
    where = _begin(live.world, len(VIDEO))
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as client:
        head = f"PATCH {where} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        head += f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(VIDEO)}\r\n\r\n"
        client.sendall(head.encode() + VIDEO[:5000])
    until(lambda: live.world.app.state.uploads.status(where.rpartition("/")[2]).offset == 5000)

    def free() -> bool:
        answer = httpx.patch(
            live.url + where,
            content=VIDEO[5000:],
            headers={**OFFSET, "Upload-Offset": "5000"},
            trust_env=False,
        )
        return answer.status_code == 204

    until(free)
    told = httpx.get(live.url + where, trust_env=False).json()
    assert told["state"] == "complete"


def test_an_upload_in_one_request_that_breaks_off_leaves_nothing(live: Live) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as client:
        client.sendall(
            b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\nxxxx"
        )
        until(live.world.app.state.uploads.list)
    until(lambda: not live.world.app.state.uploads.list())


def test_the_job_of_an_upload_is_made_once_whatever_was_killed_in_between(world: World) -> None:
    async def crashed() -> tuple[str, int, int]:
        uploads = uploads_of(world.plane)
        upload = uploads.create("a.mp4", 3, {"pipeline": "p"})
        await uploads.append(upload.id, 0, _once(b"abc"))
        again = uploads_of(world.plane)  # the next process
        return upload.id, await recover(world.plane, again), await recover(world.plane, again)

    id_, first, second = asyncio.run(crashed())
    assert (first, second) == (1, 0)
    assert [job["metadata"]["name"] for job in world.get("/api/v1/jobs").json()["items"]] == [f"upload-{id_}"]


def test_the_job_of_an_upload_is_made_after_a_moment_without_descriptors(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("argus.control.api.upload_jobs._LOOK_S", 0.001)
    uploads, told = world.app.state.uploads, [OSError(errno.EMFILE, "Too many open files")]

    def pending() -> tuple[Upload, ...]:
        if told:
            raise told.pop()
        return Uploads.pending(uploads)

    async def story() -> None:
        upload = uploads.create("a.mp4", 3, {"pipeline": "p"})
        await uploads.append(upload.id, 0, _once(b"abc"))
        monkeypatch.setattr(uploads, "pending", pending)
        keeping = asyncio.create_task(keep_up(world.plane, uploads, ApiMeter()))
        async with asyncio.timeout(5):
            while not (await world.store.list("BatchJob")).items:
                await asyncio.sleep(0.001)
        keeping.cancel()

    asyncio.run(story())


def test_a_job_that_its_user_has_changed_meanwhile_stays_as_it_is(world: World) -> None:
    async def crashed() -> int:
        uploads = uploads_of(world.plane)
        upload = uploads.create("a.mp4", 3, {"pipeline": "p"})
        await uploads.append(upload.id, 0, _once(b"abc"))
        await uploads.complete(upload.id)
        body = {"metadata": {"name": f"upload-{upload.id}"}, "spec": {"source": "x", "pipeline": "other"}}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(world.app), base_url="http://127.0.0.1"
        ) as client:
            await client.post("/api/v1/jobs", json=body)
        return await recover(world.plane, uploads)

    assert asyncio.run(crashed()) == 1
    assert world.get("/api/v1/jobs").json()["items"][0]["spec"]["pipeline"] == "other"


def test_while_the_store_is_gone_an_upload_is_taken_and_its_job_follows(world: World) -> None:
    world.store.fail("locked")
    told = world.post("/api/v1/uploads?filename=a.mp4&pipeline=p", content=VIDEO)
    assert told.status_code == 201
    world.store.fail(None)
    assert world.get("/api/v1/jobs").json()["items"] == []
    assert asyncio.run(recover(world.plane, world.app.state.uploads)) == 1
    assert len(world.get("/api/v1/jobs").json()["items"]) == 1


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
