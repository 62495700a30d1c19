"""`argus flow logs`: what the processes of a system print."""

from __future__ import annotations

from typing import Annotated

import typer

from argus.cli.flow_systems import SystemOption, known_system
from argus.cli.tables import say


def logs(
    node: Annotated[
        str | None, typer.Argument(metavar="[NODE]", help="Only this node, or one replica: `yolo.1`.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Lines of each process to begin with.")
    ] = 50,
    system: SystemOption = None,
) -> None:
    """Show what nodes have printed and logged, also of a system that has ended.

    **Examples**

    `argus flow logs yolo -f`

    `argus flow logs --system my-robot -n 200`
    """
    import time

    from argus.flow.home import logs_of
    from argus.flow.loglines import Follower, in_words, last_lines, log_files

    folder = logs_of(known_system(system))
    follower = Follower(folder, node)
    files = log_files(folder, node)
    if not files and not follow:
        say(f"nothing was logged in {folder} yet")
    width = max((len(file.stem) for file in files), default=0)
    single = len(files) == 1
    for file in files:
        for line in last_lines(file, lines):
            typer.echo(line.text if single else in_words(line, width))
    while follow:
        for line in follower.take():
            typer.echo(line.text if single else in_words(line, width))
        time.sleep(0.2)
