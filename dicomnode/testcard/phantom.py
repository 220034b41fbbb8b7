"""The phantom of the test card: shapes whose every alpha is known, drawn into a CT.

Each shape is there for one fault that viewers have: grey levels lost, rows padded to whole bytes,
frames counted where positions are to be read, pictures mirrored. The CT shows where each shape
lies, and every slice says its number, so that a person sees at once whether an overlay is where it
belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from dicomnode.results.uids import derive_uid

SHAPE = (24, 172, 188)
"""Slices, rows, columns. Columns are no multiple of 8: BINARY pixels pack across rows."""

SPACING_MM = (3.0, 1.5, 1.5)

WINDOW_CENTRE, WINDOW_WIDTH = 40, 400

_BODY_HU, _SHAPE_HU, _PAINT_HU = -60, 100, 300
_FRAME_DISTANCE = 3
"""Pixels between a shape and the white frame around it."""


@dataclass(frozen=True, eq=False)
class Shape:
    """One matte of the phantom.

    Attributes
    ----------
    name : str
        Also the tracking identifier of its mark.
    shows : str
        What a viewer that draws it well shows, for the sheet.
    alpha : ndarray, float32, shape `SHAPE`
    """

    name: str
    shows: str
    alpha: npt.NDArray[np.float32]

    @property
    def slices(self) -> npt.NDArray[np.intp]:
        """Indices of the slices that it touches, from 0."""
        return np.flatnonzero(self.alpha.any(axis=(1, 2)))

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The smallest crop that holds it, gaps included."""
        filled = np.nonzero(self.alpha)
        return tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in filled)


def shapes() -> tuple[Shape, ...]:
    """The mattes, all on one grid and apart from each other."""
    return tuple(
        Shape(name, shows, _alpha(draw).astype(np.float32))
        for name, shows, draw in (
            (
                "ramp sphere",
                "a ball, fading from its core outwards, slices 4 to 21",
                _ramp_sphere,
            ),
            (
                "wedge",
                "ten steps that grow stronger from left to right, slices 13 to 20",
                _wedge,
            ),
            (
                "gaps",
                "a disc on slices 4 to 6, 12 to 14 and 20, nothing between",
                _gaps,
            ),
            (
                "letter",
                "the letter F, neither mirrored nor turned, on slices 17 and 18 only",
                _letter,
            ),
        )
    )


def phantom_volume(mattes: tuple[Shape, ...]) -> hd.Volume:
    """The CT in HU: shapes on a grey body, white frames around them, slice numbers, a notice.

    Parameters
    ----------
    mattes : tuple of Shape
        As `shapes` gives them.

    Returns
    -------
    highdicom.Volume, int16, shape `SHAPE`
        Axial, feet to head.
    """
    hu = np.full(SHAPE, -1000, dtype=np.int16)
    hu[:, 3:-3, 3:-3] = _BODY_HU
    for matte in mattes:
        hu += np.rint(matte.alpha * (_SHAPE_HU - _BODY_HU)).astype(np.int16)
        _, rows, columns = matte.box
        top, bottom = rows.start - _FRAME_DISTANCE, rows.stop + _FRAME_DISTANCE - 1
        left, right = columns.start - _FRAME_DISTANCE, columns.stop + _FRAME_DISTANCE - 1
        for index in matte.slices:
            hu[index, [top, bottom], left : right + 1] = _PAINT_HU
            hu[index, top : bottom + 1, [left, right]] = _PAINT_HU
    for index in range(SHAPE[0]):
        for text, row, column, scale in (
            (f"SLICE {index + 1}", 10, 46, 2),
            ("R", 84, 6, 1),
            ("TEST CARD, NOT A PATIENT", 154, 22, 1),
        ):
            written = _text(text, scale)
            height, width = written.shape
            hu[index, row : row + height, column : column + width][written] = _PAINT_HU
    slice_mm, row_mm, column_mm = SPACING_MM
    affine = np.array(
        [
            [0, 0, column_mm, -column_mm * (SHAPE[2] - 1) / 2],
            [0, row_mm, 0, -row_mm * (SHAPE[1] - 1) / 2],
            [slice_mm, 0, 0, 100],
            [0, 0, 0, 1],
        ]
    )
    return hd.Volume(
        hu,
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=derive_uid("test card", "space"),
    )


def _alpha(draw: Callable[..., npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    slices, rows, columns = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij", sparse=True)
    return np.broadcast_to(draw(slices, rows, columns), SHAPE)


def _ramp_sphere(slices, rows, columns) -> npt.NDArray[np.float64]:
    """1 up to 9 mm from the centre, 0 from 28 mm on, linear between."""
    along, down, across = SPACING_MM
    distance = np.sqrt(
        ((slices - 11.5) * along) ** 2 + ((rows - 62) * down) ** 2 + ((columns - 52) * across) ** 2
    )
    return np.clip((28 - distance) / (28 - 9), 0, 1)


def _wedge(slices, rows, columns) -> npt.NDArray[np.float64]:
    """Steps of 0.1, six columns wide."""
    step = (columns - 104) // 6 + 1
    inside = (slices >= 12) & (slices <= 19) & (rows >= 46) & (rows < 78)
    return np.where(inside & (step >= 1) & (step <= 10), step / 10, 0.0)


def _gaps(slices, rows, columns) -> npt.NDArray[np.float64]:
    """A disc of 12 mm radius with an edge of 3 mm."""
    _, down, across = SPACING_MM
    distance = np.sqrt(((rows - 124) * down) ** 2 + ((columns - 52) * across) ** 2)
    there = ((slices >= 3) & (slices <= 5)) | ((slices >= 11) & (slices <= 13)) | (slices == 19)
    return np.where(there, np.clip((13.5 - distance) / 3, 0, 1), 0.0)


def _letter(slices, rows, columns) -> npt.NDArray[np.float64]:
    stem = (columns >= 124) & (columns < 130) & (rows >= 104) & (rows < 144)
    arms = ((rows >= 104) & (rows < 110) & (columns < 148)) | (
        (rows >= 120) & (rows < 126) & (columns < 142)
    )
    inside = stem | (arms & (columns >= 124))
    return (inside & (slices >= 16) & (slices <= 17)).astype(np.float64)


def _text(text: str, scale: int) -> npt.NDArray[np.bool_]:
    """Words as pixels, in a bitmap font, so that every version of the library draws the same."""
    picture = Image.new("1", (16 * len(text) + 16, 32))
    font = ImageFont.load_default_imagefont()
    # The library cuts off what the first letter has left of its origin.
    ImageDraw.Draw(picture).text((0, 2), " " + text, fill=1, font=font)
    pixels = np.asarray(picture)
    rows, columns = np.nonzero(pixels)
    written = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return written.repeat(scale, axis=0).repeat(scale, axis=1)
