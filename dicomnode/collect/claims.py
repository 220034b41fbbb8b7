"""The marks of one study as claims that can be compared: from rows, with their masks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from dicomnode.collect.acquisition import Acquisition, acquisition_of_file
from dicomnode.collect.ct import SeriesOfPass, plane_of
from dicomnode.collect.ct_frame import CtFrame, CtImage, name_of
from dicomnode.collect.kinship import Claim
from dicomnode.collect.mask_work import MasksOnCt
from dicomnode.collect.nearness import are_near
from dicomnode.collect.stack import NotYet, Unusable
from dicomnode.collect.statement import sources_of
from dicomnode.marks import UndecodableFrame, Unplaceable
from dicomnode.marks.lesion_mark import LesionMark, Opinion
from dicomnode.marks.serialised import from_json
from dicomnode.marks.slice_name import frame_of
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Finding, Instance, Lesion
from pipelines.recist import RecistAxes

ALIVE = (LesionState.READY, LesionState.SEGMENTED, LesionState.PUBLISHED)
"""States of lesions that stand."""


@dataclass(frozen=True)
class Placed:
    """A lesion that has just met its CT.

    Attributes
    ----------
    mark : LesionMark
        Its own, as far as it is here.
    key : Instance or CtFrame
        The slice that it was drawn on, or on which its mask is largest.
    axes : RecistAxes
    """

    mark: LesionMark
    key: CtImage
    axes: RecistAxes


class Neighbours:
    """Claims of one study that lie near some lesions, and their masks.

    Parameters
    ----------
    session : Session
    study_instance_uid : str
        Of the CT.
    joined : mapping from lesion id
        Lesions that have just met their CT, whose rows do not say so yet.
    around : collection of int
        Further lesions whose neighbours are wanted.
    known : SeriesOfPass
    masks : MasksOnCt
    """

    def __init__(
        self,
        session: Session,
        study_instance_uid: str,
        joined: Mapping[int, Placed],
        around: Collection[int],
        known: SeriesOfPass,
        masks: MasksOnCt,
    ) -> None:
        self._session = session
        self._known = known
        self._masks = masks
        self._keys: dict[int, CtImage] = {}
        self._joined = joined
        self._chosen = self._near(study_instance_uid, {*joined, *around})

    def groups(self) -> Iterator[tuple[Claim, ...]]:
        """Claims that are near each other, or near those that are near, and so on."""
        for chosen in self._chosen:
            placed = {i: self._joined[i] if i in self._joined else self._of_row(i) for i in chosen}
            several = len({place.key.series_instance_uid for place in placed.values()}) > 1
            yield tuple(self._claim(i, place, several) for i, place in placed.items())

    def ask_for_masks(self, claims: Collection[Claim]) -> None:
        """Ask for the masks of claims, where there are several to be compared.

        Raises
        ------
        NotYet
            If some are being put on the CT; all have been asked for then.
        """
        with_mask = [claim for claim in claims if claim.opinion.has_mask]
        waits = None
        for claim in with_mask if len(with_mask) > 1 else ():
            key, mark = self._keys[claim.lesion_id], LesionMark((claim.opinion,))
            try:
                self._masks.of(self._session, mark, key, self._known, claim.lesion_id)
            except NotYet as wait:
                waits = wait
            except (Unusable, Unplaceable, UndecodableFrame):
                continue  # it overlaps nothing
        if waits is not None:
            raise waits

    def overlap(self, one: Claim, other: Claim) -> float:
        """Intersection over union of two masks, on the CT of one of them."""
        for lead, beside in ((one, other), (other, one)):
            opinion = self._moved(lead, beside)
            if opinion is None:
                continue
            try:
                return self._masks.overlap(
                    self._session,
                    LesionMark((lead.opinion,)),
                    LesionMark((opinion,)),
                    self._keys[lead.lesion_id],
                    self._known,
                    (lead.lesion_id, beside.lesion_id),
                )
            except (Unusable, Unplaceable, UndecodableFrame):
                continue
        return 0.0

    def for_series_of(self, lead: Claim, claim: Claim) -> Opinion | None:
        """An opinion such that it can be put on the series of another lesion, if it can."""
        opinion = self._moved(lead, claim)
        if opinion is None or lead.series_instance_uid == claim.series_instance_uid:
            return opinion
        key, mark = self._keys[lead.lesion_id], LesionMark((opinion,))
        try:
            self._masks.of(self._session, mark, key, self._known, claim.lesion_id)
        except (Unusable, Unplaceable, UndecodableFrame):
            return None
        return opinion

    def _moved(self, lead: Claim, claim: Claim) -> Opinion | None:
        """An opinion in words that hold on another reconstruction: in space, not in pixels."""
        opinion = claim.opinion
        if lead.series_instance_uid == claim.series_instance_uid:
            return opinion
        if opinion.outline is None:
            return opinion
        contours = []
        for contour in opinion.outline.contours:
            if not contour.in_space:
                name = (contour.referenced_sop_instance_uid, contour.referenced_frame)
                try:
                    plane = plane_of(self._known.image(self._session, *name))
                except (NotYet, Unusable, Unplaceable):
                    return None
                contour = replace(contour, points=plane.to_patient(contour.points))
            contours.append(
                replace(contour, referenced_sop_instance_uid=None, referenced_frame=None)
            )
        space = lead.acquisition.frame_of_reference_uid
        outline = replace(opinion.outline, contours=tuple(contours), frame_of_reference_uid=space)
        return replace(opinion, outline=outline)

    def _near(self, study: str, around: Collection[int]) -> list[list[int]]:
        """Ids of lesions that are near `around`, or near those that are near, and so on."""
        rows = self._session.execute(
            select(Lesion.id, Lesion.long_axis, Lesion.short_axis).where(
                Lesion.study_instance_uid == study,
                Lesion.long_axis.is_not(None),
                Lesion.slices.is_not(None),
                Lesion.id.not_in(self._joined),
                or_(
                    Lesion.state.in_(ALIVE),
                    (Lesion.state == LesionState.SUPERSEDED) & Lesion.replaced_by.is_not(None),
                ),
            )
        )
        axes = {i: RecistAxes(long, short) for i, long, short in rows}
        axes |= {i: place.axes for i, place in self._joined.items()}
        ids = sorted(axes)
        if not ids:
            return []
        # Here, for a node that starts need not wait for SciPy.
        from scipy.sparse.csgraph import connected_components

        _, labels = connected_components(are_near([axes[i] for i in ids]), directed=False)
        wanted = {label: [] for i, label in zip(ids, labels, strict=True) if i in around}
        for i, label in zip(ids, labels, strict=True):
            if label in wanted:
                wanted[label].append(i)
        return list(wanted.values())

    def _of_row(self, lesion_id: int) -> Placed:
        lesion = self._session.get_one(Lesion, lesion_id)
        axes = RecistAxes(lesion.long_axis, lesion.short_axis)
        return Placed(own_mark(lesion), self._key_of(lesion, axes), axes)

    def _key_of(self, lesion: Lesion, axes: RecistAxes) -> CtImage:
        """The slice of a lesion; of frames the one that lies nearest to its axes."""
        frames = [name for name in lesion.slices if frame_of(name)[1] is not None]
        if not frames:
            return self._session.get_one(Instance, lesion.key_sop_instance_uid)
        images = [self._known.image(self._session, *frame_of(name)) for name in frames]
        return min(images, key=lambda image: float(plane_of(image).distance_mm([axes.centre])[0]))

    def _claim(self, lesion_id: int, place: Placed, several: bool) -> Claim:
        lesion = self._session.get_one(Lesion, lesion_id)
        key = place.key
        self._keys[lesion_id] = key
        holding = self._session.scalars(
            select(Finding.source_sop_instance_uid).where(Finding.lesion_id == lesion_id)
        )
        sources = sources_of(self._session, {lesion.source_sop_instance_uid, *holding})
        acquisition = Acquisition(key.study_instance_uid, key.frame_of_reference_uid)
        if several:
            acquisition = acquisition_of_file(key.path)
        return Claim(
            lesion_id=lesion_id,
            key=lesion.mark_key,
            opinion=place.mark.opinions[0],
            axes=place.axes,
            key_sop_instance_uid=name_of(key),
            plane=plane_of(key),
            series_instance_uid=key.series_instance_uid,
            acquisition=acquisition,
            sources=tuple(sources[uid] for uid in sorted(sources)),
            tracking_uid=place.mark.tracking_uid,
            is_made=lesion.state is LesionState.PUBLISHED and lesion.replaced_by is None,
            stack=key.stack if isinstance(key, CtFrame) else None,
            phase=key.phase if isinstance(key, CtFrame) else (),
        )


def own_mark(lesion: Lesion) -> LesionMark:
    """What was found in the lesion's own objects, without the opinions of other readers."""
    return LesionMark(from_json(lesion.mark).opinions[:1])
