"""``dicomnode serve``: run the node until it is told to stop."""

from __future__ import annotations

import gc
import os
import queue
import signal
from typing import Annotated

import typer
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
from dicomnode.service_manager import ServiceManager, attend
from dicomnode.store.lock import ROLES, Role
from dicomnode.store.upgrade import UpgradeError


@app.command()
def serve(
    config: Configuration = DEFAULT_CONFIGURATION,
    only: Annotated[
        list[Role] | None,
        typer.Option(
            help="Run this part; other processes run the others on the same store. Repeatable."
        ),
    ] = None,
) -> None:
    """Receive, segment and deliver until SIGTERM or SIGINT. SIGHUP reads rules and certificates.

    Tells systemd, where that started it (Type=notify), when it is ready, reloads and stops, and
    that it is alive. Ends with status 78 where the configuration is wrong: to try it again as it
    is would be in vain.
    """
    manager = ServiceManager.from_environment()
    settings = configured(config, os.EX_CONFIG)
    roles = tuple(only or ROLES)
    if roles == (Role.WEB,) and not settings.web.served:
        raise complain(
            "[web] has no port and no socket: the web part would answer nobody", os.EX_CONFIG
        )
    start_logging(settings.log_level, settings.log.format)
    # A handler that only puts: what it would wait for may be held where it interrupts.
    asked: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda found, _: asked.put(signal.Signals(found)))
    # It waited since the process began, and so does one that comes before the node has started.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    try:
        with Node(settings, config, roles) as node:
            # What is there now stays: it need not be looked through again and again, which would
            # hold up every thread for a tenth of a second.
            gc.collect()
            gc.freeze()

            def reload() -> None:
                node.reload_rules(config)
                node.reload_certificates()

            attend(
                manager,
                asked,
                reload,
                lambda: node.unwell,
                lambda: node.status,
            )
    except (OSError, NotRestored, UpgradeError) as error:
        raise complain(f"the node cannot run: {error}") from None
    except SQLAlchemyError as error:
        raise complain(f"the node cannot run: its database: {error.args[0]}") from None
