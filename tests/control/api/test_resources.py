"""Resources over HTTP."""

from __future__ import annotations

import asyncio

import httpx

from tests.control.api.harness import World, problem


def test_a_created_resource_is_told_in_full_with_its_version_as_entity_tag(world: World) -> None:
    answer = world.camera("gate", fps=5)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/api/v1/cameras/gate"
    assert answer.headers["etag"] == '"1"'
    told = answer.json()
    assert (told["apiVersion"], told["kind"], told["metadata"]["name"]) == ("argus.dev/v1", "Camera", "gate")
    assert told["spec"]["fps"] == 5.0
    assert told["spec"]["transport"] == "tcp"
    assert world.get("/api/v1/cameras/gate").json() == told


def test_every_kind_has_the_same_paths(world: World) -> None:
    bodies = {
        "cameras": {"url": "synthetic:plaza"},
        "models": {"path": "builtin:people"},
        "pipelines": {"camera": "gate", "detect": {"model": "people"}},
        "jobs": {"source": "uploads/*.mp4", "pipeline": "gate"},
    }
    for plural, spec in bodies.items():
        created = world.post(f"/api/v1/{plural}", json={"metadata": {"name": "one"}, "spec": spec})
        assert created.status_code == 201, created.text
        assert [item["metadata"]["name"] for item in world.get(f"/api/v1/{plural}").json()["items"]] == [
            "one"
        ]
    kinds = {item["kind"] for item in world.get("/api/v1/resources").json()["items"]}
    assert kinds == {"Camera", "Model", "Pipeline", "BatchJob"}


def test_a_reference_to_a_secret_is_told_as_it_was_written(world: World) -> None:
    url = "rtsp://admin:${GATE_PASSWORD}@10.0.0.5/1"
    assert world.camera("gate", url=url).json()["spec"]["url"] == url


def test_what_exists_is_not_created_again(world: World) -> None:
    world.camera("gate")
    body = problem(world.camera("gate"), 409)
    assert "exists already" in body["detail"]
    assert "PUT or PATCH" in body["remedy"]


def test_two_who_create_the_same_at_once_make_one(world: World) -> None:
    async def both(client: httpx.AsyncClient) -> list[int]:
        bodies = [{"metadata": {"name": "gate"}, "spec": {"url": f"rtsp://{i}"}} for i in range(8)]
        answers = await asyncio.gather(*(client.post("/api/v1/cameras", json=body) for body in bodies))
        return sorted(answer.status_code for answer in answers)

    assert world.ask(both) == [201] + [409] * 7


def test_each_fault_of_a_spec_has_a_pointer_and_the_nearest_known_name(world: World) -> None:
    body = problem(world.camera("gate", fsp=5, health={"frozen_after": "soon"}), 422)
    faults = {fault["pointer"]: fault["detail"] for fault in body["errors"]}
    assert set(faults) == {"#/spec/fsp", "#/spec/health/frozen_after"}
    assert "did you mean 'fps'" in faults["#/spec/fsp"]
    assert body["instance"] == "/api/v1/cameras"


def test_a_body_of_another_kind_or_name_than_the_path_says_is_refused(world: World) -> None:
    model = {"kind": "Model", "metadata": {"name": "gate"}, "spec": {"path": "a.onnx"}}
    assert problem(world.post("/api/v1/cameras", json=model), 422)["errors"][0]["pointer"] == "#/kind"
    other = {"metadata": {"name": "yard"}, "spec": {"url": "rtsp://x"}}
    answer = world.request("PUT", "/api/v1/cameras/gate", json=other)
    assert problem(answer, 422)["errors"][0]["pointer"] == "#/metadata/name"


def test_what_was_read_can_be_put_back(world: World) -> None:
    world.camera("gate")
    told = world.get("/api/v1/cameras/gate").json()
    told["spec"]["fps"] = 3
    answer = world.request("PUT", "/api/v1/cameras/gate", json=told)
    assert answer.status_code == 200, answer.text
    assert answer.headers["argus-outcome"] == "configured"
    again = world.request("PUT", "/api/v1/cameras/gate", json=answer.json())
    assert again.headers["argus-outcome"] == "unchanged"
    assert again.headers["etag"] == answer.headers["etag"]


