"""Which frames lesions are segmented on: CT slices, and no projections of them."""

from __future__ import annotations

from dicomnode.frames.frame import Frame

_PROJECTIONS = frozenset({"MAX_IP", "MIN_IP", "VOLUME_RENDER", "SURFACE_RENDER", "CURVED_MPR"})
"""Volume Based Calculation Technique (PS3.3 C.8.16.2.1.3) whose pixels are at no one place."""

_OTHER_QUANTITIES = frozenset(
    {
        "ADDITION",
        "DIVISION",
        "MAXIMUM",
        "MINIMUM",
        "MULTIPLICATION",
        "STD_DEVIATION",
        "SUBTRACTION",
        "QUANTITY",
    }
)
"""Derived Pixel Contrast (Frame Type value 4, PS3.3 C.8.16.1.4) that is no attenuation any more."""


class UnsuitableFrame(ValueError):
    """A frame is none that lesions are segmented on."""


def check_frame(frame: Frame) -> None:
    """Refuse frames that are no CT slices.

    Raises
    ------
    UnsuitableFrame
        If it is a localizer, a projection or rendering, distorted (curved), or its pixels are the
        maximum, a difference or another combination of CT values.
    """
    kinds = frame.frame_type
    if "LOCALIZER" in kinds:
        raise UnsuitableFrame(f"frame {frame.number} is a localizer, expected a CT slice")
    if frame.technique in _PROJECTIONS:
        raise UnsuitableFrame(
            f"frame {frame.number} was made by {frame.technique}, expected a CT slice"
        )
    if frame.volumetric_properties == "DISTORTED":
        raise UnsuitableFrame(f"frame {frame.number} is distorted, expected a plane CT slice")
    contrast = kinds[3] if len(kinds) > 3 else None
    if contrast in _OTHER_QUANTITIES:
        raise UnsuitableFrame(
            f"the pixels of frame {frame.number} are a {contrast} of CT values, expected HU"
        )
