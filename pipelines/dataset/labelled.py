"""Patches at 0.5 mm with the alpha that a network is to learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.dataset.candidate_mattes import kept_candidates, lesion_candidates, with_matte
from pipelines.dataset.patches import LesionPatch, kept_patch
from pipelines.dataset.selection import selected_method

TARGETS = ("readers", "selected-matte")
"""The mean of the readers' masks; or a classical matte, as the papers have it, chosen by
`pipelines.dataset.selection`."""


@dataclass(frozen=True)
class LabelledPatch:
    """Where a patch and its label lie.

    Attributes
    ----------
    patch : Path
    candidates : Path, optional
        Of mattes; without, the label is the mean of the readers.
    method : str, optional
        Whose matte is the label.
    """

    patch: Path
    candidates: Path | None = None
    method: str | None = None

    def load(self) -> LesionPatch:
        """The patch; its alpha is the label."""
        patch = kept_patch(self.patch)
        if self.candidates is None or self.method is None:
            return patch
        return with_matte(patch, kept_candidates(self.candidates), self.method)


def labelled_patches(
    cache: Path, patches: list[Path], target: str, discard: bool = True
) -> list[LabelledPatch]:
    """Patches with their labels; mattes that are missing are made.

    Parameters
    ----------
    cache : Path
        Folder of candidate mattes.
    patches : list of Path
        Files of `pipelines.dataset.patches.kept_patch`.
    target : str
        One of `TARGETS`.
    discard : bool
        Whether a patch that has no good matte is left out; else its label is the readers' mean.

    Raises
    ------
    ValueError
        If the target is unknown.
    """
    if target not in TARGETS:
        raise ValueError(f"found the target {target!r}, expected one of {', '.join(TARGETS)}")
    if target == "readers":
        return [LabelledPatch(patch) for patch in patches]
    found = [
        LabelledPatch(patch, candidates, selected_method(kept_candidates(candidates)))
        for patch, candidates in zip(patches, lesion_candidates(cache, patches), strict=True)
    ]
    return [one for one in found if one.method is not None or not discard]
