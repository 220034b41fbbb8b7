"""Which algorithm made a soft mask (PS3.3 10.16, Algorithm Identification Macro)."""

from __future__ import annotations

import highdicom as hd
from highdicom.sr import CodedConcept

from dicomnode.marks.recist_mark import Code
from dicomnode.results.lesion_result import LesionResult

NEIGHBOURHOOD_ANALYSIS = Code("123101", "DCM", "Neighborhood Analysis")
"""From CID 7162."""


def algorithm_identification(
    result: LesionResult, family: Code = NEIGHBOURHOOD_ANALYSIS
) -> hd.AlgorithmIdentificationSequence:
    """Name, version, source and all parameters, with the digest of the configuration.

    Parameters
    ----------
    result : LesionResult
    family : Code
        From CID 7162.
    """
    parameters = result.mask.parameters
    texts = {name: str(parameters[name]) for name in sorted(parameters)}
    return hd.AlgorithmIdentificationSequence(
        name=result.mask.method,
        family=CodedConcept(family.value, family.scheme, family.meaning),
        version=result.equipment.software_version,
        source=result.equipment.manufacturer,
        parameters={**texts, "configuration": result.configuration_digest},
    )
