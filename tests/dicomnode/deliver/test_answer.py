"""What is called accepted was accepted; what can pass is repeated; a no is a no."""

from __future__ import annotations

import pytest

from dicomnode.deliver.answer import Verdict, judge
from dicomnode.deliver.backoff import wait_s
from dicomnode.settings import RetrySettings


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, Verdict.ACCEPTED),
        (0xB000, Verdict.ACCEPTED),
        (0xB007, Verdict.ACCEPTED),
        (0x0111, Verdict.ACCEPTED),
        (0xA700, Verdict.REPEAT),
        (0xA7FF, Verdict.REPEAT),
        (0x0110, Verdict.REPEAT),
        (0xA900, Verdict.REFUSED),
        (0xC000, Verdict.REFUSED),
        (0x0122, Verdict.REFUSED),
        (0x0124, Verdict.REFUSED),
    ],
)
def test_statuses(status, verdict):
    answer = judge(status, "the peer's words")
    assert answer.verdict is verdict
    assert answer.status == status
    assert f"0x{status:04X}" in answer.words
    assert answer.words.endswith("the peer's words")


def test_waits_grow_to_the_longest():
    settings = RetrySettings(first_wait_s=5, factor=2, longest_wait_s=60)
    assert [wait_s(n, settings) for n in (1, 2, 3, 4, 5, 10_000)] == [5, 10, 20, 40, 60, 60]
    with pytest.raises(ValueError, match="attempts"):
        wait_s(0, settings)
