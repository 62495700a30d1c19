"""Who is where at which time: every object's path as a function of the seed and the clock alone.

Time runs in cycles. Each person has a slot; in every cycle a new person takes it, enters the picture,
wanders and leaves before the cycle ends. So any moment can be asked for without the moments
before it, and a scene goes on for ever. Nothing is drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from argus.vision.synthetic.view import View

CYCLE_S = 44.0
"""After this time the slot of a person goes to the next one."""
GATHER_UV = (0.72, 0.63)
"""Where crowds meet."""
GATHER_FROM_S, GATHER_TO_S = 12.0, 22.0
"""When, within every second cycle."""
RESTRICTED_UV = ((0.12, 0.66), (0.36, 0.92))
"""Corners of the part of the plaza that some people enter and stand in."""
_SMOOTH_S = np.linspace(-0.45, 0.45, 7)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """One person's way: knots in time between which the walk is straight and even."""

    t: NDArray[np.float64]
    """(K,) seconds of the scene's clock, rising."""
    x: NDArray[np.float64]
    z: NDArray[np.float64]
    walked: NDArray[np.float64]
    """(K,) metres walked so far."""
    faces: float | None
    """X in metres that this person turns to while standing, or None for straight on."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a person is at one moment."""

    x: float
    z: float
    vx: float
    """Metres per second to the right."""
    vz: float
    """Metres per second away from the camera."""
    walked: float
    faces: float | None


