"""Pictures of frames, as a display would show them (PS3.18 10.4.1.1.3, PS3.4 N.2)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset

from dicomnode.web.dicomweb.problem import Problem, quoted
from dicomnode.web.dicomweb.stored_object import StoredObject

MOST_EDGE = 8192
_SEGMENTATION = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_FUNCTIONS = ("linear", "linear-exact", "sigmoid")

_LABEL_COLOURS = np.array(
    [
        (0, 0, 0),
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
    ],
    np.uint8,
)
"""Of segments of a label map, in turn: the palette of Okabe and Ito, for all kinds of sight."""


@dataclass(frozen=True)
class Window:
    """What is shown from black to white (PS3.3 C.11.2.1.2).

    Attributes
    ----------
    centre, width : float
    function : str
        "linear", "linear-exact" or "sigmoid".
    """

    centre: float
    width: float
    function: str = "linear"

    def greys(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Values as greys from 0 to 255."""
        centre, width = self.centre, self.width
        if self.function == "sigmoid":
            with np.errstate(over="ignore"):
                shown = 255 / (1 + np.exp(-4 * (values - centre) / width))
        elif self.function == "linear":
            shown = ((values - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5) * 255
        else:
            shown = ((values - centre) / width + 0.5) * 255
        return np.rint(np.clip(shown, 0, 255)).astype(np.uint8)


@dataclass(frozen=True)
class Viewport:
    """The size of a picture, and the part of the image in it (PS3.18 8.3.5.1.3).

    Attributes
    ----------
    width, height : int
    left, top, source_width, source_height : float or None
        In pixels of the image; None for all of it. Negative sizes mirror.
    """

    width: int
    height: int
    left: float | None = None
    top: float | None = None
    source_width: float | None = None
    source_height: float | None = None


@dataclass(frozen=True)
class Shown:
    """How a picture is asked for.

    Attributes
    ----------
    window : Window or None
        None for that of the object.
    viewport : Viewport or None
        None for the size of the image.
    quality : int
        Of JPEG, 1 to 100.
    """

    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90


def read_shown(parameters: Any) -> Shown:
    """Read the parameters of a picture (PS3.18 8.3.5.1).

    Raises
    ------
    Problem
        400.
    """
    window = viewport = None
    if text := parameters.get("window"):
        centre, width, *rest = (*text.split(","), "")
        numbers = _numbers("window", f"{centre},{width}", "centre,width,function", (2,))
        function = (rest[0] if len(rest) > 1 or rest[0] else "") or "linear"
        if numbers[1] <= 0 or function.lower() not in _FUNCTIONS or len(rest) > 2:
            raise Problem(
                400, f"window: found {quoted(text)}, expected centre,width,{'|'.join(_FUNCTIONS)}"
            )
        window = Window(numbers[0], numbers[1], function.lower())
    if text := parameters.get("viewport"):
        form = "width,height or width,height,left,top,width,height"
        numbers = _numbers("viewport", text, form, (2, 6))
        if not all(1 <= edge <= MOST_EDGE for edge in numbers[:2]) or 0 in numbers[4:]:
            raise Problem(
                400, f"viewport: found {quoted(text)}, expected edges of 1 to {MOST_EDGE}"
            )
        viewport = Viewport(round(numbers[0]), round(numbers[1]), *numbers[2:])
    quality = int(_numbers("quality", parameters.get("quality", "90"), "1 to 100", (1,))[0])
    if not 1 <= quality <= 100:
        raise Problem(400, f"quality: found {quality}, expected 1 to 100")
    return Shown(window, viewport, quality)


def picture(stored: StoredObject, index: int, shown: Shown) -> Image.Image:
    """Draw one frame.

    Soft masks are drawn in grey: black is 0, white is 1 (Maximum Fractional Value), whatever their
    presentation says.

    Parameters
    ----------
    stored : StoredObject
    index : int
        From 0.
    shown : Shown

    Raises
    ------
    Problem
        404 where there is no such frame, 406 where it cannot be drawn.
    """
    values = stored.decoded(index)
    header = stored.header()
    if header.get("SOPClassUID") in _SEGMENTATION:
        grey = _segments(values, header)
    elif values.ndim == 3:
        grey = values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)
    else:
        grey = _greys(values, header, index, shown.window)
    return _fitted(Image.fromarray(np.ascontiguousarray(grey)), shown.viewport)


