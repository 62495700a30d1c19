"""Another model in place of one that looks: opened beside it, then all whom it looks for move over.

At frames and at crops alike. How they move without loss is `feed`, and `argus.vision.branches.lane`; models
that fail are replaced by `overseer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeGuard

from argus.core.errors import ArgusError, SpecError, UnknownName
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import EventType, PipelineSpec
from argus.vision.branches.lane import Lane as BranchLane
from argus.vision.branches.plan import Branch, models_by_path
from argus.vision.branches.sharing import OpenLane, SharedLanes, Wanted
from argus.vision.engine.lane import Lane
from argus.vision.engine.member import Member
from argus.vision.engine.models import LaneSpec, model_at, spec_of

if TYPE_CHECKING:
    from argus.vision.engine.engine import Engine

AnyLane = Lane | BranchLane


@dataclass(frozen=True, slots=True)
class Move:
    """Those for whom another model is to look."""

    lanes: SharedLanes[Any, Any, Any]
    """That of frames or that of crops."""
    members: Sequence[Any]
    to: Wanted


def swap_model(engine: Engine, before: str | ModelSpec, after: str | ModelSpec) -> tuple[str, ...]:
    """Return the pipelines that another model looks for from their next frame on; see `Engine.swap_model`.

    Raises:
        UnknownName: neither a pipeline nor a branch is looked at by such a model.
        SpecError: the new one does not fit a branch.
        ModelError: the new one cannot be opened.
    """
    old, new = spec_of(before), spec_of(after)
    told: list[list[_Concerned]] = []
    try:
        with engine.lanes.changing, engine.branch_lanes.changing:
            serving = [(lanes, o) for lanes in kinds_of(engine) for o in lanes.all if not _is_candidate(o)]
            found = [(ls, o) for ls, o in serving if _is_same(o.spec.model, old)]
            later = [
                m for m in engine.members.values() if m.rung.replaces_model and _is_same(m.look.model, old)
            ]
            if not found and not later:
                raise UnknownName("model in use", old.path, sorted({o.spec.model.path for _, o in serving}))
            moves, was = [], []
            for lanes, looking in found:
                for to, members in _by_wanted(looking, new).items():
                    moves.append(Move(lanes, members, to))
                    was.append(looking.lane.description)
            told = [list(_concerned(move.members)) for move in moves]
            # Who has stepped down to another model looks with the new one when it comes back up.
            for member in later:
                moves.append(Move(engine.lanes, (), replace(member.look, model=new)))
                was.append(old.path)
                told.append(list(_concerned([member])))
            opened = move_all(engine, moves)
            for move in moves:
                for member in move.members:
                    if isinstance(member, Branch):
                        member.model = new
                    elif _is_full(member):
                        member.look_with(replace(member.look, model=new))
            for member in later:
                member.look_with(replace(member.look, model=new))
    except ArgusError as error:
        for concerned in told:
            _say(engine, concerned, "model.failed", f"{new.path}: {error}")
        raise
    for replaced, concerned, now in zip(was, told, opened, strict=True):
        _say(engine, concerned, "model.swapped", f"{now.lane.description} in place of {replaced}")
    return tuple(dict.fromkeys(one.pipeline for concerned in told for one in concerned))


def change_models(engine: Engine, member: Member, spec: PipelineSpec, look: LaneSpec) -> None:
    """Let the models of another spec look for a pipeline and its branches: all of them or, at an error, none.

    Raises:
        SpecError: one does not fit its branch, or the pipeline was removed meanwhile.
        ModelError: one cannot be opened.
    """
    before = models_by_path(member.spec.branches)
    changed = {path: m for path, m in models_by_path(spec.branches).items() if m != before.get(path)}
    moves = [Move(engine.lanes, [member], look)]
    with engine.lanes.changing, engine.branch_lanes.changing:
        # Who ends is no member any more before it leaves its models, so none is opened for nobody.
        if engine.members.get(member.name) is not member:
            raise SpecError(f"pipeline {member.name}: it was removed meanwhile")
        branches = [b for b in branches_of(engine, member.name) if b.path in changed]
        moves += [Move(engine.branch_lanes, [b], Wanted(changed[b.path])) for b in branches]
        move_all(engine, moves)
        for branch in branches:
            branch.model = changed[branch.path]
        member.respec(spec, look)


def move_all(engine: Engine, moves: Sequence[Move]) -> list[OpenLane[Any, Any]]:
    """Open the models of all moves before anybody moves; return their lanes.

    Raises:
        SpecError: one does not fit a branch.
        ModelError: one cannot be opened.
    """
    with engine.lanes.changing, engine.branch_lanes.changing:
        try:
            opened = [move.lanes.open(move.to, move.members) for move in moves]
            for move, to in zip(moves, opened, strict=True):
                for member in move.members:
                    if isinstance(member, Branch):
                        member.expect_fits(to.lane)
        except BaseException:
            for lanes in kinds_of(engine):
                lanes.retire()
            raise
        for move, to in zip(moves, opened, strict=True):
            move.lanes.hand_over(move.members, to)
        for lanes in kinds_of(engine):
            lanes.retire()
        return opened


def kinds_of(engine: Engine) -> tuple[SharedLanes[Any, Any, Any], ...]:
    """Return the models that look at frames, and those that look at crops."""
    return engine.lanes, engine.branch_lanes


def branches_of(engine: Engine, pipeline: str) -> list[Branch]:
    """Return the branches of a pipeline, those below others too."""
    members = [member for opened in engine.branch_lanes.all for member in opened.lane.members]
    return [one for one in members if isinstance(one, Branch) and one.pipeline == pipeline]


def swapped_of(engine: Engine, member: Member, spec: PipelineSpec) -> dict[str, ModelSpec]:
    """Return what is to look for the branches of another spec that name the same model as before, by path."""
    before, after = models_by_path(member.spec.branches), models_by_path(spec.branches)
    branches = branches_of(engine, member.name)
    return {b.path: b.model for b in branches if b.path in after and after[b.path] == before.get(b.path)}


def looks_of(engine: Engine, pipeline: str) -> dict[str, str]:
    """Return what looks for a pipeline, in words: at its frames under an empty name, else by branch."""
    member = engine.members.get(pipeline)
    opened = None if member is None else engine.lanes.of(member)
    branches = {f"branch {one.path}: ": one.lane.description for one in branches_of(engine, pipeline)}
    return {"": "nothing" if opened is None else opened.lane.description, **branches}


def in_place_of(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return what has changed between two answers of `looks_of`, in words."""
    changed = {place: now for place, now in after.items() if now != before.get(place)}
    changed = changed or {"": after[""]}  # the same words for another confidence, say
    return "; ".join(
        f"{place}{now} in place of {before.get(place, 'nothing')}" for place, now in changed.items()
    )


