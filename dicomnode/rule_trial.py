"""Which rule fires for the marks of a study, and why the others do not. Nothing is changed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from dicomnode.collect.collector import Collector
from dicomnode.receive.folder import find_instance, find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.refusals.asking_rule import AskingRules
from dicomnode.routing import Candidate, ObjectHeader, Rule
from dicomnode.routing.verdicts import Judged, Verdict
from dicomnode.settings import CollectSettings
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.tables import Instance, Lesion
from dicomnode.timing import CallScheduler


@dataclass(frozen=True)
class Assumed:
    """What is assumed of how marks came, in place of what is known; None: as it is known.

    Attributes
    ----------
    calling_ae, called_ae, priority : str or None
    received_at : float or None
        In seconds since 1970; its time of day counts.
    """

    calling_ae: str | None = None
    called_ae: str | None = None
    priority: str | None = None
    received_at: float | None = None

    def of(self, candidate: Candidate, *, from_files: bool) -> Candidate:
        """The candidate with what is assumed; of files on disk nothing else of that is known."""
        stated = {name: one for name, one in vars(self).items() if one is not None}
        unknown = dict.fromkeys(vars(self)) if from_files else {}
        return replace(candidate, **unknown | stated)


@dataclass(frozen=True)
class Trial:
    """Marks that are the same to all rules.

    Attributes
    ----------
    mark_object : str or None
        SOP Instance UID of the object that holds the marks; None where only CT is there.
    ct_series : str or None
        Series Instance UID of the CT; None where none is known.
    lesions : tuple of int
        Ids in the store; empty where the object became none.
    given : tuple of str
        Rules that these lesions were given when they met their CT, which they keep.
    judged : tuple of (Rule, Judged)
        Each rule, in order.
    """

    mark_object: str | None
    ct_series: str | None
    lesions: tuple[int, ...]
    given: tuple[str, ...]
    judged: tuple[tuple[Rule, Judged], ...]

    @property
    def firing(self) -> Rule | None:
        """The first that holds, or may; None where none does."""
        held = (rule for rule, judged in self.judged if judged.verdict is not Verdict.FAILS)
        return next(held, None)


def trials_of(
    session: Session,
    rules: Sequence[Rule],
    study_instance_uid: str | None = None,
    assumed: Assumed | None = None,
    *,
    from_files: bool = False,
) -> list[Trial]:
    """Try the rules on all marks of a study, or of the whole store.

    Of a lesion that has met its CT the rules look at the image that it was drawn on, as they do
    when a node decides. Of others they look at what `AskingRules` finds. Where there is CT and no
    object that may hold marks, all that is said of a mark is not known.

    Parameters
    ----------
    session : Session
    rules : sequence of Rule
    study_instance_uid : str, optional
    assumed : Assumed, optional
    from_files : bool
        Whether the instances are files that nobody has sent.
    """
    assumed = assumed or Assumed()
    query = select(Instance).order_by(Instance.sop_instance_uid)
    if study_instance_uid is not None:
        of_study = select(Lesion.source_sop_instance_uid).where(
            Lesion.study_instance_uid == study_instance_uid
        )
        query = query.where(
            or_(
                Instance.study_instance_uid == study_instance_uid,
                Instance.sop_instance_uid.in_(of_study),
            )
        )
    found = session.scalars(query).all()
    sources = [one for one in found if one.sop_class_uid not in CT_CLASSES]
    tried: dict[tuple, Trial] = {}
    for source in sources:
        finder = AskingRules(session, source, rules)
        lesions = session.scalars(
            select(Lesion)
            .where(Lesion.source_sop_instance_uid == source.sop_instance_uid)
            .order_by(Lesion.id)
        ).all()
        for lesion in lesions or [None]:
            candidate = assumed.of(finder.candidate(lesion), from_files=from_files)
            judged = tuple((rule, rule.judge(candidate)) for rule in rules)
            series = None if lesion is None else lesion.series_instance_uid
            key = (source.sop_instance_uid, series, tuple(one for _, one in judged))
            before = tried.get(key, Trial(source.sop_instance_uid, series, (), (), judged))
            joined = _with(before, lesion)
            # Files were given no rule: that mark and CT met is of this trial alone.
            tried[key] = replace(joined, given=()) if from_files else joined
    if sources:
        return list(tried.values())
    return [
        Trial(None, ct.series_instance_uid, (), (), tuple((r, r.judge(one)) for r in rules))
        for ct in {one.series_instance_uid: one for one in reversed(found)}.values()
        for one in [assumed.of(_on(ct), from_files=from_files)]
    ]


@contextmanager
def files_as_store(path: Path) -> Iterator[tuple[Session, list[tuple[Path, str]]]]:
    """Read a file or a folder as a node would, into a store that is gone afterwards.

    Yields
    ------
    session : Session
    skipped : list of (Path, str)
        Files that are no instances that a node takes, and why.
    """
    findings = find_instances(path) if path.is_dir() else [find_instance(path)]
    skipped = []
    with tempfile.TemporaryDirectory(prefix="dicomnode-") as scratch:
        database = Database(f"sqlite:///{Path(scratch) / 'trial.sqlite'}")
        try:
            database.upgrade()
            index = InstanceIndex(database, CT_CLASSES)
            for finding in findings:
                if finding.received is None:
                    skipped.append((finding.path, finding.reason))
                else:
                    index.add(finding.received)
            # Every mark is to meet its CT; which rule it gets is asked afterwards.
            any_rule = Rule(name="any", include_anatomy=True, allow_other_patient_id=True)
            Collector(
                database,
                CallScheduler(),
                CollectSettings(quiet_period_s=1e-6, seg_wait_s=1e-6),
                [any_rule],
                lambda: None,
            ).collect_all()
            with database.read() as session:
                yield session, skipped
        finally:
            database.close()


def _with(trial: Trial, lesion: Lesion | None) -> Trial:
    if lesion is None:
        return trial
    given = () if lesion.rule is None else (lesion.rule,)
    return replace(
        trial,
        lesions=(*trial.lesions, lesion.id),
        given=tuple(dict.fromkeys((*trial.given, *given))),
    )


def _on(ct: Instance) -> Candidate:
    """A mark of which nothing is known but its CT."""
    return Candidate(
        calling_ae=None,
        called_ae=None,
        mark_sop_class=None,
        modality=ct.modality,
        body_part=ct.body_part,
        study_description=ct.study_description,
        series_description=ct.series_description,
        ct=ObjectHeader(ct.path),
    )
