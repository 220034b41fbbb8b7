"""Data sets as DICOM JSON (PS3.18 F), with bulk data by address."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Collection
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

BULK_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_INLINE_BYTES = 4096
"""Larger values are bulk data (PS3.18 F.2.2); palettes and lookup tables of 8 bits are not."""

_MARK = f"@{secrets.token_hex(12)}@"
"""Stands for the address of the instance, which depends on how the node was reached."""


def to_json(dataset: Dataset, only: Collection[int] | None = None) -> dict[str, Any]:
    """Describe a data set; what it holds that cannot be decoded is left out.

    Parameters
    ----------
    dataset : Dataset
        File meta information in it is left out.
    only : collection of int, optional
        Tags to describe; all by default.
    """
    model = _items(dataset, "", only)
    if "00080005" in model:
        # Texts are UTF-8 (PS3.18 F.2), whatever they were.
        model["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    return dict(sorted(model.items()))


def with_pixels(model: dict[str, Any], tag: int, vr: str) -> dict[str, Any]:
    """Add the address of pixel data that was not read."""
    name = f"{tag:08X}"
    return model | {name: {"vr": vr, "BulkDataURI": f"{_MARK}/bulkdata/{name}"}}


def encoded(model: dict[str, Any]) -> bytes:
    """Write a model as JSON, in UTF-8."""
    return json.dumps(model, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(
        "utf-8", "replace"
    )


def addressed(text: bytes, instance: str) -> bytes:
    """Put the address of the instance where addresses of bulk data go."""
    return text.replace(_MARK.encode(), instance.encode())


def _items(dataset: Dataset, path: str, only: Collection[int] | None = None) -> dict[str, Any]:
    model: dict[str, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118, which would decode each
        if tag.group == 0x0002 or tag.element == 0 or (only is not None and tag not in only):
            continue
        try:
            element = dataset[tag]
            model[f"{tag:08X}"] = _element(element, f"{path}{tag:08X}")
        except Exception:  # a value that breaks its representation, in whatever way
            continue
    return model


def _element(element: DataElement, path: str) -> dict[str, Any]:
    if element.VR == "SQ":
        items = [_items(item, f"{path}/{at}/") for at, item in enumerate(element.value)]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if element.VR in BULK_VRS:
        value = element.value
        if not isinstance(value, bytes):
            return {"vr": element.VR}
        if len(value) > _INLINE_BYTES:
            return {"vr": element.VR, "BulkDataURI": f"{_MARK}/bulkdata/{path}"}
        if not value:
            return {"vr": element.VR}
        return {"vr": element.VR, "InlineBinary": base64.b64encode(value).decode("ascii")}
    found = element.to_json_dict(None, _INLINE_BYTES)
    json.dumps(found, allow_nan=False)
    return found


def bulk_value(dataset: Dataset, path: str) -> bytes | None:
    """The value that an address of bulk data names; None where there is none.

    Parameters
    ----------
    dataset : Dataset
    path : str
        Tags in hexadecimal, and numbers of items from 0, with "/" between.
    """
    *way, last = path.split("/")
    if len(way) % 2:
        return None
    try:
        for tag, item in zip(way[::2], way[1::2], strict=True):
            dataset = dataset[_tag(tag)].value[_number(item)]
        value = dataset[_tag(last)].value
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        return None
    return value if isinstance(value, bytes) else None


def _tag(text: str) -> BaseTag:
    if len(text) != 8:
        raise ValueError("not a tag")
    return BaseTag(int(text, 16))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("not the number of an item")
    return int(text)
