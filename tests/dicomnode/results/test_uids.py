"""A UID follows from what it names, and from nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from dicomnode.results.uids import derive_uid

parts = st.lists(st.text(max_size=20), min_size=1, max_size=4)


@given(parts)
def test_a_uid_is_valid_and_repeats(names):
    uid = derive_uid(*names)
    assert UID(uid).is_valid
    assert uid == derive_uid(*names)


@given(parts, parts)
def test_different_names_give_different_uids(first, second):
    assert (derive_uid(*first) == derive_uid(*second)) is (first == second)


def test_a_uid_stays_the_same_in_later_versions():
    # A change would make a second object of each result that a PACS already holds.
    assert derive_uid("seg", "a", 1) == "2.25.65101026756636176620240749060015957909"


def test_a_uid_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no parts"):
        derive_uid()
