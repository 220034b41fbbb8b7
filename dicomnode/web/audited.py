"""What people do by the web service, told to the audit trail."""

from __future__ import annotations

from dicomnode.audit import (
    Action,
    Alert,
    InstancesAccessed,
    Outcome,
    Participant,
    Query,
    SecurityAlert,
    SignIn,
    StudyContent,
    Trail,
    UserAuthentication,
)
from dicomnode.web.access.sign_in_event import OnSignIn, SignInEvent
from dicomnode.web.look import Look, OnLook, log_look

_STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_ACTIONS = {
    "read": Action.READ,
    "query": Action.READ,
    "write": Action.CREATE,
    "judge": Action.UPDATE,
    "act": Action.UPDATE,
}


def looks_audited(trail: Trail) -> OnLook:
    """Tell a trail, and the log, of every look at a study."""

    def told(look: Look) -> None:
        log_look(look)
        user = Participant(look.user, look.address)
        if look.study_instance_uid is None:
            trail.note(Query(_STUDY_ROOT_FIND, look.query.encode(), asking=user))
        else:
            study = StudyContent(look.study_instance_uid)
            trail.note(InstancesAccessed(user, study, _ACTIONS[look.action]))

    return told


def sign_ins_audited(trail: Trail) -> OnSignIn:
    """Tell a trail of everybody who signs in or out, is refused, or asks for too much."""

    def told(event: SignInEvent) -> None:
        user = Participant(event.user or "unknown", event.address)
        if event.kind == "forbidden":
            trail.note(
                SecurityAlert(
                    Alert.RESTRICTED_FUNCTION, event.reason, user, Outcome.SERIOUS_FAILURE
                )
            )
            return
        sign_in = SignIn.LOGOUT if event.kind == "out" else SignIn.LOGIN
        outcome = Outcome.SERIOUS_FAILURE if event.kind == "refused" else Outcome.SUCCESS
        trail.note(UserAuthentication(user, sign_in, outcome, event.reason))

    return told
