"""How a result says what it is: research, and of this software."""

from __future__ import annotations

NOTICE = "Research, not for diagnosis"
"""Content Description, and what is burned into pictures."""

CONTENT_LABEL = "RESEARCH_MATTE"
"""Content Label, or Structure Set Label, of all results that have one."""

CONTENT_CREATOR = "softmask-node^"

CONTENT_QUALIFICATION = "RESEARCH"
"""PS3.3 C.8.13.2.1.1: not approved, not for clinical use."""
