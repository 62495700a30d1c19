"""An engine that is made into what the config asks for, while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.storage.records import EventRecord
from argus.stream.bulletin import Bulletin
from argus.stream.clipping import Clips
from argus.stream.config import PipelinePlan, WorkerConfig
from argus.stream.converger import Converger
from argus.stream.journal import Journal
from argus.stream.late_blobs import LateBlobs
from argus.stream.promises import Promises
from argus.stream.recorder import Desks, Recorder
from argus.stream.scribe import Scribe
from argus.stream.snapshots import Pictures
from argus.vision.engine.engine import Engine
from tests.stream.parts import SCENE, ZONE, RememberingWriter, config, plan, until


class Site:
    """An engine with its converger, and what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 0.0
        self.writer = RememberingWriter()
        self.scribe = Scribe(self.writer, Journal(folder / "open"), Promises(folder / "clips"))
        blobs = LateBlobs(str(folder / "blobs"))
        self.pictures = Pictures(blobs, self.scribe)
        self.engine = Engine(tell=Bulletin("w", self.scribe, self.pictures).hear)
        self.clips = Clips(self.engine.footage, blobs, self.scribe)
        desks = Desks(self.scribe, self.pictures, self.clips)
        self.converger = Converger(
            self.engine,
            lambda name, plan: Recorder(name, plan.camera, plan.spec, desks),
            self.clips,
            clock=lambda: self.now_s,
        )
        self.converger.start()

    def apply(self, wanted: WorkerConfig) -> None:
        """Let it be so; returns when it is, or is refused."""
        digest = str(hash(wanted.model_dump_json()))
        self.converger.want(wanted, digest)
        until(lambda: self.converger.digest == digest)

    def run(self, cameras: Any = None, **pipelines: PipelinePlan) -> None:
        self.apply(config(self.folder, cameras, **pipelines))

    def looked(self, name: str = "p") -> int:
        return self.engine.members[name].counts.processed

    def looks(self, name: str = "p") -> None:
        """Wait until a pipeline has looked at some more frames."""
        before = self.looked(name)
        until(lambda: self.looked(name) >= before + 3)

    def events(self, type_: str) -> list[EventRecord]:
        return [record for record in self.writer.of(EventRecord) if record.type == type_]

    def close(self) -> None:
        assert self.converger.close(10.0)
        self.clips.close()
        self.engine.close()
        self.pictures.close()
        self.scribe.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def test_cameras_and_pipelines_come_and_go(site: Site) -> None:
    site.run(p=plan())
    site.looks()
    site.run({"gate": SCENE, "yard": f"{SCENE}&seed=3"}, p=plan(), q=plan("yard"))
    site.looks("q")
    site.run({"yard": f"{SCENE}&seed=3"}, q=plan("yard"))
    assert list(site.engine.cameras) == ["yard"]
    assert list(site.engine.members) == ["q"]
    site.looks("q")


def test_a_camera_of_several_pipelines_is_read_once(site: Site) -> None:
    site.run(p=plan(), q=plan())
    site.looks("q")
    assert [stream.counts.connections for stream in site.engine.hub.streams] == [1]


def test_a_zone_that_is_drawn_anew_raises_events_of_its_own(site: Site) -> None:
    site.run(p=plan(zones={"old": ZONE}))
    until(lambda: site.events("zone.entered"))
    site.run(p=plan(zones={"new": ZONE}, generation=2))
    until(lambda: any(event.region == "new" for event in site.events("zone.entered")))
    assert not any(event.open for event in _last(site.events("zone.entered")) if event.region == "old")


def test_another_confidence_leaves_tracks_and_events_as_they_are(site: Site) -> None:
    site.run(p=plan())
    until(lambda: site.events("object.appeared"))
    member = site.engine.members["p"]
    detect = {"model": {"path": "builtin:motion"}, "confidence": 0.9}
    site.run(p=plan(detect=detect, generation=2))
    assert site.engine.members["p"] is member
    assert site.converger.running.pipelines["p"].generation == 2


def test_what_is_stored_is_changed_without_touching_the_pipeline(site: Site) -> None:
    site.run(p=plan())
    member = site.engine.members["p"]
    site.run(p=plan(store={"detections": "all"}, generation=2))
    assert site.engine.members["p"] is member
    assert site.converger.recorders["p"].keeping.every_s == 0