def encoded(image: Image.Image, media: str, quality: int) -> bytes:
    """Write a picture as JPEG or PNG."""
    buffer = io.BytesIO()
    if media == "image/png":
        image.save(buffer, "PNG", compress_level=3)
    else:
        image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _segments(values: np.ndarray, header: Dataset) -> np.ndarray:
    kind = header.get("SegmentationType")
    if kind == "FRACTIONAL":
        most = max(int(header.get("MaximumFractionalValue", 255)), 1)
        return np.rint(np.clip(values.astype(np.float32) / most, 0, 1) * 255).astype(np.uint8)
    if kind == "LABELMAP":
        turns = len(_LABEL_COLOURS) - 1
        return _LABEL_COLOURS[np.where(values == 0, 0, (values.astype(np.int64) - 1) % turns + 1)]
    return (values != 0).astype(np.uint8) * 255


def _greys(
    values: np.ndarray, header: Dataset, index: int, window: Window | None
) -> npt.NDArray[np.uint8]:
    slope, intercept = _rescale(header, index)
    values = values.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    window = window or _stored_window(header, index) or _window_of(values)
    grey = window.greys(np.nan_to_num(values))
    return 255 - grey if header.get("PhotometricInterpretation") == "MONOCHROME1" else grey


def _rescale(header: Dataset, index: int) -> tuple[float, float]:
    place = _group(header, index, "PixelValueTransformationSequence") or header
    slope, intercept = place.get("RescaleSlope"), place.get("RescaleIntercept")
    return (1.0, 0.0) if slope is None or intercept is None else (float(slope), float(intercept))


def _stored_window(header: Dataset, index: int) -> Window | None:
    place = _group(header, index, "FrameVOILUTSequence") or header
    centre, width = (_first(place.get(f"Window{name}")) for name in ("Center", "Width"))
    if centre is None or not width or width <= 0:
        return None
    function = str(place.get("VOILUTFunction", "LINEAR")).lower().replace("_", "-")
    return Window(centre, width, function if function in _FUNCTIONS else "linear")


def _window_of(values: npt.NDArray[np.float32]) -> Window:
    """From the least to the greatest value, but for one in a hundred on each side."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
    if high <= low:
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return Window((low + high) / 2, max(float(high - low), 1e-6), "linear-exact")


def _group(header: Dataset, index: int, name: str) -> Dataset | None:
    """An item of a frame's functional groups (PS3.3 C.7.6.16); its own goes before the shared."""
    groups = header.get("PerFrameFunctionalGroupsSequence") or ()
    own = groups[index] if index < len(groups) else None
    shared = next(iter(header.get("SharedFunctionalGroupsSequence") or ()), None)
    for group in (own, shared):
        found = None if group is None else group.get(name)
        if found:
            return found[0]
    return None


def _first(value: Any) -> float | None:
    """The first of several windows is the one to begin with."""
    if value is None or value == "":
        return None
    try:
        return float(value[0] if hasattr(value, "__getitem__") else value)
    except (TypeError, ValueError, IndexError):
        return None


def _fitted(image: Image.Image, viewport: Viewport | None) -> Image.Image:
    """Scale into a viewport; what is longer fits, nothing is distorted."""
    if viewport is None:
        return image
    if viewport.left is not None:
        width, height = viewport.source_width, viewport.source_height
        box = (viewport.left, viewport.top, viewport.left + abs(width), viewport.top + abs(height))
        image = image.crop(tuple(round(edge) for edge in _inside(box, image.size)))
        if width < 0:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if height < 0:
            image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    scale = min(viewport.width / image.width, viewport.height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BILINEAR)


def _inside(box: tuple[float, ...], size: tuple[int, int]) -> tuple[float, ...]:
    left, top, right, bottom = box
    found = (max(left, 0), max(top, 0), min(right, size[0]), min(bottom, size[1]))
    if found[2] - found[0] < 1 or found[3] - found[1] < 1:
        raise Problem(400, "viewport: found a part outside the image")
    return found


def _numbers(name: str, text: str, form: str, counts: tuple[int, ...]) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in counts or not np.isfinite(numbers).all():
        raise Problem(400, f"{name}: found {quoted(text)}, expected {form}")
    return numbers
