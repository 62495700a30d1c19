"""`argus deploy`: a system as manifests and Dockerfiles for a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from argus.cli.flow_systems import TheOneOfFile


def deploy(
    file: Annotated[Path, typer.Argument(metavar="MAIN.py", help="The file that defines the system.")],
    registry: Annotated[
        str, typer.Option("--registry", "-r", help="Where images are pulled from, such as `ghcr.io/me`.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", metavar="DIR", help="Write files here, Dockerfiles too.", show_default="print the manifests"
        ),
    ] = None,
    tag: Annotated[str, typer.Option(help="Of the images.")] = "latest",
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Of all objects.", show_default="kubectl's own")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    system: TheOneOfFile = None,
) -> None:
    """Write what a Kubernetes cluster needs to run a system: each node in pods of its own.

    A Deployment per node, Services, NetworkPolicies, a Redis where DURABLE links need one, and a Dockerfile
    per node from its `node.toml`. Nothing is built, pushed or applied. Keys and passwords are in a Secret
    that only you make; the first file says how. Other files in the folder stay as they are.

    **Examples**

    `argus deploy main.py --registry ghcr.io/me -o deploy`

    `argus deploy main.py --registry localhost:5000 | kubectl apply -f -`
    """
    from argus.flow.checks import check
    from argus.flow.deploy.documents import documents, joined, write_documents
    from argus.flow.deploy.settings import DeploySettings
    from argus.flow.system import load_graph

    settings = DeploySettings(registry, tag, namespace)
    graph = load_graph(file, system)
    check(graph)
    files = documents(graph, settings)
    if out is None:
        typer.echo(joined(files), nl=False)
    elif dry_run:
        for name in files:
            typer.echo(f"would write {out / name}")
    else:
        changed = write_documents(files, out)
        for path in changed:
            typer.echo(path)
        same = len(files) - len(changed)
        if same:
            typer.echo(f"{same} files were so already", err=True)
