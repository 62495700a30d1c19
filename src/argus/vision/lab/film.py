"""What the cameras of the lab look at: a short piece of the plaza, drawn once and shared by all who show it.

What faults do to a picture is `effects`.
"""

from __future__ import annotations

import threading
from typing import Final
from weakref import WeakValueDictionary
from zlib import crc32

from argus.core.frame import Image
from argus.vision.lab.effects import grainy
from argus.vision.synthetic import Plaza

_LONGEST: Final = 60
_SHORTEST: Final = 8
_BYTES: Final = 64_000_000
_STILL: Final = 32
"""So many more than what tells a frozen camera (`health.stillness`) remembers, or it would know them all."""
_PERIOD_S: Final = 60.0


class Film:
    """Pictures to be shown there and back without end, and some with nobody in them."""

    def __init__(self, width: int, height: int, fps: float, people: int, seed: int) -> None:
        """Draw them; see `film_of`."""
        length = max(_SHORTEST, min(_LONGEST, _BYTES // (width * height * 3)))
        still = Plaza(width, height, fps, people=0, vehicles=0, seed=seed)
        self.still: tuple[Image, ...] = tuple(still.render(index)[0] for index in range(_STILL))
        """They differ by the sensor's noise alone."""
        self.busy: tuple[Image, ...] = self.still
        """People walk in them."""
        if people:
            plaza = Plaza(width, height, fps, people=people, vehicles=1, seed=seed)
            self.busy = tuple(plaza.render(index)[0] for index in range(length))
        self._fps = fps

    def loop(self) -> list[Image]:
        """Return the pictures there and back, (H, W, 3) BGR; no two have the same noise."""
        back = range(len(self.busy) - 2, 0, -1)
        return [*self.busy, *(grainy(self.busy[place].copy(), place) for place in back)]

    def at(self, index: int, busy: float = 1.0) -> Image:
        """Return picture `index` of the endless show, (H, W, 3) BGR, with a noise of its own.

        Args:
            index: Counts at the film's rate.
            busy: Part of every minute in which anybody is there.
        """
        anybody = index / self._fps % _PERIOD_S < busy * _PERIOD_S
        if not anybody or self.busy is self.still:
            # Without a period: whoever looks now and then only is not to see the same noise each time.
            round_, place = divmod(index, _STILL)
            return self.still[(place + crc32(b"%d" % round_)) % _STILL]
        last = len(self.busy) - 1
        # There and back: nobody jumps across the picture where the film ends. No sensor gives the same noise
        # twice: what stood still would else be known when it comes again, and count as standing still.
        return grainy(self.busy[last - abs(index % (2 * last) - last)].copy(), index)


_films: WeakValueDictionary[tuple[int, int, float, int, int], Film] = WeakValueDictionary()
_drawing = threading.Lock()


def film_of(width: int, height: int, fps: float, people: int, seed: int) -> Film:
    """Return the film of these options, the same one for as long as anybody holds it.

    Raises:
        pydantic.ValidationError: a value is out of the range that `PlazaOptions` gives.
    """
    with _drawing:
        key = (width, height, fps, people, seed)
        film = _films.get(key)
        if film is None:
            film = _films[key] = Film(*key)
        return film
