"""Put outlines and segments on the CT series that they were drawn on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from dicomnode.collect.ct import SeriesOfPass, ct_in_space, missing, named_slice
from dicomnode.collect.ct_frame import CtFrame, CtImage
from dicomnode.collect.enhanced import the_one_meant
from dicomnode.collect.stack import NotYet, Slice, Unusable, check_same_grid
from dicomnode.marks import ImagePlane, Segment, SegmentReference
from dicomnode.marks.lesion_mark import LesionMark, Opinion
from dicomnode.marks.lesion_mask import Voxels, in_order, voxels_of
from dicomnode.marks.quality import ENHANCED_CT_CLASSES
from dicomnode.marks.rasterise import ImageSlice
from dicomnode.store.tables import Instance
from pipelines.reach import CONTEXT_MM
from pipelines.recist import RecistAxes

LARGEST_ML = 2000.0
"""A mask of more than this is an organ, a body or a mistake."""

LONGEST_MM = 400.0
"""As for axes: about the width of a chest."""

MOST_VOXELS = 40_000_000
"""Of the box around a mask that is segmented."""


@dataclass(frozen=True)
class MaskOnCt:
    """A mask on its series.

    Attributes
    ----------
    key_sop_instance_uid : str
    key_frame : int or None
        The slice on which it is largest; a frame of an enhanced image.
    axes : RecistAxes
        Its longest diameter there, and the longest chord across.
    voxels : Voxels
        That any reader calls lesion.
    low_mm, high_mm : float
        The stretch that the pipeline looks at, measured from the key slice along its normal.
    warnings : tuple of str
    """

    key_sop_instance_uid: str
    key_frame: int | None
    axes: RecistAxes
    voxels: Voxels
    low_mm: float
    high_mm: float
    warnings: tuple[str, ...]


def slice_of_series(session: Session, mark: LesionMark, known: SeriesOfPass) -> CtImage:
    """Some CT slice of the series, or stack of frames, that a mask belongs to.

    That is the series of the images that the mask names or, where it names none, the series of
    its frame of reference whose slices lie nearest to it; of several, that with the thinnest.

    Raises
    ------
    NotYet
        If slices have not come.
    Unusable
        If the images are no CT or of several series or stacks, or nothing says where the mask
        lies.
    """
    opinion = next(opinion for opinion in mark.opinions if opinion.has_mask)
    named = list(dict.fromkeys(n for n in _named(session, opinion, known) if n[0] is not None))
    if named:
        absent = missing(session, dict.fromkeys(uid for uid, _ in named))
        if absent:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise NotYet(f"the image {absent[0]}{more} has not come", image=absent[0])
        vague = [uid for uid, frame in named if frame is None and _is_enhanced(session, uid)]
        if vague:  # points in space find the frames that are not named
            space, points = _in_space(session, opinion, known)
            if space is not None and len(points):
                return _nearest_series(session, space, points, known, opinion, only=vague[0])
        slices = [named_slice(session, uid, frame, known) for uid, frame in named]
        series = {image.series_instance_uid for image in slices}
        if len(series) > 1:
            raise Unusable(f"the mask names images of {len(series)} series, expected one")
        stacks = {image.stack for image in slices if isinstance(image, CtFrame)}
        if len(stacks) > 1:
            raise Unusable(f"the mask names frames of {len(stacks)} stacks, expected one")
        return slices[0]
    space, points = _in_space(session, opinion, known)
    if space is None:
        raise Unusable("the mask names neither an image nor a frame of reference")
    return _nearest_series(session, space, points, known, opinion)


def put_on_series(
    mark: LesionMark,
    series: Sequence[Slice],
    segment_of: Callable[[SegmentReference], Segment],
) -> MaskOnCt:
    """Put the masks of all opinions on a series.

    Parameters
    ----------
    mark : LesionMark
    series : sequence of Slice
        At least one; of an enhanced series one stack.
    segment_of : callable
        Gives the segment that a reference names, with pixels.

    Raises
    ------
    Unusable
        If the masks are empty or absurdly large, or the series is of several grids.
    dicomnode.marks.Unplaceable, dicomnode.marks.UndecodableFrame
        If a mask cannot be put there.
    """
    check_same_grid(series[0], series)
    images, step = in_order([ImageSlice(s.sop_instance_uid, s.plane, s.frame) for s in series])
    voxels: Voxels = {}
    warnings: list[str] = []
    for opinion in mark.opinions:
        if opinion.has_mask:
            found, said = voxels_of(opinion, images, step, segment_of)
            warnings += [text for text in said if text not in warnings]
            for name, flat in found.items():
                voxels[name] = np.union1d(voxels[name], flat) if name in voxels else flat
    if not voxels:
        raise Unusable("the mask holds no voxel of the CT")
    place = {(len(voxels[i.name]), i.name): i for i in images if i.name in voxels}
    largest = place[max(place)]
    planes = {image.name: image.plane for image in images}
    low, high = _stretch(largest.plane, [planes[name] for name in voxels], step)
    _check_size(voxels, planes, step)
    return MaskOnCt(
        largest.sop_instance_uid,
        largest.frame,
        _axes(voxels[largest.name], largest.plane),
        voxels,
        low,
        high,
        tuple(warnings),
    )


def _named(
    session: Session, opinion: Opinion, known: SeriesOfPass
) -> Iterator[tuple[str | None, int | None]]:
    """Images, and frames of them, that a mask names and without which it cannot be placed.

    dcmjs makes one multi-frame image of a series in memory, and may name its frames: nobody will
    ever send it. Frames of such an image are placed by their positions.
    """
    if opinion.segment is None:
        for contour in opinion.outline.contours:
            yield contour.referenced_sop_instance_uid, contour.referenced_frame
        return
    for frame in known.segment(session, opinion.segment).frames:
        uid = frame.referenced_sop_instance_uid
        of_many = uid is not None and frame.referenced_frame is not None
        if of_many and frame.position is not None and missing(session, [uid]):
            continue
        yield uid, frame.referenced_frame


def _in_space(
    session: Session, opinion: Opinion, known: SeriesOfPass
) -> tuple[str | None, npt.NDArray[np.float64]]:
    """Frame of reference of a mask, and points that lie on its planes, shape (n, 3)."""
    if opinion.segment is None:
        outline = opinion.outline
        some = [c.points[:: max(1, len(c.points) // 4)] for c in outline.contours if c.in_space]
        return outline.frame_of_reference_uid, np.concatenate([np.empty((0, 3)), *some])
    segment = known.segment(session, opinion.segment)
    places = [frame.position for frame in segment.frames if frame.position is not None]
    return segment.frame_of_reference_uid, np.array(places).reshape(-1, 3)


def _nearest_series(
    session: Session,
    space: str,
    points: npt.NDArray[np.float64],
    known: SeriesOfPass,
    opinion: Opinion,
    only: str | None = None,
) -> CtImage:
    """A slice of the series that lies nearest to points, or of that of the image `only`."""
    planes = ct_in_space(session, space, known)
    if only is not None:
        uid = session.get_one(Instance, only).series_instance_uid
        planes = {i: plane for i, plane in planes.items() if i.series_instance_uid == uid}
        if not planes:
            raise Unusable(f"no frame of the image {only} is a CT slice in the mask's space")
    series: dict[tuple[str, int], list[CtImage]] = {}
    for image in planes:
        stack = image.stack if isinstance(image, CtFrame) else (image.series_instance_uid, 0)
        series.setdefault(stack, []).append(image)
    ranked = []
    for stack, images in series.items():
        away = np.min([planes[image].distance_mm(points) for image in images], axis=0)
        thickness = images[0].slice_thickness or 1.0
        ranked.append((round(float(away.mean()), 2), thickness, stack, float(away.max()), images))
    best = min(ranked, key=lambda entry: entry[:3])
    _, thickness, _, farthest, images = _of_one_stack(best, ranked)
    # A segment that was resampled lies between slices.
    allowed = thickness / 2
    if opinion.segment is not None:
        allowed = max(thickness, _gap([planes[i] for i in images]))
    if farthest > allowed * (1 + 1e-6):
        raise NotYet(
            f"the nearest slice lies {farthest:.2f} mm from a plane of the mask, expected at most "
            f"{allowed:.2f} mm; more may come",
            space=space,
        )
    return named_slice(
        session,
        images[0].sop_instance_uid,
        images[0].number if isinstance(images[0], CtFrame) else None,
        known,
    )


def _is_enhanced(session: Session, uid: str) -> bool:
    return session.get_one(Instance, uid).sop_class_uid in ENHANCED_CT_CLASSES


def _of_one_stack(best: tuple, ranked: Sequence[tuple]) -> tuple:
    """The nearest stack, unless the mask may as well be of another one of the same series."""
    if not isinstance(best[4][0], CtFrame):
        return best
    near = [e for e in ranked if e[2][0] == best[2][0] and e[0] == best[0]]
    meant = the_one_meant([entry[4][0] for entry in near], "the mask")
    return next(entry for entry in near if entry[2] == meant.stack)


def _gap(planes: list[ImagePlane]) -> float:
    return in_order([ImageSlice("", plane) for plane in planes])[1] or 0.0


def _stretch(key: ImagePlane, planes: list[ImagePlane], step: float | None) -> tuple[float, float]:
    origin, normal = np.asarray(key.position), key.normal
    offsets = [float((np.asarray(plane.position) - origin) @ normal) for plane in planes]
    reach = CONTEXT_MM + (step or 0.0)
    return min(offsets) - reach, max(offsets) + reach


def _check_size(voxels: Voxels, planes: dict[str, ImagePlane], step: float | None) -> None:
    plane = planes[next(iter(voxels))]
    rows_mm, columns_mm = plane.pixel_spacing
    thick = step or plane.slice_spacing or 1.0
    ml = sum(map(len, voxels.values())) * rows_mm * columns_mm * thick / 1000
    if ml > LARGEST_ML:
        raise Unusable(f"the mask holds {ml:.0f} ml, expected a lesion of at most {LARGEST_ML:g}")
    flat = np.concatenate(list(voxels.values()))
    rows, columns = np.divmod(flat, plane.columns)
    height, width = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    offsets = [float(np.asarray(planes[uid].position) @ plane.normal) for uid in voxels]
    depth_mm = max(offsets) - min(offsets) + thick
    extent = max(height * rows_mm, width * columns_mm, depth_mm)
    if extent > LONGEST_MM:
        raise Unusable(
            f"the mask is {extent:.0f} mm long, expected a lesion of at most {LONGEST_MM:g} mm"
        )
    count = round(depth_mm / thick) * height * width
    if count > MOST_VOXELS:
        raise Unusable(f"the mask spans {count} voxels, expected at most {MOST_VOXELS}")


def _axes(flat: npt.NDArray[np.int64], plane: ImagePlane) -> RecistAxes:
    # Here, for it loads SciPy, which a node that starts need not wait for.
    from pipelines.longest_axes import longest_axes

    rows, columns = np.divmod(flat, plane.columns)
    top, left = int(rows.min()), int(columns.min())
    mask = np.zeros((int(rows.max()) - top + 1, int(columns.max()) - left + 1), bool)
    mask[rows - top, columns - left] = True
    found = longest_axes(mask, plane.pixel_spacing)
    return RecistAxes(
        *(plane.to_patient(axis[:, ::-1] + (left + 0.5, top + 0.5)) for axis in found)
    )
