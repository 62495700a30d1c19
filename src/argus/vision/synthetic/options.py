"""What a plaza can be asked for, and its address `synthetic:plaza?width=640&people=5`.

Only words and ranges: nothing is drawn here. The scene itself is `argus.vision.synthetic.plaza`.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from argus.core.errors import SpecError, UnknownName, did_you_mean

SCHEME = "synthetic:"
SCENES = ("plaza",)


class PlazaOptions(BaseModel):
    """Everything that makes one plaza differ from another; two equal options give equal pictures."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Annotated[int, Field(ge=64, le=7680)] = 1280
    """Columns of the picture."""
    height: Annotated[int, Field(ge=64, le=4320)] = 720
    """Rows of the picture."""
    fps: Annotated[float, Field(ge=1e-6, le=240, allow_inf_nan=False)] = 25.0
    """Frames per second of the scene's own clock."""
    people: Annotated[int, Field(ge=0, le=200)] = 8
    """How many people come and go; at any moment most of them are in the picture."""
    vehicles: Annotated[int, Field(ge=0, le=40)] = 2
    """How many vehicles drive by in turn."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 7
    """Chooses paths, clothes, vehicles and noise."""
    frames: Annotated[int, Field(ge=0, le=2**40)] = 0
    """How many frames a source gives before it ends; 0 goes on for ever."""
    night: bool = False
    """Draws the plaza after dark, lit by its lamps."""

    def url(self) -> str:
        """Return the address that means these options, naming only what differs from the defaults."""
        chosen = {
            name: value
            for name, value in self.model_dump().items()
            if value != type(self).model_fields[name].default
        }
        query = "&".join(f"{name}={_text(value)}" for name, value in chosen.items())
        return f"{SCHEME}plaza" + (f"?{query}" if query else "")


def parse_plaza_url(url: str) -> PlazaOptions:
    """Return the options that an address such as `synthetic:plaza?width=640&height=360` asks for.

    Raises:
        SpecError: the scene or a key is unknown, a key comes twice, or a value is out of range.
    """
    if not url.startswith(SCHEME):
        raise SpecError(f"{url!r} is no synthetic source; write {SCHEME}plaza?width=640&height=360")
    scene, _, query = url.removeprefix(SCHEME).partition("?")
    if scene not in SCENES:
        raise UnknownName("synthetic scene", scene, SCENES)
    known = sorted(PlazaOptions.model_fields)
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            raise SpecError(
                f"{url}: unknown option {key!r}{did_you_mean(key, known)}; known: {', '.join(known)}"
            )
        if key in values:
            raise SpecError(f"{url}: option {key!r} is given twice; keep one")
        values[key] = value
    try:
        return PlazaOptions.model_validate(values)
    except ValidationError as error:
        raise SpecError(f"{url}: {'; '.join(_fact(problem) for problem in error.errors())}") from None


def _fact(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    message = str(problem["msg"])
    return f"{name}={problem['input']}: {message[:1].lower()}{message[1:]}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    # All digits: 29.97 is not 30000/1001, and other times are other pictures.
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
