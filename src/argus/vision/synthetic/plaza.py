"""The plaza: pictures of moving people and vehicles, and the truth about them.

Every picture is a function of the options and its index alone, so pictures may be asked for in any
order. This is the scene; the `Source` that plays it lives in `argus.vision.sources`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.vision.synthetic.backdrop import draw_backdrop
from argus.vision.synthetic.light import NightLight
from argus.vision.synthetic.options import PlazaOptions
from argus.vision.synthetic.people import draw_looks, person_shape, shadow_limb
from argus.vision.synthetic.props import Prop, cast_prop_shadows, place_props
from argus.vision.synthetic.schedule import PeopleSchedule, TrafficSchedule
from argus.vision.synthetic.shapes import Shape, capsules, darken, fixed_point
from argus.vision.synthetic.truth import LABELS, PERSON, VEHICLE, PlazaTruth
from argus.vision.synthetic.vehicles import draw_make, shadow_outline, vehicle_shape
from argus.vision.synthetic.view import View

_NOISE_STEPS = 61


@dataclass(frozen=True, slots=True, eq=False)
class _Actor:
    id: int
    class_id: int
    depth: float
    shape: Shape
    shadow: NDArray[np.int32]


class Plaza:
    """A square with a road behind it, watched by one camera.

    Args:
        width: Columns of the pictures.
        height: Rows.
        fps: Frames per second of the scene's clock.
        people: How many people come and go.
        vehicles: How many vehicles drive by in turn.
        seed: Chooses everything that is left to chance.
        night: Draws it after dark.

    Raises:
        pydantic.ValidationError: a value is out of the range that `PlazaOptions` gives.
    """

    def __init__(
        self,
        width: int = 1280,
        height: int = 720,
        fps: float = 25.0,
        people: int = 8,
        vehicles: int = 2,
        seed: int = 7,
        *,
        night: bool = False,
    ) -> None:
        self.options = PlazaOptions(
            width=width, height=height, fps=fps, people=people, vehicles=vehicles, seed=seed, night=night
        )
        self._view = View(width, height)
        self._people = PeopleSchedule(self._view, people, seed)
        self._traffic = TrafficSchedule(self._view, vehicles, seed)
        self._looks = lru_cache(maxsize=4 * people + 8)(
            lambda slot, cycle: draw_looks(np.random.default_rng([seed, 3, slot, cycle + 1]))
        )
        self._makes = lru_cache(maxsize=4 * vehicles + 8)(
            lambda slot, cycle: draw_make(np.random.default_rng([seed, 4, slot, cycle]))
        )
        self._props = place_props(self._view, seed)
        scene = draw_backdrop(self._view, seed)
        cast_prop_shadows(self._view, scene)
        for prop in self._props:
            prop.over(scene, (0, 0, width, height))
        self._day = scene
        self._night = NightLight(self._view) if night else None
        self._noise = _noise(self._view, seed, strength=3.6 if night else 2.2)

    @classmethod
    def from_options(cls, options: PlazaOptions) -> Plaza:
        """Return the plaza that the options describe."""
        return cls(**options.model_dump(exclude={"frames"}))

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the truth, by class id."""
        return LABELS

    def background(self) -> Image:
        """Return the scene with nobody in it and without noise, (H, W, 3) BGR; a copy."""
        return self._day.copy() if self._night is None else self._night.fall_on(self._day.copy(), [])

    def truth(self, index: int) -> PlazaTruth:
        """Return what is in picture `index`, without drawing it."""
        return self._truth(index, self._actors(index))

    def render(self, index: int) -> tuple[Image, PlazaTruth]:
        """Return picture `index` (first is 0) as (H, W, 3) BGR, and what is in it.

        Equal arguments give equal pictures, in whatever order they are asked for. Safe to call
        from several threads.
        """
        actors = self._actors(index)
        image = self._day.copy()
        darken(image, [actor.shadow for actor in actors], 0.36 if self._night is None else 0.15)
        standing = list(self._props)
        hidden: list[tuple[int, int, int, int]] = []
        for actor in actors:
            while standing and standing[0].depth > actor.depth:
                _stand_before(image, standing.pop(0), hidden)
            actor.shape.paint(image)
            hidden.append(_bounds(actor.shape))
        for prop in standing:
            _stand_before(image, prop, hidden)
        if self._night is not None:
            lamps = [actor.shape.xyxy for actor in actors if actor.class_id == VEHICLE]
            image = self._night.fall_on(image, lamps)
        self._add_noise(image, index)
        return image, self._truth(index, actors)

    def _actors(self, index: int) -> list[_Actor]:
        """Return everybody near the picture, the farthest first."""
        time_s = index / self.options.fps
        actors = []
        slots = self.options.people + self.options.vehicles
        for slot in range(self.options.people):
            present = self._people.at(slot, time_s)
            if present is None:
                continue
            cycle, standing = present
            looks = self._looks(slot, cycle)
            shape = person_shape(self._view, looks, standing, time_s)
            limb = np.array([shadow_limb(self._view, looks, standing)])
            shadow = fixed_point(capsules(limb)[0])
            actors.append(_Actor(slot + 1 + slots * (cycle + 1), PERSON, standing.z, shape, shadow))
        for slot in range(self.options.vehicles):
            cycle, driving = self._traffic.at(slot, time_s)
            make = self._makes(slot, cycle)
            shape = vehicle_shape(self._view, make, driving, lights=self._night is not None)
            shadow = shadow_outline(self._view, make, driving)
            number = self.options.people + slot + 1 + slots * (cycle + 1)
            actors.append(_Actor(number, VEHICLE, driving.z, shape, shadow))
        return sorted(actors, key=lambda actor: (-actor.depth, actor.id))

    def _truth(self, index: int, actors: list[_Actor]) -> PlazaTruth:
        width, height = self.options.width, self.options.height
        owner = np.zeros((height, width), np.uint16)
        known: list[tuple[int, _Actor, int, tuple[int, int, int, int]]] = []
        standing = list(self._props)
        for number, actor in enumerate(actors, 1):
            while standing and standing[0].depth > actor.depth:
                _claim_prop(owner, standing.pop(0))
            mask, left, top = actor.shape.stencil()
            x0, y0, x1, y1 = (
                max(left, 0),
                max(top, 0),
                min(left + mask.shape[1], width),
                min(top + mask.shape[0], height),
            )
            if x1 <= x0 or y1 <= y0:
                continue
            inside = mask[y0 - top : y1 - top, x0 - left : x1 - left]
            owner[y0:y1, x0:x1][inside > 0] = number
            known.append((number, actor, int(np.count_nonzero(mask)), (x0, y0, x1, y1)))
        for prop in standing:
            _claim_prop(owner, prop)
        rows = []
        for number, actor, total, (x0, y0, x1, y1) in known:
            seen = int(np.count_nonzero(owner[y0:y1, x0:x1] == number))
            if seen:
                rows.append((actor, seen / max(total, 1)))
        boxes = np.array([actor.shape.xyxy for actor, _ in rows], np.float32).reshape(-1, 4)
        boxes[:, 0::2] = boxes[:, 0::2].clip(0, width)
        boxes[:, 1::2] = boxes[:, 1::2].clip(0, height)
        return PlazaTruth(
            index=index,
            time_s=index / self.options.fps,
            ids=np.array([actor.id for actor, _ in rows], np.int64),
            class_id=np.array([actor.class_id for actor, _ in rows], np.int32),
            xyxy=boxes,
            visibility=np.array([share for _, share in rows], np.float32),
        )

    def _add_noise(self, image: Image, index: int) -> None:
        step = index % _NOISE_STEPS
        brighter, darker = self._noise
        height, width = image.shape[:2]
        # The same grain, shifted: as good as new noise to any eye, and twenty times cheaper.
        dy, dx = (step * 37) % _NOISE_STEPS, (step * 23) % _NOISE_STEPS
        cv2.add(image, brighter[dy : dy + height, dx : dx + width], image)
        cv2.subtract(image, darker[dy : dy + height, dx : dx + width], image)


