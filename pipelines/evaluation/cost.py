"""What a method costs: parameters, multiply-accumulates, weights, time and memory."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models import REGISTRY, NoWeightsError, problem_of
from models.contract import InputContract
from models.loading import contract_of, weights_about, weights_of
from pipelines.evaluation.answers import HERE
from pipelines.evaluation.cases import drawn_phantom
from pipelines.lesion import soft_mask_from_recist
from pipelines.matting import METHODS
from pipelines.networks.options import NetworkOptions
from pipelines.phantom import NoduleKind, Patch

if TYPE_CHECKING:
    from torch import Tensor

THICKNESS_MM = 1.25
"""Of the slices of the phantoms that are timed."""


@dataclass(frozen=True)
class Cost:
    """What one method costs.

    Attributes
    ----------
    method : str
    parameters, multiply_accumulates : int, optional
        Of a network; None for a classical method, or where its layers are told by weights that are
        not there.
    weights_mb : float, optional
        Size of the file of weights in 10^6 bytes.
    milliseconds, cpu_milliseconds : float, optional
        Medians over lesions, from a mark on a CT to a soft mask: on the clock, and of the CPU,
        which is less where others keep the machine busy. None without weights.
    peak_mb : float, optional
        Most resident memory of a process that made these masks and nothing else, in 10^6 bytes.
    problem : str, optional
        Why it cannot be used.
    """

    method: str
    parameters: int | None
    multiply_accumulates: int | None
    weights_mb: float | None
    milliseconds: float | None
    cpu_milliseconds: float | None
    peak_mb: float | None
    problem: str | None


@dataclass(frozen=True)
class Machine:
    """On which costs were measured."""

    cpu: str
    cores: int
    threads: int
    """Of PyTorch, or 1."""


def machine() -> Machine:
    """This one."""
    torch = sys.modules.get("torch")
    cpu = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.is_file():
        names = [row for row in about.read_text().splitlines() if row.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return Machine(cpu, os.cpu_count() or 1, torch.get_num_threads() if torch else 1)


def lesions(count: int, seed: int) -> list[Patch]:
    """Phantoms of all kinds in turn, on slices of `THICKNESS_MM`."""
    kinds = list(NoduleKind)
    return [
        drawn_phantom(kinds[number % len(kinds)], THICKNESS_MM, seed + number)[0]
        for number in range(count)
    ]


def _timed(method: str, patches: list[Patch], networks: NetworkOptions) -> tuple[float, float]:
    """Median milliseconds on the clock and of the CPU.

    The first lesion is done twice, since it loads weights and kernels.
    """
    soft_mask_from_recist(patches[0].volume, patches[0].axes, method=method, networks=networks)
    taken, busy = [], []
    for patch in patches:
        start, start_cpu = time.perf_counter(), time.process_time()
        soft_mask_from_recist(patch.volume, patch.axes, method=method, networks=networks)
        taken.append(1000 * (time.perf_counter() - start))
        busy.append(1000 * (time.process_time() - start_cpu))
    return statistics.median(taken), statistics.median(busy)


def _peak_mb(method: str, count: int, seed: int, networks: NetworkOptions) -> float:
    """What a fresh process runs."""
    for patch in lesions(count, seed):
        soft_mask_from_recist(patch.volume, patch.axes, method=method, networks=networks)
    status = Path("/proc/self/status")
    if status.is_file():  # `ru_maxrss` of Linux starts with what the parent process held
        (most,) = [row for row in status.read_text().splitlines() if row.startswith("VmHWM:")]
        return int(most.split()[1]) * 1024 / 1e6
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e6


def peak_mb(method: str, count: int, seed: int, networks: NetworkOptions = HERE) -> float:
    """Most resident memory of a process of its own, libraries and phantoms included, in MB."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(_peak_mb, method, count, seed, networks).result()


def counted(name: str, weights: Path | None = None) -> tuple[int | None, int | None]:
    """Parameters and multiply-accumulates of a network of the registry on one input.

    One volume, one slice or one plane of its contract; counted as `models.counting` says.

    Returns
    -------
    tuple of int or None
        None where PyTorch is not installed, or the layers are told by weights that are not there.
    """
    try:
        import torch
    except ImportError:
        return None, None
    from models.counting import multiply_accumulates, parameter_count

    about = weights_about(name, weights) if weights_of(name, weights) else {}
    try:
        # Shapes alone say how much is computed, and take no time.
        with torch.device("meta"):
            module = REGISTRY[name].make(about).eval()
            return parameter_count(module), multiply_accumulates(module, _input(name, about))
    except (ImportError, KeyError, NoWeightsError):
        return None, None
    except (NotImplementedError, RuntimeError):
        module = REGISTRY[name].make(about).eval()
        return parameter_count(module), multiply_accumulates(module, _input(name, about))


def item_shape(contract: InputContract, planes: int = 1) -> tuple[int, ...]:
    """Shape of one item of a network's batch: a volume, a slice, or planes of a marked lesion.

    Parameters
    ----------
    contract : InputContract
    planes : int
        Of a lesion, for networks that a mark prompts.
    """
    prompted = (planes,) if contract.kind == "prompted-planes" else ()
    return (*prompted, contract.channels, *contract.size)


def _input(name: str, about: Mapping[str, str]) -> Tensor:
    """One input of a network's contract, zeros."""
    import torch

    return torch.zeros(1, *item_shape(contract_of(name, about)))


def cost_of(
    method: str, patches: list[Patch], count: int, seed: int, networks: NetworkOptions = HERE
) -> Cost:
    """All of it, for one method.

    Parameters
    ----------
    method : str
        Name in `pipelines.matting.METHODS` or `models.REGISTRY`.
    patches : list of Patch
        `lesions(count, seed)`.
    count, seed : int
    networks : NetworkOptions
    """
    if method in METHODS:
        taken, most = _timed(method, patches, networks), peak_mb(method, count, seed)
        return Cost(method, None, None, None, *taken, most, None)
    parameters, operations = counted(method, networks.weights)
    problem = problem_of(method, networks.weights)
    weights = weights_of(method, networks.weights)
    size = None if weights is None else weights.stat().st_size / 1e6
    if not REGISTRY[method].segments:
        problem = "no method: it gives images"
    elif weights is None:
        problem = "no weights"
    if problem is not None:
        return Cost(method, parameters, operations, size, None, None, None, problem)
    taken = _timed(method, patches, networks)
    most = peak_mb(method, count, seed, networks)
    return Cost(method, parameters, operations, size, *taken, most, None)
