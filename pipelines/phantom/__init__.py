"""Phantoms with exactly known truth: nodules, and a chest to put them in."""

from pipelines.phantom.chest import ChestPhantom, PhantomNodule, chest
from pipelines.phantom.nodule import NoduleKind
from pipelines.phantom.patch import Patch, nodule_patch

__all__ = ["ChestPhantom", "NoduleKind", "Patch", "PhantomNodule", "chest", "nodule_patch"]
