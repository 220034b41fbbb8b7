"""How often the rule that stands in for the papers' choice takes which matte.

Research software, not for diagnosis. On LIDC's validation patients:

    python -m benchmarks.selected_mattes DATA/lidc_slices --cache training/cache
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.dataset.candidate_mattes import kept_candidates, lesion_candidates
from pipelines.dataset.lidc import lidc_nodules
from pipelines.dataset.patches import lesion_patches
from pipelines.dataset.selection import selection_counts


def main(
    data: Annotated[Path, typer.Argument(help="Folder of index.csv and the archive.")],
    cache: Annotated[Path, typer.Option(help="Folder of what training made.")],
) -> None:
    """Print a line for each matte that is chosen."""
    lesions = lidc_nodules(data, cache / "validation", "validation")
    patches = lesion_patches(cache / "patches", lesions)
    mattes = lesion_candidates(cache / "candidates", patches)
    for method, count in selection_counts(kept_candidates(path) for path in mattes).items():
        print(f"{method:20} {count:4}")


if __name__ == "__main__":
    typer.run(main)
