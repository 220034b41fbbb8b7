"""A lesion of the node as material of a case: its CT, its readers' masks, its soft mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dicomnode.jobs.read_masks import MaskPrior, read_masks
from dicomnode.jobs.read_volume import read_volume
from dicomnode.jobs.result_rows import lesion_files
from dicomnode.reader_study.case_file import MARGIN_MM, UnusableCandidates
from dicomnode.reader_study.sources import CaseMaterial
from dicomnode.store.database import Database
from dicomnode.store.instances import paths_of
from dicomnode.store.tables import Lesion
from pipelines.recist import RecistAxes
from pipelines.soft_mask import SoftMask


def lesion_reader(database: Database) -> Callable[[int], CaseMaterial]:
    """Give what reads lesions of a store by their numbers."""

    def read(number: int) -> CaseMaterial:
        with database.read() as session:
            lesion = session.get(Lesion, number)
            if lesion is None:
                raise UnusableCandidates(f"found no lesion {number}")
            if lesion.soft_mask_path is None or not lesion.slices:
                raise UnusableCandidates(
                    f"lesion {number} has no soft mask; it is {lesion.state.value}"
                )
            try:
                files = lesion_files(session, lesion)
                opinions = tuple(o for o in files.mark.opinions if o.has_mask)
                uids = sorted(
                    {o.segment.seg_sop_instance_uid for o in opinions if o.segment is not None}
                )
                segs = tuple(zip(uids, paths_of(session, uids), strict=True))
            except KeyError:
                raise UnusableCandidates(
                    f"the images or masks of lesion {number} are no longer here"
                ) from None
            axes = None
            if lesion.long_axis is not None:
                axes = RecistAxes(lesion.long_axis, lesion.short_axis)
        mask = SoftMask.load(files.soft_mask)
        volume, _ = read_volume(files.slices, mask.offset[0])
        masks = np.zeros((0, *volume.spatial_shape), bool)
        if opinions:
            masks = read_masks(MaskPrior(opinions, segs, axes), files.slices)
        box = _around(mask, masks, volume.spacing)
        moved = tuple(o - b.start for o, b in zip(mask.offset, box, strict=True))
        return CaseMaterial(
            f"lesion-{number}",
            volume[box],
            masks[(slice(None), *box)],
            axes,
            replace(mask, offset=moved),
            number,
            lesion.study_instance_uid,
            (volume.get_geometry(), box),
        )

    return read


def _around(
    mask: SoftMask, masks: npt.NDArray[np.bool_], spacing: Sequence[float]
) -> tuple[slice, slice, slice]:
    """All that masks hold, and as much again on each side: what methods look at, and readers see.

    The whole CT would take gigabytes once every candidate is on it.
    """
    found = []
    for axis, step in enumerate(spacing):
        first = mask.offset[axis]
        last = first + mask.alpha.spatial_shape[axis]
        (held,) = masks.any(axis=tuple(a for a in range(4) if a != axis + 1)).nonzero()
        if len(held):
            first, last = min(first, int(held[0])), max(last, int(held[-1]) + 1)
        more = int(np.ceil(MARGIN_MM / step)) + last - first
        found.append(slice(max(first - more, 0), min(last + more, masks.shape[axis + 1])))
    return tuple(found)
