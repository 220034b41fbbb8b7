"""Phantoms with exactly known truth: nodules, and a chest to put them in."""

from pipelines.phantom.nodule import NoduleKind
from pipelines.phantom.patch import Patch, nodule_patch

__all__ = ["NoduleKind", "Patch", "nodule_patch"]
