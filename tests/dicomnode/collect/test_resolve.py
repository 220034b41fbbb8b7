"""Which marks are one lesion follows from what they say, in whatever order they are given."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.collect.acquisition import Acquisition
from dicomnode.collect.kinship import Claim, Verdict, resolve
from dicomnode.collect.statement import Source
from dicomnode.marks import ImagePlane, Outline, RecistMark
from dicomnode.marks.authorship import Authorship
from dicomnode.marks.lesion_mark import Opinion
from dicomnode.marks.outline import Contour
from pipelines.recist import RecistAxes

PHASE = Acquisition("1.2", "1.3", number=2, moment=1000.0)
LATER_PHASE = Acquisition("1.2", "1.3", number=3, moment=1040.0)


class NoMasks:
    """For claims without masks."""

    def overlap(self, one, other):
        raise AssertionError("found no masks to compare")

    def for_series_of(self, lead, claim):
        raise AssertionError("found no masks to move")


class Overlaps:
    """Masks of which the overlaps are known, by the claims' keys."""

    def __init__(self, **overlaps: float) -> None:
        self._overlaps = {frozenset(names.split("_")): part for names, part in overlaps.items()}

    def overlap(self, one, other):
        return self._overlaps.get(frozenset((one.key, other.key)), 0.0)

    def for_series_of(self, lead, claim):
        return claim.opinion


def line(x: float, y: float, z: float = 0.0, long: float = 10.0, short: float | None = 8.0):
    """Axes around a place; the long one along x."""
    centre = np.array([x, y, z])
    axes = [
        None if length is None else centre + np.outer([-length / 2, length / 2], direction)
        for length, direction in ((long, [1.0, 0, 0]), (short, [0, 1.0, 0]))
    ]
    return RecistAxes(*axes)


def source(
    uid: str,
    day: float,
    person: str | None = "A",
    device: str | None = "D",
    series: str | None = None,
    history: tuple[str, ...] = (),
) -> Source:
    """An object that was made on a day."""
    authorship = Authorship(day, day, person, device, history)
    return Source(
        uid, series or f"series of {uid}", authorship, frozenset(history), (day, len(history), uid)
    )


def claim(
    name: str,
    axes: RecistAxes,
    *sources: Source,
    series: str = "s1",
    thick: float = 2.0,
    mask: bool = False,
    made: bool = False,
    tracking: str | None = None,
    acquisition: Acquisition = PHASE,
) -> Claim:
    """A mark; its number is in its name."""
    where = sources[0].sop_instance_uid
    position = (-100.0, -100.0, float(axes.centre[2]))
    plane = ImagePlane(position, (1, 0, 0, 0, 1, 0), (0.8, 0.8), 256, 256, "1.3", thick)
    if mask:
        triangle = (Contour(np.array([[1.0, 1], [5, 1], [3, 4]]), "1.9"),)
        opinion = Opinion(outline=Outline(triangle, where, name, tracking_uid=tracking))
    else:
        opinion = Opinion(
            axes=RecistMark(
                axes.long_axis,
                axes.short_axis,
                where,
                name,
                frame_of_reference_uid="1.3",
                tracking_uid=tracking,
            )
        )
    return Claim(
        lesion_id=int(name[1:]),
        key=name,
        opinion=opinion,
        axes=axes,
        key_sop_instance_uid=f"{series} at {axes.centre[2]:g}",
        plane=plane,
        series_instance_uid=series,
        acquisition=acquisition,
        sources=sources,
        tracking_uid=tracking,
        is_made=made,
    )


def standing(*claims: Claim, masks=None) -> dict[int, int]:
    """Each lesion, and the one that stands for it."""
    verdicts = resolve(claims, masks or NoMasks())
    return {v.lesion_id: v.replaced_by or v.lesion_id for v in verdicts}


def test_of_one_mark_in_two_objects_the_first_stands():
    sr = claim("m1", line(0, 0), source("sr", 2, device="viewer"))
    gsps = claim("m2", line(0.4, 0.4), source("gsps", 1, None, "other"))
    assert standing(sr, gsps) == {1: 2, 2: 2}


def test_of_copies_that_which_is_made_already_stands():
    sr = claim("m1", line(0, 0), source("sr", 2), made=True)
    gsps = claim("m2", line(0.4, 0.4), source("gsps", 1))
    assert standing(sr, gsps) == {1: 1, 2: 1}


