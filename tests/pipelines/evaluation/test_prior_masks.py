"""Masks that a network draws at a mark, on the CT's grid, from a site's own folder of weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.medical_matting import medical_matting
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.evaluation.answers import answer, usable_methods
from pipelines.evaluation.prior_masks import draws_masks, prior_masks
from pipelines.evaluation.scoring import MarkedNodule, score_samples
from pipelines.networks.options import NetworkOptions


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Weights of an untrained network, which calls some of everything lesion."""
    torch.manual_seed(1)
    network = medical_matting()
    with torch.no_grad():
        network.segmentation.prior.to_code.bias[2:] = 2.0
    folder = tmp_path_factory.mktemp("weights")
    about = {"network": "medical-matting", "size": "32,32"}
    save_file(network.state_dict(), folder / "medical-matting.safetensors", about)
    return NetworkOptions(weights=folder, device="cpu")


@pytest.fixture(scope="module")
def nodule():
    y, x = np.indices((40, 40)) - 20
    inside = np.stack([np.hypot(y, x) < 6] * 2)
    hu = np.where(inside, 30, -860).astype(np.int16)
    masks = np.stack([inside] * 4)
    return MarkedNodule(AnnotatedLesion("p", "n", hu, masks, (2.0, 1.0, 1.0)))


def test_a_networks_weights_are_found_in_the_sites_folder(site):
    assert usable_methods(("knn", "medical-matting"), site.weights) == ["knn", "medical-matting"]
    assert draws_masks("medical-matting", site)


def test_masks_lie_where_alpha_may_and_differ(nodule, site):
    axes = nodule.axes[0]
    found = prior_masks(nodule.volume, axes, "medical-matting", site, count=3)
    assert [mask.shape for mask in found] == [nodule.volume.spatial_shape] * 3
    assert all(mask.dtype == bool for mask in found)
    again = prior_masks(nodule.volume, axes, "medical-matting", site, count=3)
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    assert answer(nodule.volume, axes, "medical-matting", site).failed is None


def test_samples_are_scored_against_all_readers(nodule, site, monkeypatch):
    """Two samples, one of them what all readers drew and one empty: by hand."""
    from pipelines.evaluation import prior_masks as module

    drawn = nodule.lesion.masks[0]
    monkeypatch.setattr(module, "prior_masks", lambda *_: [drawn, np.zeros_like(drawn)])
    (mark,) = score_samples(nodule, "medical-matting", 1, site).marks
    assert mark.energy_distance == pytest.approx(2 * 0.5 - 0.5 - 0)
    size = int(drawn.sum())
    assert mark.best_dice == pytest.approx((1 + 1 / (size + 1)) / 2, rel=1e-3)