def test_put_creates_what_is_not_there(world: World) -> None:
    answer = world.request("PUT", "/api/v1/cameras/gate", json={"spec": {"url": "rtsp://x"}})
    assert answer.status_code == 201
    again = world.request(
        "PUT", "/api/v1/cameras/gate", json={"spec": {"url": "rtsp://y"}}, headers={"If-None-Match": "*"}
    )
    problem(again, 412)


def test_a_change_of_an_older_version_is_refused(world: World) -> None:
    old = world.camera("gate").json()
    world.request("PATCH", "/api/v1/cameras/gate", json={"spec": {"fps": 5}})
    body = problem(world.request("PUT", "/api/v1/cameras/gate", json=old), 409)
    assert "read it again" in body["remedy"]
    stale = {"If-Match": '"1"'}
    problem(world.request("PATCH", "/api/v1/cameras/gate", json={"spec": {"fps": 6}}, headers=stale), 412)
    problem(world.request("DELETE", "/api/v1/cameras/gate", headers=stale), 412)
    fresh = {"If-Match": '"2"'}
    done = world.request("PATCH", "/api/v1/cameras/gate", json={"spec": {"fps": 6}}, headers=fresh)
    assert done.json()["spec"]["fps"] == 6.0


def test_if_match_is_about_all_that_was_read_and_a_version_in_the_body_about_what_people_write(
    world: World,
) -> None:
    read = world.camera("gate")
    uid = read.json()["metadata"]["uid"]
    asyncio.run(world.store.set_status("Camera", "gate", uid, {"phase": "Online"}))
    stale = {"If-Match": read.headers["etag"]}
    problem(world.request("PUT", "/api/v1/cameras/gate", json=read.json(), headers=stale), 412)
    problem(world.request("DELETE", "/api/v1/cameras/gate", headers=stale), 412)
    changed = {**read.json(), "spec": {"url": "rtsp://x"}}
    answer = world.request("PUT", "/api/v1/cameras/gate", json=changed)
    assert (answer.status_code, answer.json()["spec"]["url"]) == (200, "rtsp://x")
    problem(world.request("PUT", "/api/v1/cameras/gate", json=read.json()), 409)


def test_if_match_of_anything_asks_that_something_is_there(world: World) -> None:
    answer = world.request(
        "PUT", "/api/v1/cameras/gate", json={"spec": {"url": "rtsp://x"}}, headers={"If-Match": "*"}
    )
    problem(answer, 412)


