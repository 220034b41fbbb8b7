"""What is called accepted was accepted; what can pass is repeated; a no is a no."""

from __future__ import annotations

import random

import pytest

from dicomnode.association import Rejected
from dicomnode.deliver.answer import STATUSES, Answer, Contact, Verdict, judge
from dicomnode.deliver.backoff import wait_s
from dicomnode.deliver.rejection import judge_rejection
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
        (0x0210, Verdict.REPEAT),
        (0x0212, Verdict.REFUSED),
        (0xFFFF, Verdict.REFUSED),
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
    settings = RetrySettings(first_wait_s=5, factor=2, longest_wait_s=60, jitter=0)
    assert [wait_s(n, settings) for n in (1, 2, 3, 4, 5, 10_000)] == [5, 10, 20, 40, 60, 60]
    with pytest.raises(ValueError, match="attempts"):
        wait_s(0, settings)


def test_every_status_of_the_table_names_the_paragraph_that_says_so():
    for one in STATUSES:
        assert one.first <= one.last
        assert one.source.startswith(("PS3.4 B.2.3", "PS3.7 "))


@pytest.mark.parametrize(
    ("result", "source", "diagnostic", "verdict"),
    [
        (1, 1, 7, Verdict.REFUSED),  # called AE title
        (1, 1, 3, Verdict.REFUSED),  # calling AE title
        (1, 1, 2, Verdict.REFUSED),
        (1, 2, 2, Verdict.REFUSED),
        (1, 1, 1, Verdict.REPEAT),  # no reason given
        (2, 1, 7, Verdict.REPEAT),  # the peer itself calls it transient
        (2, 3, 1, Verdict.REPEAT),
        (1, 3, 2, Verdict.REPEAT),
        (1, 1, 10, Verdict.REPEAT),  # reserved
        (None, None, None, Verdict.REPEAT),
    ],
)
def test_rejections(result, source, diagnostic, verdict):
    assert judge_rejection(Rejected("no", result, source, diagnostic)) is verdict


def test_what_failed_together_is_not_repeated_together():
    settings = RetrySettings(first_wait_s=100, factor=2, longest_wait_s=150, jitter=0.25)
    seeded = random.Random(7)
    waits = [wait_s(1, settings, seeded.random) for _ in range(200)]
    assert all(75 <= wait <= 100 for wait in waits)
    assert len({round(wait) for wait in waits}) > 15
    again = random.Random(7)
    assert waits == [wait_s(1, settings, again.random) for _ in range(200)]
    assert max(wait_s(9, settings, seeded.random) for _ in range(200)) <= 150


def test_a_yes_and_a_no_come_from_a_destination_that_is_there():
    assert Answer(Verdict.ACCEPTED, "").contact is Contact.ANSWERED
    assert Answer(Verdict.REFUSED, "").contact is Contact.ANSWERED
    assert Answer(Verdict.REPEAT, "").contact is Contact.LOST
    assert Answer(Verdict.UNKNOWN, "").contact is Contact.LOST
