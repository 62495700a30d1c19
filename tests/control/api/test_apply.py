"""Applying documents over HTTP."""

from __future__ import annotations

import asyncio

from tests.control.api.harness import World, problem

YAML = {"Content-Type": "application/yaml"}
SHORT = """
cameras:
  gate: rtsp://10.0.0.5/1
  yard: {url: rtsp://10.0.0.6/1, fps: 10}
models:
  people: {path: builtin:people}
"""


def test_a_file_in_the_short_form_makes_all_that_it_names(world: World) -> None:
    answer = world.post("/api/v1/apply", content=SHORT, headers=YAML)
    assert answer.status_code == 200, answer.text
    made = [
        (i["outcome"], i["resource"]["kind"], i["resource"]["metadata"]["name"])
        for i in answer.json()["items"]
    ]
    assert made == [
        ("created", "Camera", "gate"),
        ("created", "Camera", "yard"),
        ("created", "Model", "people"),
    ]


def test_applied_again_nothing_changes(world: World) -> None:
    world.post("/api/v1/apply", content=SHORT, headers=YAML)
    again = world.post("/api/v1/apply", content=SHORT, headers=YAML).json()["items"]
    assert {item["outcome"] for item in again} == {"unchanged"}


def test_file_json_and_envelope_make_equal_resources(world: World) -> None:
    world.post("/api/v1/apply", content="cameras: {gate: {url: rtsp://x, fps: 5}}", headers=YAML)
    short = {"documents": [{"cameras": {"gate": {"url": "rtsp://x", "fps": 5}}}]}
    envelope = {
        "apiVersion": "argus.dev/v1", "kind": "Camera", "metadata": {"name": "gate"},
        "spec": {"url": "rtsp://x", "fps": 5},
    }  # fmt: skip
    for body in (short, envelope, [envelope]):
        assert world.post("/api/v1/apply", json=body).json()["items"][0]["outcome"] == "unchanged"
    assert world.request("PUT", "/api/v1/cameras/gate", json=envelope).headers["argus-outcome"] == "unchanged"


def test_one_wrong_document_and_nothing_is_made(world: World) -> None:
    bad = SHORT + "---\ncameras: {door: {url: rtsp://x, fps: -1}}\n---\nmodels: {}\npipelnes: {}\n"
    body = problem(world.post("/api/v1/apply", content=bad, headers=YAML), 422)
    places = {(fault["document"], fault["pointer"]) for fault in body["errors"]}
    assert places == {("1", "#/cameras/door/fps"), ("2", "#/pipelnes")}
    assert world.get("/api/v1/resources").json()["items"] == []


def test_a_dry_run_tells_before_and_after(world: World) -> None:
    world.camera("gate", fps=5)
    answer = world.post(
        "/api/v1/apply?dryRun=true", content="cameras: {gate: rtsp://new, yard: rtsp://x}", headers=YAML
    )
    gate, yard = answer.json()["items"]
    assert (gate["outcome"], gate["before"]["spec"]["fps"], gate["resource"]["spec"]["fps"]) == (
        "configured",
        5.0,
        None,
    )
    assert (yard["outcome"], yard["before"]) == ("created", None)
    assert world.get("/api/v1/cameras/gate").json()["spec"]["fps"] == 5.0


def test_a_conflict_in_the_middle_and_nothing_is_made(world: World) -> None:
    world.camera("gate")
    stale = {
        "apiVersion": "argus.dev/v1",
        "kind": "Camera",
        "metadata": {"name": "gate", "resourceVersion": "0"},
        "spec": {"url": "rtsp://x"},
    }
    documents = {"documents": [{"cameras": {"yard": "rtsp://y"}}, stale]}
    body = problem(world.post("/api/v1/apply", json=documents), 409)
    assert "'gate'" in body["detail"]
    problem(world.get("/api/v1/cameras/yard"), 404)


def _told(world: World, phase: str) -> None:
    """Write a status, as the reconciler does."""
    uid = world.get("/api/v1/cameras/gate").json()["metadata"]["uid"]
    asyncio.run(world.store.set_status("Camera", "gate", uid, {"phase": phase}))


def test_what_was_read_can_be_applied_again_whatever_statuses_came_in_between(world: World) -> None:
    world.camera("gate")
    read = world.get("/api/v1/resources").json()["items"]
    _told(world, "Online")
    answer = world.post("/api/v1/apply", json={"documents": read})
    assert [item["outcome"] for item in answer.json()["items"]] == ["unchanged"]
    read[0]["spec"]["fps"] = 5
    _told(world, "Lost")
    answer = world.post("/api/v1/apply", json={"documents": read})
    assert [item["outcome"] for item in answer.json()["items"]] == ["configured"]


def test_what_somebody_has_changed_in_between_is_not_applied_over(world: World) -> None:
    world.camera("gate")
    (read,) = world.get("/api/v1/resources").json()["items"]
    for change in ({"spec": {"fps": 7}}, {"metadata": {"labels": {"site": "north"}}}):
        world.request("PATCH", "/api/v1/cameras/gate", json=change)
        _told(world, str(change))
        body = problem(world.post("/api/v1/apply", json={"documents": [read]}), 409)
        assert "'gate'" in body["detail"]
        (read,) = world.get("/api/v1/resources").json()["items"]


def test_a_thousand_documents_are_applied_at_once(world: World) -> None:
    cameras = {f"cam-{number}": f"rtsp://10.0.0.5/{number}" for number in range(1000)}
    answer = world.post("/api/v1/apply?dryRun=true", json={"documents": [{"cameras": cameras}]})
    assert len(answer.json()["items"]) == 1000


def test_a_yaml_bomb_is_refused(world: World) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(8)
    )
    body = problem(world.post("/api/v1/apply", content=bomb, headers=YAML), 422)
    assert "aliases" in body["detail"]


def test_what_is_no_yaml_no_text_or_empty_is_refused(world: World) -> None:
    assert "YAML" in problem(world.post("/api/v1/apply", content="a: [", headers=YAML), 422)["detail"]
    problem(world.post("/api/v1/apply", content=b"\xff\xfe\x00", headers=YAML), 400)
    problem(world.post("/api/v1/apply", content="# nothing\n", headers=YAML), 422)
    problem(world.post("/api/v1/apply", headers=YAML), 400)


def test_values_that_no_store_could_keep_are_refused(world: World) -> None:
    for text in ('cameras: {gate: "rtsp://x/\\0"}', "cameras: {gate: {url: rtsp://x, fps: .inf}}"):
        problem(world.post("/api/v1/apply", content=text, headers=YAML), 422)
