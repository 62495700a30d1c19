"""GStreamer inside this process: where its Python binding is found, and what says that it is not there.

PyGObject (`gi`) is rarely in a virtual environment: it is built against the system's libraries, which come
with a `gi` of their own. Where the environment has none, the system's is taken, if it was built for this
very version of Python; only that one package, not all that lies beside it. What lost, among it a process
of its own and calling the C library directly: `docs/decisions/0013-gstreamer-source.md`.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.util
import sys
import threading
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Final

from argus.core.errors import MissingExtra

BINDING_PACKAGES: Final = "python3-gi gir1.2-gst-plugins-base-1.0"
ELEMENT_PACKAGES: Final = "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav"

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SYSTEM_FOLDERS: Final = (
    Path("/usr/lib/python3/dist-packages"),  # Debian, Ubuntu
    Path(f"/usr/lib64/python{_VERSION}/site-packages"),  # Fedora, openSUSE
    Path(f"/usr/lib/python{_VERSION}/site-packages"),  # Arch, Alpine
)

_loading = threading.Lock()


class MissingGStreamer(MissingExtra):
    """GStreamer, its binding or one of its elements is not installed."""

    def __init__(self, fact: str, packages: str) -> None:
        """Say what is missing, and which Debian packages bring it."""
        super().__init__("GStreamer", "gstreamer")
        self.args = (
            f"{fact}: sudo apt-get install {packages}, or pip install 'argus-vision[gstreamer]' "
            "where this Python is not the system's",
        )
        self.msg = self.args[0]
        self.fact = fact
        self.packages = packages


@dataclass(frozen=True, slots=True)
class GStreamer:
    """The parts of the binding that are used, initialised."""

    # The binding makes its classes from the installed libraries when it runs: no types are known before.
    gst: Any
    video: Any
    error: type[Exception]
    """What the library raises, with `message`."""

    @property
    def version(self) -> str:
        """The library's version, such as `1.22.0`."""
        return ".".join(str(part) for part in self.gst.version()[:3])

    def elements(self) -> frozenset[str]:
        """Return the names of all elements that are installed, those of absent hardware left out."""
        found = self.gst.Registry.get().get_feature_list(self.gst.ElementFactory)
        return frozenset(feature.get_name() for feature in found)


def gstreamer_problem() -> str | None:
    """Return why there is no GStreamer for this process, or None where there is."""
    try:
        load_gstreamer()
    except MissingExtra as error:
        return str(error)
    return None


def load_gstreamer() -> GStreamer:
    """Return GStreamer, loaded and initialised on the first call.

    Raises:
        MissingGStreamer: the binding, the library or its descriptions are not installed.
    """
    # Half an import must not be seen by a second camera; and older bindings load in ways that newer
    # Pythons warn of.
    with _loading, warnings.catch_warnings():
        warnings.simplefilter("ignore", ImportWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return _loaded()


@lru_cache(maxsize=1)
def _loaded() -> GStreamer:
    _keep_exceptions_working()
    gi = _binding()
    try:
        gi.require_version("Gst", "1.0")
        gi.require_version("GstApp", "1.0")
        gi.require_version("GstVideo", "1.0")
        gst = importlib.import_module("gi.repository.Gst")
        video = importlib.import_module("gi.repository.GstVideo")
        importlib.import_module("gi.repository.GstApp")  # without it an appsink has no methods
        glib = importlib.import_module("gi.repository.GLib")
    except (ValueError, ImportError) as error:
        fact = f"PyGObject is here, and the descriptions of GStreamer's libraries are not ({error})"
        raise MissingGStreamer(fact, "gir1.2-gst-plugins-base-1.0") from error
    gst.init(None)
    return GStreamer(gst, video, glib.Error)


def _keep_exceptions_working() -> None:
    """Let C++ libraries that are loaded after GStreamer find the unwinder they were built for.

    The binding makes all symbols of GStreamer's libraries global, and with them those of libunwind, which
    has functions of the same names as the compiler's own: OpenVINO then crashes at its first exception.
    Whichever is made global first is found.
    """
    with contextlib.suppress(OSError):  # no such library, no such danger
        ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)


def _binding() -> Any:
    try:
        return importlib.import_module("gi")
    except ImportError as error:
        folder = folder_of_binding(SYSTEM_FOLDERS, EXTENSION_SUFFIXES)
        if folder is None:
            raise MissingGStreamer(
                f"there is no PyGObject for Python {_VERSION} here", f"{BINDING_PACKAGES} {ELEMENT_PACKAGES}"
            ) from error
        return _package_at(folder)


def folder_of_binding(folders: Iterable[Path], suffixes: Sequence[str]) -> Path | None:
    """Return the first folder that holds a `gi` whose compiled part has one of these suffixes, or None.

    Args:
        folders: Where packages of the system may lie.
        suffixes: What compiled modules that this Python can load end in.
    """
    for folder in folders:
        package = folder / "gi"
        if (package / "__init__.py").is_file() and any((package / f"_gi{end}").is_file() for end in suffixes):
            return folder
    return None


def _package_at(folder: Path) -> Any:
    package = folder / "gi"
    spec = importlib.util.spec_from_file_location(
        "gi", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gi"] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        for name in [name for name in sys.modules if name == "gi" or name.startswith("gi.")]:
            del sys.modules[name]
        if isinstance(error, ImportError):
            fact = f"the system's PyGObject cannot be loaded ({error})"
            raise MissingGStreamer(fact, BINDING_PACKAGES) from error
        raise
    return module
