"""UIDs that follow from what they name, so that a repeat replaces and never multiplies."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("6f0c9a0e-5f63-4c0c-9d2b-7f2a52f1c1b4")
"""Fixed for ever: another value would give every object of this node another UID."""


def derive_uid(*parts: str | int) -> str:
    """UID under 2.25 (PS3.5 B.2) that is a function of `parts` and of nothing else.

    Parameters
    ----------
    *parts : str or int
        What the UID stands for, most general first. ``("a", "b")`` and ``("ab",)`` differ.

    Returns
    -------
    str
        At most 44 characters.

    Raises
    ------
    ValueError
        If there are no parts.
    """
    if not parts:
        raise ValueError("found no parts, expected what the UID stands for")
    texts = [str(part) for part in parts]
    name = "".join(f"{len(text)}:{text}" for text in texts)
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"
