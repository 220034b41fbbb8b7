"""Alerts that come again and again are told once a minute, with their number.

Whoever knocks a thousand times a second must not fill the disk, nor hide what else happens.
"""

from __future__ import annotations

from dataclasses import replace

from dicomnode.audit.messages import Alert, Message, SecurityAlert, UserAuthentication
from dicomnode.audit.participants import Outcome

_WINDOW_S = 60.0
_MOST_KINDS = 200
"""Different alerts in a minute; all that come after are told together."""


class Repeats:
    """Not safe to call from several threads at once; its owner sees to that."""

    def __init__(self) -> None:
        self._seen: dict[Message, list[float]] = {}
        self._others = 0
        self._others_since = 0.0

    @property
    def pending(self) -> bool:
        """Whether anything may be due later."""
        return bool(self._seen or self._others)

    def admits(self, message: Message, now: float) -> bool:
        """Whether a message is to be told now; else it is counted."""
        if not _can_be_repeated(message):
            return True
        seen = self._seen.get(message)
        if seen is not None:
            seen[1] += 1
            return False
        if len(self._seen) >= _MOST_KINDS:
            self._others_since = self._others_since or now
            self._others += 1
            return False
        self._seen[message] = [now, 0]
        return True

    def due(self, now: float, all_of_them: bool = False) -> list[Message]:
        """What was counted in a minute that is over, as messages that say how often."""
        told: list[Message] = []
        for message, (since, more) in list(self._seen.items()):
            if all_of_them or now - since >= _WINDOW_S:
                del self._seen[message]
                if more:
                    told.append(_with_number(message, int(more)))
        if self._others and (all_of_them or now - self._others_since >= _WINDOW_S):
            told.append(_of_others(self._others))
            self._others, self._others_since = 0, 0.0
        return told


def _can_be_repeated(message: Message) -> bool:
    return isinstance(message, SecurityAlert) or (
        isinstance(message, UserAuthentication) and message.outcome is not Outcome.SUCCESS
    )


def _with_number(message: Message, more: int) -> Message:
    words = f"{more} more within a minute"
    if isinstance(message, SecurityAlert):
        return replace(message, words=f"{message.words} ({words})")
    assert isinstance(message, UserAuthentication)
    return replace(message, reason=f"{message.reason} ({words})".strip())


def _of_others(number: int) -> SecurityAlert:
    return SecurityAlert(
        Alert.NODE_AUTHENTICATION,
        f"{number} more alerts of other kinds or peers within a minute",
        outcome=Outcome.SERIOUS_FAILURE,
    )
