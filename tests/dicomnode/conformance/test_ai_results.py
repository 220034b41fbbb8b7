"""What the statement claims of IHE AI Results is true of the objects that the node makes."""

from __future__ import annotations

from collections.abc import Iterator

import highdicom as hd
import pytest
from pydicom.dataset import Dataset

from dicomnode.conformance.cases import FULL
from dicomnode.conformance.specimens import specimens

KINDS = tuple(specimens().made)
SEGMENTATIONS = tuple(kind for kind in KINDS if kind.endswith("-seg"))
REPORTS = ("report", "ohif-report")


def made(kind: str) -> Dataset:
    return specimens().made[kind]


def items(dataset: Dataset) -> Iterator[Dataset]:
    """Content items, at any depth."""
    for item in dataset.get("ContentSequence", ()):
        yield item
        yield from items(item)


def concept(item: Dataset) -> tuple[str, str]:
    code = item.ConceptNameCodeSequence[0]
    return code.CodingSchemeDesignator, code.CodeValue


def groups(document: Dataset) -> list[Dataset]:
    found = [item for item in items(document) if item.get("ConceptNameCodeSequence")]
    return [item for item in found if concept(item) == ("DCM", "125007")]


def values(item: Dataset, code: str) -> list[Dataset]:
    return [
        inner
        for inner in items(item)
        if inner.get("ConceptNameCodeSequence") and concept(inner) == ("DCM", code)
    ]


def code_of(dataset: Dataset, keyword: str) -> Dataset:
    return dataset[keyword].value[0]


def test_results_are_in_the_study_of_the_images_in_series_of_their_own():
    ct = specimens().ct
    assert {made(kind).StudyInstanceUID for kind in KINDS} == {ct.StudyInstanceUID}
    series = [made(kind).SeriesInstanceUID for kind in KINDS]
    assert len(set(series)) == len(KINDS)
    assert ct.SeriesInstanceUID not in series
    assert {made(kind).PatientID for kind in KINDS} == {ct.PatientID}


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_names_the_software_that_made_it(kind):
    said = {
        (item.get("ManufacturerModelName"), str(item.get("SoftwareVersions")))
        for item in made(kind).ContributingEquipmentSequence
        if code_of(item, "PurposeOfReferenceCodeSequence").CodeValue == "109102"
    }
    assert ("softmask-node", FULL.version) in said


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_says_that_it_is_research(kind):
    equipment = made(kind).ContributingEquipmentSequence
    assert any("not for diagnosis" in item.get("ContributionDescription", "") for item in equipment)
    assert "RESEARCH" in made(kind).SeriesDescription


@pytest.mark.parametrize("kind", REPORTS)
def test_measurements_are_in_tid_1500_with_coded_units(kind):
    document = made(kind)
    assert document.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.34"
    (template,) = document.ContentTemplateSequence
    assert (template.MappingResource, template.TemplateIdentifier) == ("DCMR", "1500")
    numbers = [item for item in items(document) if item.ValueType == "NUM"]
    assert numbers
    for number in numbers:
        assert all(concept(number))
        (measured,) = number.MeasuredValueSequence
        assert code_of(measured, "MeasurementUnitsCodeSequence").CodingSchemeDesignator == "UCUM"
        float(measured.NumericValue)


@pytest.mark.parametrize("kind", REPORTS)
def test_the_procedure_reported_is_an_imaging_procedure(kind):
    (procedure,) = values(made(kind), "121058")
    assert code_of(procedure, "ConceptCodeSequence").CodingSchemeDesignator == "LN"


def test_each_group_names_its_algorithm():
    found = groups(made("report"))
    assert len(found) == 2
    for group in found:
        (name,), (version,) = values(group, "111001"), values(group, "111003")
        assert name.TextValue == "occupancy"
        assert version.TextValue == FULL.version
        assert values(group, "111002")


@pytest.mark.parametrize("kind", REPORTS)
def test_reports_are_not_verified(kind):
    assert made(kind).VerificationFlag == "UNVERIFIED"
    assert made(kind).PreliminaryFlag == "PRELIMINARY"


def test_all_results_of_a_lesion_have_the_tracking_uid_of_its_mark():
    expected = FULL.mark["tracking_uid"]
    for kind in REPORTS:
        for group in groups(made(kind)):
            (uid,) = values(group, "112040")
            assert str(uid.UID) == expected
            assert values(group, "112039")
    for kind in SEGMENTATIONS:
        # A label map has its background as a segment.
        lesion = [s for s in made(kind).SegmentSequence if s.SegmentNumber != 0]
        assert lesion
        assert {segment.TrackingUID for segment in lesion} == {expected}
    definition = made("parametric-map").SharedFunctionalGroupsSequence[0]
    mapped = definition.RealWorldValueMappingSequence[0].QuantityDefinitionSequence
    assert expected in {item.get("UID") for item in mapped}


@pytest.mark.parametrize("kind", SEGMENTATIONS)
def test_segments_are_coded_and_name_their_algorithm(kind):
    assert hd.seg.Segmentation.from_dataset(made(kind))
    for segment in made(kind).SegmentSequence:
        if segment.SegmentNumber == 0:
            continue
        for keyword in (
            "SegmentedPropertyCategoryCodeSequence",
            "SegmentedPropertyTypeCodeSequence",
            "AnatomicRegionSequence",
        ):
            assert code_of(segment, keyword).CodingSchemeDesignator == "SCT"
        assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
        algorithm = code_of(segment, "SegmentationAlgorithmIdentificationSequence")
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("occupancy", FULL.version)


def test_a_map_names_quantity_and_units():
    shared = made("parametric-map").SharedFunctionalGroupsSequence[0]
    mapping = code_of(shared, "RealWorldValueMappingSequence")
    assert code_of(mapping, "MeasurementUnitsCodeSequence").CodingSchemeDesignator == "UCUM"
    quantities = [
        (code_of(item, "ConceptCodeSequence").CodingSchemeDesignator, code)
        for item in mapping.QuantityDefinitionSequence
        if "ConceptCodeSequence" in item
        and (code := code_of(item, "ConceptCodeSequence").CodeValue) == "110855"
    ]
    assert quantities == [("DCM", "110855")]


@pytest.mark.parametrize("kind", REPORTS)
def test_all_that_a_report_refers_to_is_in_its_evidence(kind):
    # The pixels are square: on others OHIF's points are in space and name no image.
    document = made(kind)
    held = {
        reference.ReferencedSOPInstanceUID
        for study in document.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for reference in series.ReferencedSOPSequence
    }
    named = {
        reference.ReferencedSOPInstanceUID
        for item in items(document)
        for reference in item.get("ReferencedSOPSequence", ())
    }
    assert named
    assert named <= held
