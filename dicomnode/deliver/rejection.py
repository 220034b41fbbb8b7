"""What the rejection of an association means for the deliveries that waited for it."""

from __future__ import annotations

from dataclasses import dataclass

from dicomnode.association import Rejected
from dicomnode.deliver.answer import Verdict

PERMANENT = 1
TRANSIENT = 2
"""The results of a rejection (PS3.8 Table 9-21, result)."""


@dataclass(frozen=True)
class RejectionMeaning:
    """What one reason of an A-ASSOCIATE-RJ means.

    Attributes
    ----------
    source, diagnostic : int
        As in the PDU.
    meaning : str
    permanent : Verdict
        Where the result is "rejected-permanent". What is "rejected-transient" is repeated.
    """

    source: int
    diagnostic: int
    meaning: str
    permanent: Verdict


REJECTIONS = (
    # Peers that are full or closing down reject like this too, and name no reason.
    RejectionMeaning(1, 1, "no reason given", Verdict.REPEAT),
    RejectionMeaning(1, 2, "application context name not supported", Verdict.REFUSED),
    RejectionMeaning(1, 3, "calling AE title not recognised", Verdict.REFUSED),
    RejectionMeaning(1, 7, "called AE title not recognised", Verdict.REFUSED),
    RejectionMeaning(2, 1, "no reason given", Verdict.REPEAT),
    RejectionMeaning(2, 2, "protocol version not supported", Verdict.REFUSED),
    RejectionMeaning(3, 1, "temporary congestion", Verdict.REPEAT),
    RejectionMeaning(3, 2, "local limit exceeded", Verdict.REPEAT),
)
"""PS3.8 9.3.4, Table 9-21: sources 1 (user), 2 (provider, ACSE) and 3 (provider, presentation)."""


def judge_rejection(rejected: Rejected) -> Verdict:
    """Whether a repeat may mend a rejection (PS3.8 9.3.4 and 7.1.1.7).

    A reason that the standard does not name is repeated, as is all that the peer calls transient.
    """
    if rejected.result != PERMANENT:
        return Verdict.REPEAT
    for one in REJECTIONS:
        if (one.source, one.diagnostic) == (rejected.source, rejected.diagnostic):
            return one.permanent
    return Verdict.REPEAT
