"""How a system goes to a cluster: names that are the same in every document, and what the user has chosen.

No secret is here, and none goes into a document: they name the Secret that holds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from argus.core.errors import SpecError
from argus.flow.deploy.names import label, label_value

FLOW_KEY: Final = "flow-key"
API_KEY: Final = "api-key"
REDIS_PASSWORD: Final = "redis-password"  # noqa: S105 - the name of an entry
BROKER_CONTROL: Final = "broker-control"
BROKER_DATA: Final = "broker-data"
SECRET: Final = re.compile(r"pass|pwd|token|secret|auth|key|cred", re.IGNORECASE)
"""Names of variables and params whose values are nobody's business."""
_REGISTRY: Final = re.compile(
    r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:\d{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
)
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class DeploySettings:
    """What the user has chosen."""

    registry: str
    """Where images are pushed to and pulled from: `ghcr.io/me`, `localhost:5000`."""
    tag: str = "latest"
    namespace: str | None = None
    """None: whichever `kubectl` uses."""

    def __post_init__(self) -> None:
        """Refuse what no image or namespace can be called."""
        if not _REGISTRY.fullmatch(self.registry):
            raise SpecError(f"--registry {self.registry}: write a host and a path, such as ghcr.io/me")
        if not _TAG.fullmatch(self.tag):
            raise SpecError(f"--tag {self.tag}: letters, digits, dots and dashes, at most 128")
        if self.namespace is not None and label(self.namespace) != self.namespace:
            raise SpecError(f"--namespace {self.namespace}: small letters, digits and dashes, a letter first")

    def image(self, name: str) -> str:
        """Return the image of a node whose objects are called so."""
        return f"{self.registry}/{name}:{self.tag}"

    def metadata(self, system: str, name: str, component: str, **more: Any) -> dict[str, Any]:
        """Return the metadata of an object."""
        return {
            "name": name,
            **({"namespace": self.namespace} if self.namespace else {}),
            "labels": {**labels(system, component), "app.kubernetes.io/version": label_value(self.tag)},
            **more,
        }


def labels(system: str, component: str) -> dict[str, str]:
    """Return the labels that tell one node, or the broker, of one system."""
    return {
        "app.kubernetes.io/name": label_value(component),
        "app.kubernetes.io/instance": label_value(system),
        "app.kubernetes.io/part-of": label_value(system),
        "app.kubernetes.io/managed-by": "argus",
    }


def selector(system: str, component: str) -> dict[str, Any]:
    """Return what selects the pods of one node, or of the broker."""
    own = labels(system, component)
    return {
        "matchLabels": {key: own[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")}
    }


def env_key(name: str) -> str:
    """Return where in the Secret the value of a node's variable is."""
    return f"env.{name}"


def literal(value: str) -> str:
    """Return a value that a cluster, which fills in `$(NAME)` and makes one sign of `$$`, gives as it is."""
    return value.replace("$", "$$")


def secret_name(system: str) -> str:
    """Return what the Secret with all keys is called; nobody but the user makes it."""
    return label(f"{system}-keys")


def settings_name(system: str) -> str:
    """Return what the ConfigMap is called."""
    return label(f"{system}-settings")


def redis_name(system: str) -> str:
    """Return what the objects of the broker are called."""
    return label(f"{system}-redis")


def secret_entry(name: str, system: str, key: str) -> dict[str, Any]:
    """Return a variable whose value is in the system's Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret_name(system), "key": key}}}
