"""Are the outlines of the LIDC's XML the masks that others made of them, pixel by pixel?

    python -m benchmarks.lidc_xml DATA

DATA holds ``lidc_xml`` (the XML files) and ``lidc_slices`` (128 x 128 masks of each reader, and
`index.csv`, which names file, image and corner of each, and says of how many readers the masks
matched when it was made). It takes a minute.
"""

from __future__ import annotations

import argparse
import csv
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.table import Table

from dicomnode.marks import Outline
from dicomnode.marks.fill import fill_contours
from dicomnode.marks.lidc_xml import read_lidc_xml

CT_SIZE = (512, 512)
MASK_SIZE = 128


@dataclass
class Comparison:
    """What came of all masks that are not empty.

    Attributes
    ----------
    equal : int
        Masks that one reader's outline in the XML makes exactly.
    announced : int
        Different ones on slices of which the index says that not all readers' masks match.
    different : int
        All others.
    """

    equal: int = 0
    announced: int = 0
    different: int = 0

    @property
    def compared(self) -> int:
        """All masks."""
        return self.equal + self.announced + self.different


def compare(data: Path, last: str = "~") -> Comparison:
    """Compare the masks of all patients, or of those up to `last`.

    Raises
    ------
    FileNotFoundError
        If the data sets are not there.
    """
    with (data / "lidc_slices" / "index.csv").open(newline="") as file:
        rows = {
            (row["patient"], row["nodule"], row["slice"]): row
            for row in csv.DictReader(file)
            if row["patient"] <= last
        }
    outlines = _outlines(data / "lidc_xml" / "lidc_ct_xml.tar.xz", last)

    @lru_cache(64)
    def drawn(xml: tuple[str, str], image: str) -> list[npt.NDArray[np.bool_]]:
        """The mask of each outline on an image."""
        found = (
            [c for c in outline.contours if c.referenced_sop_instance_uid == image]
            for outline in outlines[xml]
        )
        return [fill_contours(contours, CT_SIZE) for contours in found if contours]

    result = Comparison()
    for place, mask in _masks(data / "lidc_slices" / "lidc_slices_4readers.tar.xz", last):
        row = rows.get(place)
        xml = None if row is None else (row["patient"], row["xml_file"])
        if xml not in outlines:
            continue
        left, top = int(row["crop_x0"]), int(row["crop_y0"])
        crop = np.s_[top : top + MASK_SIZE, left : left + MASK_SIZE]
        if any(np.array_equal(ours[crop], mask) for ours in drawn(xml, row["sop_uid"])):
            result.equal += 1
        elif int(row["readers_matched"]) < int(row["n_readers_nonempty"]):
            result.announced += 1
        else:
            result.different += 1
    return result


def _outlines(archive: Path, last: str) -> dict[tuple[str, str], tuple[Outline, ...]]:
    """Outlines of each XML file, by patient and name."""
    found = {}
    with tarfile.open(archive) as files:
        for member in files:
            if member.name.endswith(".xml"):
                patient, folder, name = member.name.rpartition("/")[2][:-4].split("_")
                if patient <= last:
                    content = files.extractfile(member).read()
                    found[patient, f"{folder}/{name}.xml"] = read_lidc_xml(content).outlines
    return found


def _masks(
    archive: Path, last: str
) -> Iterator[tuple[tuple[str, str, str], npt.NDArray[np.bool_]]]:
    """Patient, nodule and slice of each mask that is not empty, in the order of patients."""
    with tarfile.open(archive) as files:
        for member in files:
            parts = member.name.removeprefix("./").split("/")
            if parts[0] > last:
                return
            if len(parts) == 4 and parts[2].startswith("mask-") and parts[3].endswith(".png"):
                mask = np.array(Image.open(io.BytesIO(files.extractfile(member).read()))) > 0
                if mask.any():
                    number = parts[3].removeprefix("slice-").removesuffix(".png")
                    yield (parts[0], parts[1], number), mask


def main() -> None:
    """Print how many masks are equal; exit code 1 if one differs that the index calls equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the data sets are")
    found = compare(parser.parse_args().folder)
    table = Table(title="masks of readers against the XML")
    for name in ("compared", "equal", "different, as the index says", "different"):
        table.add_column(name, justify="right")
    counts = (found.compared, found.equal, found.announced, found.different)
    table.add_row(*map(str, counts))
    Console().print(table)
    if found.different:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
