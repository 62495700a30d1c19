"""The objects of a cluster that run a system: a Deployment per node, Services, and its settings.

Values only, as `kubectl` reads them; how they are written is `documents`. The broker is `redis`, who may talk
to whom `network`.

Source: Kubernetes API reference (apps/v1, v1); "Pod Security Standards", profile Restricted.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from typing import Any, Final

import msgspec

from argus.core.errors import SpecError
from argus.core.urls import MASK, mask_urls
from argus.flow.deploy.dockerfile import HOME, USER
from argus.flow.deploy.layout import Layout, Place
from argus.flow.deploy.redis import broker_env
from argus.flow.deploy.settings import (
    API_KEY,
    FLOW_KEY,
    SECRET,
    DeploySettings,
    env_key,
    labels,
    literal,
    secret_entry,
    selector,
    settings_name,
)
from argus.flow.graph import Broker, NodeSpec

Manifest = dict[str, Any]
GRACE_S: Final = 30
_QUANTITY: Final = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_ALIVE: Final = "from argus.flow.control import running; raise SystemExit(not running())"


def config_map(layout: Layout, settings: DeploySettings) -> Manifest:
    """Return the settings of all pods, and the graph for people and tools; no secret is in it."""
    graph = layout.graph
    shown = msgspec.structs.replace(
        graph,
        broker=Broker(),
        script=None,
        folder=".",
        nodes=tuple(_shown(node, graph.folder) for node in graph.nodes),
    )
    hosts = ",".join(f"{place.node.name}={place.name}" for place in layout.places)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": settings.metadata(graph.name, settings_name(graph.name), "settings"),
        "data": {
            "ARGUS_FLOW_HOSTS": hosts,
            "graph.json": msgspec.json.format(msgspec.json.encode(shown, order="deterministic")).decode(),
        },
    }


def deployment(layout: Layout, place: Place, settings: DeploySettings) -> Manifest:
    """Return the Deployment of a node.

    Raises:
        SpecError: it asks for an amount that is none.
    """
    system, node = layout.graph.name, place.node
    told = hashlib.sha256(msgspec.json.encode(config_map(layout, settings)["data"])).hexdigest()[:16]
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(layout, place, settings)],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "home", "emptyDir": {}}],
    }
    if node.arch is not None:
        pod["nodeSelector"] = {"kubernetes.io/arch": node.arch}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": settings.metadata(system, place.name, node.name),
        "spec": {
            "replicas": node.replicas,
            "selector": selector(system, node.name),
            # Two of one camera at the same time would be two cameras.
            "strategy": {"type": "Recreate"}
            if place.begins
            else {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": {
                "metadata": {
                    "labels": labels(system, node.name),
                    "annotations": {"argus.dev/settings": told},
                },
                "spec": pod,
            },
        },
    }


def service(layout: Layout, place: Place, settings: DeploySettings) -> Manifest | None:
    """Return the Service of a node that others take from, or that shows the system; None for others."""
    ports = [(name, number) for name, number in place.ports.items()]
    ports += [("web", place.web)] if place.web is not None else []
    if not ports:
        return None
    system, node = layout.graph.name, place.node
    spec: dict[str, Any] = {
        "selector": selector(system, node.name)["matchLabels"],
        "ports": [
            {"name": name, "port": number, "targetPort": name, "protocol": "TCP"} for name, number in ports
        ],
    }
    if place.ports and node.replicas > 1:
        # Whoever takes from it takes from all of its pods, so the name leads to each of them.
        spec = {"clusterIP": "None", **spec}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": settings.metadata(system, place.name, node.name),
        "spec": spec,
    }


def _shown(node: NodeSpec, folder: str) -> NodeSpec:
    """Return a node without what may be secret, and without paths of this machine."""
    target = node.target
    if target.kind != "module":
        target = msgspec.structs.replace(target, where=os.path.relpath(target.where, folder))
    return msgspec.structs.replace(node, target=target, env={}, params=_masked(node.params))


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: MASK if SECRET.search(str(key)) else _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    if isinstance(value, str):
        return mask_urls(value)
    return value if isinstance(value, int | float | bool | None) else str(value)


def _container(layout: Layout, place: Place, settings: DeploySettings) -> dict[str, Any]:
    node = place.node
    container: dict[str, Any] = {"name": "node", "image": settings.image(place.name)}
    arguments = _arguments(layout, place)
    if arguments:
        container["args"] = arguments
    container["env"] = _env(layout, place)
    ports = [{"name": name, "containerPort": number} for name, number in place.ports.items()]
    if place.web is not None:
        ports.append({"name": "web", "containerPort": place.web})
    if ports:
        container["ports"] = ports
    resources = _resources(place)
    if resources:
        container["resources"] = resources
    alive = {"exec": {"command": ["python", "-c", _ALIVE]}, "timeoutSeconds": 10}
    container["startupProbe"] = {
        **alive,
        "periodSeconds": 5,
        "failureThreshold": max(6, math.ceil(node.start_deadline_s / 5)),
    }
    container["livenessProbe"] = {**alive, "periodSeconds": 30, "failureThreshold": 3}
    if place.web is not None:
        container["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": "web"}, "periodSeconds": 5}
    elif place.ports:
        container["readinessProbe"] = {"tcpSocket": {"port": next(iter(place.ports))}, "periodSeconds": 5}
    container["securityContext"] = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}, {"name": "home", "mountPath": HOME}]  # noqa: S108
    return container


def _arguments(layout: Layout, place: Place) -> list[str]:
    """Return the command of a gateway, which must be reached from outside; none: as the image says."""
    if place.web is None or place.node.params.get("host") not in {None, "127.0.0.1", "localhost"}:
        return []
    script = (layout.graph.script or "main.py").rpartition("/")[2]
    name = place.node.name
    changed = [f"{name}.host=0.0.0.0", f"{name}.port={place.web}"]
    return ["argus", "flow", "run", script, "--only", name, *(f"--params={change}" for change in changed)]


def _env(layout: Layout, place: Place) -> list[dict[str, Any]]:
    system = layout.graph.name
    entries: list[dict[str, Any]] = [
        {"name": "ARGUS_HOME", "value": HOME},
        {"name": "ARGUS_FLOW_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {
            "name": "ARGUS_FLOW_HOSTS",
            "valueFrom": {"configMapKeyRef": {"name": settings_name(system), "key": "ARGUS_FLOW_HOSTS"}},
        },
    ]
    if place.ports or place.takes_from:
        entries.append(secret_entry("ARGUS_FLOW_KEY", system, FLOW_KEY))
    if place.web is not None:
        entries.append(secret_entry("ARGUS_API_KEY", system, API_KEY))
    if place.brokered:
        entries += broker_env(layout)
    known = {entry["name"] for entry in entries}
    for name, value in sorted(place.node.env.items()):
        if name in known:
            continue
        entries.append(
            secret_entry(name, system, env_key(name))
            if SECRET.search(name)
            else {"name": name, "value": literal(value)}
        )
    return entries


def _resources(place: Place) -> dict[str, Any]:
    asked = dict(sorted(place.node.resources.items()))
    for kind, amount in asked.items():
        if not _QUANTITY.fullmatch(str(amount)):
            raise SpecError(
                f"node {place.node.name}: resources: {kind}: {amount!r} is no amount: "
                "write 500m, 2, 512Mi or 1Gi"
            )
    # A process that outgrows its memory ends alone; one that could use an idle core may.
    limits = {kind: str(amount) for kind, amount in asked.items() if kind != "cpu"}
    if place.gpu:
        limits.setdefault("nvidia.com/gpu", "1")
    requests = {kind: str(amount) for kind, amount in asked.items() if "/" not in kind}
    return {**({"requests": requests} if requests else {}), **({"limits": limits} if limits else {})}
