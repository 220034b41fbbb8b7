"""Judging a soft mask: what a reader may say, and the trimap as a reader mended it."""

from __future__ import annotations

import hashlib
import time
from base64 import b64decode
from binascii import Error as NotBase64
from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.store.database import Database
from dicomnode.store.files import write_durably
from dicomnode.store.states import Decision, JobAction, LesionState
from dicomnode.store.tables import JobTrace, Lesion, Verdict
from dicomnode.store.verdicts import REASONS, judged
from dicomnode.web.lesion.drawn import DrawnLesion
from dicomnode.web.lesion.records import LesionRecord
from dicomnode.web.lesion.workbench import NotComputed, Workbench
from pipelines.soft_mask import SoftMask

MOST_WORDS = 2000

ANOTHER_MASK = "the lesion has another soft mask than the one that was looked at: load it again"

_PUBLISHED = (LesionState.SEGMENTED, LesionState.PUBLISHED)


class VerdictAsked(BaseModel):
    """What a browser sends; a rejection has a reason, an acceptance none."""

    model_config = ConfigDict(extra="forbid")

    decision: Decision
    reason: Literal[tuple(REASONS)] | None = None
    words: str = Field("", max_length=MOST_WORDS)
    trimap: str | None = None
    """As the reader mended it: bytes on the lesion's lattice, in base64."""
    soft_mask: str | None = None
    """Digest of the soft mask that was looked at, as the page was given it; the one that is there
    now unless given."""

    @model_validator(mode="after")
    def _has_a_reason(self) -> VerdictAsked:
        if (self.decision is Decision.REJECTED) != (self.reason is not None):
            raise ValueError("a rejection needs a reason, and an acceptance takes none")
        if self.decision is Decision.REJECTED and self.trimap is not None:
            raise ValueError("what is rejected takes no mended trimap: mend it and accept")
        if self.reason == "other" and not self.words.strip():
            raise ValueError("another reason needs words")
        return self


def mended(drawn: DrawnLesion, body: bytes, workbench: Workbench) -> SoftMask:
    """The soft mask that comes of a mended trimap.

    Parameters
    ----------
    drawn : DrawnLesion
    body : bytes
        Of the trimap, on the lesion's lattice, the last axis running fastest.
    workbench : Workbench

    Raises
    ------
    NotComputed
        If it has another size, or gives no result.
    """
    mask = drawn.mask
    shape = drawn.grid.place(mask.trimap.array, mask.offset).array.shape
    if len(body) != np.prod(shape):
        raise NotComputed(f"found a trimap of {len(body)} bytes, expected {np.prod(shape)}")
    trimap = drawn.grid.back(np.frombuffer(body, np.uint8).reshape(shape))
    crop = mask.alpha.with_array(drawn.grid.back(_on_mask(drawn, shape)).astype(np.float32))
    return workbench.mend(crop, np.ascontiguousarray(trimap), mask)


def new_verdict(
    record: LesionRecord,
    drawn: DrawnLesion,
    asked: VerdictAsked,
    who: str,
    workbench: Workbench,
) -> Verdict:
    """The row of a verdict; a mended trimap is matted again, and kept with what came of it.

    Raises
    ------
    NotComputed
        If the mended trimap gives no result, or another soft mask was looked at.
    """
    if asked.soft_mask not in (None, drawn.digest):
        raise NotComputed(ANOTHER_MASK)
    kept, method = None, drawn.mask.method
    if asked.trimap is not None:
        try:
            body = b64decode(asked.trimap, validate=True)
        except NotBase64:
            raise NotComputed("the trimap is not in base64") from None
        made = mended(drawn, body, workbench)
        file = BytesIO()
        made.save(file)
        kept, method = file.getvalue(), made.method
    return Verdict(
        lesion_id=record.lesion.id,
        at=time.time(),
        who=who,
        decision=asked.decision,
        reason=asked.reason,
        words=asked.words.strip(),
        method=method,
        soft_mask=drawn.digest,
        mended=kept,
        mended_digest=None if kept is None else hashlib.sha256(kept).hexdigest(),
    )


def keep_verdict(database: Database, record: LesionRecord, verdict: Verdict) -> None:
    """Write a verdict down, and what follows from it: deliveries go, or are held back.

    What was accepted as mended takes the place of the lesion's soft mask, and the lesion is
    published anew: its objects take the place of those before. The worker is woken by the trace, in
    whichever process it is.

    Raises
    ------
    NotComputed
        If the lesion has got another soft mask since it was read.
    dicomnode.store.files.StorageError
        If a mended soft mask cannot be written.
    """
    before = record.files.soft_mask
    path = before
    if verdict.mended is not None:
        path = before.with_name(f"{record.lesion.mark_key}-{verdict.mended_digest[:16]}.npz")
        write_durably(path, lambda file: file.write(verdict.mended))
    with database.write() as session:
        lesion = session.get_one(Lesion, record.lesion.id)
        if lesion.soft_mask_path != str(before):
            raise NotComputed(ANOTHER_MASK)
        state = lesion.state
        session.add(verdict)
        if path != before and state in _PUBLISHED:
            lesion.soft_mask_path = str(path)
            lesion.volume_ml = SoftMask.load(BytesIO(verdict.mended)).volume_ml
            lesion.state = LesionState.SEGMENTED
            lesion.attempts = 0
        judged(session, lesion)
        session.add(
            JobTrace(
                who=verdict.who,
                why="" if verdict.reason is None else REASONS[verdict.reason],
                action=JobAction.JUDGE,
                kind="lesion",
                subject=str(lesion.id),
                before=state.value,
                after=lesion.state.value,
            )
        )


def verdicts_of(session: Session, lesion_id: int) -> list[dict[str, Any]]:
    """What was said of a lesion, the newest first, as JSON has it."""
    newest_first = select(Verdict).where(Verdict.lesion_id == lesion_id).order_by(Verdict.id.desc())
    return [
        {
            "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(row.at)),
            "who": row.who,
            "decision": row.decision.value,
            "reason": row.reason and REASONS[row.reason],
            "code": row.reason,
            "words": row.words,
            "method": row.method,
            "mended": row.mended is not None,
        }
        for row in session.scalars(newest_first)
    ]


def _on_mask(drawn: DrawnLesion, shape: tuple[int, ...]) -> npt.NDArray[np.int16]:
    """HU on the soft mask's own voxels."""
    box = tuple(slice(-o, n - o) for o, n in zip(drawn.hu.offset, shape, strict=True))
    return drawn.hu.array[box]
