"""Phantoms with exactly known truth: nodules, a chest for them, readers."""

from pipelines.phantom.chest import ChestPhantom, PhantomNodule, chest
from pipelines.phantom.nodule import NoduleKind
from pipelines.phantom.patch import Patch, nodule_patch
from pipelines.phantom.readers import simulated_readers

__all__ = [
    "ChestPhantom",
    "NoduleKind",
    "Patch",
    "PhantomNodule",
    "chest",
    "nodule_patch",
    "simulated_readers",
]
