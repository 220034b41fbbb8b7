"""Who takes part in what is audited, and which studies it is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Outcome(StrEnum):
    """EventOutcomeIndicator (PS3.15 A.5.1.1)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    """Begun anew, such as a wrong password at the first attempt."""
    SERIOUS_FAILURE = "8"
    """It came to an end."""
    MAJOR_FAILURE = "12"
    """What was asked for is not available any more."""


class Action(StrEnum):
    """EventActionCode (PS3.15 A.5.1.1)."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


@dataclass(frozen=True)
class Participant:
    """Somebody or something that takes part.

    Attributes
    ----------
    user_id : str
        Login name, AE title, or name of a service (PS3.15 A.5.2.1).
    address : str
        IP address or host name that it speaks from; empty where nobody knows.
    name : str
        For people to read; empty where there is none.
    ae_titles : tuple of str
        Where it is a DICOM application (PS3.15 A.5.2.2).

    Raises
    ------
    ValueError
        If there is nothing to know it by.
    """

    user_id: str
    address: str = ""
    name: str = ""
    ae_titles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.user_id:
            raise ValueError("a participant without user_id; say 'unknown' where nobody knows")

    @classmethod
    def ae(cls, title: str, address: str = "") -> Self:
        """A DICOM application that is known by its AE title."""
        title = title.strip()
        return cls(title or "unknown", address, ae_titles=(title,) if title else ())


@dataclass(frozen=True)
class StudyContent:
    """A study, and how much of it something is about.

    Whose it is stands in its objects, where it is read from with ``[audit] patient_ids``.

    Attributes
    ----------
    study_instance_uid : str
        Empty where it is not known, as of an object that was refused before it was read.
    instances : tuple of (str, int)
        SOP Class UIDs, empty where it is none, with numbers of instances.
    """

    study_instance_uid: str
    instances: tuple[tuple[str, int], ...] = ()
