"""Which cases are scored, and how a nodule goes on beyond its ends."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.evaluation.cases import PhantomCase, first_by_hash, phantom_cases, volume_of
from pipelines.evaluation.continued import continued
from pipelines.evaluation.scores import ContinuedScore, NoduleScore, PhantomScore
from pipelines.evaluation.settings import (
    EvaluationSettings,
    EvaluationSettingsError,
    PhantomSettings,
    load_evaluation_settings,
)
from pipelines.evaluation.work import tasks_of

CASES = [PhantomCase("solid", 2.5, seed) for seed in range(30)]


def test_the_first_cases_do_not_depend_on_their_order_nor_on_how_many_are_wanted():
    few = first_by_hash(CASES, 5)
    assert {c.seed for c in few} == {c.seed for c in first_by_hash(CASES[::-1], 5)}
    assert set(few) < set(first_by_hash(CASES, 12))
    assert first_by_hash(CASES, None) == CASES
    assert few != CASES[:5]


def test_phantoms_are_limited_by_thickness():
    settings = PhantomSettings(seed=7, count=2, thicknesses_mm=(1.0, 5.0), limit=3)
    cases = phantom_cases(settings)
    assert [c.thickness_mm for c in cases] == [1.0] * 3 + [5.0] * 3
    everything = phantom_cases(PhantomSettings(seed=7, count=2, thicknesses_mm=(5.0,)))
    assert [c.seed for c in everything] == list(range(7, 19))
    assert len({c.kind for c in everything}) == 6


def test_a_method_takes_part_in_as_many_cases_as_it_is_asked_for(tmp_path):
    settings = EvaluationSettings(
        folder=tmp_path,
        lidc={"data": "d", "cache": "c", "repeats": 3, "continued_limit": 10},
        phantoms={"seed": 1},
        method={"knn": {"limit": 4, "repeats": 1}},
    )
    nodules = CASES  # any cases
    tasks = tasks_of(settings, ["occupancy", "knn"], CASES, nodules)
    for kind, count in ((PhantomScore, 30), (NoduleScore, 30), (ContinuedScore, 10)):
        mine = [task for task in tasks if task.kind is kind]
        assert len(mine) == count
        asked = [a for task in mine for a in task.asked]
        assert sum(a.method == "occupancy" for a in asked) == count
        assert sum(a.method == "knn" for a in asked) == 4
        repeats = {(a.method, a.repeats) for a in asked}
        assert repeats >= (
            {("occupancy", 1), ("knn", 1)}
            if kind is PhantomScore
            else {("occupancy", 3), ("knn", 1)}
        )


def test_networks_are_asked_less_unless_one_is_named(tmp_path):
    settings = EvaluationSettings(
        folder=tmp_path,
        networks={"limit": 3, "repeats": 1},
        method={"recist-net": {"limit": 20}},
    )
    assert (settings.of("3dmm").limit, settings.of("3dmm").repeats) == (3, 1)
    assert (settings.of("recist-net").limit, settings.of("recist-net").repeats) == (20, None)
    assert settings.of("knn").limit is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('folder = "f"\nmethods = ["nonsense"]', "nonsense"),
        ('folder = "f"\n[method.nonsense]\nlimit = 1', "nonsense"),
        ('folder = "f"\n[lidc]\ndata = "d"\ncache = "c"\nsplit = "test"', "split"),
        ('folder = "f"\n[lidc]\ndata = "d"\ncache = "c"\nrepeats = 5', "repeats"),
        ('folder = "f"\n[networks]\ndevice = "abacus"', "abacus"),
        ("folder =", "Invalid value"),
    ],
)
def test_what_cannot_be_is_named(tmp_path, text, named):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(EvaluationSettingsError, match=named):
        load_evaluation_settings(path)


def test_a_nodule_that_goes_on_keeps_its_place_and_ends_softly():
    hu = np.full((2, 4, 5), 30, np.int16)
    masks = np.ones((4, 2, 4, 5), bool)
    lesion = AnnotatedLesion("p", "n", hu, masks, (2.0, 0.5, 0.5))
    volume = volume_of(lesion)
    beyond = np.stack([np.full((4, 5), -800.0), np.full((4, 5), -900.0)])
    longer, longer_masks = continued(volume, masks, beyond, reach_mm=5.0)
    assert longer.spatial_shape == (2 + 2 * 3, 4, 5)
    assert longer.array[:, 0, 0].tolist() == pytest.approx(
        [-800, -800, 0.3 * 30 - 0.7 * 800, 30, 30, 0.3 * 30 - 0.7 * 900, -900, -900]
    )
    corner = volume.map_indices_to_reference(np.array([[1, 2, 3]]))
    assert longer.map_reference_to_indices(corner)[0] == pytest.approx([4, 2, 3])
    assert longer_masks.sum() == masks.sum()
    assert longer_masks[:, 3:5].all()
