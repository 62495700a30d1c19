"""What all workloads of a keeper share, and how the process of one is started with it.

What happens to a workload is `kept`; this house stands on the supervisor's, `argus.processes.house`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from argus.control.runtime import lives
from argus.control.runtime.files import Files
from argus.control.runtime.limits import Seats
from argus.control.runtime.protocol import Workload
from argus.processes.policy import RestartPolicy
from argus.processes.spec import ProcessSpec
from argus.processes.supervisor import Supervisor

CONFIG_VARIABLE: Final = "ARGUS_WORKER_CONFIG"
_NEVER: Final = RestartPolicy(when="never")


@dataclass(frozen=True, slots=True)
class House:
    """See the module."""

    supervisor: Supervisor
    files: Files
    logs: Path
    seats: Seats
    changed: Callable[[], None]
    """To be called when a status is another."""

    def start(self, process: str, workload: Workload) -> None:
        """Start the process of a workload's next run, which the supervisor starts once and not again."""
        self.supervisor.add(
            ProcessSpec(
                name=process,
                command=workload.command,
                env={**workload.env, CONFIG_VARIABLE: str(self.files.config_path(workload.name))},
                restart=_NEVER,
                hang_after_s=workload.hang_after_s,
                drain_s=lives.DRAIN_S,
                log=str(self.logs / f"{workload.name}.log"),
            )
        )
