"""What a demonstration leaves behind: its node's store, and a configuration to serve it with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from dicomnode.store.lock import running_roles

WEB_PORT = 11180
"""As in config/node.toml."""

_FIRST_LINE = "# Written by `dicomnode demo`, which replaces it and all of store/ beside it."
_CONFIGURATION = """\
{first_line}
# The demonstration's node once more, to look at what it made in a browser:
#     dicomnode serve --config {configuration}
# Phantoms only, and only for this machine. Research software, not for diagnosis.

[store]
path = {store}
reserve_mb = 0

[listen]
ae_title = "DICOMNODE"
host = "127.0.0.1"
port = 0

[web]
port = {port}
# Whoever sits at this machine may look, compare and judge.
loopback_role = "viewer"
dicomweb = true

# The stand-in PACS is gone. What a reader mends and accepts goes here.
[[destinations]]
name = "pacs"
kind = "folder"
path = {sent}

[[rules]]
name = "chest CT"
match = {{ modality = "CT" }}
destinations = ["pacs"]
"""


class NotReplaced(RuntimeError):
    """A folder holds what no demonstration wrote, or what is in use."""


def make_room(out: Path) -> Path:
    """Delete the store of a demonstration before.

    Parameters
    ----------
    out : Path
        The folder of the demonstration; made where missing.

    Returns
    -------
    Path
        Where the node's store is to be; nothing is there.

    Raises
    ------
    NotReplaced
        If something else is there, or a node serves it.
    """
    out.mkdir(parents=True, exist_ok=True)
    store, configuration = out / "store", configuration_of(out)
    if configuration.exists() and not _is_ours(configuration):
        raise NotReplaced(f"{configuration} is no demonstration's: choose another --out")
    if store.exists():
        if not configuration.exists():
            raise NotReplaced(f"{store} is no demonstration's: choose another --out")
        if running_roles(store):
            raise NotReplaced(f"a node serves {store}: stop it first")
        shutil.rmtree(store)
    (out / "sent").mkdir(exist_ok=True)
    # Before the store is there, so that one that is broken off is known for a demonstration's.
    configuration.write_text(
        _CONFIGURATION.format(
            first_line=_FIRST_LINE,
            configuration=configuration,
            store=_quoted(store),
            port=WEB_PORT,
            sent=_quoted(out / "sent"),
        ),
        encoding="utf-8",
    )
    return store


def configuration_of(out: Path) -> Path:
    """The configuration that serves what a demonstration left in a folder."""
    return out / "node.toml"


def _is_ours(configuration: Path) -> bool:
    with configuration.open(encoding="utf-8", errors="replace") as lines:
        return lines.readline().rstrip("\n") == _FIRST_LINE


def _quoted(path: Path) -> str:
    """A path as a TOML string: what JSON escapes TOML does too."""
    return json.dumps(str(path.absolute()), ensure_ascii=False)
