"""Who asks, and what they may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from starlette.authentication import AuthCredentials, BaseUser

from dicomnode.settings.web import RoleName

ROLES: tuple[RoleName, ...] = get_args(RoleName)
"""From the least on."""

How = Literal["token", "session", "proxy", "loopback"]


def credentials_of(role: RoleName) -> AuthCredentials:
    """The scopes of a role: its own and those of all lower ones."""
    return AuthCredentials(ROLES[: ROLES.index(role) + 1])


@dataclass(frozen=True)
class Visitor(BaseUser):
    """Somebody who said who they are.

    Attributes
    ----------
    name : str
    role : {"viewer", "operator", "administrator"}
    how : {"token", "session", "proxy", "loopback"}
        A token is sent on purpose; with all others a browser says it by itself, also where another
        site made it ask.
    identity_key : str
        What tells this sign-in from others of the same name.
    """

    name: str
    role: RoleName
    how: How
    identity_key: str

    @property
    def is_authenticated(self) -> bool:
        """Always."""
        return True

    @property
    def display_name(self) -> str:
        """The name."""
        return self.name

    @property
    def identity(self) -> str:
        """The name."""
        return self.name
