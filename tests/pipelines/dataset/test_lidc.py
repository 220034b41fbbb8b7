"""LIDC nodules: a stable split, read once, kept whole."""

from __future__ import annotations

import csv
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from pipelines.dataset.annotated import kept
from pipelines.dataset.lidc import SPLITS, lidc_nodules, slices_of, split_of
from tests.real_data import real

SIZE = 32


def write_archive(folder, patients):
    """Two slices a nodule, in which three of four readers marked a square."""
    rows = []
    with tarfile.open(folder / "lidc_slices_4readers.tar.xz", "w:xz") as archive:
        for patient in patients:
            for k, z in ((0, "-10.0"), (1, "-12.5")):
                grey = np.full((SIZE, SIZE), 14, np.uint8)
                grey[8:20, 8 + k : 20] = 106
                mask = np.zeros_like(grey)
                mask[8:20, 8 + k : 20] = 255
                for part in ("images", "mask-0", "mask-1", "mask-2", "mask-3"):
                    array = {"images": grey, "mask-3": mask * 0}.get(part, mask)
                    file = io.BytesIO()
                    Image.fromarray(array).save(file, "png")
                    about = tarfile.TarInfo(f"./{patient}/nodule-0/{part}/slice-{k}.png")
                    about.size = file.tell()
                    file.seek(0)
                    archive.addfile(about, file)
                rows.append([patient, "nodule-0", k, z, "0.7", "2.5"])
    with open(folder / "index.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "nodule", "slice", "z_mm", "px_mm", "dz_mm"])
        writer.writerows(rows)


def patients_of(split, count):
    names = (f"LIDC-IDRI-{number:04d}" for number in range(1, 1000))
    return [name for name in names if split_of(name) == split][:count]


def test_the_split_never_changes():
    found = [split_of(f"LIDC-IDRI-{number:04d}") for number in range(1, 5)]
    assert found == ["report", "validation", "report", "train"]


def test_half_report_and_a_tenth_validate():
    names = [f"LIDC-IDRI-{number:04d}" for number in range(1, 1013)]
    part = {split: sum(split_of(name) == split for name in names) / 1012 for split in SPLITS}
    assert part["report"] == pytest.approx(0.5, abs=0.04)
    assert part["validation"] == pytest.approx(0.1, abs=0.03)


def test_nodules_are_read_with_their_masks(tmp_path):
    (patient,) = patients_of("train", 1)
    write_archive(tmp_path, [patient])
    (path,) = lidc_nodules(tmp_path, tmp_path / "cache", "train")
    lesion = kept(path)
    assert (lesion.patient, lesion.name) == (patient, "nodule-0")
    assert lesion.spacing == (2.5, 0.7, 0.7)
    assert lesion.readers == [0, 1, 2]
    # In the order of z, which runs against the slice numbers here.
    assert lesion.masks[0].sum(axis=(1, 2)).tolist() == [12 * 11, 12 * 12]
    assert lesion.hu[0, 12, 12] == pytest.approx(40, abs=40)
    assert lesion.hu[0, 0, 0] == pytest.approx(-860, abs=40)
    # Beyond the ends there is no lesion.
    assert lesion.beyond.shape == (2, SIZE, SIZE)
    assert lesion.beyond[:, 12, 12].max() < -700
    assert (lesion.beyond[:, 0, 0] == lesion.hu[:, 0, 0]).all()


def test_no_split_reads_another_ones_patients(tmp_path):
    write_archive(tmp_path, [patients_of(split, 1)[0] for split in SPLITS])
    for split in SPLITS:
        (name,) = slices_of(tmp_path, split)
        assert split_of(name.partition("/")[0]) == split
    with pytest.raises(ValueError, match="'test'"):
        slices_of(tmp_path, "test")


def test_what_is_kept_is_not_made_again_and_what_is_lost_is(tmp_path):
    write_archive(tmp_path, patients_of("train", 3))
    files = lidc_nodules(tmp_path, tmp_path / "cache", "train")
    hu = kept(files[1]).hu
    files[1].unlink()
    files[0].write_bytes(b"as it was left")
    assert lidc_nodules(tmp_path, tmp_path / "cache", "train") == files
    assert files[0].read_bytes() == b"as it was left"
    assert (kept(files[1]).hu == hu).all()
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".npz"}


def test_a_slice_without_a_place_leaves_its_nodule_out(tmp_path):
    write_archive(tmp_path, patients_of("train", 2))
    index = tmp_path / "index.csv"
    index.write_text(index.read_text().replace("-12.5", "", 1))
    assert len(slices_of(tmp_path, "train")) == 1


@pytest.mark.real_data
def test_the_real_index_is_split_by_patient():
    found = {split: slices_of(real("lidc_slices"), split) for split in SPLITS}
    counts = {split: len(slices) for split, slices in found.items()}
    assert counts == {"train": 235, "validation": 43, "report": 277}
