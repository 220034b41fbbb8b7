"""Reconstructions of one acquisition are told from contrast phases."""

from __future__ import annotations

import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomnode.collect.acquisition import acquisition_of, acquisition_of_file, is_same_acquisition
from tests.real_data import real


def slice_of(**changes: object) -> Dataset:
    dataset = Dataset()
    values = {
        "StudyInstanceUID": "1.2",
        "FrameOfReferenceUID": "1.3",
        "AcquisitionNumber": 2,
        "AcquisitionDate": "20261121",
        "AcquisitionTime": "101500.25",
    }
    for keyword, value in (values | changes).items():
        if value is not None:
            setattr(dataset, keyword, value)
    return dataset


UNTIMED = {"AcquisitionNumber": None, "AcquisitionDate": None, "AcquisitionTime": None}


@pytest.mark.parametrize(
    ("mine", "theirs", "same"),
    [
        ({}, {}, True),
        ({}, {"AcquisitionTime": "101501.75"}, True),
        ({}, {"AcquisitionTime": "101520"}, False),
        ({}, {"AcquisitionNumber": 3}, False),
        ({}, {"AcquisitionNumber": None}, True),
        ({}, {"StudyInstanceUID": "1.4"}, False),
        ({}, {"FrameOfReferenceUID": "1.4"}, False),
        (
            {"FrameOfReferenceUID": None},
            {"FrameOfReferenceUID": None},
            False,
        ),
        (UNTIMED, UNTIMED, False),
        (
            {"AcquisitionDateTime": "20261121101500.25", "AcquisitionTime": None},
            {},
            True,
        ),
        ({"AcquisitionUID": "1.7"}, {"AcquisitionUID": "1.7", **UNTIMED}, True),
        ({"AcquisitionUID": "1.7", **UNTIMED}, {"AcquisitionUID": "1.7", **UNTIMED}, True),
        ({"AcquisitionUID": "1.7"}, {"AcquisitionUID": "1.8"}, False),
        (
            {"IrradiationEventUID": ["1.7", "1.8"], "AcquisitionNumber": 1},
            {"IrradiationEventUID": "1.8"},
            True,
        ),
        ({"IrradiationEventUID": "1.7"}, {"IrradiationEventUID": "1.8"}, False),
        ({"AcquisitionTime": "nonsense"}, {}, False),
    ],
)
def test_the_surest_attribute_that_both_have_decides(mine, theirs, same):
    one, other = acquisition_of(slice_of(**mine)), acquisition_of(slice_of(**theirs))
    assert is_same_acquisition(one, other) is same
    assert is_same_acquisition(other, one) is same


@pytest.mark.real_data
def test_two_kernels_of_a_real_acquisition_are_one():
    kernels = [
        {
            tuple(
                pydicom.dcmread(path, specific_tags=["ImagePositionPatient"]).ImagePositionPatient
            ): (acquisition_of_file(str(path)))
            for path in sorted(real(f"lungdx_A0002_{kernel}/ct").iterdir())
        }
        for kernel in ("B40f", "B70f")
    ]
    places = kernels[0].keys() & kernels[1].keys()
    assert len(places) == 30
    assert all(is_same_acquisition(kernels[0][p], kernels[1][p]) for p in places)
