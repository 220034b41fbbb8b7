"""``dicomnode probe``: what does a destination accept?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from pydicom.uid import UID
from rich.table import Table
from sqlalchemy.engine import make_url

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.ladder_table import choices_after, choices_in, ladder_table
from dicomnode.deliver import capabilities
from dicomnode.deliver.capabilities import Offer, ProbeOutcome
from dicomnode.deliver.ladder_choice import Choice
from dicomnode.deliver.probe import probe as ask
from dicomnode.deliver.result_classes import class_name
from dicomnode.settings import Destination, NodeSettings
from dicomnode.store.database import Database


@app.command()
def probe(
    destination: Annotated[
        str | None, typer.Argument(help="Its name; all of them without one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables.")] = False,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Ask destinations which results they accept; the node remembers the answers.

    Shown is also which results each of them gets, and why. A running node probes by itself, as
    ``[probe] every_h`` says.
    """
    settings = configured(config)
    try:
        asked = (
            settings.destinations if destination is None else (settings.destination(destination),)
        )
    except KeyError as error:
        raise complain(error.args[0]) from None
    outcomes = []
    for one in asked:
        outcome = ask(one, settings.listen.ae_title)
        remembered = _remember(settings, one, outcome)
        choices = remembered or choices_after(outcome, one)
        outcomes.append((one, outcome, remembered is not None, choices))
    if as_json:
        typer.echo(json.dumps([_json(*entry) for entry in outcomes], indent=1))
    else:
        for entry in outcomes:
            _show(*entry)
    if not all(outcome.answered for _, outcome, *_ in outcomes):
        raise typer.Exit(1)


def _remember(
    settings: NodeSettings, destination: Destination, outcome: ProbeOutcome
) -> tuple[Choice, ...] | None:
    """Keep the answers where the node keeps its state; None where there is no such place yet.

    Given is what the destination gets by them, and by what was known before.
    """
    url = settings.store.url
    file = make_url(url).database
    if url.startswith("sqlite") and not (file and settings.store.path.is_dir()):
        # Probing must not make a store, which then belongs to whoever probed.
        return None
    database = Database(url)
    try:
        with database.write() as session:
            capabilities.record(session, destination, outcome)
            return choices_in(session, destination)
    except Exception:  # no table yet, or no right to write: the answers are shown all the same
        return None
    finally:
        database.close()


def _json(
    destination: Destination,
    outcome: ProbeOutcome,
    remembered: bool,
    choices: Sequence[Choice],
) -> dict[str, Any]:
    return {
        "destination": destination.name,
        "kind": destination.kind,
        "address": capabilities.address_of(destination),
        "answered": outcome.answered,
        "words": outcome.words,
        "remembered": remembered,
        "offers": [
            {
                "sop_class": class_name(offer.sop_class_uid),
                "sop_class_uid": offer.sop_class_uid,
                "transfer_syntax": UID(offer.transfer_syntax_uid).name,
                "transfer_syntax_uid": offer.transfer_syntax_uid,
                "accepted": offer.accepted,
            }
            for offer in outcome.offers
        ],
        "results": [
            {"result": choice.rung.name, "made": choice.made, "why": choice.why}
            for choice in choices
        ],
    }


def _show(
    destination: Destination,
    outcome: ProbeOutcome,
    remembered: bool,
    choices: Sequence[Choice],
) -> None:
    address = capabilities.address_of(destination)
    note = "" if remembered else " (not remembered: the node's store cannot be written)"
    console.print(
        f"{destination.name}: {address}: {outcome.words}{note}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    if outcome.offers:
        console.print(_table(outcome.offers))
    console.print(ladder_table([(destination, choice) for choice in choices]))


_SHORT = {
    "1.2.840.10008.1.2": "implicit",
    "1.2.840.10008.1.2.1": "explicit",
    "1.2.840.10008.1.2.4.80": "jpeg-ls",
    "1.2.840.10008.1.2.4.90": "jpeg 2000",
    "1.2.840.10008.1.2.5": "rle",
}


def _table(offers: Sequence[Offer]) -> Table:
    syntaxes = list(dict.fromkeys(offer.transfer_syntax_uid for offer in offers))
    cells = {(o.sop_class_uid, o.transfer_syntax_uid): o.accepted for o in offers}
    table = Table("SOP class", *(_SHORT.get(uid, uid) for uid in syntaxes))
    for sop_class in dict.fromkeys(offer.sop_class_uid for offer in offers):
        row = [cells.get((sop_class, syntax)) for syntax in syntaxes]
        table.add_row(
            class_name(sop_class), *({True: "yes", False: "no", None: ""}[c] for c in row)
        )
    return table
