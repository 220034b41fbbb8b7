"""Lesions on frames of enhanced CT, of which tests make result objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.frames import frame_headers
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.results import LesionResult
from dicomnode.results.source_frames import stand_in
from tests.dicomnode.enhanced_ct import enhanced_ct, frames_of
from tests.dicomnode.results.lesions import ball_result


def enhanced_result(parts: int = 1, **ball: object) -> tuple[LesionResult, list[Dataset]]:
    """The lesion of `ball_result` on the frames of an enhanced CT, in no order.

    Parameters
    ----------
    parts : int
        Objects of the concatenation that the frames are shared out to; 1 for one object.

    Returns
    -------
    result : LesionResult
    objects : list of Dataset
        The enhanced CT.
    """
    single = ball_result(**ball)
    order = np.random.default_rng(1).permutation(len(single.slices))
    frames = frames_of(single.slices)
    objects = [
        enhanced_ct([frames[i] for i in held], part=None if parts == 1 else (number, parts))
        for number, held in enumerate(np.array_split(order, parts), start=1)
    ]
    return on_frames(single, objects, np.argsort(order)), objects


def on_frames(
    result: LesionResult, objects: Sequence[Dataset], places: Sequence[int]
) -> LesionResult:
    """The same lesion on frames instead of slices; its mark names the frame that it is drawn on.

    Parameters
    ----------
    result : LesionResult
        With axes in pixels.
    objects : sequence of Dataset
        Enhanced CT.
    places : sequence of int
        Of each slice, where its frame is among all frames of the objects, from 0.
    """
    frames = [(one, n) for one in objects for n in range(1, one.NumberOfFrames + 1)]
    of_slice = [frames[place] for place in places]
    headers, stand_ins = stand_in(
        [frame_headers(one, [number])[0] for one, number in of_slice],
        [number for _, number in of_slice],
    )
    axes = result.mark.axes
    image, number = of_slice[
        result.index_of(axes.referenced_sop_instance_uid, axes.referenced_frame)
    ]
    mark = replace(axes, referenced_sop_instance_uid=image.SOPInstanceUID, referenced_frame=number)
    return replace(result, slices=headers, stand_ins=stand_ins, mark=LesionMark.of(mark))
