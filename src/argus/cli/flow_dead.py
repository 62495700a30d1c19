"""`argus flow dead`: messages that were given up, after their last try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from argus.cli.flow_systems import SystemOption, known_system
from argus.cli.tables import Output, OutputOption, print_data, print_facts, print_items, say, size_text
from argus.core.errors import SpecError

if TYPE_CHECKING:
    from argus.flow.letter_box import LetterBox
    from argus.flow.status import DeadLetter

app = typer.Typer(
    name="dead",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Dead letters: messages of DURABLE links that were given up.",
)
LinkArgument = Annotated[
    str | None,
    typer.Argument(metavar="[LINK]", help="Only of this link: `'camera->logger'`.", show_default="all links"),
]
IdOption = Annotated[
    list[str] | None,
    typer.Option(
        "--id", help="Only this letter, or the one that begins so; may be repeated.", show_default="all"
    ),
]


@app.command("list")
def list_letters(
    link: LinkArgument = None, system: SystemOption = None, output: OutputOption = Output.TABLE
) -> None:
    """The dead letters, oldest first, with the last line of what went wrong. The system need not run.

    **Example**

    `argus flow dead list 'camera->logger'`
    """
    import msgspec

    box = _box(system)
    found = box.list(link)
    if box.out_of_reach:
        say(
            f"{box.system} does not run, and its file cannot be read: letters of links over Redis are listed "
            "when one of the two is so"
        )
    if output is Output.TABLE and not found:
        say(f"{box.system} has no dead letters")
        return
    print_items(
        [msgspec.to_builtins(letter) for letter in found],
        output,
        ["ID", "LINK", "AT", "TRIES", "SIZE", "REASON"],
        [
            [
                letter.id,
                letter.link,
                letter.at,
                str(letter.tries),
                size_text(letter.size),
                _summary(letter.reason),
            ]
            for letter in found
        ],
    )
    if output is Output.TABLE and (gone := box.gone(link)):
        say(f"{gone} older ones had to make room")


@app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="The letter, or how its id begins or ends.")],
    system: SystemOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one dead letter: where it was going, what went wrong, and what is in it.

    **Example**

    `argus flow dead show 20260301T101500`
    """
    import msgspec

    from argus.flow.codec import decode
    from argus.flow.telling import plain
    from argus.flow.wire import unlay

    box = _box(system)
    [found] = _chosen(box, None, [letter])
    header, value = decode(*unlay(memoryview(box.read(found))))
    told = plain(value)
    data = {**msgspec.to_builtins(found), "header": msgspec.to_builtins(header), "value": told}
    way = " → ".join(hop.node for hop in header.hops)
    print_facts(
        data,
        output,
        [
            ("letter", found.id),
            ("link", found.link),
            ("message", found.message),
            ("given up", f"{found.at}, after {found.tries} tries"),
            ("frame", f"{header.origin.source} {header.origin.index} at {header.origin.time_s:.3f} s"),
            ("way", way),
            ("size", size_text(found.size)),
            ("reason", found.reason.rstrip()),
            ("value", str(told)),
        ],
    )


@app.command()
def replay(link: LinkArgument = None, ids: IdOption = None, system: SystemOption = None) -> None:
    """Send dead letters again, to a system that runs.

    They go to the end of their link, and are tried as often as any message.

    **Examples**

    `argus flow dead replay 'camera->logger'`

    `argus flow dead replay --id 20260301T101500`
    """
    box = _box(system)
    typer.echo(f"{box.replay(_chosen(box, link, ids))} sent again")


@app.command()
def drop(
    link: LinkArgument = None,
    ids: IdOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Those of all links.")] = False,
    system: SystemOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove dead letters for good.

    **Examples**

    `argus flow dead drop 'camera->logger'`

    `argus flow dead drop --all`
    """
    if link is None and not ids and not everything:
        raise SpecError("which? name a link, letters with --id, or --all")
    box = _box(system)
    found = _chosen(box, link, ids)
    for letter in found:
        box.drop(letter)
    if output is Output.TABLE:
        typer.echo(f"{len(found)} removed")
    else:
        print_data({"items": [letter.id for letter in found]}, output)


def _box(system: str | None) -> LetterBox:
    from argus.flow.letter_box import LetterBox

    return LetterBox(known_system(system))


def _chosen(box: LetterBox, link: str | None, ids: list[str] | None) -> list[DeadLetter]:
    """Return the letters of a link with certain ids, or beginnings or ends of them.

    Raises:
        SpecError: an id is of none, or of several.
    """
    there = box.list(link)
    if not ids:
        return there
    found: list[DeadLetter] = []
    for id_ in ids:
        fitting = [letter for letter in there if letter.id.startswith(id_) or letter.id.endswith(id_)]
        if len(fitting) != 1:
            many = (
                f"{len(fitting)} letters are called so: write more of it"
                if fitting
                else "there is no such letter"
            )
            raise SpecError(f"{id_}: {many}; `argus flow dead list` shows them")
        found += fitting
    return list({(letter.link, letter.id): letter for letter in found}.values())


def _summary(reason: str) -> str:
    """Return what a traceback ends with; of a damaged letter, that it is."""
    lines = reason.strip().splitlines() or [""]
    return lines[0] if "damaged" in lines[0] else lines[-1]
