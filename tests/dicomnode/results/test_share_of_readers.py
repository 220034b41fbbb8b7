"""A mask that is a share of readers is called so in every object, and keeps its volume."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dicomnode.results import LADDER
from dicomnode.results.report import report
from tests.dicomnode.results.documents import comment_of, groups_of, twins_of, values_of
from tests.dicomnode.results.lesions import ball_result, lesion_result
from tests.dicomnode.results.rungs import objects_of

SAID = {
    "fractional-seg": "CS: 'PROBABILITY'",
    "binary-seg": "probability",
    "band-seg": "probability",
    "labelmap-seg": "probability",
    "parametric-map": "Fractional Probabilistic Segmentation",
    "iso-contours": "Probability 0.5",
}


@pytest.fixture(scope="module")
def share():
    ball = ball_result()
    return lesion_result(replace(ball.mask, quantity="probability"), ball.slices, ball.mark)


@pytest.mark.parametrize("name", LADDER)
def test_every_object_can_be_made_of_it_and_none_calls_it_occupancy(share, name):
    for made in objects_of(share, name, twins_of(share)):
        text = str(made)
        assert "ccupancy" not in text
        assert "OCCUPANCY" not in text
        assert SAID.get(name, "") in text


def test_its_sum_is_the_volume_that_readers_have(share):
    (planar,), (volumetric,) = groups_of(report([share], twins=[twins_of(share)]))
    occupancy = ball_result()
    (_,), (other,) = groups_of(report([occupancy], twins=[twins_of(occupancy)]))
    assert values_of(volumetric) == values_of(other)
    for group in (planar, volumetric):
        assert "share of readers" in comment_of(group)
