"""What a workload may be: said where it is made, before anybody runs it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from argus.control.runtime.protocol import Limits, Probes, Workload
from argus.core.errors import SpecError


def test_a_name_that_is_no_label_is_refused() -> None:
    for name in ("", "..", "a/b", "A", "-a", "a-", "a.b", "a" * 64, "a\n", "ä", "a b", "a\0"):
        with pytest.raises(SpecError, match="at most 63 small letters"):
            Workload(name=name, command=("true",))
    assert msgspec.structs.replace(Workload(name="a", command=("true",)), name="a-1").name == "a-1"


@pytest.mark.parametrize(
    ("details", "says"),
    [
        ({"command": ()}, "no command"),
        ({"command": ("",)}, "no command"),
        ({"command": "true"}, "no command"),
        ({"command": ("a", "b\0c")}, "NUL"),
        ({"env": {"A": "\0"}}, "NUL"),
        ({"kind": "cron"}, "schedule"),
        ({"schedule": "0 2 * * *"}, "schedule"),
        ({"deadline_s": 0.0}, "deadline_s"),
        ({"deadline_s": float("nan")}, "deadline_s"),
        ({"retries": -1}, "retries"),
        ({"limits": Limits(memory_bytes=-5)}, "memory_bytes"),
        ({"limits": Limits(cpus=0)}, "cpus"),
        ({"probes": Probes(every_s=0)}, "every_s"),
    ],
)
def test_what_cannot_be_is_refused(details: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        Workload(**{"name": "one", "command": ("true",), **details})


def test_what_cannot_be_is_refused_also_where_it_comes_as_text() -> None:
    with pytest.raises(msgspec.ValidationError, match="at most 63"):
        msgspec.json.decode(b'{"name": "../../etc/cron.d/x", "command": ["true"]}', type=Workload)
