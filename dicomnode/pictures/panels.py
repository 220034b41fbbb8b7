"""From a published lesion to its row of the contact sheet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dicomnode.frames import FrameFile, frame_of, read_headers
from dicomnode.jobs.read_volume import nearest_slice, read_volume
from dicomnode.pictures.contact_sheet import Panel
from dicomnode.store.tables import Lesion
from pipelines.recist import RecistAxes
from pipelines.soft_mask import SoftMask

_MARGIN_PIXELS = 8


def panel_of(lesion: Lesion, files: Mapping[str, Path]) -> Panel:
    """Draw a published lesion on the slice that it was marked on.

    Parameters
    ----------
    lesion : Lesion
        Published.
    files : mapping from SOP Instance UID to Path
        At least the image with the mark.
    """
    mask = SoftMask.load(Path(lesion.soft_mask_path))
    key, file = _marked(lesion, files)
    volume, _ = read_volume([file], 0)
    image = volume.array[0]
    alpha = np.zeros(image.shape, dtype=np.float32)
    slice_offset, row, column = mask.offset
    _, rows, columns = mask.alpha.array.shape
    if 0 <= key - slice_offset < mask.alpha.array.shape[0]:
        alpha[row : row + rows, column : column + columns] = mask.alpha.array[key - slice_offset]
    top, left = max(row - _MARGIN_PIXELS, 0), max(column - _MARGIN_PIXELS, 0)
    crop = np.s_[top : row + rows + _MARGIN_PIXELS, left : column + columns + _MARGIN_PIXELS]
    lines = [
        volume.map_reference_to_indices(np.array(axis))[:, 1:] - (top, left)
        for axis in (lesion.long_axis, lesion.short_axis)
        if axis is not None
    ]
    size = mask.quantity if lesion.volume_ml is None else f"{lesion.volume_ml:.2f} ml"
    return Panel(
        title=f"lesion {lesion.id}\n{size}",
        hu=image[crop],
        alpha=alpha[crop],
        axes=lines,
        pixel_spacing=volume.spacing[1:],
    )


def _marked(lesion: Lesion, files: Mapping[str, Path]) -> tuple[int, Path | FrameFile]:
    """Which slice the mark lies on, and its file; of frames, that which its axes lie on."""
    uid = lesion.key_sop_instance_uid
    if uid in lesion.slices:
        return lesion.slices.index(uid), files[uid]
    frames = [FrameFile(files[uid], number) for uid, number in map(frame_of, lesion.slices)]
    index = nearest_slice(read_headers(frames), RecistAxes(lesion.long_axis, lesion.short_axis))
    return index, frames[index]
