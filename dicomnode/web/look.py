"""A look at a patient's data by somebody at a browser or a viewer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

logger = logging.getLogger(__name__)

Action = Literal["read", "query", "write", "judge", "act"]


@dataclass(frozen=True)
class Look:
    """Who did what to which study; every one is for the audit trail (PS3.15 A.5.3).

    Attributes
    ----------
    user : str
        As the one who signed in is called.
    address : str
        Of the machine that asked.
    action : {"read", "query", "write", "judge", "act"}
    study_instance_uid : str, optional
        None for a query over studies.
    query : str
        What was asked for, where `action` is "query".
    """

    user: str
    address: str
    action: Action
    study_instance_uid: str | None = None
    query: str = ""


OnLook = Callable[[Look], None]
"""Called before the answer is given; must be quick."""


def look_by(
    request: Request,
    action: Action,
    study_instance_uid: str | None = None,
    query: str = "",
) -> Look:
    """Make the look of whoever sent a request.

    Parameters
    ----------
    request : Request
        Of somebody who signed in.
    action : {"read", "query", "write", "judge", "act"}
    study_instance_uid : str, optional
    query : str
    """
    return Look(request.user.display_name, request.client.host, action, study_instance_uid, query)


def log_look(look: Look) -> None:
    """Note a look in the log: who, and at which study. What was searched for stays out of it."""
    study = look.study_instance_uid or "any"
    logger.info("web.looked user=%s action=%s study=%s", look.user, look.action, study)