def test_of_two_versions_the_one_stated_last_stands():
    first = claim("m1", line(0, 0), source("a", 1))
    second = claim("m2", line(1.5, 1, long=12), source("b", 2))
    assert standing(first, second) == {1: 2, 2: 2}


def test_a_mark_that_was_restored_is_the_newest():
    restored = claim("m1", line(0, 0), source("a", 1), source("c", 3))
    between = claim("m2", line(1.5, 1), source("b", 2))
    assert standing(restored, between) == {1: 1, 2: 1}


@pytest.mark.parametrize("made", [False, True])
def test_what_is_made_does_not_stand_against_a_newer_version(made):
    first = claim("m1", line(0, 0), source("a", 1), made=made)
    assert standing(first, claim("m2", line(1.5, 1), source("b", 2))) == {1: 2, 2: 2}


@pytest.mark.parametrize(
    ("mine", "theirs", "one"),
    [
        (("A", "viewer"), ("A", "other viewer"), True),
        (("A", "viewer"), ("B", "viewer"), False),
        ((None, "viewer"), (None, "viewer"), True),
        ((None, "viewer"), (None, "other viewer"), False),
        ((None, None), (None, None), False),
        (("A", "viewer"), (None, "viewer"), False),
    ],
)
def test_one_authors_marks_at_one_place_are_versions_and_others_are_not(mine, theirs, one):
    first = claim("m1", line(0, 0), source("a", 1, *mine))
    second = claim("m2", line(1.5, 1), source("b", 2, *theirs))
    assert standing(first, second) == ({1: 2, 2: 2} if one else {1: 1, 2: 2})


def test_a_document_takes_the_place_of_its_predecessor_whoever_signed_it():
    draft = claim("m1", line(0, 0), source("a", 1, "A"))
    final = claim("m2", line(1.5, 1), source("b", 2, "B", history=("a",)))
    assert standing(draft, final) == {1: 2, 2: 2}


@pytest.mark.parametrize(
    "beside",
    [
        line(9, 0),  # end to end
        line(0, 8.5, short=6.0),  # side by side
        line(0, 0, z=2.0),  # on the next slice
        line(0, 9, long=20.0),
    ],
)
def test_lesions_that_lie_close_together_stay_two(beside):
    first = claim("m1", line(0, 0, short=6.0), source("a", 1))
    assert standing(first, claim("m2", beside, source("b", 2))) == {1: 1, 2: 2}


def test_long_narrow_lesions_side_by_side_stay_two():
    first = claim("m1", line(0, 0, long=30, short=6), source("a", 1))
    second = claim("m2", line(0, 7, long=30, short=6), source("b", 2))
    assert standing(first, second) == {1: 1, 2: 2}
    alone = claim("m3", line(0, 9, long=20, short=None), source("c", 3))
    assert standing(claim("m1", line(0, 0, long=20, short=None), source("a", 1)), alone) == {
        1: 1,
        3: 3,
    }


def test_two_neighbours_that_both_changed_find_their_own_predecessors():
    before, after = source("a", 1), source("b", 2)
    one, two = claim("m1", line(0, 0), before), claim("m2", line(11, 0), before)
    one_now, two_now = claim("m3", line(3, 0), after), claim("m4", line(14, 0), after)
    assert standing(one, two, one_now, two_now) == {1: 3, 2: 4, 3: 3, 4: 4}


def test_what_one_object_holds_as_two_is_never_one():
    both = source("a", 1)
    first, second = claim("m1", line(0, 0), both), claim("m2", line(1, 0), both)
    assert standing(first, second) == {1: 1, 2: 2}
    newer = claim("m3", line(1.6, 0), source("b", 2))
    assert standing(first, second, newer) == {1: 1, 2: 3, 3: 3}


def test_a_tracking_uid_joins_what_lies_on_another_slice_or_is_another_readers():
    first = claim("m1", line(0, 0), source("a", 1), tracking="1.5")
    moved = claim("m2", line(4, 0, z=4.0), source("b", 2, "B"), tracking="1.5")
    far = claim("m3", line(90, 0), source("c", 3, "B"), tracking="1.5")
    assert standing(first, moved, far) == {1: 2, 2: 2, 3: 3}


