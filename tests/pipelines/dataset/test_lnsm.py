"""Crops about RECIST marks: the right pixels, the pipeline's labels, reasons for refusals."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from pipelines.dataset.lnsm import kept_crop, lnsm_crops
from pipelines.deeplesion import HU_OFFSET, iter_lesions
from pipelines.metrics import dice
from tests.real_data import real

HEADER = (
    "File_name,Key_slice_index,Measurement_coordinates,Lesion_diameters_Pixel_,Slice_range,"
    "Spacing_mm_px_,Image_size,Coarse_lesion_type"
)
SIZE = 128


def row(series="000021_01_01", centre=(80.5, 50.5), half=9.0, kind=5):
    x, y = centre
    points = f"{x - half}, {y}, {x + half}, {y}, {x}, {y - half}, {x}, {y + half}"
    cells = (f"{series}_016.png", 16, points, "18, 18", "10, 22", "0.7, 0.7, 2")
    return ",".join(f'"{cell}"' for cell in (*cells, f"{SIZE}, {SIZE}", kind))


def disc(centre=(80.5, 50.5), radius=9.0):
    """Where a ball of soft tissue is; coordinates count from the outer corner."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    return np.hypot(x - centre[0], y - centre[1]) <= radius


def write_png(folder, series="000021_01_01", there=None):
    there = disc() if there is None else there
    hu = np.where(there, 30, -850) + np.random.default_rng(1).normal(0, 15, there.shape)
    (folder / series).mkdir(parents=True)
    values = (np.rint(hu) + HU_OFFSET).astype(np.uint16)
    Image.fromarray(values).save(folder / series / "016.png")
    return np.rint(hu)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    hu = write_png(folder)
    return folder, hu, lnsm_crops([HEADER, row()], folder, folder / "cache")


def test_the_crop_lies_about_the_mark(made):
    _, hu, found = made
    (path,) = found.files
    crop = kept_crop(path)
    assert crop.hu.shape == crop.mask.shape == crop.alpha.shape == (64, 64)
    # The mark's middle, 80.5 and 50.5, becomes the crop's, within half a pixel.
    begin = np.array([80.5, 50.5]) - crop.long_axis.mean(axis=0)
    assert np.abs(crop.long_axis.mean(axis=0) - 32).max() <= 0.5
    x, y = begin.astype(int)
    assert (crop.hu == hu[y : y + 64, x : x + 64]).all()
    assert (crop.patient, crop.name) == ("000021", "01_01_016_row-1")
    assert crop.spacing == (0.7, 0.7)


def test_labels_are_the_lesion_and_axes_lie_on_it(made):
    crop = kept_crop(made[2].files[0])
    truth = disc(crop.long_axis.mean(axis=0))[:64, :64]
    assert dice(crop.mask, truth) > 0.9
    assert dice(crop.alpha >= 128, truth) > 0.9
    soft = (crop.alpha > 5) & (crop.alpha < 250)
    assert soft.any()
    assert np.linalg.norm(crop.long_axis[1] - crop.long_axis[0]) == pytest.approx(18)
    assert np.linalg.norm(crop.short_axis[1] - crop.short_axis[0]) == pytest.approx(18)


def test_what_is_kept_is_not_made_again(made):
    folder, _, found = made
    held = found.files[0].read_bytes()
    found.files[0].write_bytes(b"as it was left")
    assert lnsm_crops([HEADER, row()], folder, folder / "cache").files == found.files
    assert found.files[0].read_bytes() == b"as it was left"
    found.files[0].write_bytes(held)


def test_a_mark_near_the_slices_edge_gets_a_whole_crop(tmp_path):
    centre = (12.5, 118.5)
    write_png(tmp_path, there=disc(centre))
    (path,) = lnsm_crops([HEADER, row(centre=centre)], tmp_path, tmp_path / "cache").files
    crop = kept_crop(path)
    assert crop.hu.shape == (64, 64)
    assert crop.long_axis.mean(axis=0) == pytest.approx((12.5, 118.5 - 64))


def test_rows_of_which_no_crop_is_made_are_named_with_the_reason(tmp_path):
    write_png(tmp_path)
    table = [HEADER, row(half=40.0), row("000033_01_01"), "broken", row(kind=1)]
    found = lnsm_crops(table, tmp_path, tmp_path / "cache")
    assert found.files == ()
    reasons = dict(found.left_out)
    assert "does not fit into 64 x 64" in reasons["000021/01_01_016_row-1"]
    assert "not there" in reasons["000033/01_01_016_row-2"]
    assert "row 3" in reasons
    assert len(reasons) == 3


def test_all_types_are_taken_where_none_is_named(tmp_path):
    write_png(tmp_path)
    assert len(lnsm_crops([HEADER, row(kind=1)], tmp_path, tmp_path / "cache", None).files) == 1


@pytest.mark.parametrize(("said", "found"), [("5", 5), ("-1", None), ("", None), ("2.5", None)])
def test_the_type_is_what_the_table_states(said, found):
    ((_, lesion),) = iter_lesions([HEADER, row(kind=said)])
    assert lesion.lesion_type == found


def test_key_slices_of_8_bits_are_read_too(tmp_path):
    hu = np.where(disc(), 30, -850)
    grey = ((hu + 1024) / 16).round().astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "000021_01_01_016.jpg", quality=95)
    (path,) = lnsm_crops([HEADER, row()], tmp_path, tmp_path / "cache").files
    crop = kept_crop(path)
    assert np.median(crop.hu[crop.mask]) == pytest.approx(30, abs=20)
    small = Image.new("L", (16, 16))
    small.save(tmp_path / "000021_01_01_016.jpg")
    (left,) = lnsm_crops([HEADER, row()], tmp_path, tmp_path / "other").left_out
    assert "found 16 x 16, expected 128 x 128" in left[1]


@pytest.mark.real_data
def test_real_key_slices_are_labelled(tmp_path):
    images = real("deeplesion_keyslices_jpg")
    with open(real("deeplesion_csv") / "DL_info_test_part.csv", newline="") as file:
        names = {path.stem for path in images.glob("*.jpg")}
        header, *rows = csv.reader(file)
        wanted = [header, *(cells for cells in rows if cells[0][:-4] in names)]
    lines = [",".join(f'"{cell}"' for cell in cells) for cells in wanted]
    found = lnsm_crops(lines, images, tmp_path, None)
    assert len(found.files) == len(lines) - 1 == 3
    for path in found.files:
        crop = kept_crop(path)
        long, short = (np.linalg.norm(a[1] - a[0]) for a in (crop.long_axis, crop.short_axis))
        ellipse = np.pi / 4 * long * short
        assert 0.5 < crop.mask.sum() / ellipse < 2
