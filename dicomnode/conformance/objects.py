"""The kinds of objects that the node makes and takes, and who gets which."""

from __future__ import annotations

from dicomnode.conformance.specimens import ASSESSMENT, REFUSAL, specimens
from dicomnode.conformance.syntax_names import short_name
from dicomnode.conformance.table import Table, yes
from dicomnode.deliver.ladder_choice import AUTOMATIC
from dicomnode.deliver.result_classes import class_name
from dicomnode.receive.sop_classes import CT_CLASSES, STORAGE_CLASSES
from dicomnode.results.ladder import LADDER


def created() -> Table:
    """Objects that the node makes, in the order of the ladder."""
    made = specimens().made
    rows = [
        (
            rung.name,
            class_name(rung.sop_class_uid),
            f"`{rung.sop_class_uid}`",
            str(made[rung.name].Modality),
            short_name(made[rung.name].file_meta.TransferSyntaxUID),
            {"lesion": "lesion", "series": "CT series"}[rung.of],
            yes(rung.name in AUTOMATIC),
        )
        for rung in LADDER.values()
    ]
    rows += [
        (
            kind,
            class_name(made[kind].SOPClassUID),
            f"`{made[kind].SOPClassUID}`",
            str(made[kind].Modality),
            short_name(made[kind].file_meta.TransferSyntaxUID),
            of,
            "No",
        )
        for kind, of in ((REFUSAL, "object of marks"), (ASSESSMENT, "verdict"))
    ]
    columns = ("Object", "SOP class", "UID", "Modality", "Written in", "One for each")
    columns += ('In "auto"',)
    return Table("created-objects", columns, tuple(rows))


def received() -> Table:
    """Objects that the node takes in, and what it does with them."""
    rows = [
        (
            class_name(uid),
            f"`{uid}`",
            "is segmented" if uid in CT_CLASSES else "is read for marks",
        )
        for uid in sorted(STORAGE_CLASSES, key=class_name)
    ]
    return Table("received-objects", ("SOP class", "UID", "What is done with it"), tuple(rows))
