"""From a case's material to one candidate on the CT's whole grid, and how it was made."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dicomnode.marks.arrays import check_same_grid, volume_from_nifti
from dicomnode.reader_study.case_file import UnusableCandidates
from dicomnode.reader_study.definition import Candidate
from dicomnode.reader_study.sources import CaseMaterial, readers_of
from dicomnode.version import VERSION
from pipelines.networks.options import NetworkOptions
from pipelines.soft_mask import SoftMask

Alpha = npt.NDArray[np.float32]


def made_candidate(
    candidate: Candidate, material: CaseMaterial, folder: Path, networks: NetworkOptions
) -> tuple[Alpha, dict[str, Any]]:
    """Make one candidate of a case.

    Parameters
    ----------
    candidate : Candidate
    material : CaseMaterial
    folder : Path
        That paths are relative to.
    networks : NetworkOptions
        For methods that are networks.

    Returns
    -------
    alpha : ndarray of float32, shape of the CT
    provenance : dict
        How it was made, for the study's row: its kind, the method with its parameters and the
        version, the quantity that alpha means, and a digest of its voxels.

    Raises
    ------
    UnusableCandidates
        If the case has not what it is made of.
    pipelines.errors.SegmentationError
        If a method gives no mask.
    dicomnode.marks.arrays.UnusableCase
        If a file does not fit.
    """
    provenance: dict[str, Any] = {"name": candidate.name, "from": candidate.made_by}
    match candidate.made_by:
        case "reader":
            if candidate.reader > len(material.masks):
                raise UnusableCandidates(
                    f"found masks of {len(material.masks)} readers, expected one of reader "
                    f"{candidate.reader}"
                )
            alpha = material.masks[candidate.reader - 1].astype(np.float32)
        case "consensus":
            # As many as the share says, or more: of four readers two make half.
            marked = readers_of(material)
            needed = np.ceil(candidate.share * len(marked) - 1e-9)
            alpha = (marked.sum(axis=0) >= needed).astype(np.float32)
            provenance |= {"readers": len(marked), "needed": int(needed)}
        case "file":
            path = folder / candidate.file.replace("{case}", material.name)
            alpha = _read(path, material)
            provenance["file"] = path.name
        case "method":
            mask = _computed(candidate.method, material, networks)
            alpha = _whole(mask, material)
            provenance |= _said_of(mask)
        case "node":
            if material.node_mask is None:
                raise UnusableCandidates("found no soft mask of the node, expected a lesion's")
            alpha = _whole(material.node_mask, material)
            provenance |= _said_of(material.node_mask)
    if candidate.threshold is not None:
        alpha = (alpha >= candidate.threshold).astype(np.float32)
        provenance["threshold"] = candidate.threshold
    provenance["digest"] = hashlib.sha256(np.ascontiguousarray(alpha).tobytes()).hexdigest()
    return alpha, provenance


def _computed(method: str, material: CaseMaterial, networks: NetworkOptions) -> SoftMask:
    """On the readers' masks; on the mark where no reader outlined anything."""
    # Here, for it loads Numba.
    from pipelines.lesion import soft_mask_from_masks, soft_mask_from_recist

    if len(material.masks):
        return soft_mask_from_masks(
            material.ct, readers_of(material), method=method, networks=networks
        )
    if material.axes is None:
        raise UnusableCandidates("found neither masks nor a mark to run a method on")
    return soft_mask_from_recist(material.ct, material.axes, method=method, networks=networks)


def _whole(mask: SoftMask, material: CaseMaterial) -> Alpha:
    alpha = np.zeros(material.ct.spatial_shape, np.float32)
    shape = mask.alpha.spatial_shape
    alpha[tuple(slice(o, o + n) for o, n in zip(mask.offset, shape, strict=True))] = (
        mask.alpha.array
    )
    return alpha


def _said_of(mask: SoftMask) -> dict[str, Any]:
    return {
        "method": mask.method,
        "parameters": dict(mask.parameters),
        "quantity": mask.quantity,
        "version": VERSION,
        "warnings": list(mask.warnings),
    }


def _read(path: Path, material: CaseMaterial) -> Alpha:
    """A mask, or alpha where the image holds anything between 0 and 1."""
    whole, part = material.cut_from or (material.ct.get_geometry(), (slice(None),) * 3)
    found = volume_from_nifti(path)
    check_same_grid(whole, found.spatial_shape, found.affine)
    array = found.array[part]
    if array.min() < 0 or array.max() > 1:
        # Labels: all that is not background.
        array = array != 0
    return array.astype(np.float32)
