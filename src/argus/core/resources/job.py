"""The `BatchJob` resource: files that go through a pipeline, once or on a schedule."""

from __future__ import annotations

from pydantic import Field, field_validator

from argus.core.durations import Duration
from argus.core.resources.spec import Spec
from argus.core.schedule import check_schedule


class JobSpec(Spec):
    """Recorded pictures or videos, and the pipeline they go through."""

    source: str = Field(min_length=1)
    """A file, a folder, a pattern such as `uploads/*.mp4`, or `blob:KEY` for what was uploaded."""
    pipeline: str = Field(min_length=1)
    """Name of a `Pipeline`."""
    schedule: str | None = None
    """When to run, as the five fields of cron (`0 2 * * *`: every night at two); None: once, at once."""

    retries: int = Field(default=3, ge=0, le=100)
    """How often a run that failed is tried again."""
    suspend: bool = False
    """True stops it; what is finished of it stays, and it goes on from there with False."""
    deadline: Duration | None = None
    """Seconds after which a run has failed; None: it may take its time."""
    ttl_after_finished: Duration | None = None
    """Seconds after its end when the job is deleted, with its results; None: never."""
    history: int = Field(default=3, ge=1, le=100)
    """Runs of a schedule whose results are kept."""

    @field_validator("schedule")
    @classmethod
    def _can_be(cls, value: str | None) -> str | None:
        if value is not None:
            check_schedule(value)
        return value
