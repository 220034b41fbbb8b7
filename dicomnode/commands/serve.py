"""``dicomnode serve``: run the node until it is told to stop."""

from __future__ import annotations

import queue
import signal

from sqlalchemy.exc import SQLAlchemyError

from dicomnode.backup import NotRestored
from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
)
from dicomnode.logs import start_logging
from dicomnode.node import Node
from dicomnode.store.upgrade import UpgradeError


@app.command()
def serve(config: Configuration = DEFAULT_CONFIGURATION) -> None:
    """Receive, segment and deliver until SIGTERM or SIGINT. SIGHUP reads rules and certificates."""
    settings = configured(config)
    start_logging(settings.log_level, settings.log.format)
    # A handler that only puts: what it would wait for may be held where it interrupts.
    asked: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda found, _: asked.put(signal.Signals(found)))
    try:
        with Node(settings, config) as node:
            while asked.get() is signal.SIGHUP:
                node.reload_rules(config)
                node.reload_certificates()
    except (OSError, NotRestored, UpgradeError) as error:
        raise complain(f"the node cannot run: {error}") from None
    except SQLAlchemyError as error:
        raise complain(f"the node cannot run: its database: {error.args[0]}") from None
