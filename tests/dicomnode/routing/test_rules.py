"""Rules choose by pattern, the first that fits wins, and a miss says why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from dicomnode.routing import Candidate, Rule, first_match

CANDIDATE = Candidate(
    calling_ae="PACS1",
    called_ae="DICOMNODE",
    mark_sop_class="1.2.840.10008.5.1.4.1.1.88.34",
    modality="CT",
    body_part="CHEST",
    study_description="CT Thorax (contrast)",
    series_description="Lung 1.0 B60f",
)


def rule(name: str = "rule", **match: object) -> Rule:
    return Rule.model_validate({"name": name, "match": match})


def test_a_rule_without_conditions_fits_all():
    chosen, _ = first_match([rule()], CANDIDATE)
    assert chosen is not None


@pytest.mark.parametrize(
    "match",
    [
        {"calling_ae": "PACS?"},
        {"calling_ae": ["OTHER", "pacs1"]},
        {"series_description": "*lung*", "modality": "CT"},
        {"mark_sop_class": "Comprehensive3DSRStorage"},
        {"study_description": "CT Thorax (contrast)"},
    ],
)
def test_patterns_that_fit(match):
    assert first_match([rule(**match)], CANDIDATE)[0] is not None


@pytest.mark.parametrize(
    "match",
    [
        {"calling_ae": "PACS"},
        {"calling_ae": "PACS??"},
        {"series_description": "lung", "modality": "CT"},
        {"mark_sop_class": "ComprehensiveSRStorage"},
        {"body_part": "CHEST", "modality": "MR"},
        {"study_description": "CT Thorax .contrast."},
    ],
)
def test_patterns_that_do_not_fit_say_which(match):
    chosen, reason = first_match([rule("lungs", **match)], CANDIDATE)
    assert chosen is None
    assert "'lungs': " in reason
    assert any(name in reason for name in match)


def test_the_first_that_fits_wins():
    rules = [rule("a", modality="MR"), rule("b"), rule("c")]
    chosen, reason = first_match(rules, CANDIDATE)
    assert chosen.name == "b"
    assert "'b'" in reason


def test_no_rule_is_said():
    assert first_match([], CANDIDATE) == (None, "no rule is configured")


def test_an_absent_value_fits_only_a_pattern_for_nothing():
    empty = replace(CANDIDATE, body_part="")
    assert first_match([rule(body_part="CHEST")], empty)[0] is None
    assert first_match([rule(body_part="*")], empty)[0] is not None


def test_unknown_conditions_are_refused():
    with pytest.raises(ValidationError, match="Extra inputs"):
        rule(colour="red")
