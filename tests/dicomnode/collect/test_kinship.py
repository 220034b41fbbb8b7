"""Marks that are one, marks that changed, and marks of different readers are told apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydicom.dataset import Dataset

from dicomnode.collect.supersede import leave
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.explain import explain
from dicomnode.jobs import lesion_queue
from dicomnode.jobs.segment import SegmentOutcome
from dicomnode.marks import ImagePlane
from dicomnode.marks.serialised import from_json
from dicomnode.results import derive_uid
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion
from pipelines.recist import RecistAxes
from tests.dicomnode.jobs.rows import add_lesion, lesion, published
from tests.dicomnode.mask_objects import ball, circles, curves, segmentation, structure_set
from tests.dicomnode.presentation_states import graphic, presentation_state
from tests.dicomnode.studies import Study, study

READER = "SYNTHETIC^READER"
READY, SUPERSEDED = LesionState.READY, LesionState.SUPERSEDED


def moved(axes: RecistAxes, by: tuple[float, float, float], scale: float = 1.0) -> RecistAxes:
    """The same axes elsewhere, in mm, or of another length."""
    ends = [
        axes.centre + (axis - axes.centre) * scale + by
        for axis in (axes.long_axis, axes.short_axis)
    ]
    return RecistAxes(*ends)


def report(
    made: Study,
    axes: RecistAxes,
    name: str,
    *,
    seed: str = "s",
    series: int = 50,
    coordinates: Coordinates = Coordinates.PIXELS,
    tracking: str = "T1",
    reader: str = READER,
    day: int = 28,
) -> Dataset:
    """A report of its own, in the series that `seed` and `series` name, made on that day."""
    found = recist_report(
        [DrawnMark(axes, tracking)], made.ct, seed, series_number=series, coordinates=coordinates
    )
    found.SOPInstanceUID = found.SOPInstanceUID[:50] + "." + name
    found.ContentDate = f"202611{day:02d}"
    for item in found.ContentSequence:
        if item.ValueType == "PNAME":
            item.PersonName = reader
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    return found


def lines(made: Study, axes: RecistAxes, shift: float) -> Dataset:
    """A presentation state with the axes as crossing lines on their slice, `shift` pixels aside."""
    plane = ImagePlane.from_dataset(made.ct[12])
    ends = (plane.to_pixel(axis) + shift for axis in (axes.long_axis, axes.short_axis))
    return presentation_state([made.ct[12]], [graphic(axis) for axis in ends])


def states(found: list[Lesion]) -> list[LesionState]:
    return [row.state for row in found]


def test_one_mark_in_a_report_and_in_a_presentation_state_is_one_lesion(collect_objects):
    made = study("sr and gsps")
    collect_objects(*made.ct, made.report)
    found = collect_objects(lines(made, made.axes[0], 0.5))
    assert states(found) == [READY, SUPERSEDED]
    assert found[1].reason == "the same mark as lesion 1"


def test_a_mark_in_pixels_and_in_space_is_one_lesion(collect_objects):
    made = study("space")
    collect_objects(*made.ct, made.report)
    axes = made.axes[0]
    again = report(made, axes, "2", seed="t", coordinates=Coordinates.SPACE)
    assert states(collect_objects(again)) == [READY, SUPERSEDED]


def test_a_new_version_by_its_tracking_uid_takes_the_place(collect_objects):
    made = study("tracking")
    first, second = made.axes[0], moved(made.axes[0], (1.5, 0, 2.0), 1.2)
    collect_objects(*made.ct, report(made, first, "1"))
    found = collect_objects(report(made, second, "2", series=51))
    assert states(found) == [SUPERSEDED, READY]
    assert found[0].reason == "the mark was changed; lesion 2 takes its place"


@pytest.mark.parametrize("mask_first", [True, False])
def test_of_axes_and_a_mask_with_one_tracking_uid_the_mask_is_segmented(
    collect_objects, mask_first
):
    made = study("mask and axes")
    tracking = derive_uid("s", "tracking", "T1")
    seg = segmentation(made.ct, [ball()], tracking=tracking)
    axes = report(made, made.axes[0], "1")
    first, second = (seg, axes) if mask_first else (axes, seg)
    collect_objects(*made.ct, first)
    found = collect_objects(second)
    assert states(found) == ([READY, SUPERSEDED] if mask_first else [SUPERSEDED, READY])
    (ready,) = (row for row in found if row.state is READY)
    assert from_json(ready.mark).has_mask


def test_a_new_version_by_its_place_takes_the_place(collect_objects):
    made = study("place")
    first, second = made.axes[0], moved(made.axes[0], (2.0, 0, 0), 1.1)
    collect_objects(*made.ct, report(made, first, "1"))
    found = collect_objects(report(made, second, "2", tracking="T2"))
    assert states(found) == [SUPERSEDED, READY]


@pytest.mark.parametrize(
    ("by", "reader"),
    [((2.0, 0, 0), "OTHER^READER"), ((9.0, 0, 0), READER), ((0, 0, 2.0), READER)],
    ids=["another reader's", "beside it", "on the next slice"],
)
def test_a_mark_without_that_is_another_one(collect_objects, by, reader):
    made = study("another")
    collect_objects(*made.ct, report(made, made.axes[0], "1"))
    other = report(made, moved(made.axes[0], by), "2", series=51, tracking="T2", reader=reader)
    assert states(collect_objects(other)) == [READY, READY]


def other_kernel(made: Study, thick: int = 1, **changes: object) -> Study:
    """A reconstruction of the same acquisition, of each so-many-th slice, with other voxels."""
    affine = made.volume.affine.copy()
    affine[:3, 0] *= thick
    array = made.volume.array[::thick] + np.int16(5)
    volume = type(made.volume)(
        array,
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=made.volume.frame_of_reference_uid,
    )
    number = changes.pop("series_number", 3)
    every = {index: dict(changes) for index in range(len(array))}
    description = CtSeriesDescription(seed=made.seed, series_number=number)
    return replace(made, ct=ct_series(volume, description, every), volume=volume)


def test_one_line_on_two_kernels_is_one_lesion_and_says_where_else(database, collect_objects):
    made = study("kernels")
    sharp = other_kernel(made, ConvolutionKernel="B70f")
    first = report(made, made.axes[0], "1")
    second = report(sharp, made.axes[0], "2", seed="t", tracking="T2", reader="OTHER^READER")
    found = collect_objects(*made.ct, *sharp.ct, first, second)
    assert sorted(states(found)) == sorted([READY, SUPERSEDED])
    (ready,) = (row for row in found if row.state is READY)
    (other,) = (row for row in found if row.state is SUPERSEDED)
    assert other.reason == f"the same mark as lesion {ready.id} on another reconstruction"
    with database.read() as session:
        text = "\n".join(explain(session, str(ready.series_instance_uid)))
    assert f"drawn on series {other.series_instance_uid}" in text


def test_one_line_on_thick_and_thin_slices_is_segmented_on_the_thin_ones(collect_objects):
    made = study("thickness")
    thick = other_kernel(made, 3)
    on_thick = report(thick, made.axes[0], "1")
    on_thin = report(made, made.axes[0], "2", seed="t", tracking="T2")
    found = collect_objects(*made.ct, *thick.ct, on_thick, on_thin)
    by_series = {row.series_instance_uid: row.state for row in found}
    assert by_series == {
        thick.ct[0].SeriesInstanceUID: SUPERSEDED,
        made.ct[0].SeriesInstanceUID: READY,
    }


def test_lines_in_two_contrast_phases_are_two_lesions(collect_objects):
    made = study("phases")
    venous = other_kernel(made, AcquisitionTime="120040", AcquisitionNumber=2)
    first = report(made, made.axes[0], "1")
    second = report(venous, made.axes[0], "2", seed="t")
    assert states(collect_objects(*made.ct, *venous.ct, first, second)) == [READY, READY]


@pytest.mark.parametrize("in_pixels", [False, True])
def test_masks_of_readers_on_two_kernels_are_one_lesion(collect_objects, in_pixels):
    made = study("masks on kernels")
    sharp = other_kernel(made)
    first = segmentation(made.ct, [ball()], "first")
    if in_pixels:
        flat = np.zeros(ball().shape, bool)
        flat[12] = ball()[12]
        first = segmentation(made.ct, [flat], "first")
        second = curves(sharp, [circles(sharp, (12, 34, 32), 12.0)[2]])
    else:
        second = structure_set(sharp, [circles(sharp, (12, 32.5, 32), 13.0)], "second")
    found = collect_objects(*made.ct, *sharp.ct, first, second)
    assert sorted(states(found)) == sorted([READY, SUPERSEDED])
    (ready,) = (row for row in found if row.state is READY)
    assert len(from_json(ready.mark).opinions) == 2


def test_a_new_version_that_waits_for_nothing_leaves_other_lesions_alone(collect_objects):
    made = study("two", centres=[(12, 20, 20), (12, 44, 44)])
    collect_objects(*made.ct, made.report)
    changed = report(made, moved(made.axes[1], (1.0, 1.0, 0)), "2", seed="two", tracking="lesion 1")
    assert states(collect_objects(changed)) == [READY, SUPERSEDED, READY]


def test_work_on_a_superseded_lesion_comes_to_nothing(database, tmp_path):
    number = add_lesion(database, 1)
    with database.write() as session:
        leave(session, number, "gone")
    with database.write() as session:
        outcome = SegmentOutcome(1.0, 0.1, ())
        lesion_queue.record_segmented(session, number, tmp_path / "mask.npz", outcome)
        lesion_queue.record_published(session, number, published(number))
        lesion_queue.record_refused(session, number, "empty")
        lesion_queue.record_fault(session, number, "broken", 1)
    row = lesion(database, number)
    assert row.state is SUPERSEDED
    assert row.reason == "gone"
    with database.read() as session:
        assert lesion_queue.next_work(session, 5, ()) == []


def test_what_was_not_delivered_is_withdrawn_and_sent_after_all_if_it_is_made_again(database):
    number = add_lesion(database, 1, LesionState.SEGMENTED)
    with database.write() as session:
        lesion_queue.record_published(session, number, published(number))
    with database.write() as session:
        deliveries = _deliveries(session, number)
        deliveries[0].state = DeliveryState.ACCEPTED
        leave(session, number, "gone")
        assert [d.state for d in deliveries] == [DeliveryState.ACCEPTED, DeliveryState.WITHDRAWN]
    with database.write() as session:
        session.get_one(Lesion, number).state = LesionState.SEGMENTED
        lesion_queue.record_published(session, number, published(number))
        again = [d.state for d in _deliveries(session, number)]
        assert again == [DeliveryState.ACCEPTED, DeliveryState.QUEUED]


def _deliveries(session, number: int) -> list[Delivery]:
    return list(session.get_one(Lesion, number).results[0].deliveries)
