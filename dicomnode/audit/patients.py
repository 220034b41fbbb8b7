"""Whose a study is: read from one of its objects, where audit messages are to name patients."""

from __future__ import annotations

import contextlib
from collections import OrderedDict

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.tag import Tag
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from dicomnode.store.database import Database
from dicomnode.store.tables import Instance

_PATIENT = Tag("PatientID")
_KNOWN = 256


class PatientIds:
    """Patient IDs by study. No row holds them, and none is kept but for a while in memory.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[str, str] = OrderedDict()

    def of(self, study_instance_uid: str) -> str:
        """The Patient ID of a study; empty where none of it is here or can be read."""
        if study_instance_uid in self._known:
            return self._known[study_instance_uid]
        found = ""
        with contextlib.suppress(SQLAlchemyError, OSError, InvalidDicomError, ValueError):
            found = self._read(study_instance_uid)
        if found:
            self._known[study_instance_uid] = found
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return found

    def _read(self, study_instance_uid: str) -> str:
        with self._database.read() as session:
            path = session.scalar(
                select(Instance.path)
                .where(Instance.study_instance_uid == study_instance_uid)
                .limit(1)
            )
        if path is None:
            return ""
        with open(path, "rb") as file:
            header = read_partial(file, lambda tag, *_: tag > _PATIENT, specific_tags=[_PATIENT])
        return str(header.get("PatientID", "") or "").strip()
