"""The files that a run writes of one source, and the report that is made of them at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from argus.core.errors import SpecError
from argus.core.paths import is_folder
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.draw import Annotator
from argus.vision.engine.agreement_report import AgreementReport, write_agreement
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.history import History
from argus.vision.sinks.jsonl import DetectionLines, EventLines, JsonLines
from argus.vision.sinks.pictures import PICTURE_SUFFIXES, AnnotatedPictures, Snapshots
from argus.vision.sinks.protocol import Sink
from argus.vision.sinks.report import write_report
from argus.vision.sinks.video import AnnotatedVideo

STILL: Final = frozenset({"image", "folder"})
"""Kinds of source whose pictures stand each by itself."""


@dataclass(frozen=True, slots=True)
class Paths:
    """What to write; None: not wanted."""

    out: Path | None = None
    """Annotated video, picture or folder of pictures."""
    events: Path | None = None
    detections: Path | None = None
    report: Path | None = None
    snapshots: Path | None = None
    agreement: Path | None = None

    def of_camera(self, name: str) -> Paths:
        """Return those of one camera of several: each path is a folder, and events go elsewhere.

        Raises:
            SpecError: the path is that of a file.
        """

        def within(folder: Path | None, option: str, suffix: str) -> Path | None:
            if folder is None:
                return None
            if folder.suffix and not is_folder(folder):
                raise SpecError(
                    f"--{option} {folder}: with several cameras this is a folder with a file for each: "
                    f"name it without {folder.suffix}"
                )
            return folder / f"{name}{suffix}"

        return replace(
            self,
            out=within(self.out, "out", ".mp4"),
            events=None,
            detections=within(self.detections, "detections", ".jsonl"),
            report=within(self.report, "report", ".html"),
            snapshots=within(self.snapshots, "snapshots", ""),
            agreement=within(self.agreement, "agreement", ""),
        )

    def written(self) -> list[str]:
        """Return all of them as text; a folder of snapshots only where one was taken."""
        snapshots = self.snapshots if self.snapshots is not None and is_folder(self.snapshots) else None
        return [
            str(path)
            for path in (
                self.out,
                self.events,
                self.detections,
                snapshots,
                self.report,
                self.agreement,
            )
            if path is not None
        ]


class Outputs:
    """The open files of one source."""

    def __init__(
        self,
        paths: Paths,
        spec: PipelineSpec,
        *,
        kind: str = "stream",
        fps: float | None = None,
        events: JsonLines | None = None,
    ) -> None:
        """Open them.

        Args:
            paths: What to write.
            spec: Zones and lines to draw.
            kind: Of the source: pictures are written as pictures.
            fps: Of the annotated video, nominally.
            events: Where events go instead of a file of this source's own.

        Raises:
            OutputError: one cannot be written.
        """
        self.paths = paths
        self._spec = spec
        self._history = History()
        self._snapshots = Snapshots(paths.snapshots)
        sinks: list[Sink] = []
        with contextlib.ExitStack() as opened:
            if paths.detections is not None:
                sinks.append(DetectionLines(paths.detections))
                opened.callback(sinks[-1].close)
            to = paths.events if events is None else events
            if to is not None:
                sinks.append(EventLines(to))
                opened.callback(sinks[-1].close)
            if paths.report is not None or paths.snapshots is not None:
                sinks.append(self._snapshots)
            if paths.report is not None:
                sinks.append(self._history)
            if paths.out is not None:
                annotator = Annotator(spec)
                picture = paths.out.suffix.lower() in PICTURE_SUFFIXES
                if picture or (kind in STILL and not paths.out.suffix):
                    sinks.append(AnnotatedPictures(paths.out, annotator.draw))
                else:
                    sinks.append(AnnotatedVideo(paths.out, annotator.draw, fps=fps))
            opened.pop_all()
        self.sinks: Sequence[Sink] = sinks

    def conclude(self, summary: RunSummary, agreement: AgreementReport | None = None) -> None:
        """Name the files in the summary and write the reports, when all else is complete.

        Raises:
            OutputError: one cannot be written.
        """
        summary.outputs = self.paths.written()
        summary.agreement = agreement
        if agreement is not None and self.paths.agreement is not None:
            write_agreement(self.paths.agreement, agreement)
        if self.paths.report is not None:
            title = f"Argus: {summary.source.name}"
            write_report(
                self.paths.report, summary, self._history, self._snapshots.jpeg, self._spec, title=title
            )
