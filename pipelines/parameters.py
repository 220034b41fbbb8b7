"""What can be set of the way from a mark to a soft mask."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from pipelines.errors import UnknownParameterError
from pipelines.soft_mask import Parameter

DEFAULT_METHOD = "occupancy"
"""Name in `pipelines.matting.METHODS`. The others take the parameters of their papers."""

METHOD_PARAMETERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"closed-form": ("epsilon",), "occupancy": ("psf_mm", "smoothing")}
)
"""Which of the parameters a method takes; one that is not named here takes none."""

DEFAULT_PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        "smoothness_mm": 0.2,
        "mixture_weight": 0.2,
        "rounds": 3,
        "band_inner_mm": 0.8,
        "band_outer_mm": 1.0,
        "margin_mm": 1.0,
        "epsilon": 1e-7,
        "psf_mm": 0.6,
        "smoothing": 0.3,
    }
)
"""Everything that can be set, all JSON-able.

`smoothness_mm`, `mixture_weight`, `rounds`
    Of `grabcut`.
`band_inner_mm`, `band_outer_mm`
    Of `trimap_from_mask`.
`margin_mm`
    Of `trimap_from_masks`.
`epsilon`
    Of the method closed-form.
`psf_mm`, `smoothing`
    Of the method occupancy.
"""


_NOT_NEGATIVE = (
    "smoothness_mm",
    "mixture_weight",
    "band_inner_mm",
    "band_outer_mm",
    "margin_mm",
    "psf_mm",
    "smoothing",
)


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
    return values