def test_whoever_has_the_version_already_is_not_told_it_again(world: World) -> None:
    tag = world.camera("gate").headers["etag"]
    answer = world.get("/api/v1/cameras/gate", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_a_merge_patch_changes_what_it_names_and_null_gives_the_default_back(world: World) -> None:
    world.camera("gate", fps=5, health={"frozen_after": "7s"})
    patch = {"spec": {"fps": None, "health": {"dark_below": 0.2}}, "metadata": {"labels": {"site": "north"}}}
    answer = world.request("PATCH", "/api/v1/cameras/gate", json=patch)
    told = answer.json()
    assert told["spec"]["fps"] is None
    assert (told["spec"]["health"]["frozen_after"], told["spec"]["health"]["dark_below"]) == (7.0, 0.2)
    assert told["metadata"]["labels"] == {"site": "north"}


def test_patches_of_several_at_once_are_all_kept(world: World) -> None:
    world.camera("gate")

    async def patched(client: httpx.AsyncClient) -> list[int]:
        patches = [{"metadata": {"labels": {f"l{i}": "x"}}} for i in range(4)]
        answers = await asyncio.gather(
            *(client.patch("/api/v1/cameras/gate", json=patch) for patch in patches)
        )
        return [answer.status_code for answer in answers]

    assert world.ask(patched) == [200] * 4
    assert set(world.get("/api/v1/cameras/gate").json()["metadata"]["labels"]) == {"l0", "l1", "l2", "l3"}


def test_a_patch_of_the_status_or_of_the_name_is_refused(world: World) -> None:
    world.camera("gate")
    status = world.request("PATCH", "/api/v1/cameras/gate", json={"status": {"state": "online"}})
    assert problem(status, 422)["errors"][0]["pointer"] == "#/status"
    name = world.request("PATCH", "/api/v1/cameras/gate", json={"metadata": {"name": "yard"}})
    assert problem(name, 422)["errors"][0]["pointer"] == "#/metadata/name"


def test_a_dry_run_says_what_would_be_and_changes_nothing(world: World) -> None:
    body = {"metadata": {"name": "gate"}, "spec": {"url": "rtsp://x"}}
    assert world.post("/api/v1/cameras?dryRun=true", json=body).status_code == 201
    problem(world.get("/api/v1/cameras/gate"), 404)
    world.camera("gate")
    patched = world.request("PATCH", "/api/v1/cameras/gate?dryRun=true", json={"spec": {"fps": 9}})
    assert patched.json()["spec"]["fps"] == 9.0
    assert world.request("DELETE", "/api/v1/cameras/gate?dryRun=true").status_code == 200
    assert world.get("/api/v1/cameras/gate").json()["spec"]["fps"] is None


def test_a_deleted_resource_is_gone_unless_somebody_holds_it(world: World) -> None:
    world.camera("gate")
    assert world.request("DELETE", "/api/v1/cameras/gate").status_code == 200
    missing = problem(world.get("/api/v1/cameras/gate"), 404)
    assert "there is no Camera 'gate'" in missing["detail"]
    held = world.camera("yard").json()
    asyncio.run(world.store.set_finalizers("Camera", "yard", held["metadata"]["uid"], ("argus.dev/worker",)))
    answer = world.request("DELETE", "/api/v1/cameras/yard")
    assert answer.status_code == 202
    assert answer.json()["metadata"]["deletionTimestamp"]


def test_a_missing_resource_is_named_with_its_nearest_neighbour(world: World) -> None:
    world.camera("entrance")
    assert "did you mean 'entrance'" in problem(world.get("/api/v1/cameras/entrence"), 404)["detail"]


def test_a_list_comes_in_pages_that_together_are_all(world: World) -> None:
    for number in range(7):
        world.camera(f"cam-{number}")
    names, after = [], ""
    while True:
        page = world.get(
            "/api/v1/cameras", params={"limit": 3, **({"continue": after} if after else {})}
        ).json()
        assert len(page["items"]) <= 3
        names += [item["metadata"]["name"] for item in page["items"]]
        assert page["metadata"]["resourceVersion"] == "7"
        after = page["metadata"].get("continue", "")
        if not after:
            break
    assert names == [f"cam-{number}" for number in range(7)]


def test_a_label_selector_chooses_and_a_wrong_one_is_refused(world: World) -> None:
    for name, site in (("gate", "north"), ("yard", "south")):
        metadata = {"name": name, "labels": {"site": site}}
        world.post("/api/v1/cameras", json={"metadata": metadata, "spec": {"url": "rtsp://x"}})
    chosen = world.get("/api/v1/cameras", params={"labelSelector": "site in (north)"}).json()["items"]
    assert [item["metadata"]["name"] for item in chosen] == ["gate"]
    wrong = problem(world.get("/api/v1/cameras", params={"labelSelector": "site in ("}), 422)
    assert wrong["errors"][0]["pointer"] == "#/query/labelSelector"


def test_a_misspelt_parameter_is_refused_with_the_nearest_known_one(world: World) -> None:
    body = problem(world.get("/api/v1/cameras?labelselector=a"), 422)
    assert "did you mean 'labelSelector'" in body["detail"]


def test_paths_and_methods_that_do_not_exist_are_problems_too(world: World) -> None:
    problem(world.get("/api/v1/nothing"), 404)
    body = problem(world.request("PUT", "/api/v1/cameras", json={}), 405)
    assert "GET" in body["remedy"]


def test_a_store_that_does_not_answer_is_a_503_that_says_when_to_come_back(world: World) -> None:
    world.store.fail("the database is locked")
    answer = world.get("/api/v1/cameras")
    assert "locked" in problem(answer, 503)["detail"]
    assert int(answer.headers["retry-after"]) > 0
