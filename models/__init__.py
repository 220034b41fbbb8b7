"""Networks: tensors in, tensors out. Research software, not for diagnosis."""

from __future__ import annotations

from collections.abc import Callable

REGISTRY: dict[str, Callable] = {}
"""Name of a matting network to the function ``(volume crop, prior) -> alpha``; none ships yet."""
