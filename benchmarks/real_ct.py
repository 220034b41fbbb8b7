"""Real CT end to end: storescu -> node -> Orthanc, and what came back against the outlines.

    python -m benchmarks.real_ct DATA --out bench-out/real-ct

DATA holds ``ibsi_ct`` (a 359 ml mass on the chest wall, with an RTSTRUCT) and
``lungdx_A0002_B40f`` (a central tumour, with a box on each slice). Each gets a RECIST report: of
the mass's outline the longest chord on its largest slice and the perpendicular, of the boxes the
sides of the largest one.
"""

from __future__ import annotations

import argparse
import xml.etree.ElementTree as ET
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom

from benchmarks.end_to_end import Case, print_scores, run
from benchmarks.rtstruct_mask import mask_of_contours
from dicomnode.jobs.read_volume import read_volume
from pipelines.longest_axes import axes_from_mask
from pipelines.recist import RecistAxes


def ibsi(data: Path) -> Case:
    """The mass on the chest wall, marked from its RTSTRUCT outline."""
    slices, volume = _series(data / "ibsi_ct" / "ct")
    rtstruct = pydicom.dcmread(next((data / "ibsi_ct" / "rtstruct").glob("*.dcm")))
    outline = mask_of_contours(rtstruct, volume)
    key = int(outline.sum(axis=(1, 2)).argmax())
    axes = axes_from_mask(outline, volume)
    return Case("ibsi_ct", slices, volume, axes, key, outline=outline)


def lungdx(data: Path, name: str = "lungdx_A0002_B40f") -> Case:
    """The central tumour, marked from the sides of its largest box."""
    slices, volume = _series(data / name / "ct")
    order = {str(s.SOPInstanceUID): i for i, s in enumerate(slices)}
    boxes = {}
    for path in (data / name / "annotation_voc_xml").glob("*.xml"):
        box = ET.parse(path).find("object/bndbox")
        sides = [int(box.find(side).text) for side in ("ymin", "ymax", "xmin", "xmax")]
        boxes[order[path.stem]] = sides
    key, (top, bottom, left, right) = max(
        boxes.items(), key=lambda item: (item[1][1] - item[1][0]) * (item[1][3] - item[1][2])
    )
    middle = ((top + bottom) / 2, (left + right) / 2)
    ends = np.array(
        [
            (key, top, middle[1]),
            (key, bottom, middle[1]),
            (key, middle[0], left),
            (key, middle[0], right),
        ],
        dtype=np.float64,
    )
    points = volume.map_indices_to_reference(ends)
    sides = sorted([points[:2], points[2:]], key=lambda p: -np.linalg.norm(p[1] - p[0]))
    box = (slice(top, bottom + 1), slice(left, right + 1))
    return Case(name, slices, volume, RecistAxes(*sides), key, box=box)


def _series(folder: Path) -> tuple[list[pydicom.Dataset], hd.Volume]:
    paths = list(folder.glob("*.dcm"))
    paths.sort(key=lambda p: _along(pydicom.dcmread(p, stop_before_pixels=True)))
    volume, _ = read_volume(paths, 0)
    return [pydicom.dcmread(path) for path in paths], volume


def _along(image: pydicom.Dataset) -> float:
    orientation = np.array(image.ImageOrientationPatient, dtype=np.float64)
    return float(np.cross(orientation[:3], orientation[3:]) @ image.ImagePositionPatient)


def main() -> None:
    """Print a table; write scores.json and overlays.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("bench-out/real-ct"))
    options = parser.parse_args()
    print_scores(run([ibsi(options.data), lungdx(options.data)], options.out))


if __name__ == "__main__":
    main()
