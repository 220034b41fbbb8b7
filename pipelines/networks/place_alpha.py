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
        what is smaller is seen with what lies around it. Where the CT ends, its edge goes on. A 2D
        network of several channels is given a slice between its neighbours.
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
    places = corners(fine.shape, contract.size)

    def patch(number: int) -> Array:
        return np.ascontiguousarray(fine[_window(places[number], contract.size)])[None]

    found = ((places[n], alpha) for n, alpha in alphas(network, patch, len(places), batch))
    return grid.on_ct(blended(fine.shape, contract.size, found), box, spacing)


def _in_slices(
    network: LoadedNetwork, volume: hd.Volume, centre: npt.NDArray, box: Box, batch: int
) -> Array:
    contract, shape = network.contract, volume.spatial_shape
    beside = contract.channels // 2
    wanted = [np.arange(box[0].start - beside, box[0].stop + beside)]
    inner = [slice(None)]
    for c, held, least in zip(centre[1:], box[1:], contract.size, strict=True):
        first = int(np.rint(c)) - least // 2
        last = max(first + least, held.stop)
        first = min(first, held.start)
        wanted.append(np.arange(first, last))
        inner.append(slice(held.start - first, held.stop - first))
    there = [np.clip(w, 0, n - 1) for w, n in zip(wanted, shape, strict=True)]
    region = tuple(slice(int(t[0]), int(t[-1]) + 1) for t in there)
    hu = _hounsfield(volume, region)
    hu = hu[np.ix_(*(t - r.start for t, r in zip(there, region, strict=True)))]
    values = windowed(hu, contract)
    whole = (box[0].stop - box[0].start, *values.shape[1:])
    size = (1, *contract.size)
    places = corners(whole, size)

    def patch(number: int) -> Array:
        held = _window(places[number], (contract.channels, *contract.size))
        return np.ascontiguousarray(values[held])

    found = ((places[n], alpha[None]) for n, alpha in alphas(network, patch, len(places), batch))
    return blended(whole, size, found)[tuple(inner)]


def _window(corner: tuple[int, ...], size: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))


def _hounsfield(volume: hd.Volume, region: Box) -> Array:
    hu = volume.array[region]
    if not np.isfinite(hu).all():
        raise UnusableVolumeError("found HU that are not finite around the mark")
    return np.maximum(hu, _PADDING_HU).astype(np.float32)
