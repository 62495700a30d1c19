"""The commands that ask a control plane, against the real API over stores in memory."""

from __future__ import annotations

import functools
import io
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from argus.control.client import Client
from argus.control.runtime.protocol import Workload
from argus.core.resources.manifest import read_drafts
from argus.testing.resource_store import InMemoryResourceStore
from argus.testing.result_store import MemoryResults
from argus.testing.runtime import FakeRuntime
from tests.cli.conftest import Argus
from tests.control.api.harness import Live, World, alert, event, listening, until

FILE = """
cameras:
  gate: rtsp://viewer:${GATE_PASSWORD}@10.0.0.5/stream1
  yard: {url: rtsp://10.0.0.6/1, fps: 10}
models:
  people: builtin:people
pipelines:
  gate-safety:
    camera: gate
    detect: people
    zones:
      restricted: {polygon: [[0.1, 0.5], [0.6, 0.5], [0.6, 1.0]], severity: high}
jobs:
  nightly: {source: recordings, pipeline: gate-safety, schedule: "0 2 * * *"}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One control plane for all tests here."""
    with listening(World(tmp_path_factory.mktemp("home"))) as live:
        yield live


@pytest.fixture
def live(served: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """It, with nothing in it, where commands find it."""
    world = served.world

    def empty() -> None:
        world.store = world.plane.store = InMemoryResourceStore()
        world.results = world.plane.results = MemoryResults()
        world.runtime = world.plane.runtime = FakeRuntime()

    served.call(empty)
    monkeypatch.setenv("ARGUS_SERVER", served.url)
    return served


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "argus.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def full(live: Live, file: Path) -> Live:
    """The same, with what the file says in it."""
    with Client(live.url) as client:
        client.apply_text(file.read_text(encoding="utf-8"))
    return live


def workload(live: Live, name: str = "worker-people-0") -> None:
    live.do(live.world.runtime.ensure(Workload(name=name, command=("sleep", "9"))))


def items(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["items"]
    return found


# apply, diff, delete, schema


def test_a_file_is_applied_and_each_resource_named(argus: Argus, live: Live, file: Path) -> None:
    done = argus("apply", "-f", file)
    assert done.code == 0
    assert set(done.out.splitlines()) == {
        "camera/gate created",
        "camera/yard created",
        "model/people created",
        "pipeline/gate-safety created",
        "batchjob/nightly created",
    }


def test_applied_twice_nothing_changes(argus: Argus, full: Live, file: Path) -> None:
    assert {line.split()[1] for line in argus("apply", "-f", file).out.splitlines()} == {"unchanged"}


def test_a_dry_run_changes_nothing(argus: Argus, live: Live, file: Path) -> None:
    assert "camera/gate created (dry run)" in argus("apply", "--dry-run", "-f", file).out
    assert items(argus("get", "cameras", "-o", "json").out) == []


def test_a_fault_in_a_file_applies_nothing_of_it(argus: Argus, live: Live, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("cameras: {a: rtsp://h/1, b: {url: rtsp://h/2, fsp: 3}}")
    done = argus("apply", "-f", tmp_path / "bad.yaml")
    assert done.code == 2
    assert "fps" in done.err
    assert items(argus("get", "cameras", "-o", "json").out) == []


def test_what_get_prints_can_be_applied(
    argus: Argus, full: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for form in ("yaml", "json"):
        printed = argus("get", "all", "-o", form).out
        monkeypatch.setattr(sys, "stdin", io.StringIO(printed))
        done = argus("apply", "-f", "-")
        assert done.code == 0, done.err
        assert {line.split()[1] for line in done.out.splitlines()} == {"unchanged"}


def test_a_folder_of_files_is_applied(argus: Argus, live: Live, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a.yaml").write_text("cameras: {a: rtsp://h/1}")
    (folder / "b.json").write_text('{"cameras": {"b": "rtsp://h/2"}}')
    (folder / "notes.txt").write_text("not this")
    assert argus("apply", "-f", folder).out.split() == ["camera/a", "created", "camera/b", "created"]


def test_all_that_was_printed_can_be_applied_though_statuses_came_in_between(
    argus: Argus, full: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = argus("get", "all", "-o", "yaml").out
    store = full.world.store
    for resource in full.do(store.list()).items:
        full.do(store.set_status(resource.kind, resource.name, resource.metadata.uid, {"phase": "New"}))
    monkeypatch.setattr(sys, "stdin", io.StringIO(printed))
    done = argus("apply", "-f", "-")
    assert (done.code, {line.split()[1] for line in done.out.splitlines()}) == (0, {"unchanged"})
    with Client(full.url) as client:
        client.patch("camera", "yard", {"spec": {"fps": 3}})
    monkeypatch.setattr(sys, "stdin", io.StringIO(printed))
    done = argus("apply", "-f", "-")
    assert done.code == 1
    assert "Camera 'yard'" in done.err
    assert "read it again" in done.err


def test_a_folder_without_files_says_so(argus: Argus, live: Live, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = argus("apply", "-f", tmp_path / "empty")
    assert (done.code, "no YAML or JSON file" in done.err) == (2, True)


@pytest.mark.parametrize("command", ["apply", "diff", "delete"])
def test_a_file_that_says_nothing_is_no_success(
    argus: Argus, live: Live, tmp_path: Path, command: str
) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("# cameras:\n", encoding="utf-8")
    done = argus(command, "-f", empty)
    assert (done.code, done.out) == (2, "")
    assert "empty.yaml: the file is empty" in done.err


def test_a_list_of_documents_is_applied_from_a_file_as_through_the_api(
    argus: Argus, live: Live, tmp_path: Path
) -> None:
    many = tmp_path / "many.json"
    many.write_text(json.dumps([{"cameras": {name: "rtsp://10.0.0.5/1"}} for name in ("gate", "yard")]))
    done = argus("apply", "-f", many)
    assert (done.code, done.out) == (0, "camera/gate created\ncamera/yard created\n")


def test_diff_shows_what_would_change_and_exits_with_1(argus: Argus, full: Live, file: Path) -> None:
    file.write_text(FILE.replace("fps: 10", "fps: 5"), encoding="utf-8")
    done = argus("diff", "-f", file)
    assert done.code == 1
    assert "-  fps: 10.0" in done.out
    assert "+  fps: 5.0" in done.out


def test_diff_of_what_is_so_already_says_so(argus: Argus, full: Live, file: Path) -> None:
    done = argus("diff", "-f", file)
    assert (done.code, done.out) == (0, "")
    assert "nothing would change" in done.err


@pytest.mark.parametrize("words", [("camera", "yard"), ("camera/yard",), ("cameras/yard",), ("cam", "yard")])
def test_a_resource_is_deleted_however_it_is_named(argus: Argus, full: Live, words: tuple[str, ...]) -> None:
    assert argus("delete", *words, "--no-wait").code == 0
    names = [item["metadata"]["name"] for item in items(argus("get", "cameras", "-o", "json").out)]
    assert "yard" not in names


def test_delete_of_nothing_says_how_to_name_something(argus: Argus, live: Live) -> None:
    done = argus("delete")
    assert (done.code, "name a kind" in done.err) == (2, True)


def test_the_schema_needs_no_control_plane(argus: Argus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARGUS_SERVER", raising=False)
    assert "cameras" in argus("schema").out
    assert json.loads(argus("schema", "pipeline").out)["title"] == "Pipeline"


# get, describe


@pytest.mark.parametrize("kind", ["cameras", "jobs", "workloads", "events", "alerts", "tracks", "detections"])
def test_get_of_nothing_says_so_and_is_no_failure(argus: Argus, live: Live, kind: str) -> None:
    done = argus("get", kind)
    assert (done.code, done.out, done.err) == (0, "", f"no {kind}\n")
    assert json.loads(argus("get", kind, "-o", "json").out) == {"items": []}
    assert yaml.safe_load(argus("get", kind, "-o", "yaml").out) == {"items": []}


def test_names_alone_are_a_line_each(argus: Argus, full: Live) -> None:
    assert argus("get", "cameras", "-o", "name").out.splitlines() == ["cameras/gate", "cameras/yard"]


def test_one_resource_in_json_is_that_resource(argus: Argus, full: Live) -> None:
    told = json.loads(argus("get", "camera/yard", "-o", "json").out)
    assert (told["kind"], told["spec"]["fps"]) == ("Camera", 10.0)


def test_labels_select(argus: Argus, full: Live) -> None:
    with Client(full.url) as client:
        client.patch("cameras", "yard", {"metadata": {"labels": {"site": "north"}}})
    assert argus("get", "cameras", "-l", "site=north", "-o", "name").out == "cameras/yard\n"


def test_get_all_has_a_table_for_each_kind(argus: Argus, full: Live) -> None:
    out = argus("get", "all").out
    assert [word for word in out.split() if word in {"CAMERAS", "MODELS", "JOBS"}] == [
        "CAMERAS",
        "MODELS",
        "JOBS",
    ]


def test_an_unknown_kind_names_the_nearest(argus: Argus, live: Live) -> None:
    done = argus("get", "camers")
    assert done.code == 2
    assert "did you mean 'cameras'?" in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("get", "camera", "gaet"),
        ("describe", "camera", "gaet"),
        ("delete", "camera", "gaet"),
        ("describe", "camera/gaet"),
    ],
)
def test_an_unknown_name_names_the_nearest(argus: Argus, full: Live, words: tuple[str, ...]) -> None:
    done = argus(*words)
    assert done.code == 2
    assert "there is no camera 'gaet'; did you mean 'gate'? `argus get cameras` lists them" in done.err


def test_describe_wants_one_name(argus: Argus, live: Live) -> None:
    done = argus("describe", "pipeline")
    assert (done.code, "argus describe pipeline NAME" in done.err) == (2, True)


def test_describe_shows_spec_and_secrets_as_they_were_written(argus: Argus, full: Live) -> None:
    out = argus("describe", "camera", "gate").out
    assert "${GATE_PASSWORD}" in out
    assert "Kind:       Camera" in out


def test_results_are_filtered(argus: Argus, live: Live) -> None:
    world = live.world
    live.do(world.results.write([event("e1"), event("e2", 1, type="zone.exited")]))
    told = items(argus("get", "events", "--type", "zone.exited", "-o", "json").out)
    assert [one["id"] for one in told] == ["e2"]
    assert [one["id"] for one in items(argus("get", "events", "--limit", "1", "-o", "json").out)] == ["e2"]


@pytest.mark.parametrize("text", ["yesterday", "999999999d", "0001-01-01T00:00+14:00"])
def test_a_time_that_is_none_says_how_to_write_one(argus: Argus, live: Live, text: str) -> None:
    done = argus("get", "events", "--since", text)
    assert (done.code, "write 1h, 2d" in done.err) == (2, True)


def test_one_alert_is_got_by_its_id(argus: Argus, live: Live) -> None:
    live.do(live.world.results.write([alert("a1")]))
    assert json.loads(argus("get", "alert", "a1", "-o", "json").out)["rule"] == "restricted"
    assert argus("get", "alerts", "nope").code == 1


@pytest.mark.parametrize("kind", ["tracks", "detections", "workloads"])
def test_what_cannot_be_watched_says_so(argus: Argus, live: Live, kind: str) -> None:
    done = argus("get", kind, "--watch")
    assert (done.code, "cannot be watched" in done.err) == (2, True)


def test_status_is_said_for_people_and_for_programs(
    argus: Argus, full: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    workload(full)
    out = argus("status").out
    assert "gate-safety" in out
    assert "worker-people-0" in out
    assert json.loads(argus("status", "-o", "json").out)["version"]


# workloads


def test_a_workload_is_described(argus: Argus, live: Live) -> None:
    workload(live)
    out = argus("describe", "workload", "worker-people-0").out
    assert "sleep 9" in out
    assert json.loads(argus("get", "workload/worker-people-0", "-o", "json").out)["status"]["pid"]


def test_uploads_are_listed_with_how_far_they_have_come(argus: Argus, live: Live) -> None:
    assert argus("get", "uploads").err == "no uploads\n"
    headers = {
        "Upload-Length": "2000000",
        "Tus-Resumable": "1.0.0",
        "Upload-Metadata": "filename bmlnaHQubXA0",
    }
    begun = httpx.post(f"{live.url}/api/v1/uploads", headers=headers, trust_env=False).json()
    row = argus("get", "uploads").out.splitlines()[1].split()
    assert row[:7] == [begun["id"], "night.mp4", "open", "0", "B", "2.0", "MB"]
    assert argus("get", "uploads", "-o", "name").out == f"uploads/{begun['id']}\n"
    told = json.loads(argus("get", f"upload/{begun['id']}", "-o", "json").out)
    assert told["key"] == f"uploads/{begun['id']}/night.mp4"
    assert begun["id"] in argus("describe", "upload", begun["id"]).out
    assert argus("get", "upload", "0" * 32).code == 1
    with Client(live.url) as client:
        client.give_up_upload(begun["id"])
        assert client.uploads() == []


def test_logs_of_one_are_as_it_printed_them(argus: Argus, live: Live) -> None:
    workload(live)
    live.call(lambda: live.world.runtime.print("worker-people-0", "first\nsecond\n"))
    assert argus("logs", "worker-people-0", "--tail", "1").out == "second\n"


def test_logs_of_all_name_who_said_what(argus: Argus, live: Live) -> None:
    for name in ("worker-a-0", "worker-bb-0"):
        workload(live, name)
        live.call(functools.partial(live.world.runtime.print, name, f"I am {name}\n"))
    assert sorted(argus("logs").out.splitlines()) == [
        "worker-a-0  | I am worker-a-0",
        "worker-bb-0 | I am worker-bb-0",
    ]


@pytest.mark.parametrize("words", [("logs",), ("restart",), ("get", "workloads"), ("describe", "workload")])
def test_an_unknown_workload_names_the_nearest(argus: Argus, live: Live, words: tuple[str, ...]) -> None:
    workload(live)
    done = argus(*words, "worker-peple-0")
    assert done.code == 2
    assert "did you mean 'worker-people-0'? `argus get workloads` lists them" in done.err


def test_logs_where_nothing_runs_say_so(argus: Argus, live: Live) -> None:
    assert "nothing runs" in argus("logs").err


def test_a_workload_is_restarted(argus: Argus, live: Live) -> None:
    workload(live)
    pid = json.loads(argus("get", "workload/worker-people-0", "-o", "json").out)["status"]["pid"]
    assert argus("restart", "worker-people-0").out == "workload/worker-people-0 restarted\n"
    assert json.loads(argus("get", "workload/worker-people-0", "-o", "json").out)["status"]["pid"] != pid


# jobs, models


@pytest.mark.parametrize(("verb", "suspended"), [("suspend", True), ("resume", False)])
def test_a_job_is_held_and_let_go(argus: Argus, full: Live, verb: str, suspended: bool) -> None:
    assert argus("jobs", verb, "nightly").out.startswith("job/nightly ")
    told = json.loads(argus("get", "job/nightly", "-o", "json").out)
    assert told["spec"]["suspend"] is suspended


def test_a_job_that_does_not_run_cannot_be_cancelled(argus: Argus, full: Live) -> None:
    done = argus("jobs", "cancel", "nightly")
    assert (done.code, "no run" in done.err) == (1, True)


def test_a_job_that_has_not_run_has_no_runs(argus: Argus, full: Live) -> None:
    assert "has not run yet" in argus("jobs", "runs", "nightly").err
    assert json.loads(argus("jobs", "runs", "nightly", "-o", "json").out) == {"items": []}


def test_an_unknown_job_names_the_nearest(argus: Argus, full: Live) -> None:
    assert "did you mean 'nightly'? `argus get jobs` lists them" in argus("jobs", "run", "nihgtly").err


def test_a_model_is_swapped_and_rolled_back(argus: Argus, full: Live) -> None:
    swapped = argus("models", "swap", "people", "builtin:motion")
    assert swapped.out == "model/people uses builtin:motion\n"
    assert "until these are loaded, and where they cannot be: see `argus describe" in swapped.err
    assert argus("models", "rollback", "people").out == "model/people uses builtin:people\n"
    assert argus("models", "rollback", "people").code == 1


def test_weights_beside_whoever_asks_are_named_in_full(
    argus: Argus, full: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new.onnx").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    told = json.loads(argus("models", "swap", "people", "new.onnx", "-o", "json").out)
    assert told["spec"]["path"] == str(tmp_path / "new.onnx")


# alerts and what is kept


def test_an_alert_is_acknowledged_by_whom_it_says(argus: Argus, live: Live) -> None:
    live.do(live.world.results.write([alert("a1")]))
    assert argus("ack", "a1", "--by", "anna").out == "alert/a1 acknowledged by anna\n"


def test_an_alert_that_is_not_there_cannot_be_acknowledged(argus: Argus, live: Live) -> None:
    assert argus("ack", "a1").code == 1


def kept(live: Live, key: str, data: bytes) -> None:
    path = live.world.home / "blobs" / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_picture_is_fetched_under_its_own_name(
    argus: Argus, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(live, "snapshots/gate/a.jpg", b"picture")
    monkeypatch.chdir(tmp_path)
    assert argus("fetch", "snapshots/gate/a.jpg").code == 0
    assert (tmp_path / "a.jpg").read_bytes() == b"picture"


def test_what_is_kept_can_be_piped(argus: Argus, live: Live) -> None:
    kept(live, "snapshots/gate/a.jpg", b"picture")
    assert argus("fetch", "snapshots/gate/a.jpg", "--out", "-").out == "picture"


def test_an_alert_is_fetched_as_its_clip(argus: Argus, live: Live, tmp_path: Path) -> None:
    kept(live, "clips/gate/a.mp4", b"clip")
    live.do(live.world.results.write([alert("a1", snapshot="s/a.jpg", clip="clips/gate/a.mp4")]))
    assert argus("fetch", "a1", "--out", tmp_path / "seen.mp4").code == 0
    assert (tmp_path / "seen.mp4").read_bytes() == b"clip"


def test_an_alert_without_a_picture_says_how_to_have_some(argus: Argus, live: Live) -> None:
    live.do(live.world.results.write([alert("a1")]))
    done = argus("fetch", "a1")
    assert (done.code, "`actions`" in done.err) == (2, True)


def test_a_key_that_is_not_there_leaves_no_file(
    argus: Argus, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert argus("fetch", "snapshots/gate/never.jpg").code == 1
    assert list(empty.iterdir()) == []


# uploads


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "night.mp4"
    path.write_bytes(os.urandom(300_000))
    return path


def test_an_upload_makes_a_job(argus: Argus, full: Live, video: Path) -> None:
    told = json.loads(argus("upload", video, "--pipeline", "gate-safety", "-o", "json").out)
    assert told["state"] == "complete"
    job = json.loads(argus("get", f"job/{told['job']}", "-o", "json").out)
    assert job["spec"]["pipeline"] == "gate-safety"


def test_an_upload_without_a_pipeline_is_kept_and_no_more(argus: Argus, live: Live, video: Path) -> None:
    assert argus("upload", video).out.startswith("blob/uploads/")
    assert items(argus("get", "jobs", "-o", "json").out) == []


def begun(live: Live, video: Path, **metadata: str) -> str:
    """Begin an upload as a client does that is killed in the middle; return its id."""
    from argus.control.client.asking import Asker
    from argus.control.client.finding import Address
    from argus.control.client.uploading import send_file

    asker = Asker(Address(live.url))

    class Killed(Exception):
        pass

    def kill(_: int, __: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        send_file(asker, video, metadata, on_progress=kill)
    one = asker.json("GET", "/api/v1/uploads")["items"][-1]
    asker.ask(
        "PATCH",
        f"/api/v1/uploads/{one['id']}",
        content=video.read_bytes()[:100_000],
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
        },
    )
    asker.close()
    return str(one["id"])


def test_an_upload_that_broke_off_goes_on_with_the_same_command(
    argus: Argus, full: Live, video: Path
) -> None:
    id_ = begun(full, video, pipeline="gate-safety")
    done = argus("upload", video, "--pipeline", "gate-safety", "-o", "json")
    assert json.loads(done.out)["id"] == id_
    assert "100 kB of it are there already" in done.err
    key = json.loads(done.out)["key"]
    assert (full.world.home / "blobs" / key).read_bytes() == video.read_bytes()


@pytest.mark.parametrize("words", [("--new",), ("--pipeline", "other")])
def test_an_upload_for_another_end_begins_anew(
    argus: Argus, full: Live, video: Path, words: tuple[str, ...]
) -> None:
    id_ = begun(full, video)
    assert json.loads(argus("upload", video, *words, "-o", "json").out)["id"] != id_


def test_a_file_that_was_written_since_begins_anew(argus: Argus, full: Live, video: Path) -> None:
    id_ = begun(full, video)
    os.utime(video, (4_000_000_000, 4_000_000_000))
    assert json.loads(argus("upload", video, "-o", "json").out)["id"] != id_


def test_an_upload_of_nothing_says_so(argus: Argus, live: Live, tmp_path: Path) -> None:
    done = argus("upload", tmp_path / "none.mp4")
    assert (done.code, "no such file" in done.err) == (1, True)


def test_waiting_needs_a_job(argus: Argus, live: Live, video: Path) -> None:
    done = argus("upload", video, "--wait")
    assert (done.code, "--pipeline NAME" in done.err) == (2, True)


@contextmanager
def finishing(live: Live, phase: str) -> Iterator[None]:
    """Let the job that comes be over, as the reconciler would tell."""
    good = "True" if phase == "Succeeded" else "False"
    why = {"type": "Complete", "status": good, "reason": phase, "message": "night.mp4 cannot be read"}
    status = {"phase": phase, "frames": 9, "events": 2, "alerts": 1, "conditions": [why]}

    async def tell() -> bool:
        jobs = await live.world.store.list("BatchJob")
        for job in jobs.items:
            if job.metadata.name != "nightly":
                await live.world.store.set_status("BatchJob", job.metadata.name, job.metadata.uid, status)
                return True
        return False

    thread = threading.Thread(target=lambda: until(lambda: live.do(tell())))
    thread.start()
    yield
    thread.join()


def test_waiting_ends_with_what_the_job_has_found(argus: Argus, full: Live, video: Path) -> None:
    with finishing(full, "Succeeded"):
        done = argus("upload", video, "--pipeline", "gate-safety", "--wait", "--new")
    assert done.code == 0
    assert done.out.endswith(" succeeded: 9 frames, 2 events, 1 alerts\n")


def test_waiting_for_a_job_that_fails_fails_with_its_reason(argus: Argus, full: Live, video: Path) -> None:
    with finishing(full, "Failed"):
        done = argus("upload", video, "--pipeline", "gate-safety", "--wait", "--new")
    assert done.code == 1
    assert "failed: night.mp4 cannot be read" in done.err


# the control plane itself


def test_without_a_control_plane_every_command_says_how_to_start_one(
    argus: Argus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARGUS_SERVER", raising=False)
    for words in (("get", "cameras"), ("status",), ("logs",), ("ack", "a"), ("jobs", "run", "a")):
        done = argus(*words)
        assert (done.code, done.out) == (1, "")
        assert "start one with `argus up`" in done.err


def test_a_server_that_is_not_there_is_named(argus: Argus) -> None:
    done = argus("get", "cameras", "--server", "http://127.0.0.1:9")
    assert done.code == 1
    assert "no control plane answers at http://127.0.0.1:9" in done.err


def test_a_key_is_asked_for_and_taken_from_the_environment(
    argus: Argus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(World(tmp_path / "home", key="k" * 24)) as served:
        assert argus("get", "cameras", "--server", served.url).code == 1
        monkeypatch.setenv("ARGUS_API_KEY", "k" * 24)
        assert argus("get", "cameras", "--server", served.url).code == 0
        assert argus("upload", __file__, "--server", served.url).code == 0


def test_metrics_need_a_control_plane_and_what_is_made_of_them_does_not(argus: Argus, live: Live) -> None:
    assert "argus_uptime_seconds" in argus("metrics", "show").out
    assert json.loads(argus("metrics", "grafana").out)["panels"]
    assert yaml.safe_load(argus("metrics", "rules").out)["groups"]


def test_explain_of_what_nobody_traced_says_so(argus: Argus, full: Live) -> None:
    assert "nothing was traced" in argus("explain", "gate-safety", "--at", "10m").out
    told = json.loads(argus("explain", "gate-safety", "--at", "02:13", "-o", "json").out)
    assert told["reasons"][0]["code"] == "no_trace"


def test_drafts_of_the_file_are_what_the_api_is_told(file: Path) -> None:
    from argus.cli.applying import documents_of, drafts_in

    again = read_drafts(documents_of(drafts_in([str(file)])), "again")
    assert [(draft.kind, draft.name, draft.spec) for draft in again] == [
        (draft.kind, draft.name, draft.spec) for draft in drafts_in([str(file)])
    ]
