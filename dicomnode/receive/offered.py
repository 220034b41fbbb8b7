"""Presentation contexts that the node accepts as an acceptor (PS3.8 9.3.3.2)."""

from __future__ import annotations

from pynetdicom.presentation import PresentationContext

from dicomnode.commit.information import PUSH_MODEL
from dicomnode.receive.sop_classes import (
    STORAGE_CLASSES,
    UNCOMPRESSED,
    VERIFICATION,
    transfer_syntaxes,
)


def supported_contexts(commitment: bool) -> list[PresentationContext]:
    """Presentation contexts that are accepted; with storage commitment or without it."""
    contexts = []
    for sop_class in sorted(STORAGE_CLASSES | {VERIFICATION}):
        context = PresentationContext()
        context.abstract_syntax = sop_class
        context.transfer_syntax = list(
            UNCOMPRESSED if sop_class == VERIFICATION else transfer_syntaxes(sop_class)
        )
        contexts.append(context)
    if commitment:
        context = PresentationContext()
        context.abstract_syntax = PUSH_MODEL
        context.transfer_syntax = list(UNCOMPRESSED)
        # A peer may ask (as SCU, by default) and may report (as SCP, PS3.4 J.1).
        context.scu_role = context.scp_role = True
        contexts.append(context)
    return contexts
