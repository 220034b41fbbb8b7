"""Real nodules end to end: LIDC nodules as DICOM studies, all sent to the node at once.

    python -m benchmarks.lidc_end_to_end DATA/lidc_slices --count 20 --out bench-out/lidc

Each nodule becomes a CT series (HU calibrated, spacing from the index) and a report with one
reader's longest chord and its perpendicular. What comes back is scored against what at least two
of four readers marked. Nodules are of patients that nothing was tuned on, one a patient, in the
order of a hash. The stacks end where the nodule ends, which flatters a 3D score; ``--context``
adds slices beyond, in which the nodule is replaced by its surroundings.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import highdicom as hd
import numpy as np

from benchmarks.end_to_end import Case, print_scores, run
from benchmarks.lidc import load, with_context
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.results import derive_uid


def cases(folder: Path, count: int, *, context: bool) -> list[Case]:
    """The first so many nodules of the half that is reported, one a patient."""
    nodules = {nodule.patient: nodule for nodule in load(folder, "report")}
    order = sorted(nodules, key=lambda patient: hashlib.sha256(patient.encode()).digest())
    made = []
    for patient in order[:count]:
        nodule = nodules[patient]
        if context:
            nodule = with_context(nodule, 0.75 * nodule.axes.long_mm + 6)
        name = f"{nodule.patient}/{nodule.name}"
        volume = hd.Volume(
            np.rint(nodule.volume.array).astype(np.int16),
            nodule.volume.affine,
            coordinate_system="PATIENT",
            frame_of_reference_uid=derive_uid("frame of reference", name),
        )
        made.append(
            Case(
                name=name.replace("/", " "),
                slices=ct_series(volume, CtSeriesDescription(seed=name)),
                volume=volume,
                axes=nodule.axes,
                key=int(nodule.masks[nodule.reader].sum(axis=(1, 2)).argmax()),
                outline=nodule.consensus,
            )
        )
    return made


def main() -> None:
    """Print a table; write scores.json and overlays.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--context", action="store_true", help="add slices beyond the nodule")
    parser.add_argument("--out", type=Path, default=Path("bench-out/lidc"))
    options = parser.parse_args()
    print_scores(run(cases(options.folder, options.count, context=options.context), options.out))


if __name__ == "__main__":
    main()
