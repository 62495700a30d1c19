"""All documents of a system, by the file that each belongs in, and writing them.

What is in a folder and not ours stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from argus.core.errors import OutputError
from argus.flow.deploy.dockerfile import dockerfile
from argus.flow.deploy.layout import Layout, layout_of
from argus.flow.deploy.manifests import config_map, deployment, service
from argus.flow.deploy.network import network_policies
from argus.flow.deploy.redis import is_secret, redis_manifests
from argus.flow.deploy.settings import (
    API_KEY,
    BROKER_CONTROL,
    BROKER_DATA,
    FLOW_KEY,
    REDIS_PASSWORD,
    SECRET,
    DeploySettings,
    env_key,
    secret_name,
)
from argus.flow.graph import Graph

MARK: Final = "Written by `argus deploy`"
"""In the first lines of each file of ours."""


def documents(graph: Graph, settings: DeploySettings) -> dict[str, str]:
    """Return the content of each file, by its path below the folder they are written to; always the same.

    Raises:
        SpecError: the system cannot run in a cluster; every fault is listed.
    """
    layout = layout_of(graph)
    files = {
        "settings.yaml": _yaml(
            [config_map(layout, settings)],
            f"Settings of {graph.name}. {MARK}; apply it before the rest.\n{_secrets(layout, settings)}",
        )
    }
    if broker := redis_manifests(layout, settings):
        files["redis.yaml"] = _yaml(
            broker, f"The Redis that the DURABLE links of {graph.name} go through. {MARK}."
        )
    for place in layout.places:
        name = place.node.name
        mine = [deployment(layout, place, settings)]
        if (own := service(layout, place, settings)) is not None:
            mine.insert(0, own)
        docker = f"docker/{place.name}.Dockerfile"
        files[f"nodes/{place.name}.yaml"] = _yaml(
            mine, f"Node {name} of {graph.name}. {MARK}; its image is made by {docker}."
        )
        files[docker] = dockerfile(graph, place, image=settings.image(place.name), path=docker)
    files["network.yaml"] = _yaml(
        network_policies(layout, settings),
        f"Who may talk to whom in {graph.name}: what its links need. {MARK}.",
    )
    return files


def write_documents(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write the files; return those that were not so already. Other files in the folder stay as they are.

    Raises:
        OutputError: one of them cannot be written, or is somebody else's.
    """
    for name in files:
        path = folder / name
        if path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace")[:1000]:
            raise OutputError(path, "it was not written by `argus deploy`: move it, or choose another folder")
    changed = []
    for name, text in files.items():
        path = folder / name
        try:
            if path.is_file() and path.read_text(encoding="utf-8") == text:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(path, error.strerror or error) from error
        changed.append(path)
    return changed


def joined(files: Mapping[str, str]) -> str:
    """Return all manifests as one stream that `kubectl apply -f -` reads; Dockerfiles are left out."""
    return "---\n".join(text for name, text in files.items() if name.endswith(".yaml"))


def _secrets(layout: Layout, settings: DeploySettings) -> str:
    """Return how to make the Secret that the documents name."""
    broker = layout.graph.broker
    keys = []
    if any(place.ports for place in layout.places):
        keys.append((FLOW_KEY, "$(openssl rand -hex 32)"))
    if any(place.web is not None for place in layout.places):
        keys.append((API_KEY, "$(openssl rand -hex 32)"))
    if layout.own_broker:
        keys.append((REDIS_PASSWORD, "$(openssl rand -hex 32)"))
    elif layout.brokered:
        keys += [
            (key, "redis://…")
            for key, url in ((BROKER_CONTROL, broker.control), (BROKER_DATA, broker.data))
            if url is not None and is_secret(url)
        ]
    keys += [
        (env_key(name), "…")
        for name in sorted(
            {name for place in layout.places for name in place.node.env if SECRET.search(name)}
        )
    ]
    if not keys:
        return "It needs no Secret."
    where = f" --namespace {settings.namespace}" if settings.namespace else ""
    lines = [f"kubectl create secret generic {secret_name(layout.graph.name)}{where}"]
    lines += [f"  --from-literal={key}={value}" for key, value in keys]
    return "Keys and passwords are in a Secret that only you make:\n  " + " \\\n  ".join(lines)


class _Writer(yaml.SafeDumper):
    """Indents lists, writes texts of several lines as such, and repeats instead of pointing back."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(writer: yaml.SafeDumper, value: str) -> yaml.Node:
    style = "|" if "\n" in value else None
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Writer.add_representer(str, _text)


def _yaml(manifests: Sequence[Mapping[str, Any]], header: str) -> str:
    head = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    body = "---\n".join(
        yaml.dump(dict(each), Dumper=_Writer, sort_keys=False, width=110, allow_unicode=True)
        for each in manifests
    )
    return head + body
