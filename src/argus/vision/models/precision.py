"""Which precision a network runs in: what the spec says, or the fastest that gives the same answers.

The first time a network is loaded on a machine at `precision: auto`, it runs in f32 and in the
lower precision of the machine on the pictures of `probe`; the verdict is remembered. Quantised
networks run as they are; those that make their scales for each picture run on ONNX Runtime only,
because OpenVINO gives other numbers for them (`docs/decisions/0003-two-engines.md`).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from argus.core.errors import ModelUnreadable
from argus.core.resources.model import ModelSpec
from argus.core.settings import read_settings
from argus.vision.models import probe
from argus.vision.models.engines.choose import lower_precision, machine_words, open_network
from argus.vision.models.engines.protocol import Network, RunOptions
from argus.vision.models.layouts.layout import Scored, VectorLayout
from argus.vision.models.opening import Plan
from argus.vision.models.registry_record import sha256_of

_SHARE = {"detect": 0.94, "segment": 0.94, "classify": 0.97, "embed": 0.97}
"""At least this share must be the same in the lower precision. Detectors are less sure of drawn
scenes than of real ones: what differs for 6 % here differs for 2 % on photographs."""
_ENOUGH = 50
"""With fewer objects than this to compare, nothing can be said."""
_GAIN = 0.9
"""The lower precision must take less than this share of the time."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a trial gave."""

    taken: bool
    reason: str
    """For people."""
    compared: int
    different: int
    exact_ms: float
    """Processor time of one picture in f32."""
    other_ms: float


def open_at_best(engine: str, planned: Plan, spec: ModelSpec) -> Network:
    """Return the network, running in the precision that the spec asks for.

    Raises:
        ModelUnreadable: no engine can run it.
        ModelUnavailable: there is no such device.
    """

    def opened(on: str, precision: str) -> Network:
        options = RunOptions(
            spec.device.lower(),
            precision,
            planned.arithmetic,
            planned.canvas,
            spec.threads,
            spec.streams,
            planned.layout.score_rows if isinstance(planned.layout, Scored) else None,
        )
        return open_network(on, planned.file, planned.signature, planned.picture, options)

    quantised = planned.signature.quantised
    as_it_is = "f32" if quantised == "no" else "int8"
    if engine == "onnxruntime":
        return opened(engine, as_it_is if spec.precision in {"auto", "f32"} else spec.precision)
    if quantised == "dynamic":
        _tell_fallback(planned, spec, "OpenVINO gives other numbers for networks quantised dynamically")
        return opened("onnxruntime", as_it_is)
    try:
        if quantised == "static":
            return opened(engine, as_it_is)
        if spec.precision != "auto":
            return opened(engine, spec.precision)
        lower = lower_precision(engine, spec)
        if lower is None or not _may_be_tried(planned):
            return opened(engine, "f32")
        return _better(planned, spec, lower, lambda precision: opened(engine, precision))
    except ModelUnreadable as error:
        _tell_fallback(planned, spec, str(error))
        return opened("onnxruntime", as_it_is)


def _may_be_tried(planned: Plan) -> bool:
    """Return whether a trial can tell anything.

    A head that has to choose one of several proposals for an object by itself may choose another
    after the slightest change, and rare jumps of that kind escape a short trial.
    """
    return isinstance(planned.layout, VectorLayout) or planned.layout.has_doubles


def judge(task: str, name: str, same: probe.Agreement) -> tuple[bool, str]:
    """Return whether the lower precision `name` is to be taken, and why (not)."""
    if same.compared < _ENOUGH:
        return False, f"only {same.compared} objects were seen in the trial, too few to compare"
    if same.share < _SHARE[task]:
        return False, f"{same.different} of {same.compared} objects differ between f32 and {name}"
    if same.other_ms > _GAIN * same.exact_ms:
        return False, f"{name} is not faster here ({same.other_ms:.1f} ms against {same.exact_ms:.1f} ms)"
    return True, f"{same.share:.1%} of {same.compared} objects are the same in {name}"


def _better(planned: Plan, spec: ModelSpec, name: str, opened: Callable[[str], Network]) -> Network:
    """Return the network in f32 or in the precision `name`, by the remembered verdict or by a trial now."""
    place = _place(planned, spec, name)
    verdict = _remembered(place)
    log = structlog.get_logger().bind(model=planned.name, precision=name)
    if verdict is not None:
        log.debug("model.precision_remembered", **asdict(verdict))
        return opened(name if verdict.taken else "f32")
    networks: list[Network] = []
    try:
        networks += [opened("f32")]
        networks += [opened(name)]
        same = probe.agreement(planned, *networks)
    except BaseException:
        for network in networks:
            network.close()
        raise
    taken, reason = judge(planned.task, name, same)
    verdict = Verdict(
        taken, reason, same.compared, same.different, round(same.exact_ms, 2), round(same.other_ms, 2)
    )
    _remember(place, verdict)
    log.info("model.precision_tried", **asdict(verdict))
    networks.pop(0 if taken else 1).close()
    return networks[0]


def _place(planned: Plan, spec: ModelSpec, name: str) -> Path:
    """Return the file that remembers the verdict for this network, this way to run it and this machine."""
    said = [
        probe.VERSION,
        sha256_of(planned.file),
        planned.layout.name,
        planned.canvas,
        name,
        spec.device,
        spec.threads,
        platform.machine(),
        *machine_words(),
    ]
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
    return read_settings().cache / "precision" / f"{key}.json"


def _remembered(place: Path) -> Verdict | None:
    try:
        return Verdict(**json.loads(place.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _remember(place: Path, verdict: Verdict) -> None:
    """Write the verdict down whole or not at all; a machine that cannot keep it tries again next time."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(verdict), file)
            Path(name).replace(place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        structlog.get_logger().debug("model.verdict_not_kept", reason=str(error))


def _tell_fallback(planned: Plan, spec: ModelSpec, reason: str) -> None:
    log = structlog.get_logger()
    tell = log.warning if spec.engine == "openvino" else log.info
    tell("model.engine_fallback", model=planned.name, engine="onnxruntime", reason=reason)
