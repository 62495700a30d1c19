"""The `BatchJob` resource: files that go through a pipeline, once or on a schedule."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from argus.core.resources.spec import Spec

_CRON_FIELD = re.compile(r"[0-9A-Za-z*/,-]+")


class JobSpec(Spec):
    """Recorded pictures or videos, and the pipeline they go through."""

    source: str = Field(min_length=1)
    """A file, a folder, or a pattern such as `uploads/*.mp4`."""
    pipeline: str = Field(min_length=1)
    """Name of a `Pipeline`."""
    schedule: str | None = None
    """When to run, as the five fields of cron (`0 2 * * *`: every night at two); None: once, at once."""

    @field_validator("schedule")
    @classmethod
    def _five_fields(cls, value: str | None) -> str | None:
        if value is not None:
            fields = value.split()
            if len(fields) != 5 or not all(_CRON_FIELD.fullmatch(field) for field in fields):
                raise ValueError("a schedule has five fields: minute, hour, day, month, weekday")
        return value