def _noise(view: View, seed: int, strength: float) -> tuple[Image, Image]:
    size = (view.height + _NOISE_STEPS, view.width + _NOISE_STEPS, 3)
    grain = np.round(np.random.default_rng([seed, 41]).standard_normal(size, np.float32) * strength)
    return np.clip(grain, 0, 255).astype(np.uint8), np.clip(-grain, 0, 255).astype(np.uint8)


def _bounds(shape: Shape) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = shape.xyxy
    return int(x0) - 1, int(y0) - 1, int(x1) + 2, int(y1) + 2


def _stand_before(image: Image, prop: Prop, hidden: list[tuple[int, int, int, int]]) -> None:
    """Draw the prop again over those who walk behind it; elsewhere it is in the backdrop already."""
    for region in hidden:
        prop.over(image, region)


def _claim_prop(owner: NDArray[np.uint16], prop: Prop) -> None:
    height, width = owner.shape
    h, w = prop.alpha.shape
    x0, y0, x1, y1 = max(prop.x, 0), max(prop.y, 0), min(prop.x + w, width), min(prop.y + h, height)
    if x1 > x0 and y1 > y0:
        solid = prop.alpha[y0 - prop.y : y1 - prop.y, x0 - prop.x : x1 - prop.x] > 127
        owner[y0:y1, x0:x1][solid] = 0
