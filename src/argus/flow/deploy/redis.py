"""The broker of a system in a cluster: a Redis of its own where the graph names none, else where that one is.

Source: Redis, "Redis persistence" and "Key eviction"; Kubernetes API reference (StatefulSet).
"""

from __future__ import annotations

from typing import Any, Final

from argus.core.urls import mask_url
from argus.flow.deploy.layout import BROKER, REDIS_PORT, Layout
from argus.flow.deploy.settings import (
    BROKER_CONTROL,
    BROKER_DATA,
    REDIS_PASSWORD,
    DeploySettings,
    labels,
    literal,
    redis_name,
    secret_entry,
    selector,
)

IMAGE: Final = "redis:7.2.5-bookworm"
_USER: Final = 999
_GRACE_S: Final = 60
_STORAGE: Final = "10Gi"
_START: Final = (
    "exec redis-server --dir /data --appendonly yes --appendfsync everysec --maxmemory-policy noeviction "
    '--requirepass "$REDIS_PASSWORD"'
)
_PING: Final = 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli ping | grep -q PONG'


def redis_manifests(layout: Layout, settings: DeploySettings) -> list[dict[str, Any]]:
    """Return the Service and the StatefulSet of the system's own Redis; none where it needs none."""
    if not layout.own_broker:
        return []
    system, name = layout.graph.name, redis_name(layout.graph.name)
    port = {"name": "redis", "port": REDIS_PORT, "targetPort": "redis", "protocol": "TCP"}
    probe = {"exec": {"command": ["sh", "-c", _PING]}, "timeoutSeconds": 5}
    container = {
        "name": "redis",
        "image": IMAGE,
        "command": ["sh", "-c", _START],
        "env": [secret_entry("REDIS_PASSWORD", system, REDIS_PASSWORD)],
        "ports": [{"name": "redis", "containerPort": REDIS_PORT}],
        "resources": {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}},
        "readinessProbe": {**probe, "periodSeconds": 5},
        "livenessProbe": {**probe, "periodSeconds": 20, "failureThreshold": 5, "initialDelaySeconds": 30},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": settings.metadata(system, name, BROKER),
            "spec": {"selector": selector(system, BROKER)["matchLabels"], "ports": [port]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": settings.metadata(system, name, BROKER),
            "spec": {
                "serviceName": name,
                "replicas": 1,
                "selector": selector(system, BROKER),
                "template": {
                    "metadata": {"labels": labels(system, BROKER)},
                    "spec": {
                        "automountServiceAccountToken": False,
                        "enableServiceLinks": False,
                        "terminationGracePeriodSeconds": _GRACE_S,
                        "securityContext": {
                            "runAsNonRoot": True,
                            "runAsUser": _USER,
                            "runAsGroup": _USER,
                            "fsGroup": _USER,
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "containers": [container],
                    },
                },
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "data", "labels": labels(system, BROKER)},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": _STORAGE}},
                        },
                    }
                ],
            },
        },
    ]


def broker_env(layout: Layout) -> list[dict[str, Any]]:
    """Return the variables that say where Redis is; an address with a password is in the Secret."""
    system, broker = layout.graph.name, layout.graph.broker
    if layout.own_broker:
        address = f"redis://:$(REDIS_PASSWORD)@{redis_name(system)}:{REDIS_PORT}/0"
        return [
            secret_entry("REDIS_PASSWORD", system, REDIS_PASSWORD),
            {"name": "ARGUS_FLOW_BROKER", "value": address},
        ]
    entries = []
    for name, url, key in (
        ("ARGUS_FLOW_BROKER", broker.control, BROKER_CONTROL),
        ("ARGUS_FLOW_BROKER_DATA", broker.data, BROKER_DATA),
    ):
        if url is not None:
            secret = is_secret(url)
            entries.append(
                secret_entry(name, system, key) if secret else {"name": name, "value": literal(url)}
            )
    return entries


def is_secret(url: str) -> bool:
    """Return whether an address holds a name, a password or a key."""
    return mask_url(url) != url or "@" in url
