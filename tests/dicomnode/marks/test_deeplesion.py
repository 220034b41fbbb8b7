"""Rows of DeepLesion are marks, and with their slices a case for the pipeline."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dicomnode.marks import deeplesion
from dicomnode.marks.deeplesion import image_uid, iter_rows, read_deeplesion, read_rows
from dicomnode.store.uid import is_valid_uid
from pipelines.deeplesion import UnreadableSlices, read_volume, volume_and_axes
from pipelines.lesion import soft_mask_from_recist
from tests.real_data import real

HEADER = (
    "File_name,Key_slice_index,Measurement_coordinates,Lesion_diameters_Pixel_,Slice_range,"
    "Spacing_mm_px_,Image_size"
)
CELLS = {
    "name": "000021_01_01_016.png",
    "key": "16",
    "points": "20.5, 30.25, 40.5, 30.25, 30, 25, 30, 36.5",
    "diameters": "20, 11.5",
    "range": "10, 22",
    "spacing": "0.5, 0.5, 2",
    "size": "64, 56",
}


def table(*rows: dict[str, str], header: str = HEADER) -> bytes:
    lines = [",".join(f'"{cell}"' for cell in {**CELLS, **row}.values()) for row in rows]
    return "\n".join([header, *lines]).encode()


def test_a_row_is_a_mark_on_the_image_that_its_file_name_names():
    reading = read_deeplesion(table({}))
    assert reading.refusals == ()
    (mark,) = reading.marks
    np.testing.assert_array_equal(mark.long_axis, [[20.5, 30.25], [40.5, 30.25]])
    np.testing.assert_array_equal(mark.short_axis, [[30, 25], [30, 36.5]])
    assert mark.referenced_sop_instance_uid == image_uid("000021_01_01", 16)
    assert (mark.stated_long_mm, mark.stated_short_mm) == (10, 5.75)
    assert mark.item == "row 1"
    assert is_valid_uid(mark.source_sop_instance_uid)


def test_image_uids_are_valid_and_different():
    uids = {image_uid(f"00000{k}_01_01", n) for k in range(5) for n in range(20)}
    assert len(uids) == 100
    assert all(map(is_valid_uid, uids))


@pytest.mark.parametrize(
    ("cell", "value", "reason"),
    [
        ("name", "../../etc/passwd", "File_name"),
        ("name", "000021_01_01_017.png", "Key_slice_index"),
        ("key", "x", "Key_slice_index"),
        ("points", "1,2,3,4,5,6,7", "Measurement_coordinates"),
        ("points", "1,2,3,4,5,6,7,nan", "Measurement_coordinates"),
        ("points", "1,2,3,4,5,6,7,57", "outside"),
        ("points", "1,2,3,4,5,6,-7,8", "outside"),
        ("points", "1,2,1,2,5,6,7,8", "no length"),
        ("range", "17, 22", "Slice_range"),
        ("range", "10, 1e9", "Slice_range"),
        ("spacing", "0, 0.5, 2", "Spacing"),
        ("spacing", "0.5, 0.5", "Spacing"),
        ("size", "512, 1e8", "Image_size"),
    ],
)
def test_a_broken_row_costs_that_row(cell, value, reason):
    reading = read_deeplesion(table({}, {cell: value}, {}))
    assert [mark.item for mark in reading.marks] == ["row 1", "row 3"]
    (refusal,) = reading.refusals
    assert refusal.item == "row 2"
    assert reason in refusal.reason


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"a,b\n1,2\n", HEADER.encode(), HEADER.replace("Image_", "x").encode()],
)
def test_another_table_is_one_refusal(content):
    rows, refusals = read_rows(content)
    assert rows == {}
    assert len(refusals) == 1


def test_short_rows_and_long_fields_are_refused():
    rows, refusals = read_rows(table({}) + b"\n000021_01_01_016.png,16\n")
    assert list(rows) == [1]
    assert refusals[0].item == "row 2"
    rows, refusals = read_rows(table({}) + b'\n"' + b"x" * 200_000)
    assert list(rows) == [1]
    assert "cannot be parted" in refusals[0].reason


def test_an_open_quote_does_not_join_two_cells_into_another_number():
    content = table({}, {}).replace(b'36.5","20, 11.5"', b'36.5"20, 11.5"', 1)
    rows, refusals = read_rows(content)
    assert list(rows) == [2]
    assert [refusal.item for refusal in refusals] == ["row 1"]


def test_a_table_of_any_length_is_read_row_by_row(tmp_path):
    path = tmp_path / "DL_info.csv"
    path.write_bytes(table({}, {"key": "x"}, {}))
    with open(path, encoding="utf-8-sig") as lines:
        found = dict(iter_rows(lines))
    assert list(found) == [1, 2, 3]
    assert found[3].key_slice == 16
    assert "Key_slice_index" in found[2].reason


def test_bytes_and_rows_are_bounded(monkeypatch):
    rows, refusals = read_rows(table({}, {}, {}), 2)
    assert (len(rows), len(refusals)) == (2, 1)
    monkeypatch.setattr(deeplesion, "MAX_MARKS", 1)
    reading = read_deeplesion(table({}, {}, {}))
    assert len(reading.marks) == 1
    (refusal,) = reading.refusals
    assert "more than 1 rows" in refusal.reason
    monkeypatch.setattr(deeplesion, "MAX_BYTES", 10)
    assert "bytes" in read_rows(table({}))[1][0].reason


@pytest.fixture
def ball(tmp_path):
    """A ball of 40 HU, radius 6 mm, in lung; its row, its slices, its centre and its radius."""
    row = {"range": "10, 30", "key": "20", "name": "000021_01_01_020.png", "spacing": "0.8,0.8,1"}
    row |= {"size": "64, 56", "points": "24.5, 28.5, 39.5, 28.5, 32, 21, 32, 36"}
    k, r, c = np.mgrid[10:31, :56, :64]
    distance = np.sqrt((0.8 * (c - 31.5)) ** 2 + (0.8 * (r - 28)) ** 2 + (k - 20.0) ** 2)
    hu = np.rint(-850 + 890 * np.clip(6.5 - distance, 0, 1)).astype(int)
    folder = tmp_path / "000021_01_01"
    folder.mkdir()
    for number, image in zip(range(10, 31), hu, strict=True):
        Image.fromarray((image + 32768).astype(np.uint16)).save(folder / f"{number:03d}.png")
    rows, _ = read_rows(table(row))
    return rows[1], tmp_path, hu


def test_slices_are_hu_on_the_rows_grid(ball):
    row, folder, hu = ball
    volume = read_volume(row, folder)
    np.testing.assert_array_equal(volume.array, hu)
    np.testing.assert_allclose(volume.spacing, (1, 0.8, 0.8))
    index = volume.map_reference_to_indices(row.axes.long_axis)
    np.testing.assert_allclose(index, [[10, 28, 24], [10, 28, 39]])  # centres at whole numbers


def test_a_row_and_its_slices_are_a_case_for_the_pipeline(ball):
    row, folder, _ = ball
    volume, axes = volume_and_axes(row, folder)
    soft = soft_mask_from_recist(volume, axes)
    ml = soft.alpha.array.sum() * 0.8 * 0.8 / 1000
    assert ml == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.15)


@pytest.mark.parametrize("damage", ["missing", "8 bit", "size", "broken", "text"])
def test_slices_that_are_not_what_the_row_says_are_refused(ball, damage):
    row, folder, _ = ball
    path = folder / row.series / "015.png"
    if damage == "missing":
        path.unlink()
    elif damage == "8 bit":
        Image.fromarray(np.zeros((56, 64), np.uint8)).save(path)
    elif damage == "size":
        Image.fromarray(np.zeros((57, 64), np.uint16)).save(path)
    elif damage == "broken":
        path.write_bytes(path.read_bytes()[:200])
    else:
        path.write_bytes(b"no picture")
    with pytest.raises(UnreadableSlices, match=r"000021_01_01/015\.png"):
        read_volume(row, folder)


@pytest.mark.real_data
def test_every_real_row_is_read_and_states_what_its_points_measure():
    reading = read_deeplesion((real("deeplesion_csv") / "DL_info_test_part.csv").read_bytes())
    assert reading.refusals == ()
    assert len(reading.marks) == 3203
    rows, _ = read_rows((real("deeplesion_csv") / "DL_info_test_part.csv").read_bytes())
    for row in rows.values():
        assert row.axes.long_mm == pytest.approx(row.stated_mm[0], abs=0.01)
        assert row.axes.short_mm == pytest.approx(row.stated_mm[1], abs=0.01)


@pytest.mark.real_data
def test_coordinates_count_from_the_outer_corner_as_far_as_images_tell():
    """Ellipses in the boxes of the key slices lie best half a pixel below whole-number centres."""
    shifts = []
    for path in sorted(real("deeplesion_keyslices_jpg").glob("*.jpg")):
        hu = np.asarray(Image.open(path).convert("L"), dtype=float) * 16 - 1024
        for text in path.with_suffix(".tru").read_text().splitlines():
            shifts.append(_best_shift(hu, np.array(text.split()[1:], dtype=float) * 512))
    found = np.array([shift for shift in shifts if shift is not None])
    assert len(found) > 20
    standard_error = found.std() / np.sqrt(found.size)
    assert abs(found.mean() + 0.5) < 2 * standard_error < abs(found.mean())


def _best_shift(hu, box):
    """Shift (column, row) at which an ellipse differs most from the ring around it, or None."""
    low, high = box[:2] + 5, box[2:] - 5  # the data set's boxes have a margin of 5 pixels
    centre, radius = (low + high) / 2, (high - low) / 2
    first = box[:2].astype(int) - 3
    window = hu[first[0] : int(box[2]) + 5, first[1] : int(box[3]) + 5]
    window = np.clip(window, -1000, 300) if window.min() < -500 else np.clip(window, -100, 250)
    place = np.indices(window.shape) + first[:, None, None]
    steps = np.arange(-2.5, 2.6, 0.25)

    def contrast(shift):
        away = (place - (centre + shift)[:, None, None]) / radius[:, None, None]
        away = np.sqrt((away**2).sum(axis=0))
        inside, near = (1 / (1 + np.exp(12 * (away - edge))) for edge in (1.0, 1.45))
        ring = near - inside
        return (window * inside).sum() / inside.sum() - (window * ring).sum() / ring.sum()

    sign = np.sign(contrast(np.zeros(2)))
    scores = sign * np.array([[contrast(np.array([r, c])) for c in steps] for r in steps])
    row, column = np.unravel_index(scores.argmax(), scores.shape)
    if not (0 < row < len(steps) - 1 and 0 < column < len(steps) - 1):
        return None
    return steps[column], steps[row]