@pytest.mark.parametrize("of_one_object", [True, False])
def test_one_line_on_two_reconstructions_is_one_lesion_on_the_thinner_slices(of_one_object):
    thin, thick = source("a", 2), source("a" if of_one_object else "b", 2)
    on_thick = claim("m1", line(0, 0, z=1.0), thick, series="s1", thick=5.0)
    on_thin = claim("m2", line(0.3, 0.2, z=0.0), thin, series="s2", thick=1.0)
    assert standing(on_thick, on_thin) == {1: 2, 2: 2}
    (reason,) = (v.why for v in resolve([on_thick, on_thin], NoMasks()) if v.why)
    assert reason == "the same mark as lesion 2 on another reconstruction"


def test_a_changed_line_stands_on_the_reconstruction_that_it_was_drawn_on():
    on_thin = claim("m1", line(0, 0), source("a", 1), series="s1", thick=1.0)
    on_thick = claim("m2", line(1.5, 1, z=0.5), source("b", 2), series="s2", thick=5.0)
    assert standing(on_thin, on_thick) == {1: 2, 2: 2}


def test_another_readers_line_on_another_reconstruction_is_their_own():
    mine = claim("m1", line(0, 0), source("a", 1, "A"), series="s1")
    theirs = claim("m2", line(1.5, 1), source("b", 2, "B"), series="s2")
    assert standing(mine, theirs) == {1: 1, 2: 2}


def test_lines_in_two_contrast_phases_are_two_lesions():
    early = claim("m1", line(0, 0), source("a", 1), series="s1")
    late = claim("m2", line(0, 0), source("b", 2), series="s2", acquisition=LATER_PHASE)
    assert standing(early, late) == {1: 1, 2: 2}


def test_of_axes_and_a_mask_the_mask_stands_even_if_it_is_older():
    mask = claim("m1", line(0, 0), source("a", 1), mask=True)
    axes = claim("m2", line(1, 1), source("b", 2))
    assert standing(mask, axes) == {1: 1, 2: 1}


def test_masks_of_readers_are_one_lesion_that_keeps_them_all():
    first = claim("m1", line(0, 0), source("a", 1, "A"), mask=True)
    second = claim("m2", line(1, 0), source("b", 3, "B"), mask=True)
    third = claim("m3", line(0, 1), source("c", 2, "C"), mask=True)
    masks = Overlaps(m1_m2=0.5, m1_m3=0.4, m2_m3=0.05)
    verdicts = {v.lesion_id: v for v in resolve([first, second, third], masks)}
    assert verdicts[1].replaced_by == verdicts[3].replaced_by == 2
    assert verdicts[2].opinions == (second.opinion, first.opinion, third.opinion)


def test_a_readers_outdated_mask_has_no_vote():
    old = claim("m1", line(0, 0), source("a", 1, "A"), mask=True)
    new = claim("m2", line(1, 0), source("b", 3, "A"), mask=True)
    other = claim("m3", line(0, 1), source("c", 2, "B"), mask=True)
    masks = Overlaps(m1_m2=0.6, m1_m3=0.5, m2_m3=0.5)
    verdicts = {v.lesion_id: v for v in resolve([old, new, other], masks)}
    assert verdicts[2].opinions == (new.opinion, other.opinion)
    assert verdicts[1] == Verdict(1, 2, "the mark was changed; lesion 2 takes its place")


def test_masks_that_nobody_in_particular_drew_are_several_readers():
    one = claim("m1", line(0, 0), source("a", 1, None), mask=True)
    other = claim("m2", line(0, 0), source("b", 2, None), mask=True)
    verdicts = resolve([one, other], Overlaps(m1_m2=0.6))
    assert verdicts[1].opinions == (other.opinion, one.opinion)


marks = st.lists(
    st.tuples(
        st.integers(0, 6),  # where, in steps of 2.5 mm
        st.integers(0, 3),  # the object, which says when, ...
        st.sampled_from(["A", "B", None]),  # ... and with its number by whom
        st.sampled_from(["s1", "s2"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=7,
    unique_by=lambda mark: (mark[0], mark[3]),
)


@given(marks, st.randoms(use_true_random=False))
def test_the_order_changes_nothing(drawn, random):
    claims = []
    for number, (place, day, person, series, made) in enumerate(drawn, start=1):
        where = source(f"{day}{person}", day, person)
        axes = line(2.5 * place, 0)
        claims.append(claim(f"m{number}", axes, where, series=series, made=made))
    found = standing(*claims)
    random.shuffle(claims)
    assert standing(*claims) == found
    # What stands, stands for itself; nothing is left without a lesion that stands for it.
    assert all(found[lead] == lead for lead in found.values())
