"""The node as contributing equipment (PS3.3 C.12.1.1.5)."""

from __future__ import annotations

import highdicom as hd
from pydicom.sr.codedict import codes

from dicomnode.results.lesion_result import Equipment
from dicomnode.results.research_notice import NOTICE


def contributing_equipment(equipment: Equipment) -> hd.ContributingEquipment:
    """What the node did to make the object."""
    return hd.ContributingEquipment(
        manufacturer=equipment.manufacturer,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        contribution_description=f"Segmented from a mark. {NOTICE}",
    )
