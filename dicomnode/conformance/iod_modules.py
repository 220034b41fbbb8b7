"""Modules and attributes of an IOD, as PS3.3 has them.

highdicom brings the standard's tables along for its own use; nothing in its public interface gives
them, so its files are read. A test holds that every kind of object has its IOD there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydicom.datadict import tag_for_keyword

FILE_META = 0x0002


@dataclass(frozen=True)
class Module:
    """One module of an IOD.

    Attributes
    ----------
    name : str
    usage : str
        M, C or U.
    types : dict
        Type of each attribute at the module's own level, by keyword.
    """

    name: str
    usage: str
    types: dict[str, str]


def knows(sop_class_uid: str) -> bool:
    """Whether the tables have the SOP class."""
    return sop_class_uid in _table("sop_class_iod_map")


def modules_of(sop_class_uid: str) -> tuple[Module, ...]:
    """Modules of the IOD of a SOP class, in the standard's order.

    Raises
    ------
    KeyError
        If the tables do not know the SOP class.
    """
    attributes = _table("module_attribute_map")
    found = []
    for entry in _table("iod_module_map")[_table("sop_class_iod_map")[sop_class_uid]]:
        types: dict[str, str] = {}
        for row in attributes.get(entry["key"], ()):
            if not row["path"] and tag_for_keyword(row["keyword"]) is not None:
                types.setdefault(row["keyword"], row["type"])
        found.append(Module(_title(entry["key"]), entry["usage"], types))
    return tuple(found)


def _title(key: str) -> str:
    words = {"sop": "SOP", "sr": "SR", "rt": "RT", "roi": "ROI", "voi": "VOI", "lut": "LUT"}
    words |= {"icc": "ICC", "sc": "SC", "ct": "CT"}
    title = " ".join(words.get(word, word.capitalize()) for word in key.split("-"))
    return title.replace("Multi Frame", "Multi-frame").replace(" Of ", " of ")


@cache
def _table(name: str) -> dict:
    return json.loads(files("highdicom").joinpath("_standard", f"{name}.json").read_text("utf-8"))
