"""Run one method on one case, and score what it says."""

from __future__ import annotations

import statistics
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.beyond_ends import beyond_ends
from pipelines.dataset.matte_label import label_on_own_grid
from pipelines.evaluation.answers import HERE, MARKING_READER, Answer, answer
from pipelines.evaluation.cases import marking_readers, volume_of
from pipelines.evaluation.continued import continued, reach_beyond_mm
from pipelines.evaluation.in_box import box_of, matting_scores
from pipelines.evaluation.scores import (
    ContinuedMark,
    ContinuedScore,
    MarkScore,
    NoduleScore,
    PhantomScore,
    SampleMark,
    SampleScore,
    overlap,
    overlaps,
)
from pipelines.longest_axes import axes_from_mask
from pipelines.metrics import (
    best_dice,
    generalised_energy_distance,
    masks_of_alpha,
    volume_error,
)
from pipelines.networks.options import NetworkOptions
from pipelines.phantom import Patch
from pipelines.soft_mask import READERS_LEVEL

Masks = npt.NDArray[np.bool_]


def score_phantom(patch: Patch, method: str, networks: NetworkOptions = HERE) -> PhantomScore:
    """One method on a phantom, told by the axes of the true lesion.

    Parameters
    ----------
    patch : Patch
    method : str
    """
    truth = patch.occupancy.array.astype(np.float32)
    said = answer(patch.volume, patch.axes, method, networks)
    return PhantomScore(
        matting_scores(said.alpha, truth),
        float(truth.sum(dtype=np.float64)),
        volume_error(said.alpha, truth),
        said.quantity,
        said.failed,
    )


class MarkedNodule:
    """A nodule with the marks that its readers would draw, which are measured once."""

    def __init__(self, lesion: AnnotatedLesion) -> None:
        self.lesion = lesion
        self.volume = volume_of(lesion)
        name = f"{lesion.patient}/{lesion.name}"
        self.order = marking_readers(name, lesion.readers)
        self.axes = {i: axes_from_mask(lesion.masks[i], self.volume) for i in lesion.readers}
        self.key = {i: int(np.argmax(lesion.masks[i].sum(axis=(1, 2)))) for i in lesion.readers}
        self.beyond = (
            beyond_ends(lesion.hu, lesion.masks) if lesion.beyond is None else lesion.beyond
        )

    @cached_property
    def label(self) -> npt.NDArray[np.float32] | None:
        """The papers' label, if there is one."""
        return label_on_own_grid(self.lesion)

    @property
    def long_mm(self) -> float:
        """Mean over readers."""
        return statistics.mean(axes.long_mm for axes in self.axes.values())


def consensus(masks: Masks) -> Masks:
    """What at least half of the readers marked, those who marked nothing counted.

    Parameters
    ----------
    masks : ndarray of bool, axes (reader, slice, row, column)
    """
    return 2 * masks.sum(axis=0) >= len(masks)


def score_nodule(
    nodule: MarkedNodule, method: str, repeats: int, networks: NetworkOptions = HERE
) -> NoduleScore:
    """One method on a nodule, told by the marks of so many of its readers, one after another."""
    marks = []
    for reader in nodule.order[:repeats]:
        said = _answer(nodule, method, reader, networks)
        marks.append(
            score_mark(said, nodule.lesion.masks, reader, nodule.key[reader], nodule.label)
        )
    return NoduleScore(nodule.lesion.patient, nodule.long_mm, tuple(marks))


def score_continued(
    nodule: MarkedNodule, method: str, repeats: int, networks: NetworkOptions = HERE
) -> ContinuedScore:
    """The same on the nodule continued beyond its ends, of which every further voxel is an error.

    See `pipelines.evaluation.continued`.
    """
    marks = []
    for reader in nodule.order[:repeats]:
        axes = nodule.axes[reader]
        volume, masks = continued(
            nodule.volume, nodule.lesion.masks, nodule.beyond, reach_beyond_mm(axes.long_mm)
        )
        said = answer(volume, axes, method, networks)
        whole = overlaps(said.alpha, consensus(masks))
        marks.append(ContinuedMark(reader, said.quantity, said.failed, whole))
    return ContinuedScore(nodule.lesion.patient, tuple(marks))


def score_samples(
    nodule: MarkedNodule, method: str, repeats: int, networks: NetworkOptions = HERE
) -> SampleScore:
    """Masks that a probabilistic network draws of a nodule, against those of all readers."""
    # Only here: networks need PyTorch, and other methods do not.
    from pipelines.evaluation.prior_masks import prior_masks

    marks = []
    for reader in nodule.order[:repeats]:
        samples = prior_masks(nodule.volume, nodule.axes[reader], method, networks)
        masks = nodule.lesion.masks
        box = box_of((*samples, masks.any(axis=0)))
        samples, references = [s[box] for s in samples], list(masks[(slice(None), *box)])
        marks.append(
            SampleMark(
                reader,
                generalised_energy_distance(samples, references),
                best_dice(samples, references),
            )
        )
    return SampleScore(nodule.lesion.patient, tuple(marks))


def _answer(nodule: MarkedNodule, method: str, reader: int, networks: NetworkOptions) -> Answer:
    if method == MARKING_READER:
        return Answer(nodule.lesion.masks[reader].astype(np.float32), "binary")
    return answer(nodule.volume, nodule.axes[reader], method, networks)


def score_mark(
    said: Answer,
    masks: Masks,
    reader: int,
    key: int,
    label: npt.NDArray[np.float32] | None = None,
) -> MarkScore:
    """Score an answer against readers' masks.

    Parameters
    ----------
    said : Answer
    masks : ndarray of bool, axes (reader, slice, row, column)
    reader : int
        Who drew the mark.
    key : int
        The slice that it is on.
    label : ndarray of float32, optional
        The papers' label.
    """
    alpha, agreed = said.alpha, consensus(masks)
    mean = masks.mean(axis=0, dtype=np.float32)
    box = box_of((alpha, mean))
    references = list(masks[(slice(None), *box)])
    # All thresholds of an alpha that is 0 everywhere would hold every voxel.
    levels = masks_of_alpha(alpha) if alpha.any() else (alpha > 0,)
    samples = [level[box] for level in levels]
    drawn = alpha >= READERS_LEVEL
    others = np.delete(masks, reader, axis=0)
    of_others = consensus(others)
    return MarkScore(
        reader=reader,
        quantity=said.quantity,
        failed=said.failed,
        soft=matting_scores(alpha, mean),
        label=None if label is None else matting_scores(alpha, label),
        volume_error=volume_error(alpha, mean),
        whole=overlaps(alpha, agreed),
        key=overlaps(alpha[key], agreed[key]),
        energy_distance=generalised_energy_distance(samples, references),
        best_dice=best_dice(samples, references),
        readers=tuple(overlap(drawn, mask).dice if mask.any() else None for mask in masks),
        others=overlap(drawn, of_others).dice if of_others.any() else None,
    )
