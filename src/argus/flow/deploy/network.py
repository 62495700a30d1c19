"""Who may talk to whom in a cluster: what the links need, and nothing else.

A node without inputs takes what it has from outside, so it may connect to anything. A gateway's web port is
open to all, as it asks for a key.

Source: Kubernetes, "Network Policies".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from argus.flow.deploy.layout import BROKER, REDIS_PORT, Layout, Place
from argus.flow.deploy.settings import DeploySettings, redis_name, selector

_DNS_PORT = 53


def network_policies(layout: Layout, settings: DeploySettings) -> list[dict[str, Any]]:
    """Return a policy per node, and one for the system's own Redis."""
    policies = [_policy(layout, place, settings) for place in layout.places]
    if layout.own_broker:
        system = layout.graph.name
        users = [place.node.name for place in layout.places if place.brokered]
        policies.append(
            _document(
                settings,
                system,
                redis_name(system),
                BROKER,
                ingress=[{"from": _pods(system, users), "ports": _tcp([REDIS_PORT])}],
                egress=[],
            )
        )
    return policies


def _policy(layout: Layout, place: Place, settings: DeploySettings) -> dict[str, Any]:
    system = layout.graph.name
    ingress: list[dict[str, Any]] = []
    if place.given_to:
        ingress.append({"from": _pods(system, place.given_to), "ports": _tcp(place.ports.values())})
    if place.web is not None:
        ingress.append({"ports": _tcp([place.web])})
    egress: list[dict[str, Any]] = [{}] if place.begins else _egress(layout, place)
    return _document(settings, system, place.name, place.node.name, ingress=ingress, egress=egress)


def _egress(layout: Layout, place: Place) -> list[dict[str, Any]]:
    system = layout.graph.name
    rules: list[dict[str, Any]] = [
        {
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
            "ports": [{"protocol": kind, "port": _DNS_PORT} for kind in ("UDP", "TCP")],
        }
    ]
    rules += [
        {"to": _pods(system, [source]), "ports": _tcp(layout.place(source).ports.values())}
        for source in place.takes_from
    ]
    if place.brokered and layout.own_broker:
        rules.append({"to": _pods(system, [BROKER]), "ports": _tcp([REDIS_PORT])})
    elif place.brokered:
        # Where it is only its name says, and a policy knows no names.
        broker = layout.graph.broker
        ports = {urlsplit(url).port or REDIS_PORT for url in (broker.control, broker.data) if url is not None}
        rules.append({"ports": _tcp(sorted(ports))})
    return rules


def _document(
    settings: DeploySettings,
    system: str,
    name: str,
    component: str,
    *,
    ingress: list[dict[str, Any]],
    egress: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": settings.metadata(system, name, component),
        "spec": {
            "podSelector": selector(system, component),
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _pods(system: str, components: Iterable[str]) -> list[dict[str, Any]]:
    return [{"podSelector": selector(system, component)} for component in components]


def _tcp(ports: Iterable[int]) -> list[dict[str, Any]]:
    return [{"protocol": "TCP", "port": port} for port in ports]
