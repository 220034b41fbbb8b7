"""Routing: which method and which destinations a mark gets. Rules are data."""

from dicomnode.routing.rules import Candidate, Match, Rule, first_match, found_no_rule

__all__ = ["Candidate", "Match", "Rule", "first_match", "found_no_rule"]
