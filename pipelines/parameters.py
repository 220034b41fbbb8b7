"""What can be set of the way from a mark to a soft mask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from models import segmenting
from pipelines.errors import UnknownParameterError
from pipelines.matting import METHODS
from pipelines.matting.density_weighted import FALLS
from pipelines.matting.most_psf import MOST_PSF_MM
from pipelines.soft_mask import Parameter

DEFAULT_METHOD = "occupancy"
"""Name in `pipelines.matting.METHODS`. The others take the parameters of their papers."""

DEFAULT_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "grabcut": "native-3d",
        "smoothness_mm": 0.2,
        "mixture_weight": 0.2,
        "rounds": 3,
        "band_inner_mm": 0.8,
        "band_outer_mm": 1.0,
        "margin_mm": 1.0,
        "epsilon": 1e-7,
        "psf_mm": 0.6,
        "smoothing": 0.3,
        "density_low": -1350.0,
        "density_high": 150.0,
        "density_below": "linear",
        "density_above": "one",
        "density_pure_up_to": 400.0,
        "density_zero_at": 1000.0,
    }
)
"""Everything that can be set, all JSON-able.

`grabcut`
    "native-3d", or "opencv-2d" for the papers' way, slice by slice; that needs OpenCV.
`smoothness_mm`, `mixture_weight`, `rounds`
    Of the native `grabcut`.
`band_inner_mm`, `band_outer_mm`
    Of `trimap_from_mask`.
`margin_mm`
    Of `trimap_from_masks`.
`epsilon`
    Of the methods closed-form and closed-form+.
`psf_mm`, `smoothing`
    Of the method occupancy.
`density_low`, `density_high`, `density_below`, `density_above`, `density_pure_up_to`,
`density_zero_at`
    Of `pipelines.matting.density_weighted.foreground_alpha`, for the methods whose name ends in +.
    The last two, in HU, count only where `density_above` is not "one".
"""

_OF_ALL = (
    "grabcut",
    "smoothness_mm",
    "mixture_weight",
    "rounds",
    "band_inner_mm",
    "band_outer_mm",
    "margin_mm",
)
_OF_DENSITY = tuple(name for name in DEFAULT_PARAMETERS if name.startswith("density_"))
_CHOICES = {
    "grabcut": ("native-3d", "opencv-2d"),
    "density_below": FALLS[1:],
    "density_above": FALLS,
}

_NOT_NEGATIVE = (
    "smoothness_mm",
    "mixture_weight",
    "band_inner_mm",
    "band_outer_mm",
    "margin_mm",
    "psf_mm",
    "smoothing",
)


_AT_MOST = {"smoothness_mm": 100.0, "psf_mm": MOST_PSF_MM, "smoothing": 100.0}


def known_methods() -> tuple[str, ...]:
    """Names of all methods: of `pipelines.matting.METHODS` and of `models.segmenting`."""
    return tuple(sorted((*METHODS, *segmenting())))


def complete_parameters(parameters: Mapping[str, Parameter] | None) -> dict[str, Parameter]:
    """Override the defaults, each by a value of its kind.

    Raises
    ------
    UnknownParameterError
        If a name is unknown or a value impossible; says what was found and what was expected.
    """
    values = dict(DEFAULT_PARAMETERS)
    for name, value in (parameters or {}).items():
        if name not in values:
            known = ", ".join(sorted(values))
            raise UnknownParameterError(f"found the parameter {name!r}, known are: {known}")
        default = values[name]
        if name in _CHOICES:
            if value not in _CHOICES[name]:
                known = ", ".join(_CHOICES[name])
                raise UnknownParameterError(f"{name}: found {value!r}, known are: {known}")
            values[name] = value
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnknownParameterError(f"{name}: found {value!r}, expected a number")
        if not math.isfinite(value):
            raise UnknownParameterError(f"{name}: found {value!r}, expected a finite number")
        if isinstance(default, int) and value != int(value):
            raise UnknownParameterError(f"{name}: found {value!r}, expected a whole number")
        values[name] = type(default)(value)
    for name in _NOT_NEGATIVE:
        if values[name] < 0:
            raise UnknownParameterError(f"{name}: found {values[name]}, expected 0 or more")
    if values["rounds"] < 1 or values["rounds"] > 20:
        raise UnknownParameterError(f"rounds: found {values['rounds']}, expected 1 to 20")
    if values["epsilon"] <= 0:
        raise UnknownParameterError(f"epsilon: found {values['epsilon']}, expected more than 0")
    for name, most in _AT_MOST.items():
        if values[name] > most:
            raise UnknownParameterError(f"{name}: found {values[name]}, expected at most {most}")
    # The last two count only where alpha falls again.
    names = ("low", "high", "pure_up_to", "zero_at")[: 2 if values["density_above"] == "one" else 4]
    levels = [values[f"density_{name}"] for name in names]
    low, high, *falling = levels
    if not (low < high and (not falling or high <= falling[0] < falling[1])):
        raise UnknownParameterError(
            f"found {levels} HU as density_{', density_'.join(names)}, "
            "expected them to rise in this order"
        )
    return values


def parameters_of(method: str, values: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Those of complete parameters that decide a method's result."""
    names = list(_OF_ALL)
    plain = method.removesuffix("+")
    if plain == "closed-form":
        names.append("epsilon")
    if plain == "occupancy":
        names += ["psf_mm", "smoothing"]
    if method != plain:
        names += _OF_DENSITY
    return {name: values[name] for name in names}


def method_settings(method: str, values: Mapping[str, Parameter]) -> dict[str, object]:
    """Keyword arguments of a function of `pipelines.matting.METHODS`."""
    mine = parameters_of(method, values)
    settings = {name: mine[name] for name in ("epsilon", "psf_mm", "smoothing") if name in mine}
    if "density_low" in mine:
        settings |= {
            "density_window": (mine["density_low"], mine["density_high"]),
            "below": mine["density_below"],
            "above": mine["density_above"],
        }
        if mine["density_above"] != "one":
            settings |= {
                "pure_up_to": mine["density_pure_up_to"],
                "zero_at": mine["density_zero_at"],
            }
    return settings
