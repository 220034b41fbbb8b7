"""How a result says what it is: research, and of this software."""

from __future__ import annotations

NOTICE = "Research, not for diagnosis"
"""Content Description, and what is burned into pictures."""

CONTENT_LABEL = "RESEARCH_MATTE"
"""By this and the model name results of this software are known, wherever they were made."""

CONTENT_CREATOR = "softmask-node^"

CONTENT_QUALIFICATION = "RESEARCH"
"""PS3.3 C.8.13.2.1.1: not approved, not for clinical use."""
