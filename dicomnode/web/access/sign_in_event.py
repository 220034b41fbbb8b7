"""That somebody signed in, signed out, or was refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["in", "out", "refused", "forbidden"]


@dataclass(frozen=True)
class SignInEvent:
    """One for the audit trail (PS3.15 A.5.3.11, User Authentication, and A.5.3.10, Security Alert).

    Attributes
    ----------
    kind : {"in", "out", "refused", "forbidden"}
        "refused": what was shown proves nobody. "forbidden": somebody known asked for what their
        role does not allow.
    user : str
        Empty where nobody is known.
    address : str
    reason : str
        Why not, where it is "refused" or "forbidden".
    """

    kind: Kind
    user: str
    address: str
    reason: str = ""


OnSignIn = Callable[[SignInEvent], None]
"""Called in the way of the request; must be quick."""
