"""Find studies, series and instances (QIDO-RS, PS3.18 10.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dicomnode.web.dicomweb.attributes import (
    AVAILABILITY,
    CHARACTER_SET,
    MODALITIES_IN_STUDY,
    RETRIEVE_URL,
    SERIES_INSTANCES,
    SOP_CLASSES_IN_STUDY,
    STUDY_INSTANCES,
    STUDY_SERIES,
    STUDY_TAGS,
    TOLD,
    Level,
)
from dicomnode.web.dicomweb.holdings import Held, HeldStudy, Holdings
from dicomnode.web.dicomweb.problem import Problem
from dicomnode.web.dicomweb.search_request import Search

_MOST_WORK = 50_000
"""Files that one search looks at."""

_UIDS = frozenset({0x0020000D, 0x0020000E, 0x00080018})

Model = dict[str, Any]


@dataclass(frozen=True)
class Match:
    """Something that was found.

    Attributes
    ----------
    uids : tuple of str
        Of study, series and instance, as far as its level goes.
    says : dict
        What its file says, as DICOM JSON.
    count : callable
        Gives what is counted of it.
    """

    uids: tuple[str, ...]
    says: Model
    count: Callable[[], Model]

    def told(self, search: Search, address: str, within_study: bool) -> Model:
        """What a client is told of it (PS3.18 Tables 10.6.3-3 to 10.6.3-5).

        Parameters
        ----------
        search : Search
        address : str
            Where it is retrieved.
        within_study : bool
            Whether the client named the study, and so need not be told of it.
        """
        if search.fields is None:
            model = dict(self.says)
        else:
            tags = set(TOLD[search.level]) | search.fields | _UIDS | {CHARACTER_SET}
            for level in Level:
                if level < search.level and not within_study:
                    tags |= TOLD[level]
            names = {_name(tag) for tag in tags}
            model = {name: value for name, value in self.says.items() if name in names}
        for name, tag in zip(self.uids, _UID_ORDER, strict=False):
            model[_name(tag)] = {"vr": "UI", "Value": [name]}
        for tag in _UID_ORDER[len(self.uids) :]:
            model.pop(_name(tag), None)
        model |= self.count()
        model[_name(AVAILABILITY)] = {"vr": "CS", "Value": ["ONLINE"]}
        model[_name(RETRIEVE_URL)] = {"vr": "UR", "Value": [address]}
        return dict(sorted(model.items()))


_UID_ORDER = (0x0020000D, 0x0020000E, 0x00080018)


def find(
    holdings: Holdings, search: Search, study: str | None = None, series: str | None = None
) -> Iterator[Match]:
    """Find what matches, what came last first.

    Parameters
    ----------
    holdings : Holdings
    search : Search
    study, series : str, optional
        Where to look.

    Raises
    ------
    Problem
        413 where too much is to be looked at.
    """
    looked = 0
    for one in holdings.studies(search.studies if study is None else (study,)):
        for match in _within(holdings, search, one, series):
            looked += 1
            if looked > _MOST_WORK:
                raise Problem(413, f"more than {_MOST_WORK} files to look at; search in a study")
            if match is not None:
                yield match


def _within(
    holdings: Holdings, search: Search, study: HeldStudy, series: str | None
) -> Iterator[Match | None]:
    """Matches of one study, and None for each that is none."""
    of_study = [key for key in search.of_files if key.path[0] in STUDY_TAGS]
    # Most studies are left out by what one file of them says.
    says = _read(holdings, study.path, STUDY_TAGS if of_study else frozenset())
    if says is None or not all(key.holds(says) for key in of_study):
        yield None
        return
    if search.level is Level.STUDY:
        says = _read(holdings, study.path, search.read)
        yield _checked(
            search, (study.study,), says, _once(lambda: _study_counts(holdings, study.study))
        )
        return
    for uid, members in holdings.series_of(study.study, series).items():
        if search.level is Level.SERIES:
            says = _read(holdings, members[0].path, search.read)
            yield _checked(search, (study.study, uid), says, _counted(members))
            continue
        for held in members:
            says = _read(holdings, held.path, search.read)
            yield _checked(search, (study.study, uid, held.instance), says, dict)


def _checked(
    search: Search, uids: tuple[str, ...], says: Model | None, count: Callable[[], Model]
) -> Match | None:
    if says is None or not all(key.holds(says) for key in search.of_files):
        return None
    if search.of_counts:
        counts = count()
        if not all(key.holds(counts) for key in search.of_counts):
            return None
    return Match(uids, says, count)


def _read(holdings: Holdings, path: Any, tags: frozenset[int] | None) -> Model | None:
    """None where the file is gone, or is one of those that cannot be described."""
    if tags is not None and not tags:
        return {}
    try:
        return holdings.descriptions.of(path).some(tags)
    except Problem:
        return None


def _study_counts(holdings: Holdings, study: str) -> Model:
    found = holdings.count(study)
    modalities: set[str] = set()
    for path in {one.series: one.path for one in found}.values():
        says = _read(holdings, path, TOLD[Level.SERIES]) or {}
        modalities.update(filter(None, says.get("00080060", {}).get("Value", ())))
    return {
        _name(MODALITIES_IN_STUDY): _values("CS", *sorted(modalities)),
        _name(SOP_CLASSES_IN_STUDY): _values("UI", *sorted({one.sop_class for one in found})),
        _name(STUDY_SERIES): _values("IS", len({one.series for one in found})),
        _name(STUDY_INSTANCES): _values("IS", sum(one.count for one in found)),
    }


def _counted(members: list[Held]) -> Callable[[], Model]:
    return lambda: {_name(SERIES_INSTANCES): _values("IS", len(members))}


def _once(count: Callable[[], Model]) -> Callable[[], Model]:
    found: list[Model] = []

    def counted() -> Model:
        if not found:
            found.append(count())
        return found[0]

    return counted


def _values(vr: str, *values: str | int) -> Model:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


def _name(tag: int) -> str:
    return f"{tag:08X}"
