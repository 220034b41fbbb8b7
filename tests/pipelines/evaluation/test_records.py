"""Scores are kept whole or not at all, and count only for what made them."""

from __future__ import annotations

import json

import pytest

from pipelines.evaluation import records as module
from pipelines.evaluation.answers import HERE
from pipelines.evaluation.records import Records, code_digest, digest_of
from pipelines.evaluation.scores import ContinuedMark, ContinuedScore, Overlap

SCORE = ContinuedScore(
    "p", (ContinuedMark(2, "occupancy", None, (Overlap(0.1 + 0.2, None, 1 / 3),)),)
)


@pytest.fixture
def kept(tmp_path):
    records = Records(tmp_path, ContinuedScore)
    records.write("p/n", "closed-form+", "digest", SCORE)
    return records


def test_what_is_written_is_read_to_the_bit(kept):
    assert kept.read("p/n", "closed-form+", "digest") == SCORE


def test_another_digest_finds_nothing(kept):
    assert kept.read("p/n", "closed-form+", "other") is None
    assert kept.read("p/n", "knn", "digest") is None


def test_a_torn_or_foreign_file_is_no_score(kept):
    path = kept.path("p/n", "closed-form+")
    text = path.read_text()
    for torn in (text[:-5], "", "[]", json.dumps({"digest": "digest", "score": {"patient": "p"}})):
        path.write_text(torn)
        assert kept.read("p/n", "closed-form+", "digest") is None


def test_a_write_that_fails_leaves_the_old_score(kept, monkeypatch):
    def fails(number):
        raise OSError("the disk is full")

    monkeypatch.setattr(module.os, "fsync", fails)
    with pytest.raises(OSError, match="full"):
        kept.write("p/n", "closed-form+", "new", ContinuedScore("q", ()))
    assert kept.read("p/n", "closed-form+", "digest") == SCORE


def test_code_decides_the_digest_and_reports_do_not(tmp_path, monkeypatch):
    for name in ("models/net.py", "pipelines/matting/knn.py", "pipelines/evaluation/table.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a = 1\n")
    monkeypatch.setattr(module, "_ROOT", tmp_path)

    def digest() -> str:
        code_digest.cache_clear()
        return digest_of("knn", HERE, 4)

    try:
        first = digest()
        (tmp_path / "pipelines/evaluation/table.py").write_text("a = 2\n")
        assert digest() == first
        (tmp_path / "pipelines/matting/knn.py").write_text("a = 2\n")
        assert digest() != first
    finally:
        code_digest.cache_clear()


def test_repeats_cases_and_weights_decide_the_digest(monkeypatch):
    assert digest_of("knn", HERE, 4, "case") != digest_of("knn", HERE, 1, "case")
    assert digest_of("knn", HERE, 4, "case") != digest_of("knn", HERE, 4, "other")
    before = digest_of("recist-net", HERE, 4)
    monkeypatch.setattr(module, "weights_digest", lambda name, folder: "others")
    assert digest_of("recist-net", HERE, 4) != before
