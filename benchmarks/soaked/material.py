"""Any number of small studies, each from its number alone, at next to no cost."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import Comprehensive3DSRStorage, CTImageStorage
from pynetdicom.dsutils import encode

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from pipelines.recist import RecistAxes

SLICES = 24
CLASSES = (str(CTImageStorage), str(Comprehensive3DSRStorage))

_SPACING = (2.0, 0.8, 0.8)
_SHAPE = (SLICES, 64, 64)
_DIAMETER_MM = 12.0
_DIGITS = 6
"""At the end of each UID, that are a study's number."""


@dataclass(frozen=True)
class Item:
    """One object to send.

    Attributes
    ----------
    sop_class, sop_instance : str
    data_set : bytes
        Explicit VR Little Endian.
    """

    sop_class: str
    sop_instance: str
    data_set: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the data set."""
        return hashlib.sha256(self.data_set).hexdigest()


@dataclass(frozen=True)
class Plan:
    """How much is sent.

    Attributes
    ----------
    studies : int
    lesions : int
        Studies with a report, which marks one lesion.
    """

    studies: int
    lesions: int

    @classmethod
    def of(cls, instances: int, lesions: int) -> Plan:
        """As many studies as hold `instances` objects, or a few more."""
        return cls(max(lesions, -(-(instances - lesions) // SLICES)), lesions)

    @property
    def instances(self) -> int:
        """Objects in all."""
        return self.studies * SLICES + self.lesions

    def is_marked(self, number: int) -> bool:
        """Whether a study has a report; those that have lie evenly among all."""
        return (number + 1) * self.lesions // self.studies > number * self.lesions // self.studies


class Material:
    """Makes studies: one is made as DICOM, the others differ in their UIDs and patient's ID.

    Parameters
    ----------
    plan : Plan
    seed : int
        Of the order within each study.
    """

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self._seed = seed
        ct, report = _example()
        self._report = _Template.of(report)
        self._slices = [_Template.of(one) for one in ct]

    def study(self, number: int) -> list[Item]:
        """All objects of a study, in an order of chance."""
        templates = list(self._slices)
        if self.plan.is_marked(number):
            templates.append(self._report)
        random.Random(f"{self._seed} {number}").shuffle(templates)
        return [template.numbered(number) for template in templates]

    def reports(self) -> set[str]:
        """SOP Instance UIDs of all reports."""
        marked = filter(self.plan.is_marked, range(self.plan.studies))
        return {self._report.numbered(number).sop_instance for number in marked}


@dataclass(frozen=True)
class _Template:
    sop_class: str
    sop_instance: str
    data_set: bytes
    named: tuple[str, ...]

    @classmethod
    def of(cls, dataset: Dataset) -> _Template:
        found = {dataset.PatientID}
        for element in dataset.iterall():
            if element.VR == "UI" and str(element.value).startswith("2.25."):
                found.add(str(element.value))
        data = encode(dataset, False, True)
        uids = str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)
        return cls(*uids, data, tuple(sorted(found)))

    def numbered(self, number: int) -> Item:
        data = self.data_set
        for name in self.named:
            data = data.replace(name.encode(), _numbered(name, number).encode())
        return Item(self.sop_class, _numbered(self.sop_instance, number), data)


def _numbered(name: str, number: int) -> str:
    """As long as it was, so that no length in the data set changes."""
    return f"{name[:-_DIGITS]}{number:0{_DIGITS}}"


def _example() -> tuple[list[Dataset], Dataset]:
    """A box of lung with one ball, and the report that marks it."""
    centre = np.array([SLICES / 2, 32, 32])
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in _SHAPE), indexing="ij"), axis=-1)
    distance = np.linalg.norm((grid - centre) * _SPACING, axis=-1)
    hu = -860 + 900 * np.clip((_DIAMETER_MM / 2 - distance) / 0.8 + 0.5, 0, 1)
    hu += np.random.default_rng(0).normal(0, 15, _SHAPE)
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 0.8], [0, 0.8, 0], [2.0, 0, 0]]
    volume = hd.Volume(np.rint(hu).astype(np.int16), affine, coordinate_system="PATIENT")
    ct = ct_series(volume, CtSeriesDescription(seed="soak"))
    middle = volume.map_indices_to_reference(centre[None])[0]
    across, down = np.eye(3)[:2] * _DIAMETER_MM / 2
    axes = RecistAxes(
        np.array([middle - across, middle + across]), np.array([middle - down, middle + down])
    )
    return ct, recist_report([DrawnMark(axes, "lesion")], ct, "soak")
