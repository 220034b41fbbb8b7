"""Information flow: each energy does what it says, the local one leaves room for the rest."""

import numpy as np
import pytest

from pipelines.errors import UnknownParameterError
from pipelines.matting.closed_form import closed_form
from pipelines.matting.colour_mixture import Mixture, mixing_weights
from pipelines.matting.information_flow import FlowWeights, information_flow, is_transparent
from pipelines.matting.neighbours import OUTSIDE, REACH, Neighbourhood
from pipelines.matting.problem import MattingProblem


def shell(noise=40, seed=0, size=17):
    """A blurred ball in lung with a band around its surface."""
    axes = np.meshgrid(*[np.arange(size) - size // 2] * 3, indexing="ij")
    distance = np.sqrt(sum(a * a for a in axes))
    truth = np.clip(0.5 + (5 - distance) / 3, 0, 1)
    image = -860 + 890 * truth + np.random.default_rng(seed).normal(0, noise, truth.shape)
    trimap = np.where(distance < 3, 2, np.where(distance < 7.5, 1, 0)).astype(np.uint8)
    return image, trimap


def search(image, trimap, count=20):
    problem = MattingProblem.read(image, trimap, (1, 1, 1), reach=REACH)
    place = Neighbourhood.of(problem, 124)
    return place, place.nearest(count, 50.0, place.number != OUTSIDE)


def test_mixing_weights_sum_to_one_and_mix_the_voxel():
    place, found = search(*shell())
    weights = mixing_weights(place, found, 50.0)
    for row in range(0, len(place.rows), 7):
        at = slice(found.start[row], found.start[row + 1])
        other = place.rows[row] + place.steps[found.which[at]]
        assert weights[at].sum() == pytest.approx(1, abs=1e-5)
        # Twenty neighbours on all sides mix intensity and place all but exactly.
        mixed = weights[at] @ place.guide[other]
        assert mixed == pytest.approx(place.guide[place.rows[row]], abs=5e-3)


def test_mixing_weights_agree_with_the_least_squares_of_the_paper():
    place, found = search(*shell(size=15))
    weights = mixing_weights(place, found, 50.0)
    for row in range(0, len(place.rows), 11):
        at = slice(found.start[row], found.start[row + 1])
        which = found.which[at]
        z = np.concatenate(
            [
                (place.guide[place.rows[row] + place.steps[which]] - place.guide[place.rows[row]])[
                    None
                ],
                place.offset_mm[which].T / 50,
            ]
        ).astype(float)
        gram = z.T @ z
        gram += np.eye(len(which)) * (1e-6 * np.trace(gram) / len(which) + 1e-12)
        if (found.weight[at] == 1).all():
            expected = np.linalg.solve(gram, np.ones(len(which)))
            assert weights[at] == pytest.approx(expected / expected.sum(), abs=1e-3)


def test_the_mixtures_form_is_symmetric_with_the_diagonal_and_load_it_says():
    place, found = search(*shell(size=15))
    form = Mixture.of(place, found, 50.0)
    count = len(place.rows)
    residue = np.eye(count) - form.weights.toarray()
    x = np.random.default_rng(1).random(count)
    assert np.allclose(form.product(x), residue.T @ (residue @ x), atol=1e-9)
    assert np.allclose(form.diagonal, (residue**2).sum(axis=0), atol=1e-9)
    assert np.allclose(form.load, residue.T @ form.known, atol=1e-9)


def test_the_local_term_alone_is_closed_form_matting():
    image, trimap = shell()
    alone = information_flow(image, trimap, (1, 1, 1), weights=FlowWeights(0, 0, 0, 1))
    assert np.abs(alone - closed_form(image, trimap, (1, 1, 1), epsilon=1e-6)).max() < 1e-3


def test_the_smaller_the_local_terms_scale_the_more_the_others_say():
    image, trimap = shell()
    closed = closed_form(image, trimap, (1, 1, 1), epsilon=1e-6)
    apart = [
        np.abs(information_flow(image, trimap, (1, 1, 1), local_scale=s) - closed).sum()
        for s in (27.0, 1.0, 1 / 3, 1 / 27)
    ]
    assert apart == sorted(apart)
    own, third = (information_flow(image, trimap, (1, 1, 1), local_scale=s) for s in (None, 1 / 3))
    assert np.abs(own - third).max() < 1e-4


def test_partial_volume_is_transparent_and_an_unsure_outline_is_not():
    image, trimap = shell(noise=5)
    assert is_transparent(MattingProblem.read(image, trimap, (1, 1, 1), reach=REACH))
    sharp = np.where(image > -400, 30.0, -860.0)
    assert not is_transparent(MattingProblem.read(sharp, trimap, (1, 1, 1), reach=REACH))


def test_known_to_unknown_is_left_out_where_the_unknown_is_transparent():
    image, trimap = shell()
    left_to_it = information_flow(image, trimap, (1, 1, 1))
    off = information_flow(image, trimap, (1, 1, 1), known_to_unknown=False)
    on = information_flow(image, trimap, (1, 1, 1), known_to_unknown=True)
    assert (left_to_it == off).all()
    assert np.abs(on - off).max() > 1e-4


@pytest.mark.parametrize(
    "change",
    [
        {"neighbours": (20, 7)},
        {"neighbours": (20, 7), "position_mm": (1.0, 1.0)},
        {"position_mm": (50.0, 0.0, 1000.0)},
        {"known_candidates": 0},
        {"epsilon": 0},
        {"local_scale": -1},
        {"tolerance": 2},
    ],
)
def test_parameters_without_sense_are_refused(change):
    image, trimap = shell()
    with pytest.raises(UnknownParameterError):
        information_flow(image, trimap, (1, 1, 1), **change)


@pytest.mark.parametrize("values", [(-1, 0, 0, 1), (0, 1, 1, 0), (1, 0, 0, np.nan)])
def test_weights_without_sense_are_refused(values):
    with pytest.raises(UnknownParameterError):
        FlowWeights(*values)
