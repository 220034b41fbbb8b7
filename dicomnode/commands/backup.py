"""``dicomnode backup`` and ``dicomnode restore``: the state of a node, and its way back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from dicomnode.backup import BrokenBackup, NotRestored, NotSaved
from dicomnode.backup import restore as put_back
from dicomnode.backup import save as save_all
from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="A folder that is empty or not there.")],
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Save database, kept objects and configuration, also while the node runs.

    Run it as the user that the node runs as. Weights, certificates and secrets that lie elsewhere
    are not in it. Exit code 0: all is there. 1: files that rows name are lost. 2: no backup.
    """
    settings = configured(config)
    try:
        saved = save_all(settings.store.url, settings.store.path, config, target)
    except NotSaved as error:
        raise complain(str(error)) from None
    _say(f"{saved.files} files, {saved.size / 2**20:.1f} MB, in {saved.seconds:.1f} s: {target}")
    if saved.missing:
        _say(f"{saved.missing} files that rows name are not on disk: see `dicomnode doctor`")
        raise typer.Exit(1)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="Folder of a backup.")],
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Put a backup into the empty store that the configuration names. The node must be stopped.

    The configuration is not touched: the backup has its own as node.toml. Exit code 0: it is
    restored. 2: it is not, and why.
    """
    settings = configured(config)
    try:
        restored = put_back(source, settings.store.url, settings.store.path)
    except (BrokenBackup, NotRestored) as error:
        raise complain(str(error)) from None
    made = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(restored.manifest.made_at))
    _say(
        f"{restored.files} files, {restored.size / 2**20:.1f} MB, as they were on {made} "
        f"(software {restored.manifest.software}): {settings.store.path}"
    )
    if restored.moved:
        _say(f"the store was {restored.manifest.root} before; rows name the new place")
    for words in restored.audit_breaks:
        _say(f"the audit trail was not whole when it was saved: {words}")
    if restored.manifest.missing:
        _say(f"{restored.manifest.missing} files were lost before the backup was made")


def _say(words: str) -> None:
    console.print(words, markup=False, highlight=False, soft_wrap=True)
