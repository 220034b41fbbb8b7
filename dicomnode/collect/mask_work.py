"""Put masks on their CT in worker processes, and keep what comes back.

The masks of a large segmentation take minutes. The collector asks for one and goes on; what it
asked for lies here when it asks again.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import lru_cache

import pydicom
from sqlalchemy.orm import Session

from dicomnode.collect.ct import SeriesOfPass
from dicomnode.collect.ct_frame import CtImage
from dicomnode.collect.mask_on_ct import MaskOnCt, put_on_series
from dicomnode.collect.stack import NotYet, Slice, Unusable
from dicomnode.faults import describe_fault
from dicomnode.marks import (
    MarkReading,
    Segment,
    SegmentReference,
    UndecodableFrame,
    Unplaceable,
    read_marks,
)
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.lesion_mask import find_segment
from dicomnode.marks.same_lesion import overlap
from dicomnode.store.instances import paths_of

logger = logging.getLogger(__name__)

MOST_KEPT = 64_000_000
"""Voxels of the masks that are kept; 8 bytes each."""

ATTEMPTS = 2
"""Times that the work at one mask may break before the mask is refused."""

UNDER_WAY = "its mask is being put on the CT"

_MOST_OVERLAPS = 100_000


@dataclass(frozen=True)
class MaskRequest:
    """All that decides a mask on its CT.

    Attributes
    ----------
    mark : LesionMark
    slices : tuple of Slice
        The whole series, or stack of frames.
    segs : tuple of (str, str)
        SOP Instance UID and file of each SEG that the mark refers to.
    """

    mark: LesionMark
    slices: tuple[Slice, ...]
    segs: tuple[tuple[str, str], ...]

    @property
    def name(self) -> Hashable:
        """The same for the same mask."""
        return self.mark.key, hash(tuple(one.name for one in self.slices)), self.segs


def put_mask_on_ct(request: MaskRequest) -> MaskOnCt:
    """Put one mask on its CT: the work of a worker process; as `put_on_series`."""
    paths = dict(request.segs)

    def segment(reference: SegmentReference) -> Segment:
        return find_segment(_read_seg(paths[reference.seg_sop_instance_uid]), reference)

    return put_on_series(request.mark, request.slices, segment)


@lru_cache(maxsize=1)  # segments of one SEG come one after the other; a stored file never changes
def _read_seg(path: str) -> MarkReading:
    return read_marks(pydicom.dcmread(path))


class MasksOnCt:
    """Masks that were asked for, on their CT.

    Parameters
    ----------
    submit : callable, optional
        Starts a call elsewhere and gives a future. Without it, masks are put on their CT at once.
    on_put : callable
        Called, in any thread, with the id of a lesion whose mask has been put on its CT.
    """

    def __init__(
        self,
        submit: Callable[..., Future[MaskOnCt]] | None = None,
        on_put: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._submit = submit
        self._on_put = on_put
        self._lock = threading.Lock()
        self._found: OrderedDict[Hashable, MaskOnCt | Exception] = OrderedDict()
        self._asked_by: dict[Hashable, set[int]] = {}
        self._broken: dict[Hashable, int] = {}
        self._overlaps: OrderedDict[tuple[Hashable, Hashable], float] = OrderedDict()

    def of(
        self,
        session: Session,
        mark: LesionMark,
        site: CtImage,
        known: SeriesOfPass,
        lesion_id: int,
    ) -> MaskOnCt:
        """A mask on the series of a slice.

        Parameters
        ----------
        session : Session
        mark : LesionMark
        site : Instance or CtFrame
            Some slice of the series, or stack of frames.
        known : SeriesOfPass
        lesion_id : int
            Who asks, to be told.

        Raises
        ------
        NotYet
            If it is being worked at.
        Unusable, dicomnode.marks.Unplaceable, dicomnode.marks.UndecodableFrame
            As `put_on_series`.
        """
        return self._get(self._request(session, mark, site, known), lesion_id)

    def overlap(
        self,
        session: Session,
        one: LesionMark,
        other: LesionMark,
        site: CtImage,
        known: SeriesOfPass,
        lesion_ids: tuple[int, int],
    ) -> float:
        """Intersection over union of two masks on one series; raises as `of`."""
        first = self._request(session, one, site, known)
        second = self._request(session, other, site, known)
        names = (first.name, second.name)
        if names not in self._overlaps:
            # Both are asked for before either is waited for.
            masks = [self._ask(r, i) for r, i in zip((first, second), lesion_ids, strict=True)]
            self._overlaps[names] = overlap(*(_given(mask).voxels for mask in masks))
            if len(self._overlaps) > _MOST_OVERLAPS:
                self._overlaps.popitem(last=False)
        return self._overlaps[names]

    def _request(
        self, session: Session, mark: LesionMark, site: CtImage, known: SeriesOfPass
    ) -> MaskRequest:
        series = known.slices(session, site)
        if not series:
            raise NotYet("the slices are being looked at")
        named = (o.segment.seg_sop_instance_uid for o in mark.opinions if o.segment is not None)
        segs = tuple(dict.fromkeys(named))
        try:
            paths = paths_of(session, segs)
        except KeyError as absent:
            uid = absent.args[0]
            raise NotYet(f"the SEG {uid} has not come", image=uid) from None
        return MaskRequest(mark, series, tuple(zip(segs, map(str, paths), strict=True)))

    def _get(self, request: MaskRequest, lesion_id: int) -> MaskOnCt:
        return _given(self._ask(request, lesion_id))

    def _ask(self, request: MaskRequest, lesion_id: int) -> MaskOnCt | Exception | None:
        """What is known of a mask, None where it is under way."""
        name = request.name
        with self._lock:
            if name in self._found:
                self._found.move_to_end(name)
                return self._found[name]
            if name in self._asked_by:
                self._asked_by[name].add(lesion_id)
                return None
            if self._submit is not None:
                self._asked_by[name] = {lesion_id}
        if self._submit is None:
            try:
                found = put_mask_on_ct(request)
            except (Unusable, Unplaceable, UndecodableFrame) as problem:
                found = problem
            self._keep(name, found)
            return found
        try:
            future = self._submit(put_mask_on_ct, request)
        except RuntimeError:  # the node is stopping
            with self._lock:
                del self._asked_by[name]
            return None
        future.add_done_callback(lambda done: self._done(name, done))
        return None

    def _done(self, name: Hashable, future: Future[MaskOnCt]) -> None:
        found: MaskOnCt | Exception | None = None
        try:
            found = future.result()
        except CancelledError:
            pass
        except (Unusable, Unplaceable, UndecodableFrame) as problem:
            found = problem
        except Exception as error:  # whatever it is, once more
            self._broken[name] = self._broken.get(name, 0) + 1
            logger.error("mask.fault attempt=%d %s", self._broken[name], describe_fault(error))
            if self._broken[name] >= ATTEMPTS:
                found = Unusable(f"the mask cannot be put on the CT: {describe_fault(error)}")
        if found is not None:
            self._broken.pop(name, None)
            self._keep(name, found)
        with self._lock:
            lesion_ids = self._asked_by.pop(name, set())
        for lesion_id in sorted(lesion_ids):
            self._on_put(lesion_id)

    def _keep(self, name: Hashable, found: MaskOnCt | Exception) -> None:
        with self._lock:
            self._found[name] = found
            while len(self._found) > 1 and sum(map(_size, self._found.values())) > MOST_KEPT:
                self._found.popitem(last=False)


def _given(found: MaskOnCt | Exception | None) -> MaskOnCt:
    if found is None:
        raise NotYet(UNDER_WAY)
    if isinstance(found, Exception):
        raise type(found)(*found.args)
    return found


def _size(found: MaskOnCt | Exception) -> int:
    return 1000 if isinstance(found, Exception) else sum(map(len, found.voxels.values())) + 1000