def say_of(engine: Engine, members: Iterable[object], type_: EventType, message: str) -> None:
    """Tell something of all the pipelines that a model looks for, or looked for."""
    _say(engine, list(_concerned(members)), type_, message)


@dataclass(frozen=True, slots=True)
class _Concerned:
    """A pipeline, and for which of its parts a model looks."""

    camera: str
    pipeline: str
    place: str


def _concerned(members: Iterable[object]) -> Iterator[_Concerned]:
    paths: dict[tuple[str, str], list[str]] = {}
    for member in members:
        if isinstance(member, Member):
            yield _Concerned(member.camera, member.name, "")
        elif isinstance(member, Branch) and member.pipeline:
            paths.setdefault((member.camera, member.pipeline), []).append(member.path)
    for (camera, pipeline), mine in paths.items():
        yield _Concerned(camera, pipeline, f"branch{'es' * (len(mine) > 1)} {', '.join(mine)}: ")


def _say(engine: Engine, concerned: Iterable[_Concerned], type_: EventType, message: str) -> None:
    for one in concerned:
        engine.tell(engine.facts.instant(type_, one.camera, one.pipeline, one.place + message))


def _by_wanted(opened: OpenLane[Any, Any], new: ModelSpec) -> dict[Wanted, list[Any]]:
    """Return what those that a model looks for are to be looked at with in its place."""
    wanted: dict[Wanted, list[Any]] = {}
    for member in opened.lane.members:
        model = model_at(member.rung, new) if _is_full(member) else new
        wanted.setdefault(replace(opened.spec, model=model), []).append(member)
    return wanted


def _is_full(member: object) -> TypeGuard[Member]:
    """Return whether a pipeline is looked at by its own model, and by none that it has stepped down to."""
    return isinstance(member, Member) and not member.rung.replaces_model


def _is_same(one: ModelSpec, other: ModelSpec) -> bool:
    return one == other or one.path == other.path


def _is_candidate(opened: OpenLane[Any, Any]) -> bool:
    return isinstance(opened.spec, LaneSpec) and opened.spec.candidate
