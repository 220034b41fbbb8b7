"""Candidate mattes keep to the readers' trimap; a rule that can be followed chooses among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.candidate_mattes import (
    CANDIDATES,
    candidate_mattes,
    keep_candidates,
    kept_candidates,
    lesion_candidates,
    with_matte,
)
from pipelines.dataset.labelled import labelled_patches
from pipelines.dataset.patches import keep_patch, lesion_patch
from pipelines.dataset.selection import (
    checked,
    selected_method,
    selection_counts,
)
from pipelines.matting import METHODS
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN


def nodule(inside_hu=40):
    """A ball of 7 mm that two readers drew larger and smaller, softened by the scanner."""
    z, y, x = np.ogrid[-7:8, -15:15, -15:15]
    radius = np.sqrt((1.0 * z) ** 2 + (0.7 * (y + 0.5)) ** 2 + (0.7 * (x + 0.5)) ** 2)
    masks = np.stack([radius <= r for r in (3.3, 3.6, 3.9, 3.5)])
    part = np.clip((3.6 - radius) / 1.2 + 0.5, 0, 1)
    hu = np.rint(-850 + (inside_hu + 850) * part)
    hu += np.random.default_rng(0).normal(0, 8, hu.shape)
    return AnnotatedLesion("a", "ball", hu.astype(np.int16), masks, (1.0, 0.7, 0.7))


@pytest.fixture(scope="module")
def patch():
    return lesion_patch(nodule())


@pytest.fixture(scope="module")
def candidates(patch):
    return candidate_mattes(patch)


def test_there_are_the_papers_eight_and_all_are_known_methods(candidates):
    assert candidates.methods == CANDIDATES
    assert len(set(CANDIDATES)) == 8
    assert set(CANDIDATES) <= set(METHODS)


def test_the_unknown_part_is_wider_than_where_readers_differ(patch, candidates):
    box = tuple(
        slice(c, c + n) for c, n in zip(candidates.corner, candidates.trimap.shape, strict=True)
    )
    overlap, union = patch.overlap[box] >= 128, patch.union[box] >= 128
    assert (candidates.trimap[union & ~overlap] == UNKNOWN).all()
    assert (overlap[candidates.trimap == FOREGROUND]).all()
    assert not union[candidates.trimap == BACKGROUND].any()
    assert (candidates.trimap == UNKNOWN).sum() > 1.5 * (union & ~overlap).sum()
    # Nothing that is not surely background lies outside of the part.
    assert patch.union[box].astype(int).sum() == patch.union.astype(int).sum()


def test_known_voxels_keep_what_the_trimap_says(candidates):
    for method in CANDIDATES:
        matte = candidates.matte(method)
        assert not matte[candidates.trimap == BACKGROUND].any()
        core = matte[candidates.trimap == FOREGROUND]
        assert (core == 255).all() if not method.endswith("+") else core.min() > 0


def test_what_is_kept_comes_back_and_is_not_made_again(patch, candidates, tmp_path):
    keep_candidates(candidates, tmp_path / "a.npz")
    found = kept_candidates(tmp_path / "a.npz")
    assert (found.mattes == candidates.mattes).all()
    assert (found.trimap == candidates.trimap).all()
    assert (found.methods, found.corner) == (candidates.methods, candidates.corner)
    assert found.core_hu == candidates.core_hu == pytest.approx(40, abs=20)
    keep_patch(patch, tmp_path / "a_ball.npz")
    cache = tmp_path / "candidates"
    (path,) = lesion_candidates(cache, [tmp_path / "a_ball.npz"])
    path.write_bytes(b"as it was left")
    assert lesion_candidates(cache, [tmp_path / "a_ball.npz"]) == [path]
    assert path.read_bytes() == b"as it was left"


def test_a_matte_takes_the_place_of_the_readers_mean(patch, candidates):
    label = with_matte(patch, candidates, "knn")
    corner = candidates.corner
    inside = tuple(slice(c, c + n) for c, n in zip(corner, candidates.trimap.shape, strict=True))
    assert (label.alpha[inside] == candidates.matte("knn")).all()
    assert label.alpha.sum(dtype=int) == candidates.matte("knn").sum(dtype=int)
    assert (label.union == patch.union).all()


def answers(candidates, **mattes):
    """The same lesion with other mattes."""
    names = tuple(name.replace("_", "-") for name in mattes)
    return replace(candidates, methods=names, mattes=np.stack(list(mattes.values())))


def test_the_nearest_to_the_readers_is_chosen(candidates):
    near, far = candidates.readers, np.where(candidates.trimap > 0, 255, 0).astype(np.uint8)
    middle = ((near.astype(int) + far) // 2).astype(np.uint8)
    found = answers(candidates, closed_form=middle, knn=near, learning_based=far)
    assert selected_method(found) == "knn"
    assert [check.difference for check in checked(found)][1] == 0


def test_a_matte_of_another_size_or_order_is_no_candidate(candidates):
    """Empty but for the core; everything; and the readers' mean turned inside out."""
    core = np.where(candidates.trimap == FOREGROUND, 255, 0).astype(np.uint8)
    full = np.where(candidates.trimap > 0, 255, 0).astype(np.uint8)
    upside = np.where(candidates.trimap == UNKNOWN, 255 - candidates.readers, core)
    found = answers(candidates, closed_form=core, knn=full, learning_based=upside.astype(np.uint8))
    assert [check.passes for check in checked(found)] == [False] * 3
    assert not checked(found)[2].rises
    assert selected_method(found) is None
    assert selection_counts([found, candidates])["discarded"] == 1


def test_the_density_weighted_variant_is_for_cores_that_are_not_solid(candidates):
    solid = selected_method(candidates)
    assert solid in CANDIDATES[:4]
    assert selected_method(replace(candidates, core_hu=-400.0)) == f"{solid}+"
    without = replace(
        candidates, methods=candidates.methods[:4], mattes=candidates.mattes[:4], core_hu=-400.0
    )
    assert selected_method(without) == solid


def test_patches_come_with_the_label_that_is_asked_for(patch, tmp_path):
    keep_patch(patch, tmp_path / "a_ball.npz")
    files = [tmp_path / "a_ball.npz"]
    (readers,) = labelled_patches(tmp_path / "made", files, "readers")
    assert (readers.load().alpha == patch.alpha).all()
    assert not (tmp_path / "made").exists()
    (matte,) = labelled_patches(tmp_path / "made", files, "selected-matte")
    assert matte.method in CANDIDATES[:4]
    assert (matte.load().alpha != patch.alpha).any()
    with pytest.raises(ValueError, match="'alpha', expected one of readers, selected-matte"):
        labelled_patches(tmp_path, files, "alpha")


def test_a_patch_without_a_good_matte_is_left_out_or_keeps_its_readers(
    patch, candidates, tmp_path, monkeypatch
):
    monkeypatch.setattr("pipelines.dataset.labelled.selected_method", lambda found: None)
    keep_patch(patch, tmp_path / "a_ball.npz")
    files = [tmp_path / "a_ball.npz"]
    assert labelled_patches(tmp_path / "made", files, "selected-matte") == []
    (kept,) = labelled_patches(tmp_path / "made", files, "selected-matte", discard=False)
    assert (kept.load().alpha == patch.alpha).all()
