"""Where Argus keeps what belongs to this user: the registry of models, downloads, caches.

Read when it is asked for, never at import. What one run does (model, source) is told by options and specs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from argus.core.errors import SpecError
from argus.core.paths import expanded, is_folder, is_there

HOME_VARIABLE = "ARGUS_HOME"


@dataclass(frozen=True, slots=True)
class Settings:
    """The folders of this user; none of them needs to exist yet."""

    home: Path
    """Absolute; everything below it belongs to Argus."""

    @property
    def models(self) -> Path:
        """The registry of models."""
        return self.home / "models"

    @property
    def downloads(self) -> Path:
        """Files that are being pulled; what lies here may be deleted when nothing runs."""
        return self.home / "downloads"

    @property
    def resources(self) -> Path:
        """The database of resources, where no URL names another."""
        return self.home / "resources.db"

    @property
    def results(self) -> Path:
        """The database of results, likewise."""
        return self.home / "results.db"

    @property
    def blobs(self) -> Path:
        """Pictures, clips and uploads, likewise."""
        return self.home / "blobs"

    @property
    def spool(self) -> Path:
        """Records that wait for a database, a folder for each worker."""
        return self.home / "spool"

    @property
    def logs(self) -> Path:
        """What workloads print."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """What belongs to what runs now: locks, sockets, what workloads are told. For its owner alone."""
        return self.home / "run"

    @property
    def cache(self) -> Path:
        """What can be made again, such as compiled networks."""
        return self.home / "cache"


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this user.

    Args:
        environ: Where variables are looked up; None: the environment of this process.

    Raises:
        SpecError: `ARGUS_HOME` names something that is no folder.
    """
    given = (os.environ if environ is None else environ).get(HOME_VARIABLE, "").strip()
    if not given:
        import platformdirs

        return Settings(platformdirs.user_data_path("argus", appauthor=False))
    home = expanded(given).absolute()
    if is_there(home) and not is_folder(home):
        raise SpecError(
            f"{HOME_VARIABLE}={given}: this is a file, not a folder; name a folder or unset the variable"
        )
    return Settings(home)
