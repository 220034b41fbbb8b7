"""A picture of one CT slice with a soft mask over it, a legend below, and words burned in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from dicomnode.pictures.field_of_view import FieldOfView

BURNED_IN = "RESEARCH - not for diagnosis"

_TINT = (0, 158, 115)
"""Bluish green of Okabe and Ito 2008, unlike the colours of curves."""

_OPACITY = 0.35
"""Of the tint where alpha is 1."""

_MARK = (255, 255, 255)
_AMBER = (255, 176, 0)
_GREY = (200, 200, 200)
_FINER = 2
"""Lines are drawn on pixels so many times smaller, and look smooth."""

_LEGEND_ROWS = 96
_SCALE_MM = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True, eq=False)
class Curve:
    """A line on the slice.

    Attributes
    ----------
    points : ndarray, shape (n, 2)
        (column, row) from the outer corner of the slice's first pixel.
    rgb : tuple of int
    closed : bool
    """

    points: npt.NDArray[np.float64]
    rgb: tuple[int, int, int] = _MARK
    closed: bool = False


@dataclass(frozen=True, eq=False)
class Legend:
    """What stands below every picture of a lesion, without patient data.

    Attributes
    ----------
    alpha : str
        What alpha means.
    levels : tuple of (float, tuple of int)
        Alpha and colour of each curve.
    lines : tuple of str
        Two at most.
    """

    alpha: str
    levels: tuple[tuple[float, tuple[int, int, int]], ...]
    lines: tuple[str, ...] = ()


def lesion_picture(
    hu: npt.NDArray,
    alpha: npt.NDArray,
    view: FieldOfView,
    window: tuple[float, float],
    curves: Sequence[Curve],
    marks: Sequence[Curve],
    legend: Legend,
    title: str,
) -> npt.NDArray[np.uint8]:
    """Draw one slice.

    Parameters
    ----------
    hu, alpha : ndarray, shape (rows, columns)
        Of the slice.
    view : FieldOfView
    window : tuple of float
        HU shown as black and as white.
    curves, marks : sequence of Curve
        Of the soft mask, and of readers; these lie on top.
    legend : Legend
    title : str
        In the upper right corner.

    Returns
    -------
    ndarray, uint8, shape (view.height + rows of the legend, view.width, 3)
        The legend goes on below the field of view, on the same grid.
    """
    low, high = window
    grey = np.clip((view.resample(hu, smooth=True) - low) * np.float32(255 / (high - low)), 0, 255)
    coloured = np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
    opacity = _OPACITY * np.clip(view.resample(alpha, smooth=False), 0, 1)
    box = np.ix_(opacity.any(axis=1), opacity.any(axis=0))
    over = opacity[box][..., None]
    coloured[box] = np.rint(coloured[box] * (1 - over) + np.array(_TINT, dtype=np.float32) * over)
    picture = Image.fromarray(coloured, "RGB")
    _draw_lines(picture, view, curves, marks)
    _write_words(picture, view, title)
    return np.concatenate([np.asarray(picture), legend_strip(legend, view.width)])


def _draw_lines(
    picture: Image.Image, view: FieldOfView, curves: Sequence[Curve], marks: Sequence[Curve]
) -> None:
    """Draw within the smallest box that holds all lines, finer, and then make it coarser."""
    drawn = [(curve, 2, 0) for curve in curves] + [(mark, 3, 3) for mark in marks]
    points = [view.to_picture(curve.points) for curve, _, _ in drawn]
    if not points:
        return
    size = np.array(picture.size)
    low = np.clip(np.floor(np.min([p.min(axis=0) for p in points], axis=0)) - 4, 0, size)
    high = np.clip(np.ceil(np.max([p.max(axis=0) for p in points], axis=0)) + 4, 0, size)
    if (high <= low).any():
        return
    box = (*low.astype(int).tolist(), *high.astype(int).tolist())
    part = picture.crop(box)
    part = part.resize((part.width * _FINER, part.height * _FINER), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(part)
    for (curve, width, casing), place in zip(drawn, points, strict=True):
        shown = np.concatenate([place, place[:1]]) if curve.closed else place
        line = [tuple(point) for point in ((shown - low) * _FINER - 0.5).tolist()]
        if casing:
            draw.line(line, fill=(0, 0, 0), width=width + casing, joint="curve")
        draw.line(line, fill=curve.rgb, width=width, joint="curve")
    picture.paste(part.reduce(_FINER), box)


def _write_words(picture: Image.Image, view: FieldOfView, title: str) -> None:
    words = _words_of_all(view)
    picture.paste(words, mask=words)
    font = _fitting(title, view.width - 16, 14)
    ImageDraw.Draw(picture).text(
        (view.width - 8, 30), title, font=font, fill=_GREY, anchor="ra", **_CASED
    )


@lru_cache(maxsize=4)
def _words_of_all(view: FieldOfView) -> Image.Image:
    """Notice and scale, the same on all slices of a lesion; elsewhere transparent."""
    words = Image.new("RGBA", (view.width, view.height))
    draw = ImageDraw.Draw(words)
    font = _fitting(BURNED_IN, view.width - 16, 18, bold=True)
    draw.text((8, 6), BURNED_IN, font=font, fill=_AMBER, **_CASED)
    longest = view.width * view.pixel_mm / 4
    length = max((mm for mm in _SCALE_MM if mm <= longest), default=None)
    if length is not None:
        pixels, foot = length / view.pixel_mm, view.height - 12
        draw.line([(10, foot), (10 + pixels, foot)], fill=(0, 0, 0), width=5)
        draw.line([(11, foot), (9 + pixels, foot)], fill=_GREY, width=2)
        draw.text((10, foot - 4), f"{length} mm", font=_font(13), fill=_GREY, anchor="ls", **_CASED)
    return words


@lru_cache(maxsize=4)
def legend_strip(legend: Legend, width: int) -> npt.NDArray[np.uint8]:
    """The legend alone, shape (rows, width, 3); the same for all slices of a lesion."""
    strip = Image.new("RGB", (width, _LEGEND_ROWS))
    draw = ImageDraw.Draw(strip)
    left, length, top = 10, min(200, width // 3), 10
    alpha = np.linspace(0, 1, length, dtype=np.float32)[None, :, None] * _OPACITY
    bar = 128 * (1 - alpha) + np.array(_TINT, dtype=np.float32) * alpha
    bar = np.repeat(np.rint(bar).astype(np.uint8), 14, axis=0)
    strip.paste(Image.fromarray(bar, "RGB"), (left, top))
    for level, rgb in ((0.0, _GREY), *legend.levels, (1.0, _GREY)):
        x = left + level * (length - 1)
        draw.line([(x, top), (x, top + 17)], fill=rgb, width=2)
        draw.text((x, top + 19), f"{level:g}", font=_font(11), fill=rgb, anchor="ma")
    words = left + length + 16
    draw.text(
        (words, top - 2),
        legend.alpha,
        font=_fitting(legend.alpha, width - words - 8, 13),
        fill=_GREY,
    )
    draw.line([(words, top + 25), (words + 24, top + 25)], fill=_MARK, width=2)
    draw.text((words + 32, top + 25), "reader's mark", font=_font(13), fill=_GREY, anchor="lm")
    for row, line in enumerate(legend.lines[:2]):
        font = _fitting(line, width - 20, 13)
        draw.text((10, 52 + 20 * row), line, font=font, fill=_GREY)
    return np.asarray(strip)


_CASED = {"stroke_width": 2, "stroke_fill": (0, 0, 0)}


def _fitting(text: str, room: float, size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The greatest font up to a size in which a text fits into so many pixels; 7 at least."""
    while size > 7 and _font(size, bold).getlength(text) > room:
        size -= 1
    return _font(size, bold)


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    # Here, for a node that starts need not wait for matplotlib.
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)
