"""``dicomnode doctor``: what is wrong with this node, and what mends it?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from dicomnode.commands.app import DEFAULT_CONFIGURATION, Configuration, app, console
from dicomnode.doctor.finding import Finding, Verdict, failed
from dicomnode.logs import silence_libraries
from dicomnode.settings import SettingsError, load_settings

_STYLES = {Verdict.PASS: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@app.command()
def doctor(
    config: Configuration = DEFAULT_CONFIGURATION,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of lines.")] = False,
    peers: Annotated[
        bool, typer.Option(help="Whether destinations and sources are called.")
    ] = True,
) -> None:
    """Examine configuration, ports, disk, database, clock, networks, versions and peers.

    Each line passes, warns or fails; what does not pass says what mends it. Exit code 0: nothing
    fails. 1: something does. 2: the configuration cannot be read.
    """
    silence_libraries()
    found, code = [], 0
    for finding in _findings(config, peers):
        found.append(finding)
        if finding.verdict is Verdict.FAIL:
            code = 2 if finding.check == "configuration" else 1
        if not as_json:
            _show(finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=1))
    if code:
        raise typer.Exit(code)


def _findings(path: Path, ask_peers: bool) -> Iterator[Finding]:
    try:
        settings = load_settings(path)
    except SettingsError as error:
        yield failed(
            "configuration", str(error), "Correct what it names; config/node.toml shows all."
        )
        return
    # What peers need takes a while to import.
    from dicomnode.doctor.examination import examine_node

    yield from examine_node(settings, path, ask_peers)


def _show(finding: Finding) -> None:
    line = Text(f"{finding.verdict.value:4}", style=_STYLES[finding.verdict])
    line.append(f"  {finding.check}: {finding.words}", style="default")
    console.print(line, soft_wrap=True)
    if finding.mend:
        console.print(Text(f"      {finding.mend}", style="default"), soft_wrap=True)
