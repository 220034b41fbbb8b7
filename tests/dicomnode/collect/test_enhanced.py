"""A mark on a frame of an enhanced CT finds its stack, whatever form names the frame, or none."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
import pytest

from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.frames import FrameFile, frame_of
from dicomnode.jobs.lesion_queue import slice_files
from dicomnode.jobs.read_volume import UnscaledFrameError, read_volume
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from pipelines.recist import RecistAxes
from tests.dicomnode.enhanced_ct import (
    FrameOf,
    enhanced_ct,
    frames_of,
    naming_frames,
    naming_the_whole,
)
from tests.dicomnode.mask_objects import (
    ball,
    circles,
    curves,
    segmentation,
    structure_set,
    without_derivation,
)
from tests.dicomnode.studies import Study, study

KEY = 12
"""Index of the slice with the mark."""

MIP = ("DERIVED", "PRIMARY", "VOLUME", "MAXIMUM")


@pytest.fixture(scope="module")
def made() -> Study:
    return study("enhanced")


def numbers(lesion: Lesion) -> list[int]:
    return [frame_of(name)[1] for name in lesion.slices]


def refused(lesion: Lesion) -> str:
    assert lesion.state is LesionState.REFUSED
    return lesion.reason


def hu(database, lesion: Lesion) -> np.ndarray:
    with database.read() as session:
        files = slice_files(session, lesion.slices)
    axes = RecistAxes(lesion.long_axis, lesion.short_axis)
    return read_volume(files, axes)[0].array


def slices_of(made: Study, lesion: Lesion) -> np.ndarray:
    """HU of the single-frame slices that frames numbered along the series were made of."""
    return made.volume.array[[number - 1 for number in numbers(lesion)]]


def test_a_named_frame_gives_the_voxels_of_its_slices(database, collect_objects, made):
    frames = frames_of(made.ct)
    ct = enhanced_ct(frames)
    (lesion,) = collect_objects(ct, naming_frames(made.report, [ct], frames), quiet=3600.0)
    assert lesion.state is LesionState.READY, lesion.reason  # not waiting: all is here
    assert lesion.key_sop_instance_uid == ct.SOPInstanceUID
    assert KEY + 1 in numbers(lesion)
    np.testing.assert_array_equal(hu(database, lesion), slices_of(made, lesion))
    np.testing.assert_allclose(lesion.long_axis, made.axes[0].long_axis, atol=1e-3)


def test_frames_in_any_order_and_each_with_its_own_rescaling(database, collect_objects, made):
    order = np.random.default_rng(1).permutation(len(made.ct))
    frames = [
        FrameOf(made.ct[i], position=int(i) + 1, slope=0.5, intercept=-1000.0 - float(i))
        for i in order
    ]
    ct = enhanced_ct(frames)
    (lesion,) = collect_objects(ct, naming_frames(made.report, [ct], frames))
    of_frame = made.volume.array[[order[number - 1] for number in numbers(lesion)]]
    np.testing.assert_allclose(hu(database, lesion), of_frame, atol=1e-3)


def test_highdicoms_conversion_gives_the_same_voxels(database, collect_objects, made):
    ct = hd.legacy.LegacyConvertedEnhancedCTImage(made.ct, "1.2.3.4", 7, "1.2.3.4.5", 1)
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "legacy", coordinates=Coordinates.SPACE)
    (lesion,) = collect_objects(ct, report)
    assert lesion.state is LesionState.READY, lesion.reason
    theirs = hd.Image.from_dataset(ct).get_frames(numbers(lesion), apply_modality_transform=True)
    np.testing.assert_array_equal(hu(database, lesion), theirs)


def test_a_mark_in_space_finds_its_frame(collect_objects, made):
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "space", coordinates=Coordinates.SPACE)
    (lesion,) = collect_objects(enhanced_ct(frames_of(made.ct)), report)
    assert lesion.state is LesionState.READY, lesion.reason
    assert KEY + 1 in numbers(lesion)


@pytest.mark.parametrize("form", ["gsps", "rtstruct", "seg", "seg by place", "rtstruct by place"])
def test_masks_on_frames_are_those_on_slices(database, collect_objects, made, form):
    frames = frames_of(made.ct)
    ct = enhanced_ct(frames)
    if form == "gsps":
        marks = curves(made, [circles(made)[3]])
    elif form.startswith("rtstruct"):
        marks = structure_set(made, [circles(made)], names_images="place" not in form)
    else:
        marks = segmentation(made.ct, [ball()])
    if form == "seg by place":
        marks = without_derivation(marks)
    if "place" not in form:
        marks = naming_frames(marks, [ct], frames)
    (lesion,) = collect_objects(ct, marks)
    assert lesion.state is LesionState.READY, lesion.reason
    assert set(numbers(lesion)) >= {KEY, KEY + 1, KEY + 2}
    np.testing.assert_array_equal(hu(database, lesion), slices_of(made, lesion))


def interleaved(made: Study, **of_second: object) -> list[FrameOf]:
    """The slices, and between them frames of the same places that differ by `of_second`."""
    return [
        frame
        for i, image in enumerate(made.ct, start=1)
        for frame in (FrameOf(image, position=i), FrameOf(image, position=i, **of_second))
    ]


@pytest.mark.parametrize(
    "second",
    [
        {"time": 2, "intercept": 100.0},
        {"kernel": "SHARP"},
        {"stack": "2"},
        {"kind": MIP},
        {"technique": "MIN_IP"},
    ],
)
@pytest.mark.parametrize("marked", [0, 1])
def test_the_stack_is_that_of_the_marked_frame(database, collect_objects, made, second, marked):
    frames = interleaved(made, **second)
    ct = enhanced_ct(frames)
    named = [frame if n % 2 == marked else None for n, frame in enumerate(frames)]
    (lesion,) = collect_objects(ct, naming_frames(made.report, [ct], named))
    if marked and ("kind" in second or "technique" in second):
        assert "of CT values" in refused(lesion) or "made by MIN_IP" in lesion.reason
        return
    assert lesion.state is LesionState.READY, lesion.reason
    assert {(number - 1) % 2 for number in numbers(lesion)} == {marked}
    expected = made.volume.array[[(number - 1) // 2 for number in numbers(lesion)]]
    np.testing.assert_array_equal(hu(database, lesion), expected)


def test_two_orientations_in_one_object_are_two_stacks(collect_objects, made):
    orientation = hd.PlaneOrientationSequence("PATIENT", [1, 0, 0, 0, 0, -1])
    turned = FrameOf(made.ct[0], extra={"PlaneOrientationSequence": orientation})
    frames = frames_of(made.ct)
    ct = enhanced_ct([*frames, turned])
    (lesion,) = collect_objects(ct, naming_frames(made.report, [ct], [*frames, None]))
    assert lesion.state is LesionState.READY, lesion.reason


def test_a_mark_in_space_on_two_phases_is_ambiguous(collect_objects, made):
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "phases", coordinates=Coordinates.SPACE)
    (lesion,) = collect_objects(enhanced_ct(interleaved(made, time=2)), report)
    assert "2 stacks of frames at once (frames 25, 26)" in refused(lesion)


def test_a_mark_in_space_is_not_on_the_projection_nor_on_derived_frames(collect_objects, made):
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "derived", coordinates=Coordinates.SPACE)
    resampled = ("DERIVED", "PRIMARY", "VOLUME", "RESAMPLED")
    for second in ({"kind": MIP}, {"kind": resampled}):
        ct = enhanced_ct(interleaved(made, **second), seed=str(second))
        found = collect_objects(ct, report)[0]
        assert found.state is LesionState.READY, found.reason
        assert {number % 2 for number in numbers(found)} == {1}


def test_an_image_of_many_frames_needs_its_frame_named(collect_objects, made):
    frames = frames_of(made.ct)
    ct = enhanced_ct(frames)
    report = naming_frames(made.report, [ct], frames)
    _without_numbers(report)
    (lesion,) = collect_objects(ct, report)
    assert f"{len(frames)} frames, and no frame of it" in refused(lesion)


def test_a_frame_that_is_not_there_is_told(collect_objects, made):
    frames = frames_of(made.ct)
    ct = enhanced_ct(frames)
    fewer = enhanced_ct(frames[: KEY - 2])
    (lesion,) = collect_objects(fewer, naming_frames(made.report, [ct], frames))
    assert f"names frame {KEY + 1} of the image" in refused(lesion)
    assert f"which has {KEY - 2}" in lesion.reason


def test_a_curve_in_space_finds_the_frame_that_it_does_not_name(collect_objects, made):
    frames = frames_of(made.ct)
    ct = enhanced_ct(frames)
    marks = naming_frames(structure_set(made, [circles(made)]), [ct], frames)
    _without_numbers(marks)
    (lesion,) = collect_objects(ct, marks)
    assert lesion.state is LesionState.READY, lesion.reason


def test_masks_on_two_phases_are_refused(collect_objects, made):
    frames = interleaved(made, time=2)
    ct = enhanced_ct(frames)
    named = [f if (n < KEY * 2) == (n % 2 == 0) else None for n, f in enumerate(frames)]
    marks = naming_frames(segmentation(made.ct, [ball()]), [ct], named)
    (lesion,) = collect_objects(ct, marks)
    assert "frames of 2 stacks, expected one" in refused(lesion)


def parts(made: Study, *sizes: int) -> tuple[list, list[FrameOf]]:
    """A concatenation of parts of so many frames."""
    frames = frames_of(made.ct)
    ends = np.cumsum(sizes)
    objects = [
        enhanced_ct(frames[end - size : end], part=(n, len(sizes)), offset=int(end - size))
        for n, (size, end) in enumerate(zip(sizes, ends, strict=True), start=1)
    ]
    return objects, frames


def test_a_concatenation_is_one_stack(database, collect_objects, made):
    objects, frames = parts(made, 10, 4, 10)
    report = naming_frames(made.report, objects, frames)
    (lesion,) = collect_objects(objects[0], objects[1], report)
    assert lesion.state is LesionState.WAITING
    (lesion,) = collect_objects(objects[2], quiet=3600.0)
    assert lesion.state is LesionState.READY, lesion.reason
    uids = [frame_of(name)[0] for name in lesion.slices]
    assert set(uids) == {o.SOPInstanceUID for o in objects}
    array = hu(database, lesion)
    first = 10 - uids.count(objects[0].SOPInstanceUID)
    np.testing.assert_array_equal(array, made.volume.array[first : first + len(array)])


@pytest.mark.parametrize("form", ["axes", "gsps", "rtstruct", "seg"])
def test_a_mark_on_the_image_that_was_divided_finds_its_part(collect_objects, made, form):
    objects, frames = parts(made, 10, 4, 10)
    marks = {
        "axes": lambda: made.report,
        "gsps": lambda: curves(made, [circles(made)[3]]),
        "rtstruct": lambda: structure_set(made, [circles(made)]),
        "seg": lambda: segmentation(made.ct, [ball()]),
    }[form]()
    in_parts = naming_frames(marks, objects, frames)
    (expected,) = collect_objects(*objects, in_parts)
    assert expected.state is LesionState.READY, expected.reason
    found = collect_objects(naming_the_whole(in_parts, objects))
    states = {lesion.id: (lesion.state, lesion.replaced_by) for lesion in found}
    # It is the same mark in other words: one of the two stands, for both.
    assert sorted(state for state, _ in states.values()) == ["ready", "superseded"]
    assert found[0].slices == found[1].slices == expected.slices


def test_a_mark_on_an_image_that_was_divided_waits_for_its_part(collect_objects, made):
    objects, frames = parts(made, 10, 4, 10)
    report = naming_the_whole(naming_frames(made.report, objects, frames), objects)
    whole = objects[0].SOPInstanceUIDOfConcatenationSource
    (lesion,) = collect_objects(report, objects[0], quiet=3600.0)
    assert lesion.state is LesionState.WAITING
    assert lesion.reason == f"the part with frame 13 of the image {whole} has not come"
    (lesion,) = collect_objects(*objects[1:], quiet=3600.0)
    assert lesion.state is LesionState.READY, lesion.reason
    assert lesion.key_sop_instance_uid == objects[1].SOPInstanceUID


def test_a_mark_on_an_image_that_was_divided_names_one_of_its_frames(collect_objects, made):
    objects, frames = parts(made, 10, 4, 10)
    report = naming_the_whole(naming_frames(made.report, objects, frames), objects)
    for changed, words in ((99, "no part of its concatenation holds it"), (None, "no frame of it")):
        for element in report.iterall():
            if element.keyword == "ReferencedFrameNumber":
                element.value = changed
        report.SOPInstanceUID += ".1"
        *_, lesion = collect_objects(*objects, report)
        assert words in refused(lesion)


def test_the_last_frames_of_a_whole_concatenation_are_not_waited_beyond(collect_objects):
    edge = study("edge of frames", centres=[(2, 32, 32)])
    objects, frames = parts(edge, 12, 12)
    (lesion,) = collect_objects(*objects, naming_frames(edge.report, objects, frames), quiet=3600.0)
    assert lesion.state is LesionState.READY, lesion.reason


def test_the_end_of_an_object_waits_for_quiet_as_that_of_a_series(collect_objects):
    edge = study("edge of frames", centres=[(2, 32, 32)])
    frames = frames_of(edge.ct)
    ct = enhanced_ct(frames)
    report = naming_frames(edge.report, [ct], frames)
    (lesion,) = collect_objects(ct, report, quiet=3600.0)
    assert lesion.state is LesionState.WAITING
    (lesion,) = collect_objects()
    assert lesion.state is LesionState.READY, lesion.reason


@pytest.mark.parametrize("numbered", [True, False])
def test_a_gap_among_the_frames_is_refused(collect_objects, made, numbered):
    frames = [f if numbered else replace(f, position=None) for f in frames_of(made.ct)]
    frames = [*frames[:14], *frames[15:]]
    ct = enhanced_ct(frames)
    (lesion,) = collect_objects(ct, naming_frames(made.report, [ct], frames))
    assert "gap" in refused(lesion)


def test_two_frames_at_one_place_that_nothing_tells_apart_are_refused(collect_objects, made):
    frames = interleaved(made)
    ct = enhanced_ct(frames)
    named = [frame if n % 2 == 0 else None for n, frame in enumerate(frames)]
    (lesion,) = collect_objects(ct, naming_frames(made.report, [ct], named))
    assert "same position" in refused(lesion)


@pytest.mark.parametrize("kind", [None, ("ORIGINAL", "PRIMARY", "LOCALIZER", "NONE")])
def test_a_frame_without_place_is_missed_where_it_may_be_of_the_stack(collect_objects, made, kind):
    frames = frames_of(made.ct)
    if kind is not None:
        frames[20] = replace(frames[20], kind=kind)
    ct = enhanced_ct(frames)
    del ct.PerFrameFunctionalGroupsSequence[20].PlanePositionSequence
    (lesion,) = collect_objects(ct, naming_frames(made.report, [ct], frames))
    if kind is None:
        assert "1 frame(s) of the series that may be of the mark's stack" in refused(lesion)
    else:
        assert lesion.state is LesionState.READY, lesion.reason


def test_an_object_whose_frames_cannot_be_read_says_so(collect_objects, made):
    frames = frames_of(made.ct)
    ct = enhanced_ct(frames)
    report = naming_frames(made.report, [ct], frames)
    del ct.PerFrameFunctionalGroupsSequence[5]
    (lesion,) = collect_objects(ct, report)
    assert "23 items of Per-Frame Functional Groups" in refused(lesion)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slope": None}, "neither rescale slope and intercept nor"),
        ({"rescale_type": "MGML"}, "are MGML, expected HU"),
        ({"rescale_type": "SOMEBODY"}, "of a type unknown to the standard"),
    ],
)
def test_frames_that_are_not_hu_are_refused(database, collect_objects, made, changes, words):
    frames = frames_of(made.ct)
    frames[KEY] = replace(frames[KEY], **changes)
    ct = enhanced_ct(frames)
    (lesion,) = collect_objects(ct, naming_frames(made.report, [ct], frames))
    with pytest.raises(UnscaledFrameError, match=words) as caught:
        hu(database, lesion)
    assert f"frame {KEY + 1} of the image" in str(caught.value)


def test_marks_on_two_phases_are_two_lesions(collect_objects, made):
    """The same points at the same place, on frames of two moments."""
    frames = interleaved(made, time=2)
    ct = enhanced_ct(frames)
    reports = [
        naming_frames(
            recist_report([DrawnMark(made.axes[0], f"phase {phase}")], made.ct, f"phase {phase}"),
            [ct],
            [frame if n % 2 == phase else None for n, frame in enumerate(frames)],
        )
        for phase in (0, 1)
    ]
    lesions = collect_objects(ct, *reports)
    assert [lesion.state for lesion in lesions] == [LesionState.READY] * 2


def test_the_files_of_slices_are_found_by_their_names(database, collect_objects, made):
    collect_objects(*made.ct[:1], enhanced_ct(frames_of(made.ct)))
    uid = enhanced_ct(frames_of(made.ct)).SOPInstanceUID
    with database.read() as session:
        single, frame = slice_files(session, [made.ct[0].SOPInstanceUID, f"{uid}#3"])
    assert isinstance(frame, FrameFile)
    assert frame.number == 3
    assert frame.path.stem == uid
    assert single.stem == made.ct[0].SOPInstanceUID


def _without_numbers(dataset) -> None:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                if "ReferencedFrameNumber" in item:
                    del item.ReferencedFrameNumber
                _without_numbers(item)
