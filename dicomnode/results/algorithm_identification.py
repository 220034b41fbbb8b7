"""Which algorithm made a soft mask (PS3.3 10.16, Algorithm Identification Macro)."""

from __future__ import annotations

import highdicom as hd
from highdicom.sr import CodedConcept

from dicomnode.marks.recist_mark import Code
from dicomnode.results.lesion_result import LesionResult
from models import REGISTRY

NEIGHBOURHOOD_ANALYSIS = Code("123101", "DCM", "Neighborhood Analysis")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
"""From CID 7162, both."""


def family_of(method: str) -> Code:
    """What kind of algorithm a method is: networks have learned, mattings compare neighbours."""
    return ARTIFICIAL_INTELLIGENCE if method in REGISTRY else NEIGHBOURHOOD_ANALYSIS


def algorithm_identification(
    result: LesionResult, family: Code | None = None
) -> hd.AlgorithmIdentificationSequence:
    """Name, version, source and all parameters, with the digest of the configuration.

    Parameters
    ----------
    result : LesionResult
    family : Code, optional
        From CID 7162; that of the method unless given.
    """
    family = family or family_of(result.mask.method)
    parameters = result.mask.parameters
    texts = {name: str(parameters[name]) for name in sorted(parameters)}
    return hd.AlgorithmIdentificationSequence(
        name=result.mask.method,
        family=CodedConcept(family.value, family.scheme, family.meaning),
        version=result.equipment.software_version,
        source=result.equipment.manufacturer,
        parameters={**texts, "configuration": result.configuration_digest},
    )
