"""Alpha of a box of a CT by a network that is given no mark: in 3D patches, or slice by slice."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipelines.errors import UnusableVolumeError
from pipelines.networks.batches import alphas
from pipelines.networks.fine_grid import FineGrid
from pipelines.networks.loaded import LoadedNetwork
from pipelines.networks.values import windowed
from pipelines.networks.windows import blended, corners

Array = npt.NDArray[np.float32]
Box = tuple[slice, slice, slice]

_PADDING_HU = -1024.0


def place_alpha(
    network: LoadedNetwork,
    volume: hd.Volume,
    centre: npt.NDArray[np.float64],
    box: Box,
    batch: int = 1,
) -> Array:
    """Alpha of a box of a CT.

    Parameters
    ----------
    network : LoadedNetwork
        Of the kind "volume" or "slice".
    volume : highdicom.Volume, axes (slice, row, column)
        CT in HU.
    centre : ndarray, shape (3,)
        Index coordinates that patches are centred on.
    box : tuple of slice
        Of the volume's indices. What is larger than a patch is seen through windows that overlap;
        what is smaller is seen with what lies around it. Where the CT ends, its edge goes on.
    batch : int
        Patches at a time.

    Returns
    -------
    ndarray of float32
        In [0, 1], of the box's shape.

    Raises
    ------
    UnusableVolumeError
        If a 3D network is given a single slice, or HU are not finite.
    UnusableMarkError
        If the box needs too many voxels.
    torch.OutOfMemoryError
        If the device holds not even one patch.
    """
    by = {"volume": _in_patches, "slice": _in_slices}[network.contract.kind]
    return by(network, volume, centre, box, batch)


def _in_patches(
    network: LoadedNetwork, volume: hd.Volume, centre: npt.NDArray, box: Box, batch: int
) -> Array:
    if volume.spatial_shape[0] == 1:
        raise UnusableVolumeError(
            f"found a single slice, expected several: {network.name} looks at volumes"
        )
    contract, spacing = network.contract, tuple(float(s) for s in volume.spacing)
    grid = FineGrid.around(
        tuple(centre * spacing), box, spacing, contract.size, contract.spacing_mm
    )
    region = grid.region(volume.spatial_shape, spacing)
    offset = tuple(held.start for held in region)
    fine = windowed(grid.sampled(_hounsfield(volume, region), offset, spacing), contract)
    alpha = _windows(network, fine, batch)
    return grid.on_ct(alpha, box, spacing)


def _in_slices(
    network: LoadedNetwork, volume: hd.Volume, centre: npt.NDArray, box: Box, batch: int
) -> Array:
    indices, inner = [], []
    for c, held, least in zip(centre[1:], box[1:], network.contract.size, strict=True):
        first = min(int(np.rint(c)) - least // 2, held.start)
        last = max(int(np.rint(c)) - least // 2 + least, held.stop)
        indices.append(np.arange(first, last))
        inner.append(slice(held.start - first, held.stop - first))
    clipped = [np.clip(i, 0, n - 1) for i, n in zip(indices, volume.spatial_shape[1:], strict=True)]
    rows, columns = (slice(int(i[0]), int(i[-1]) + 1) for i in clipped)
    hu = _hounsfield(volume, (box[0], rows, columns))
    hu = hu[:, clipped[0] - rows.start][:, :, clipped[1] - columns.start]
    return _windows(network, windowed(hu, network.contract), batch)[:, inner[0], inner[1]]


def _windows(network: LoadedNetwork, values: Array, batch: int) -> Array:
    """Alpha of a region, (depth, height, width), whatever the network's number of dimensions."""
    size = network.contract.size
    size = (1,) * (3 - len(size)) + size
    places = corners(values.shape, size)
    flat = network.contract.size

    def patch(number: int) -> Array:
        held = tuple(slice(c, c + s) for c, s in zip(places[number], size, strict=True))
        return np.ascontiguousarray(values[held]).reshape(flat)

    found = (
        (places[number], alpha.reshape(size))
        for number, alpha in alphas(network, patch, len(places), batch)
    )
    return blended(values.shape, size, found)


def _hounsfield(volume: hd.Volume, region: Box) -> Array:
    hu = volume.array[region]
    if not np.isfinite(hu).all():
        raise UnusableVolumeError("found HU that are not finite around the mark")
    return np.maximum(hu, _PADDING_HU).astype(np.float32)