def test_a_model_that_cannot_be_read_leaves_the_old_one_looking(site: Site, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    site.run(p=plan(), q=plan())
    site.looks()
    detect = {"model": {"path": str(broken)}}
    site.run(p=plan(detect=detect, generation=2), q=plan(zones={"z": ZONE}, generation=2))
    refusal = site.converger.refusals["p"]
    assert (refusal.reason, refusal.plan.generation) == ("ModelUnreadable", 2)
    assert broken.name in refusal.message
    assert site.converger.running.pipelines["p"].generation == 1
    assert site.converger.running.pipelines["q"].generation == 2
    site.looks("p")
    site.looks("q")
    until(lambda: site.events("model.failed"))


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x.onnx", "a\0b.onnx"])
def test_a_model_at_a_path_that_cannot_be_keeps_no_other_pipeline_from_running(site: Site, path: str) -> None:
    site.run(p=plan(detect={"model": {"path": path}}), q=plan())
    assert list(site.converger.refusals) == ["p"]
    assert list(site.engine.members) == ["q"]


def test_a_plan_that_is_taken_back_is_refused_no_longer(site: Site, tmp_path: Path) -> None:
    site.run(p=plan())
    site.run(p=plan(detect={"model": {"path": str(tmp_path / "none.onnx")}}, generation=2))
    assert "p" in site.converger.refusals
    site.run(p=plan())
    assert site.converger.refusals == {}


def test_what_is_refused_is_not_tried_again_before_its_file_is_another(site: Site, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    wanted = plan(detect={"model": {"path": str(broken)}})
    site.run(p=wanted)
    first = site.converger.refusals["p"]
    site.now_s = 31.0
    until(lambda: site.converger._tried_s == 31.0)
    until(lambda: site.converger.settled)
    assert site.converger.refusals["p"] is first
    broken.write_bytes(b"still no network")
    site.now_s = 62.0
    until(lambda: site.converger.refusals["p"] is not first)


@pytest.mark.soak
def test_a_model_that_comes_is_taken(site: Site, tmp_path: Path, shared_data: Path) -> None:
    coming = tmp_path / "coming.onnx"
    site.run(p=plan(detect={"model": {"path": str(coming)}}))
    assert "p" not in site.engine.members
    coming.symlink_to(shared_data / "models" / "fastestdet_352.onnx")
    site.now_s = 31.0
    until(lambda: "p" in site.engine.members)
    assert site.converger.refusals == {}


def test_another_model_alone_is_told_as_a_swap_and_tracks_go_on(site: Site, shared_data: Path) -> None:
    site.run(p=plan())
    site.looks()
    member = site.engine.members["p"]
    path = str(shared_data / "models" / "fastestdet_352.onnx")
    site.run(p=plan(detect={"model": {"path": path}}, generation=2))
    assert site.engine.members["p"] is member
    site.looks()
    [swapped] = until(lambda: site.events("model.swapped"))
    assert "fastestdet" in swapped.message


def test_pipelines_of_a_camera_with_another_address_begin_anew(site: Site) -> None:
    site.run(p=plan())
    until(lambda: site.events("object.appeared"))
    member = site.engine.members["p"]
    site.run({"gate": CameraSpec(url=f"{SCENE}&seed=3")}, p=plan())
    assert site.engine.members["p"] is not member
    count = len(site.events("object.appeared"))
    until(lambda: len({event.id for event in site.events("object.appeared")[count:]}) > 0)
    site.looks()


def test_a_pipeline_whose_step_failed_is_begun_anew_after_a_while(site: Site) -> None:
    pixels = {"polygon": [[0, 0], [5000, 0], [5000, 5000]], "units": "pixels"}
    site.run(p=plan(zones={"z": pixels}), q=plan())
    until(lambda: site.engine.members["p"].error)
    member = site.engine.members["p"]
    site.looks("q")
    site.now_s = 31.0
    until(lambda: site.engine.members["p"] is not member)


def test_a_change_that_is_taken_back_while_it_is_made_is_undone_at_once(site: Site) -> None:
    before = config(site.folder, p=plan(), q=plan())
    after = config(site.folder, p=plan(zones={"z": ZONE}, generation=2), q=plan(generation=2))
    site.apply(before)
    digest, respec = site.converger.digest, site.converger.recorders["p"].respec

    made: list[str] = []

    def taken_back(spec: PipelineSpec, camera: str) -> None:
        respec(spec, camera)
        made.append(",".join(spec.zones))
        site.converger.want(before, digest)

    site.converger.recorders["p"].respec = taken_back  # type: ignore[method-assign]
    site.converger.want(after, "another")
    until(lambda: made == ["z", ""])
    until(lambda: site.converger.settled)
    assert [plan.generation for plan in site.converger.running.pipelines.values()] == [1, 1]


def test_a_pipeline_that_names_no_camera_of_the_file_is_refused_alone(site: Site) -> None:
    site.run(p=plan("nowhere"), q=plan())
    assert site.converger.refusals["p"].reason == "SpecRefused"
    site.looks("q")


def _last(events: list[EventRecord]) -> list[EventRecord]:
    return list({event.id: event for event in events}.values())


def _closer(path: str, generation: int = 1) -> PipelinePlan:
    return plan(branches=[{"model": {"path": path}, "name": "closer"}], generation=generation)


def test_another_model_of_a_branch_looks_on_and_is_told(site: Site) -> None:
    site.run(p=_closer("builtin:people"))
    site.looks()
    member = site.engine.members["p"]
    site.run(p=_closer("builtin:plaza", 2))
    site.looks()
    assert site.engine.members["p"] is member
    (told,) = until(lambda: site.events("model.swapped"))
    assert told.message.startswith("branch closer: builtin:plaza")
    assert " in place of builtin:people" in told.message
    assert [model.name for model in site.engine.status().branch_models] == ["builtin:plaza"]


def test_a_branch_whose_new_model_cannot_be_had_keeps_the_old_one(site: Site) -> None:
    site.run(p=_closer("builtin:people"))
    site.looks()
    member = site.engine.members["p"]
    site.run(p=_closer("nowhere.onnx", 2))
    assert site.converger.refusals["p"].reason == "ModelUnreadable"
    site.looks()
    assert site.engine.members["p"] is member
    assert [model.name for model in site.engine.status().branch_models] == ["builtin:people"]
    until(lambda: site.events("model.failed"))
