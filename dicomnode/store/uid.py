"""The one rule by which a text counts as a DICOM UID."""

from __future__ import annotations

import re
from functools import lru_cache

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*", re.ASCII)


@lru_cache(maxsize=4096)
def is_valid_uid(text: str) -> bool:
    """Whether `text` is a UID by PS3.5 9.1.

    Components of digits joined by dots, no component with a leading zero unless it is "0",
    64 characters at most. A text that passes is also safe as one component of a path.
    """
    return 0 < len(text) <= 64 and _UID.fullmatch(text) is not None
