"""Presentation contexts: what is accepted, what is proposed, and who is SCU or SCP of what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from pydicom.uid import UID
from pynetdicom.presentation import PresentationContext

from dicomnode import proposed_contexts as proposed
from dicomnode.conformance.specimens import ASSESSMENT, REFUSAL, written_syntaxes
from dicomnode.conformance.syntax_names import short_name
from dicomnode.conformance.table import Table, yes
from dicomnode.deliver.ladder_choice import choose
from dicomnode.deliver.probe import probed_pairs
from dicomnode.deliver.result_classes import RESULT_CLASSES, class_name
from dicomnode.proposed_contexts import Proposal
from dicomnode.receive.offered import supported_contexts
from dicomnode.settings import DicomDestination, DicomSource, NodeSettings


@dataclass(frozen=True)
class Activity:
    """What an association is opened for, and what it then proposes.

    Attributes
    ----------
    name : str
    proposal : Proposal
    """

    name: str
    proposal: Proposal


PROBE = "probe"
"""Proposes more than what is sent: a later version may send it."""


@cache
def activities() -> tuple[Activity, ...]:
    """All reasons that the node has to open an association."""
    return (
        Activity("check a destination", proposed.verification()),
        Activity("deliver results", proposed.storage(written_syntaxes(), compressed=True)),
        Activity(f"{PROBE} a destination", proposed.each_alone(probed_pairs())),
        Activity("ask for storage commitment", proposed.commitment_request()),
        Activity("report storage commitment", proposed.commitment_report()),
        Activity("read back results (C-FIND)", proposed.query()),
        Activity("read back results (C-GET)", _fetching(written_syntaxes())),
        Activity("check a source (C-MOVE)", proposed.retrieval_check("c-move")),
        Activity("check a source (C-GET)", proposed.retrieval_check("c-get")),
        Activity("retrieve images (C-MOVE)", proposed.retrieval("c-move")),
        Activity("retrieve images (C-GET)", proposed.retrieval("c-get")),
    )


def site_activities(settings: NodeSettings) -> tuple[Activity, ...]:
    """What a node of these settings opens associations for: the same, for each of its peers."""
    found: list[Activity] = []
    refusals = any(getattr(rule, "report_refusals", False) for rule in settings.rules)
    for one in settings.destinations:
        if not isinstance(one, DicomDestination):
            continue
        # As of a destination that was not probed yet.
        kinds = [choice.rung.name for choice in choose(one, lambda _: (None, "")) if choice.made]
        if refusals:
            kinds.append(REFUSAL)
        if one.verdicts:
            kinds.append(ASSESSMENT)
        wanted = written_syntaxes(kinds)
        compressed = one.transfer_syntax != "explicit-le"
        found += [
            Activity(f"check {one.name}", proposed.verification()),
            Activity(f"deliver to {one.name}", proposed.storage(wanted, compressed=compressed)),
            Activity(f"{PROBE} {one.name}", proposed.each_alone(probed_pairs())),
        ]
        if one.commit:
            found.append(Activity(f"ask {one.name} to commit", proposed.commitment_request()))
        if one.verify == "find":
            found.append(Activity(f"read back from {one.name}", proposed.query()))
        elif one.verify == "pixels" and one.dicomweb is None:
            found.append(Activity(f"read back from {one.name}", _fetching(wanted)))
    for one in settings.sources:
        if isinstance(one, DicomSource):
            found += [
                Activity(f"check {one.name}", proposed.retrieval_check(one.kind)),
                Activity(f"retrieve from {one.name}", proposed.retrieval(one.kind)),
            ]
    if settings.commitment.serve and settings.peers:
        found.append(Activity("report storage commitment", proposed.commitment_report()))
    return tuple(found)


def _fetching(written: Iterable[tuple[str, str]]) -> Proposal:
    """What is proposed to read back objects of these SOP classes."""
    return proposed.fetching({uid: RESULT_CLASSES.get(uid, ()) for uid, _ in written})


def accepted_contexts() -> Table:
    """What the listening AE accepts, for each SOP class every syntax, the preferred one first."""
    rows = [
        (
            class_name(context.abstract_syntax),
            f"`{context.abstract_syntax}`",
            "; ".join(map(short_name, context.transfer_syntax)),
            "SCP and SCU" if context.scp_role and context.scu_role else "SCP",
            "None",
        )
        for context in supported_contexts(commitment=True)
    ]
    return Table(
        "accepted-contexts",
        (
            "SOP class",
            "UID",
            "Transfer syntaxes, the preferred first",
            "Role",
            "Extended negotiation",
        ),
        tuple(sorted(rows, key=lambda row: row[0])),
    )


def proposed_contexts(doing: Sequence[Activity]) -> Table:
    """What the node proposes: contexts divided by semicolons, the syntaxes of one by "or"."""
    rows = []
    for activity in doing:
        for sop_class, contexts in _by_class(activity.proposal.contexts):
            syntaxes = dict.fromkeys(
                " or ".join(map(short_name, context.transfer_syntax)) for context in contexts
            )
            rows.append(
                (
                    activity.name,
                    class_name(sop_class),
                    f"`{sop_class}`",
                    "; ".join(syntaxes),
                    _role(activity.proposal, sop_class),
                )
            )
    return Table(
        "proposed-contexts",
        ("Activity", "SOP class", "UID", "Transfer syntaxes", "Role of the node"),
        tuple(rows),
    )


def transfer_syntaxes() -> Table:
    """All transfer syntaxes that the two other tables name."""
    contexts = [*supported_contexts(commitment=True)]
    for activity in activities():
        contexts += activity.proposal.contexts
    found = {str(syntax) for context in contexts for syntax in context.transfer_syntax}
    rows = [(short_name(uid), UID(uid).name, f"`{uid}`") for uid in sorted(found)]
    columns = ("Short name", "Transfer syntax", "UID")
    return Table("transfer-syntaxes", columns, tuple(rows))


def network_services(doing: Sequence[Activity]) -> Table:
    """Each SOP class of the network, with the roles that the node takes in it (Annex N.1)."""
    scu, scp = set(), set()
    for activity in doing:
        if activity.name.startswith(f"{PROBE} "):
            continue
        for context in activity.proposal.contexts:
            provides = _role(activity.proposal, context.abstract_syntax) == "SCP"
            (scp if provides else scu).add(str(context.abstract_syntax))
    for context in supported_contexts(commitment=True):
        scp.add(str(context.abstract_syntax))
    rows = [
        (class_name(uid), f"`{uid}`", yes(uid in scu), yes(uid in scp))
        for uid in sorted(scu | scp, key=class_name)
    ]
    return Table("network-services", ("SOP class", "UID", "SCU", "SCP"), tuple(rows))


def _by_class(
    contexts: Iterable[PresentationContext],
) -> Iterable[tuple[str, Sequence[PresentationContext]]]:
    found: dict[str, list[PresentationContext]] = {}
    for context in contexts:
        found.setdefault(str(context.abstract_syntax), []).append(context)
    return found.items()


def _role(proposal: Proposal, sop_class: str) -> str:
    provides = any(role.sop_class_uid == sop_class and role.scp_role for role in proposal.roles)
    return "SCP" if provides else "SCU"
