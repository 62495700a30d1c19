"""What a keeper writes down of its workloads, and finds again when it was killed.

A folder for each: `workload.json` as it was ensured, `config.json` for the program, `state.json` with its
life. Every file is replaced as a whole. Not synchronised to the disk: it must survive the death of processes;
after that of the machine the reconciler tells everything anew.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from argus.control.runtime.homes import open_folder, replace
from argus.control.runtime.lives import Life
from argus.control.runtime.protocol import ENDS, Workload, is_label
from argus.core.errors import OutputError

T = TypeVar("T")


class Files:
    """The folder of all workloads of a home. Used by one thread."""

    def __init__(self, run: Path) -> None:
        """Know the folder; it is made when something is written."""
        self.folder = run / "workloads"
        self.problem = ""
        """Why the latest life could not be written down; empty: it could."""

    def knows(self, name: str) -> bool:
        """Return whether a workload is there, and is not being removed."""
        return (self.folder / name / "workload.json").exists()

    def config_path(self, name: str) -> Path:
        """Return where a workload finds its config."""
        return self.folder / name / "config.json"

    def write(self, workload: Workload) -> None:
        """Write down what shall run, and the config for it.

        Raises:
            OutputError: it cannot be written; then nothing is to be started.
        """
        folder = self.folder / workload.name
        open_folder(self.folder)
        open_folder(folder)
        # In this order: who is killed in between writes the config again when it has read the first.
        replace(folder / "workload.json", msgspec.json.encode(workload))
        replace(folder / "config.json", workload.config.encode())

    def write_life(self, name: str, life: Life) -> None:
        """Write down how a workload is doing; what cannot be written is said, and stops nothing."""
        try:
            replace(self.folder / name / "state.json", msgspec.json.encode(life))
        except OutputError as error:
            if not self.problem:
                structlog.get_logger().error("keeper.life_not_written", workload=name, reason=str(error))
            self.problem = str(error)
        else:
            self.problem = ""

    def release(self, name: str) -> None:
        """Let no keeper start it any more; what its program may read until it has ended stays."""
        with contextlib.suppress(OSError):
            (self.folder / name / "workload.json").unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        """Remove all that was written down of a workload."""
        self.release(name)  # first: a removal may be cut short
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def forget_unended(self) -> None:
        """Remove all but what was written down of jobs that have ended."""
        ended = {workload.name for workload, life in self.read() if life is not None and life.state in ENDS}
        with contextlib.suppress(OSError):
            for folder in tuple(self.folder.iterdir()):
                if folder.name not in ended:
                    shutil.rmtree(folder, ignore_errors=True)

    def read(self) -> Iterator[tuple[Workload, Life | None]]:
        """Yield what was written down; what cannot be understood is told of and left out."""
        try:
            folders = sorted(self.folder.iterdir())
        except OSError:
            return
        for folder in folders:
            if not is_label(folder.name) or not (folder / "workload.json").exists():
                continue
            workload = _decoded(folder / "workload.json", Workload)
            if workload is not None and workload.name == folder.name:
                yield workload, _decoded(folder / "state.json", Life)


def _decoded(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # a DecodeError is a ValueError
        structlog.get_logger().warning("keeper.file_unreadable", path=str(path), reason=str(error))
        return None
