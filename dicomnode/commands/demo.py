"""``dicomnode demo``: the whole way on loopback, with a phantom."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from dicomnode.commands.app import app, complain, console
from dicomnode.logs import start_logging

if TYPE_CHECKING:
    from dicomnode.demo.demonstration import Verified


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="For the picture and the node's store.")
    ] = Path("demo-out"),
    seed: Annotated[int, typer.Option(help="Of the phantom.")] = 1,
) -> None:
    """Make a chest CT phantom with marks, send it through a node to a stand-in PACS, verify.

    Leaves the node's store and a configuration, with which the lesions can be looked at in a
    browser.
    """
    # Matplotlib and the phantom take a second to import; no other command should wait for them.
    from dicomnode.demo.demonstration import DemonstrationFailed, demonstrate
    from dicomnode.demo.kept import WEB_PORT, NotReplaced, configuration_of, make_room
    from dicomnode.pictures.contact_sheet import save_contact_sheet

    start_logging("WARNING")
    try:
        shown = demonstrate(seed, console.print, make_room(out))
    except (DemonstrationFailed, NotReplaced) as error:
        raise complain(str(error)) from None
    picture = out / "contact_sheet.png"
    save_contact_sheet([one.panel for one in shown.nodules], picture)
    console.print(_table(shown.nodules))
    companions = ", ".join(f"{count} {kind}" for kind, count in shown.companions.items())
    console.print(f"beside the fractional SEGs came: {companions}")
    problems = [f"{one.kind}: {problem}" for one in shown.nodules for problem in one.problems]
    console.print(f"picture: {picture}")
    if problems:
        raise complain("\n".join(problems))
    console.print("Every result came back and is sound. Research software, not for diagnosis.")
    console.print("\nTo look at the lesions, run this and open the address in a browser:")
    for line in (
        f"{_program()} serve --config {shlex.quote(str(configuration_of(out)))}",
        f"http://127.0.0.1:{WEB_PORT}/lesions",
    ):
        console.print(f"    {line}", markup=False, highlight=False, soft_wrap=True)


def _program() -> str:
    """As it was called, so that what is printed can be run as it stands."""
    called = Path(sys.argv[0])
    return shlex.quote(str(called)) if called.name == "dicomnode" else "dicomnode"


def _table(verified: Sequence[Verified]) -> Table:
    table = Table(
        "", Column("kind", no_wrap=True), "mm", "soft ml", "true ml", "error", "Dice", "s", "SEG"
    )
    for number, one in enumerate(verified, start=1):
        table.add_row(
            str(number),
            one.kind,
            f"{one.diameter_mm:.1f}",
            f"{one.volume_ml:.2f}",
            f"{one.true_volume_ml:.2f}",
            f"{100 * (one.volume_ml / one.true_volume_ml - 1):+.0f} %",
            f"{one.dice:.3f}",
            f"{one.seconds:.1f}",
            "not sound" if one.problems else "sound",
        )
    return table
