"""``dicomnode testcard``: what does the viewer behind a destination show?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.logs import start_logging
from dicomnode.settings import Destination, NodeSettings


@app.command("testcard")
def check_viewer(
    destination: Annotated[str, typer.Argument(help="Its name in the configuration.")],
    answers: Annotated[
        Path | None,
        typer.Option(help="Filled-in answers: say what the destination should be told."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="For sheet and answers.")] = Path(),
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Send a phantom study in every kind of object, with a sheet to tick what the viewer shows.

    The study is the same each time: sent again, it takes its own place. Delete it when done.
    Research only, not for diagnosis.
    """
    settings = configured(config)
    try:
        peer = settings.destination(destination)
    except KeyError as error:
        raise complain(error.args[0]) from None
    if answers is not None:
        _say_profile(answers, peer)
    else:
        _send(peer, settings, out)


def _say_profile(path: Path, destination: Destination) -> None:
    from dicomnode.testcard.answers import UnusableAnswers, read_answers
    from dicomnode.testcard.fragment import fragment
    from dicomnode.testcard.profile import NothingArrived

    try:
        found = read_answers(path)
    except UnusableAnswers as problem:
        raise complain(f"{path}: {problem}") from None
    name = destination.name
    if found.destination != name:
        raise complain(f"{path}: found answers of {found.destination!r}, expected {name!r}")
    try:
        # Lines of configuration, to be copied as they are.
        typer.echo(fragment(found, destination), nl=False)
    except NothingArrived as problem:
        raise complain(f"{path}: {problem}") from None


def _send(destination: Destination, settings: NodeSettings, out: Path) -> None:
    # Matplotlib and highdicom take seconds to import; no other command should wait for them.
    from dicomnode.testcard.answers import blank_answers
    from dicomnode.testcard.card import card
    from dicomnode.testcard.sending import CardNotAccepted, send_card
    from dicomnode.testcard.sheet import save_sheet

    start_logging("ERROR")
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in destination.name)
    sheet, blank = out / f"testcard-{name}.pdf", out / f"testcard-{name}.toml"
    if blank.exists():
        raise complain(f"{blank}: is there already, and may be filled in: move it, or use --out")
    made = card()
    with tempfile.TemporaryDirectory(prefix="dicomnode-testcard-") as folder:
        try:
            refusals = send_card(made, destination, settings.listen.ae_title, Path(folder))
        except CardNotAccepted as problem:
            raise complain(str(problem)) from None
    try:
        out.mkdir(parents=True, exist_ok=True)
        save_sheet(made, refusals, destination.name, sheet)
        blank.write_text(blank_answers(refusals, destination.name), encoding="utf-8")
    except OSError as error:
        raise complain(f"{out}: cannot be written to: {error.strerror}") from None
    for row, refusal in refusals.items():
        said = "accepted" if refusal is None else f"not accepted: {refusal}"
        console.print(f"{row.name}: {said}", highlight=False, markup=False, soft_wrap=True)
    console.print(
        f"print and tick: {sheet}\nfill in: {blank}\n"
        f"then: dicomnode testcard {destination.name} --answers {blank}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
