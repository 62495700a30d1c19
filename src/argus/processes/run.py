"""One run of a process, from its start to its end: signs of life, what it said, and how far its end has come.

A state that `charge` changes; nothing is done here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from argus.processes.pulse import Pulse
from argus.processes.spec import ProcessSpec
from argus.processes.testimony import Testimony


@dataclass(slots=True)
class Run:
    """See the module. Times are monotonic seconds of the supervisor."""

    began_s: float
    pulse: Pulse
    said: Testimony = field(default_factory=Testimony)
    blame: str = ""
    """Why it is being ended, where that is for a fault."""
    condemned: bool = False
    """True where somebody else has found the fault, so that a sign of life does not save it."""
    dump_until: float | None = None
    """Until when it may say where it is, before it is killed."""
    kill_at: float | None = None
    """When it is killed if it has not ended by then, as it was asked to."""
    killed: bool = False
    let_go_at: float = 0.0
    """When it counts as ended although the kernel has not let go of it."""

    @classmethod
    def begun(cls, now_s: float, spec: ProcessSpec) -> Self:
        """Return a run that begins."""
        return cls(now_s, Pulse(now_s, spec.start_deadline_s, spec.hang_after_s))

    @property
    def due_s(self) -> float | None:
        """When the next thing is due; None: nothing is."""
        if self.killed:
            return self.let_go_at
        return self.dump_until or self.kill_at or self.pulse.next_look_s()
