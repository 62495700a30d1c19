"""A system as manifests: valid, complete, and without secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from argus.core.errors import SpecError
from argus.flow.deploy.documents import documents
from argus.flow.deploy.settings import DeploySettings
from argus.flow.graph import Graph, NodeSpec, Target
from argus.flow.system import load_graph
from tests.flow.deploy.conftest import system_in
from tests.flow.deploy.schema import Schema

SETTINGS = DeploySettings("ghcr.io/me", "1.2", "robots")


def manifests(file: Path, settings: DeploySettings = SETTINGS) -> list[dict[str, Any]]:
    files = documents(load_graph(file), settings)
    return [one for name, text in files.items() if name.endswith(".yaml") for one in yaml.safe_load_all(text)]


def of(found: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    [one] = [m for m in found if m["kind"] == kind and m["metadata"]["name"] == name]
    return one


def pod(found: list[dict[str, Any]], name: str) -> dict[str, Any]:
    spec: dict[str, Any] = of(found, "Deployment", name)["spec"]["template"]["spec"]
    return spec


def env(found: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in pod(found, name)["containers"][0]["env"]}


@pytest.mark.parametrize(
    ("broker", "log"),
    [
        ("", "DURABLE"),
        ("", "REALTIME"),
        ("redis://cache:6379/1", "DURABLE"),
        ("rediss://:pw@cache/0", "DURABLE"),
    ],
)
def test_every_manifest_is_valid(tmp_path: Path, schema: Schema, broker: str, log: str) -> None:
    found = manifests(system_in(tmp_path, broker=broker, log=log))
    assert len(found) > 10
    assert [fault for one in found for fault in schema.faults(one)] == []


def test_an_unknown_field_or_a_wrong_type_is_a_fault(main_py: Path, schema: Schema) -> None:
    found = of(manifests(main_py), "Deployment", "my-robot-yolo")
    found["spec"]["replica"] = 2
    found["spec"]["replicas"] = "2"
    found["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = 4
    del found["spec"]["selector"]
    assert schema.faults(found) == [
        "Deployment.spec: there is no field replica",
        "Deployment.spec: selector is missing",
        "Deployment.spec.replicas: '2' is no integer",
        "Deployment.spec.template.spec.containers[0].resources.limits.memory: 4 is no quantity",
    ]
    assert schema.faults({"apiVersion": "v1", "kind": "Deployment"}) == ["there is no Deployment in v1"]


def test_each_node_is_a_deployment_with_what_it_asks_for(main_py: Path) -> None:
    found = manifests(main_py)
    names = [m["metadata"]["name"] for m in found if m["kind"] == "Deployment"]
    assert names == ["my-robot-camera", "my-robot-yolo", "my-robot-gateway", "my-robot-logger"]
    assert of(found, "Deployment", "my-robot-yolo")["spec"]["replicas"] == 2
    yolo = pod(found, "my-robot-yolo")
    assert yolo["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    [container] = yolo["containers"]
    assert container["image"] == "ghcr.io/me/my-robot-yolo:1.2"
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "4Gi"},
        "limits": {"memory": "4Gi", "nvidia.com/gpu": "1"},
    }
    assert "resources" not in pod(found, "my-robot-logger")["containers"][0]


def test_pods_are_told_little_and_allowed_less(main_py: Path) -> None:
    found = manifests(main_py)
    for name in ("my-robot-camera", "my-robot-gateway"):
        spec = pod(found, name)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        rights = spec["containers"][0]["securityContext"]
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["capabilities"] == {"drop": ["ALL"]}


def test_selectors_services_and_policies_fit_the_pods(main_py: Path) -> None:
    found = manifests(main_py)
    pods = {
        m["metadata"]["name"]: m["spec"]["template"]
        for m in found
        if m["kind"] in {"Deployment", "StatefulSet"}
    }

    def chosen(wanted: dict[str, str]) -> list[str]:
        return [n for n, p in pods.items() if wanted.items() <= p["metadata"]["labels"].items()]

    for one in found:
        name, spec = one["metadata"]["name"], one.get("spec", {})
        if one["kind"] in {"Deployment", "StatefulSet"}:
            assert chosen(spec["selector"]["matchLabels"]) == [name]
        if one["kind"] == "Service":
            assert chosen(spec["selector"]) == [name]
            ports = {p["name"] for p in pods[name]["spec"]["containers"][0]["ports"]}
            assert {p["targetPort"] for p in spec["ports"]} <= ports
        if one["kind"] == "NetworkPolicy":
            assert chosen(spec["podSelector"]["matchLabels"]) == [name]


def test_who_is_taken_from_has_a_service_and_lets_in_only_who_takes(main_py: Path) -> None:
    found = manifests(main_py)
    services = {m["metadata"]["name"]: m["spec"] for m in found if m["kind"] == "Service"}
    assert set(services) == {"my-robot-camera", "my-robot-yolo", "my-robot-gateway", "my-robot-redis"}
    [port] = services["my-robot-camera"]["ports"]
    policy = of(found, "NetworkPolicy", "my-robot-camera")["spec"]
    [rule] = policy["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port["port"]}]
    [allowed] = rule["from"]
    assert allowed["podSelector"]["matchLabels"]["app.kubernetes.io/name"] == "yolo"
    assert of(found, "NetworkPolicy", "my-robot-logger")["spec"]["ingress"] == []
    assert "clusterIP" not in services["my-robot-camera"]
    assert services["my-robot-yolo"]["clusterIP"] == "None"


def test_pods_learn_where_the_others_are(main_py: Path) -> None:
    found = manifests(main_py)
    hosts = of(found, "ConfigMap", "my-robot-settings")["data"]["ARGUS_FLOW_HOSTS"]
    assert "camera=my-robot-camera" in hosts.split(",")
    reference = env(found, "my-robot-yolo")["ARGUS_FLOW_HOSTS"]["valueFrom"]["configMapKeyRef"]
    assert reference == {"name": "my-robot-settings", "key": "ARGUS_FLOW_HOSTS"}


def test_a_change_of_the_settings_starts_the_pods_again(main_py: Path) -> None:
    before = manifests(main_py)
    main_py.write_text(main_py.read_text().replace("replicas=2", "replicas=3"))
    after = manifests(main_py)
    notes = [
        of(found, "Deployment", "my-robot-logger")["spec"]["template"]["metadata"]["annotations"]
        for found in (before, after)
    ]
    assert notes[0] != notes[1]


def test_a_gateway_listens_for_others_and_is_looked_at(main_py: Path) -> None:
    [container] = pod(manifests(main_py), "my-robot-gateway")["containers"]
    assert container["args"][:6] == ["argus", "flow", "run", "main.py", "--only", "gateway"]
    assert "--params=gateway.host=0.0.0.0" in container["args"]
    assert container["ports"] == [{"name": "web", "containerPort": 8080}]
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "web"}


def test_durable_links_bring_a_redis_that_writes_to_a_disk(main_py: Path) -> None:
    found = manifests(main_py)
    redis = of(found, "StatefulSet", "my-robot-redis")["spec"]
    assert "--appendonly yes" in redis["template"]["spec"]["containers"][0]["command"][-1]
    assert redis["volumeClaimTemplates"][0]["metadata"]["name"] == "data"
    logger = env(found, "my-robot-logger")
    assert logger["ARGUS_FLOW_BROKER"]["value"] == "redis://:$(REDIS_PASSWORD)@my-robot-redis:6379/0"
    assert list(logger).index("REDIS_PASSWORD") < list(logger).index("ARGUS_FLOW_BROKER")
    assert "ARGUS_FLOW_BROKER" not in env(found, "my-robot-gateway")


def test_without_durable_links_or_with_a_broker_there_is_no_redis(tmp_path: Path) -> None:
    for settings in ({"log": "REALTIME"}, {"broker": "redis://cache:6380/1"}):
        found = manifests(system_in(tmp_path, **settings))
        assert not [m for m in found if m["kind"] == "StatefulSet"]
    assert env(found, "my-robot-logger")["ARGUS_FLOW_BROKER"]["value"] == "redis://cache:6380/1"
    policy = of(found, "NetworkPolicy", "my-robot-logger")["spec"]
    assert {"ports": [{"protocol": "TCP", "port": 6380}]} in policy["egress"]


def test_no_secret_is_written(tmp_path: Path) -> None:
    file = system_in(tmp_path, broker="redis://:br0ker@cache:6379/0")
    files = documents(load_graph(file), SETTINGS)
    text = "\n".join(files.values())
    for secret in ("hunter2", "s3cr3t", "br0ker"):
        assert secret not in text
    assert str(tmp_path) not in text
    found = manifests(file)
    camera = env(found, "my-robot-camera")
    assert camera["HF_TOKEN"]["valueFrom"]["secretKeyRef"] == {"name": "my-robot-keys", "key": "env.HF_TOKEN"}
    assert camera["MODE"]["value"] == "fast"
    assert camera["SIGN"]["value"] == "$$$$(A)$$"
    assert camera["ARGUS_FLOW_BROKER"]["valueFrom"]["secretKeyRef"]["key"] == "broker-control"
    for key in ("flow-key", "api-key", "broker-control", "env.HF_TOKEN"):
        assert f"--from-literal={key}=" in files["settings.yaml"]


def test_the_same_system_gives_the_same_documents(main_py: Path) -> None:
    assert documents(load_graph(main_py), SETTINGS) == documents(load_graph(main_py), SETTINGS)


def test_names_become_dns_labels_that_differ() -> None:
    from argus.flow.deploy.names import label, object_names

    assert label("my-robot-camera") == "my-robot-camera"
    assert label("Front Door") != label("front_door")
    for text in ("Front Door", "9lives", "ü", "x" * 90, "a_" * 40):
        assert len(label(text)) <= 52
        assert label(text).replace("-", "").isalnum()
        assert label(text)[0].isalpha()
    assert len(set(object_names("s", ["a_b", "a-b", "A.B"]).values())) == 3


def test_what_a_cluster_cannot_do_is_said_all_at_once(tmp_path: Path) -> None:
    nodes = tuple(
        NodeSpec(
            name=name, target=Target(kind="module", where="argus.flow.nodes.camera"), device=device, arch=arch
        )
        for name, device, arch in (("a", "tpu", None), ("b", None, "sparc"))
    )
    graph = Graph(name="s", nodes=nodes, links=(), script=str(tmp_path / "main.py"), folder=str(tmp_path))
    with pytest.raises(SpecError, match=r"(?s)'tpu'.*'sparc'"):
        documents(graph, SETTINGS)


@pytest.mark.parametrize("wrong", ["", "my registry", "https://ghcr.io/me", "a/B C"])
def test_a_registry_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(SpecError, match="--registry"):
        DeploySettings(wrong)


def test_an_amount_that_is_none_is_refused(main_py: Path) -> None:
    main_py.write_text(main_py.read_text().replace('"4Gi"', '"lots"'))
    with pytest.raises(SpecError, match="'lots' is no amount"):
        manifests(main_py)
