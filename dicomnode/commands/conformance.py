"""``dicomnode conformance``: what of DICOM does this node do?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dicomnode.commands.app import app, complain, configured


@app.command()
def conformance(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A site's TOML file; the defaults without one."),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="Print this table alone; `list` names all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The tables as JSON.")] = False,
) -> None:
    """Print the DICOM conformance statement (PS3.2 Annex N) as Markdown.

    Its tables are computed from what runs. It says nothing of what was configured as a secret.
    """
    # highdicom takes seconds to import; no other command should wait for it.
    from dicomnode.conformance.statement import statement, tables
    from dicomnode.logs import start_logging

    settings = None if config is None else configured(config)
    start_logging("ERROR")
    if table is None and not as_json:
        typer.echo(statement(settings), nl=False)
        return
    found = tables(settings)
    if table == "list":
        typer.echo("\n".join(found))
        return
    if table is not None:
        if table not in found:
            raise complain(f"no table {table!r}; known are {', '.join(found)}")
        found = {table: found[table]}
    if as_json:
        content = {
            name: [dict(zip(one.columns, row, strict=True)) for row in one.rows]
            for name, one in found.items()
        }
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
    else:
        typer.echo("\n\n".join(one.markdown() for one in found.values()))
