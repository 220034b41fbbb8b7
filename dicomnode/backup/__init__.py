"""Copies of all that a node keeps, and their way back into an empty store."""

from dicomnode.backup.manifest import BrokenBackup, Manifest
from dicomnode.backup.restoring import NotRestored, Restored, refuse_unfinished_restore, restore
from dicomnode.backup.saving import NotSaved, Saved, save

__all__ = [
    "BrokenBackup",
    "Manifest",
    "NotRestored",
    "NotSaved",
    "Restored",
    "Saved",
    "refuse_unfinished_restore",
    "restore",
    "save",
]
