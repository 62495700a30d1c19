"""`argus up`, `down`, `status`, `logs` and `restart`: the control plane of this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from argus.cli.server import ServerOption, connect, named_well
from argus.cli.tables import Output, OutputOption, print_data, say


def up(
    filename: Annotated[
        list[str] | None,
        typer.Option("--filename", "-f", help="Resources to apply once it runs; as for `argus apply`."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Go on in the background.")] = False,
    host: Annotated[
        str, typer.Option(help="Where the API listens; beyond loopback it needs ARGUS_API_KEY.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Its port; 0: any that is free.")] = 7070,
    store: Annotated[
        str | None, typer.Option(envvar="ARGUS_STORE", help="Where resources are kept: `postgresql://…`.")
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(envvar="ARGUS_RESULTS", help="Where results are kept: `postgresql://…`, `mongodb://…`."),
    ] = None,
    blobs: Annotated[
        str | None,
        typer.Option(envvar="ARGUS_BLOBS", help="Where pictures, clips and uploads are: `s3://bucket`."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="How long things are kept: `events=30d`, `clips=7d,20GB`, `alerts=forever`, `logs=7d,100MB`."
        ),
    ] = None,
    allow_private: Annotated[
        bool, typer.Option(help="Let users have the server fetch from private addresses.")
    ] = False,
    leave_running: Annotated[
        bool, typer.Option(hidden=True, help="Leave what runs when it ends; how `-d` starts it.")
    ] = False,
) -> None:
    """Run the control plane on this machine, with everything that files declare.

    Nothing has to be installed first: resources and results are kept below ARGUS_HOME. In the foreground,
    Ctrl-C ends it with all that it has started; with -d it goes on until `argus down`.

    **Examples**

    `argus up -f argus.yaml`

    `argus up -d`

    `ARGUS_API_KEY=… argus up -d --host 0.0.0.0 --results postgresql://argus@db/argus`
    """
    import os

    from argus.cli.applying import drafts_in
    from argus.cli.up_running import in_background, in_foreground
    from argus.control.keeping import read_retention
    from argus.control.serve import Wish
    from argus.core.settings import read_settings

    drafts = drafts_in(filename or [])  # what is wrong with a file is said before anything starts
    wish = Wish(
        read_settings(),
        host=host,
        port=port,
        store=store,
        results=results,
        blobs=blobs,
        key=os.environ.get("ARGUS_API_KEY") or None,
        retention=read_retention(keep or ()),
        allow_private=allow_private,
    )
    if detach:
        in_background(wish, drafts, keep or ())
    else:
        in_foreground(wish, drafts, leave_running=leave_running)


def down(
    workers: Annotated[
        bool, typer.Option(help="End workers too; `--no-workers` leaves them watching, for a restart.")
    ] = True,
) -> None:
    """End the control plane of this machine and all that it runs. Resources and results stay.

    **Example**

    `argus down`
    """
    from argus.cli.up_running import end_all
    from argus.core.settings import read_settings

    end_all(read_settings(), workers=workers)


def status(output: OutputOption = Output.TABLE, server: ServerOption = None) -> None:
    """Show how the control plane, cameras, pipelines and workers are doing.

    **Example**

    `argus status`
    """
    from argus.cli.status_tables import print_status

    with connect(server) as client:
        told = client.status()
        if output is not Output.TABLE:
            print_data(told, output)
            return
        print_status(told, client.list(), client.workloads())


def logs(
    name: Annotated[str | None, typer.Argument(help="A workload; see `argus get workloads`.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    tail: Annotated[int, typer.Option("--tail", "-n", min=0, help="So many of the last lines.")] = 100,
    server: ServerOption = None,
) -> None:
    """Print what workloads print; without a name, that of all of them.

    **Examples**

    `argus logs worker-people-0 -f`

    `argus logs --tail 20`
    """
    import sys

    with connect(server) as client:

        def names() -> list[str]:
            return [item["metadata"]["name"] for item in client.workloads()]

        if name is not None:
            with named_well("workload", name, names):
                for data in client.logs(name, tail=tail, follow=follow):
                    sys.stdout.buffer.write(data)
                    sys.stdout.buffer.flush()
        elif all_ := names():
            _all_logs(server, all_, follow=follow, tail=tail)
        else:
            say("nothing runs: see `argus get pipelines`")


def restart(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Workloads; see `argus get workloads`.")
    ],
    server: ServerOption = None,
) -> None:
    """End workloads and start them again, as after a change of the machine. What they see is kept.

    A change of resources needs none of this: workers follow it while they run.

    **Example**

    `argus restart worker-people-0`
    """
    with connect(server) as client:
        for name in names:
            with named_well("workload", name, lambda: (w["metadata"]["name"] for w in client.workloads())):
                client.restart(name)
            typer.echo(f"workload/{name} restarted")


def _all_logs(server: str | None, names: list[str], *, follow: bool, tail: int) -> None:
    """Print several logs, each line with its workload's name."""
    import queue
    import sys
    import threading

    from argus.control.client import NotThere

    width = max(map(len, names))
    said: queue.Queue[tuple[str, bytes] | Exception | None] = queue.Queue(maxsize=1000)

    def read(name: str) -> None:
        rest = b""
        try:
            with connect(server) as client:
                for data in client.logs(name, tail=tail, follow=follow):
                    # What comes is cut anywhere: a line may come in two portions.
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        said.put((name, line))
            if rest:
                said.put((name, rest))
            said.put(None)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the lines
            said.put(error)

    for name in names:
        threading.Thread(target=read, args=(name,), daemon=True).start()
    left = len(names)
    while left:
        match said.get():
            case None:
                left -= 1
            case Exception() as error:
                if not isinstance(error, NotThere):  # it has ended meanwhile, and its log with it
                    raise error
                left -= 1
            case name, line:
                sys.stdout.write(f"{name.ljust(width)} | {line.decode(errors='replace')}\n")
                if said.empty():
                    sys.stdout.flush()
