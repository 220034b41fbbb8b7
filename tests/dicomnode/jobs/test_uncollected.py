"""Garbage is not searched for within, and is again afterwards, however the work ends."""

import gc

import pytest

from dicomnode.jobs.uncollected import uncollected


@uncollected()
def _work(fails: bool) -> bool:
    if fails:
        raise ValueError("broken")
    return gc.isenabled()


def test_no_garbage_is_searched_for_within():
    assert gc.isenabled()
    assert not _work(fails=False)
    assert gc.isenabled()


def test_a_failure_brings_the_search_back():
    with pytest.raises(ValueError, match="broken"):
        _work(fails=True)
    assert gc.isenabled()


def test_what_was_off_stays_off():
    gc.disable()
    try:
        _work(fails=False)
        assert not gc.isenabled()
    finally:
        gc.enable()
