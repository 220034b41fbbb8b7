"""From which thickness of the unknown region on multigrid saves time.

    python -m benchmarks.multigrid --json out.json

Scenes: a blurred ball in lung with one seed of two voxels' radius in its middle, and background
known on all faces ("shell") or in one corner only ("seeds"), or a trimap's band of a given half
width around the ball's edge ("band"), in 3D and as an image in 2D. For each: depth of the unknown
region in voxels (along axes and diagonals, as `pipelines.matting.multigrid.worth_it` counts them),
iterations and least seconds of both preconditioners, set-up of multigrid included, and what the
rule says. Both stop at a residual of 1e-5.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.matting.conjugate_gradients import conjugate_gradients
from pipelines.matting.multigrid import preconditioner, worth_it
from pipelines.matting.problem import MattingProblem
from pipelines.matting.window_laplacian import WindowLaplacian

TOLERANCE = 1e-5
RIDGE = 1e-7


@dataclass(frozen=True)
class Row:
    """One scene: seconds and iterations with the diagonal and with multigrid."""

    scene: str
    axes: int
    side: int
    size: int
    noise_hu: float
    unknown: int
    depth: int
    diagonal_iterations: int
    multigrid_iterations: int
    diagonal_s: float
    setup_s: float
    multigrid_s: float
    rule: bool

    @property
    def gain(self) -> float:
        """How many times faster multigrid is."""
        return self.diagonal_s / self.multigrid_s


def scene(kind: str, axes: int, side: int, noise_hu: float) -> tuple[npt.NDArray, npt.NDArray]:
    """Image in HU and trimap."""
    grid = np.indices((side,) * axes) - side // 2
    distance = np.sqrt((grid**2).sum(0))
    edge = 0.3 * side
    noise = np.random.default_rng(0).normal(0, noise_hu, distance.shape)
    image = -860 + 900 / (1 + np.exp((distance - edge) / 0.75)) + noise
    if kind.startswith("band"):
        half = int(kind.split()[1])
        trimap = np.where(distance < edge - half, 2, np.where(distance > edge + half, 0, 1))
        return image, trimap.astype(np.uint8)
    trimap = np.ones(distance.shape, np.uint8)
    if kind == "shell":
        trimap[(np.abs(grid).max(axis=0) >= side // 2 - 1)] = 0
    else:
        trimap[(slice(3),) * axes] = 0
    trimap[distance <= 2] = 2
    return image, trimap


def timed(works: tuple[Callable[[], tuple], ...], rounds: int) -> list[tuple[float, tuple]]:
    """Of each work the least seconds of some rounds, taken in turns, and its last answer."""
    times: list[list[float]] = [[] for _ in works]
    answers: list[tuple] = [()] * len(works)
    for _ in range(rounds):
        for k, work in enumerate(works):
            begun = time.perf_counter()
            answers[k] = work()
            times[k].append(time.perf_counter() - begun)
    return [(min(t), answer) for t, answer in zip(times, answers, strict=True)]


def measure(kind: str, axes: int, side: int, noise_hu: float, size: int, rounds: int) -> Row:
    image, trimap = scene(kind, axes, side, noise_hu)
    problem = MattingProblem.read(image, trimap, (1.0,) * axes)
    laplacian = WindowLaplacian.build(problem, ridge=RIDGE, size=size)
    load = laplacian.load[laplacian.chunks.positions]
    options = {"tolerance": TOLERANCE, "max_iterations": 20_000}

    def with_diagonal() -> tuple:
        return laplacian.solve(**options)

    def set_up() -> tuple:
        return (preconditioner(problem.guide(), problem.unknown, size, ridge=RIDGE),)

    def with_multigrid() -> tuple:
        (correction,) = set_up()
        return conjugate_gradients(
            laplacian.product, load, np.full_like(load, 0.5), correction, **options
        )

    works = (with_diagonal, with_multigrid, set_up)
    (diagonal_s, (_, plain)), (multigrid_s, (_, coarse)), (setup_s, _) = timed(works, rounds)
    return Row(
        scene=kind,
        axes=axes,
        side=side,
        size=size,
        noise_hu=noise_hu,
        unknown=problem.count,
        depth=int(ndimage.distance_transform_cdt(problem.unknown, "chessboard").max()),
        diagonal_iterations=plain.iterations,
        multigrid_iterations=coarse.iterations,
        diagonal_s=diagonal_s,
        setup_s=setup_s,
        multigrid_s=multigrid_s,
        rule=worth_it(problem.unknown, problem.count),
    )


def plan(largest: int) -> list[tuple[str, int, int, float, int]]:
    """Scenes: kind, axes, side, noise in HU, side of a window."""
    cubes = [n for n in (24, 40, 56, 72, 88, 104, 128) if n <= largest]
    squares = [4 * n for n in cubes]
    jobs = [("band 2", 3, n, 20.0, 3) for n in cubes[1::2]]
    jobs += [("band 5", 3, n, 20.0, 3) for n in cubes[1::2]]
    jobs += [(kind, 3, n, 20.0, 3) for kind in ("shell", "seeds") for n in cubes]
    jobs += [("seeds", 3, n, noise, 3) for noise in (5.0, 60.0) for n in cubes[2:3]]
    jobs += [("seeds", 3, n, 20.0, 2) for n in cubes[:4]]
    jobs += [(kind, 2, n, 20.0, 3) for kind in ("shell", "seeds") for n in squares]
    return jobs


def main() -> None:
    """Print one row a scene and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=104, help="side of the largest cube")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    measure("seeds", 3, 24, 20.0, 3, 1)  # compiles
    print(
        f"{'scene':8} axes side win noise {'unknown':>8} depth "
        f"{'it diag':>7} {'it mg':>5} {'s diag':>8} {'set-up':>8} {'s mg':>8} {'gain':>5} rule"
    )
    rows = []
    for kind, axes, side, noise_hu, size in plan(options.largest):
        row = measure(kind, axes, side, noise_hu, size, options.rounds)
        rows.append(row)
        print(
            f"{kind:8} {axes:4} {side:4} {size:3} {noise_hu:5.0f} {row.unknown:8} {row.depth:5} "
            f"{row.diagonal_iterations:7} {row.multigrid_iterations:5} {row.diagonal_s:8.4f} "
            f"{row.setup_s:8.4f} {row.multigrid_s:8.4f} {row.gain:5.2f} "
            f"{'yes' if row.rule else 'no'}",
            flush=True,
        )
    if options.json:
        found = [asdict(row) | {"gain": row.gain} for row in rows]
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
