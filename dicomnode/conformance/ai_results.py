"""What the node follows of the profile AI Results (AIR) of IHE Radiology, and what it does not.

Nothing is claimed that no test of this tree holds; the tests are named, and a test sees to it that
they are there.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicomnode.conformance.table import Table


@dataclass(frozen=True)
class Claim:
    """One thing that is followed.

    Attributes
    ----------
    about : str
    says : str
    test : str
        ``path::function`` of the test that holds it.
    """

    about: str
    says: str
    test: str


_HERE = "tests/dicomnode/conformance/test_ai_results.py"
_ORTHANC = "tests/interop/test_delivery_orthanc.py"

CLAIMS = (
    Claim(
        "Storing results",
        "Results are sent by C-STORE, committed and read back with the same pixels",
        f"{_ORTHANC}::test_results_are_committed_and_read_back",
    ),
    Claim(
        "Storing results",
        "Results are sent by STOW-RS and read back",
        f"{_ORTHANC}::test_results_go_by_stow_and_are_read_back",
    ),
    Claim(
        "Storage commitment",
        "Commitment is asked for, and an object that the archive has lost is sent again",
        f"{_ORTHANC}::test_what_orthanc_has_lost_is_sent_again",
    ),
    Claim(
        "All results",
        "They are in the study of the analysed images, in series of their own",
        f"{_HERE}::test_results_are_in_the_study_of_the_images_in_series_of_their_own",
    ),
    Claim(
        "All results",
        "The software is named, with its version, in Contributing Equipment Sequence",
        f"{_HERE}::test_every_result_names_the_software_that_made_it",
    ),
    Claim(
        "All results",
        "They say that they are for research",
        f"{_HERE}::test_every_result_says_that_it_is_research",
    ),
    Claim(
        "Measurements",
        "In a Comprehensive 3D SR with TID 1500 as its root; each has a coded name and a UCUM unit",
        f"{_HERE}::test_measurements_are_in_tid_1500_with_coded_units",
    ),
    Claim(
        "Measurements",
        "The procedure reported is the imaging procedure, and no algorithm",
        f"{_HERE}::test_the_procedure_reported_is_an_imaging_procedure",
    ),
    Claim(
        "Measurements",
        "Each group names the algorithm, its version and its parameters (TID 4019)",
        f"{_HERE}::test_each_group_names_its_algorithm",
    ),
    Claim(
        "Measurements",
        "No person has verified them: UNVERIFIED and PRELIMINARY",
        f"{_HERE}::test_reports_are_not_verified",
    ),
    Claim(
        "Tracking identifiers",
        "Groups, segments and maps of one lesion have one Tracking UID, that of the mark",
        f"{_HERE}::test_all_results_of_a_lesion_have_the_tracking_uid_of_its_mark",
    ),
    Claim(
        "Regions",
        "In Segmentation objects with coded category and type, and the algorithm's identification",
        f"{_HERE}::test_segments_are_coded_and_name_their_algorithm",
    ),
    Claim(
        "Regions",
        "The report's volumetric group refers to the segment",
        "tests/dicomnode/results/test_report.py::"
        "test_the_volumetric_group_names_a_segment_and_no_frame",
    ),
    Claim(
        "Parametric maps",
        "In Parametric Map objects that name their quantity and units",
        f"{_HERE}::test_a_map_names_quantity_and_units",
    ),
    Claim(
        "Image references",
        "All that a report refers to is in its evidence",
        f"{_HERE}::test_all_that_a_report_refers_to_is_in_its_evidence",
    ),
)

NOT_FOLLOWED = (
    "Qualitative findings: none are made. A group says which finding the mark named, and no more.",
    "Locations: no points or bounding boxes in space are made.",
    "A document that stands for all results of one analysis: there is none. The key object points "
    "to all of a series and is titled (113000, DCM, Of Interest).",
    "Contributing Equipment Sequence: its purpose is (109102, DCM, Processing Equipment), and it "
    "has no Device UID.",
    "Pictures (Secondary Capture) and presentation states are outside of the profile.",
    "Presenting results, or storing and giving them to others: the node is no Image Display and no "
    "Image Manager.",
    "Worklists of analyses (AI Workflow for Imaging), audit trails and results in FHIR.",
)


def claims() -> Table:
    """What is followed, and the test that holds it."""
    rows = tuple((claim.about, claim.says, f"`{claim.test}`") for claim in CLAIMS)
    return Table("ai-results", ("About", "What the node does", "Held by"), rows)
