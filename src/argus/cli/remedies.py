"""What to do about what a control plane refuses, in commands: it speaks to those who speak HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LATER: Final = "try again in a moment; `argus status` says what does not answer"
_AGAIN: Final = "give the same command again: it goes on where this one ended"
_OTHER: Final = "another version of Argus may run there: see `argus status`"

REMEDIES: Final[Mapping[str, str]] = {
    "blobs-unavailable": _LATER,
    "busy": f"wait until the other `argus upload` of it has ended, then {_AGAIN}",
    "elsewhere": _AGAIN,
    "exists": "change it with `argus apply`, or take another name",
    "key-missing": "set ARGUS_API_KEY to the key that the server was started with",
    "no-body": "an empty file is nothing to send",
    "no-path": _OTHER,
    "no-picture": "try again when it is online; `argus describe camera NAME` says how it is",
    "not-found": "`argus get all` and `argus get workloads` list what there is; what is old expires",
    "nothing-before": "`argus models swap` names others",
    "nothing-runs": "`argus jobs suspend` holds it; `argus delete job` removes it and its results",
    "results-unavailable": _LATER,
    "runtime-unavailable": _LATER,
    "store-unavailable": _LATER,
    "too-large": "apply fewer files at once; recordings go with `argus upload`",
    "too-slow": _AGAIN,
    "worker-silent": "try again in a moment; `argus get workloads` says how it is",
    "wrong-method": _OTHER,
}
"""By the kind of problem; where none is said here, the server's own words fit."""
