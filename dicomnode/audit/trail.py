"""Where messages are noted."""

from __future__ import annotations

from typing import Protocol

from dicomnode.audit.messages import Message


class NotAudited(OSError):
    """A message that must be on disk could not be written; what it is about must not happen."""


class Trail(Protocol):
    """Takes messages. Safe to call from any thread."""

    def note(self, message: Message) -> None:
        """Take a message; it is written within a second or so. Returns at once, raises nothing."""

    def note_durably(self, message: Message) -> None:
        """Write a message, and return once it is on disk.

        Raises
        ------
        NotAudited
        """


class NullTrail:
    """Keeps nothing; in use where ``[audit] enabled`` is false, and in tests."""

    def note(self, message: Message) -> None:
        """Forget it."""

    def note_durably(self, message: Message) -> None:
        """Forget it."""
