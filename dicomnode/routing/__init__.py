"""Routing: which method and which destinations a mark gets. Rules are data."""

from dicomnode.routing.attributes import ObjectHeader
from dicomnode.routing.in_force import RulesInForce
from dicomnode.routing.rules import Candidate, Match, Rule, first_match, found_no_rule

__all__ = [
    "Candidate",
    "Match",
    "ObjectHeader",
    "Rule",
    "RulesInForce",
    "first_match",
    "found_no_rule",
]
