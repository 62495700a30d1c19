"""How long the API waits for whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. Higher bears slow networks; lower lets fewer hold on to what others need."""

    head_s: float = 10.0
    """Until the head of a request is here, from the opening of the connection or from its first byte."""
    body_s: float = 20.0
    """Until a body is here; uploads may take as long as they take."""
    silence_s: float = 60.0
    """An upload to which nothing came for so long has broken off."""
    send_s: float = 30.0
    """A client that takes nothing of what it is sent for so long is gone."""
    heartbeat_s: float = 15.0
    """Between signs of life of a stream on which nothing happens."""
