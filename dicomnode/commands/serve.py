"""``dicomnode serve``: run the node until it is told to stop."""

from __future__ import annotations

import signal
import threading

from sqlalchemy.exc import SQLAlchemyError

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
)
from dicomnode.logs import start_logging
from dicomnode.node import Node


@app.command()
def serve(config: Configuration = DEFAULT_CONFIGURATION) -> None:
    """Receive, segment and deliver until SIGTERM or SIGINT."""
    settings = configured(config)
    start_logging(settings.log_level, settings.log.format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with Node(settings):
            stop.wait()
    except OSError as error:
        raise complain(f"the node cannot run: {error}") from None
    except SQLAlchemyError as error:
        raise complain(f"the node cannot run: its database: {error.args[0]}") from None
