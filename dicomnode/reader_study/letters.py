"""What readers call candidates."""

from __future__ import annotations

from string import ascii_uppercase

MOST_CANDIDATES = 8
LETTERS = ascii_uppercase[:MOST_CANDIDATES]
"""By place, from the first."""