class PeopleSchedule:
    """The comings and goings of all people of one scene."""

    def __init__(self, view: View, people: int, seed: int) -> None:
        self._view = view
        self._people = people
        self._seed = seed
        gathering = 0 if people < 4 else min(people, max(5, people // 3))
        self._first_gathering = people - gathering
        self._gathering = gathering
        self._walk = lru_cache(maxsize=4 * people + 8)(self._plan)
        rng = np.random.default_rng([seed, 11])
        order = rng.permutation(max(people, 1))
        self._head_start = 3.0 + (order + 0.5) / max(people, 1) * (CYCLE_S - 14.0)
        self._head_start[self._first_gathering : people] = 4.0 + 0.7 * np.arange(gathering)
        if people:
            self._head_start[0] = (
                5.0  # the first person is in the picture soon after the start, and stays a while
            )

    def at(self, slot: int, time_s: float) -> tuple[int, Standing] | None:
        """Return the number of the slot's present person and where they are, or None while it is empty."""
        cycle = int(np.floor((time_s + self._head_start[slot]) / CYCLE_S))
        walk = self._walk(slot, cycle)
        if not walk.t[0] <= time_s < walk.t[-1]:
            return None
        moments = time_s + _SMOOTH_S
        xs, zs = np.interp(moments, walk.t, walk.x), np.interp(moments, walk.t, walk.z)
        span = float(_SMOOTH_S[-1] - _SMOOTH_S[0])
        standing = Standing(
            x=float(xs.mean()),
            z=float(zs.mean()),
            vx=float(xs[-1] - xs[0]) / span,
            vz=float(zs[-1] - zs[0]) / span,
            walked=float(np.interp(moments, walk.t, walk.walked).mean()),
            faces=walk.faces,
        )
        return cycle, standing

    def _plan(self, slot: int, cycle: int) -> Walk:
        rng = np.random.default_rng([self._seed, 1, slot, cycle + 1])
        start = cycle * CYCLE_S - float(self._head_start[slot])
        if slot >= self._first_gathering and cycle % 2 == 0:
            return self._to_the_gathering(rng, slot, cycle, start)
        if rng.random() < 0.1 and slot > 1:
            return self._far_pavement(rng, start)
        return self._wandering(rng, slot, cycle, start)

    def _wandering(self, rng: np.random.Generator, slot: int, cycle: int, start: float) -> Walk:
        speed = rng.uniform(1.05, 1.6)
        side = int(rng.integers(3))
        visits = (slot == 0 and cycle == 0) or rng.random() < 0.35
        if slot == 0 and cycle == 0:
            side = 0
        stops: list[tuple[float, float, float]] = [(*_gate(rng, side), 0.0)]
        if visits:
            (u0, v0), (u1, v1) = RESTRICTED_UV
            stops.append((rng.uniform(u0, u1), rng.uniform(v0, v1), rng.uniform(4.5, 8.0)))
            stops.append((rng.uniform(0.58, 0.8), rng.uniform(0.55, 0.9), 0.0))
        elif side == 0:
            stops.append((rng.uniform(0.6, 0.85), rng.uniform(0.5, 0.9), 0.0))
        elif side == 1:
            stops.append((rng.uniform(0.15, 0.4), rng.uniform(0.5, 0.9), 0.0))
        budget = CYCLE_S * rng.uniform(0.78, 0.9)
        while self._duration(stops, speed) < budget - 9.0:
            pause = rng.uniform(3.0, 6.5) if rng.random() < 0.3 else 0.0
            # From one half to the other, so that the line through the middle is used.
            u = rng.uniform(0.56, 0.88) if stops[-1][0] < 0.5 else rng.uniform(0.1, 0.44)
            stops.append((u, rng.uniform(0.5, 0.95), pause))
        leaves_by = 2 if rng.random() < 0.25 else (0 if stops[-1][0] < 0.5 else 1)
        stops.append((*_gate(rng, leaves_by), 0.0))
        quickest = (CYCLE_S - 0.5) / self._duration(stops, speed)
        return self._walk_along(stops, speed / min(1.0, quickest), start)

    def _to_the_gathering(self, rng: np.random.Generator, slot: int, cycle: int, start: float) -> Walk:
        speed = rng.uniform(1.15, 1.5)
        ring = 2 * np.pi * (slot - self._first_gathering + rng.uniform(-0.2, 0.2)) / self._gathering
        gx, gz = self._view.ground(*GATHER_UV)
        radius = 0.8 if self._gathering <= 6 else 0.16 * self._gathering
        arrive = cycle * CYCLE_S + GATHER_FROM_S - rng.uniform(0.0, 2.0)
        leave = cycle * CYCLE_S + GATHER_TO_S + rng.uniform(-0.5, 2.5)
        spot = (gx + 1.1 * radius * np.cos(ring), gz + radius * np.sin(ring))
        from_side, to_side = int(rng.integers(3)), int(rng.integers(3))
        entry = self._view.ground(*_gate(rng, from_side))
        leaving = self._view.ground(*_gate(rng, to_side))
        way_in, way_out = np.hypot(*np.subtract(spot, entry)), np.hypot(*np.subtract(leaving, spot))
        enter = max(arrive - way_in / speed, start)
        gone = min(leave + way_out / speed, start + CYCLE_S - 0.1)
        return Walk(
            t=np.array([enter, arrive, leave, gone]),
            x=np.array([entry[0], spot[0], spot[0], leaving[0]]),
            z=np.array([entry[1], spot[1], spot[1], leaving[1]]),
            walked=np.cumsum([0.0, way_in, 0.0, way_out]),
            faces=gx,
        )

    def _far_pavement(self, rng: np.random.Generator, start: float) -> Walk:
        v = rng.uniform(0.21, 0.228)
        ends = (-0.04, 1.04) if rng.random() < 0.5 else (1.04, -0.04)
        stops = [(ends[0], v, 0.0), (rng.uniform(0.3, 0.7), v, rng.uniform(0.0, 4.0)), (ends[1], v, 0.0)]
        speed = max(rng.uniform(1.3, 1.7), self._duration(stops, 1.0) / (CYCLE_S - 6.0))
        return self._walk_along(stops, speed, start)

    def _duration(self, stops: list[tuple[float, float, float]], speed: float) -> float:
        points = np.array([self._view.ground(u, v) for u, v, _ in stops])
        way = np.hypot(*np.diff(points, axis=0).T).sum() if len(points) > 1 else 0.0
        return float(way) / speed + sum(pause for *_, pause in stops)

    def _walk_along(self, stops: list[tuple[float, float, float]], speed: float, start: float) -> Walk:
        points = np.array([self._view.ground(u, v) for u, v, _ in stops])
        legs = np.hypot(*np.diff(points, axis=0).T)
        t, xz, walked = [start], [points[0]], [0.0]
        for leg, point, (_, _, pause) in zip(legs, points[1:], stops[1:], strict=True):
            t.append(t[-1] + leg / speed)
            xz.append(point)
            walked.append(walked[-1] + leg)
            if pause > 0:
                t.append(t[-1] + pause)
                xz.append(point)
                walked.append(walked[-1])
        path = np.array(xz)
        return Walk(np.array(t), path[:, 0], path[:, 1], np.array(walked), None)


def _gate(rng: np.random.Generator, side: int) -> tuple[float, float]:
    """Return a relative point just outside the picture: 0 left, 1 right, 2 below."""
    if side == 2:
        return rng.uniform(0.15, 0.85), 1.48
    return (-0.06 if side == 0 else 1.06), rng.uniform(0.55, 0.95)


@dataclass(frozen=True, slots=True)
class Driving:
    """Where a vehicle is at one moment."""

    x: float
    z: float
    """Depth of its near side."""
    heading: int
    """1 drives to the right, -1 to the left."""


class TrafficSchedule:
    """The vehicles of one scene: two lanes, each with one speed, so that nobody runs into anybody."""

    LANE_V = (0.327, 0.272)
    """Relative rows of the near sides' wheels: near lane to the right, far lane to the left."""

    def __init__(self, view: View, vehicles: int, seed: int) -> None:
        self._vehicles = vehicles
        self._seed = seed
        rng = np.random.default_rng([seed, 12])
        self._speed = rng.uniform(6.0, 9.0, 2)
        self._shift = rng.uniform(0.0, 1.0, 2)
        self._in_lane = ((vehicles + 1) // 2, vehicles // 2)
        self._z = [view.depth(v) for v in self.LANE_V]
        half = [view.ground(1.0, v)[0] + 8.0 for v in self.LANE_V]
        self._track_m = [max(2 * h, 17.0 * n) for h, n in zip(half, self._in_lane, strict=True)]

    def at(self, slot: int, time_s: float) -> tuple[int, Driving]:
        """Return the number of the slot's present vehicle and where it is (perhaps out of the picture)."""
        lane = slot % 2
        track, n = self._track_m[lane], self._in_lane[lane]
        turn = time_s * self._speed[lane] / track + (slot // 2) / max(n, 1) + self._shift[lane]
        cycle = int(np.floor(turn))
        wobble = np.random.default_rng([self._seed, 2, slot, cycle]).uniform(-1.0, 1.0) * min(
            2.0, track / max(n, 1) * 0.1
        )
        heading = 1 if lane == 0 else -1
        x = heading * ((turn - cycle - 0.5) * track + wobble)
        return cycle, Driving(float(x), self._z[lane], heading)
