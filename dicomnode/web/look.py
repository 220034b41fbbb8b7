"""A look at a patient's data by somebody at a browser or a viewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

Action = Literal["read", "query", "write", "judge"]


@dataclass(frozen=True)
class Look:
    """Who did what to which study; every one is for the audit trail (PS3.15 A.5.3).

    Attributes
    ----------
    user : str
        As the one who signed in is called.
    address : str
        Of the machine that asked.
    action : {"read", "query", "write", "judge"}
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
    action : {"read", "query", "write", "judge"}
    study_instance_uid : str, optional
    query : str
    """
    return Look(request.user.display_name, request.client.host, action, study_instance_uid, query)
