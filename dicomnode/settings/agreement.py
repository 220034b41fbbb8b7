"""What the parts of the settings must agree on; each raises ValueError with what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from dicomnode.routing.networks import network_problem
from dicomnode.routing.wildcard import fits
from dicomnode.settings.peers import DicomDestination
from dicomnode.settings.section import RungName

if TYPE_CHECKING:
    from dicomnode.settings.node import NodeSettings


def peers_can_be_known(settings: NodeSettings) -> None:
    """A peer with TLS shows a certificate, which somebody that is trusted must have signed."""
    for peer in settings.peers:
        if peer.tls is not None and peer.tls.ca_file is None:
            raise ValueError(
                f"TLS to {peer.ae_title!r} needs ca_file, there or in [tls]: nothing says "
                "whose certificates are trusted"
            )
    if settings.tls.port and not settings.tls.only and settings.tls.port == settings.listen.port:
        raise ValueError(
            f"[tls] port and [listen] port are both {settings.tls.port}; with [tls] only = true "
            "nothing is taken without TLS"
        )


def callers_can_come_in(settings: NodeSettings) -> None:
    """Nobody is asked for a certificate where none can be shown, or forgotten who must call."""
    for caller in settings.callers:
        if (caller.certificates or caller.tls) and settings.tls.port is None:
            raise ValueError(f"caller {caller.name!r} needs TLS, and [tls] has no port")
        if caller.certificates and settings.tls.clients == "none":
            raise ValueError(
                f"caller {caller.name!r} needs a certificate, and [tls] clients asks for none"
            )
    if not settings.listen.known_callers_only:
        return
    calling = [s.ae_title for s in settings.sources if s.kind == "c-move"]
    calling += [
        d.ae_title for d in settings.destinations if isinstance(d, DicomDestination) and d.commit
    ]
    for ae_title in calling:
        if not any(
            caller.allow and any(fits(ae_title, pattern) for pattern in caller.ae_titles)
            for caller in settings.callers
        ):
            raise ValueError(
                f"{ae_title!r} sends by C-MOVE or reports storage commitment, and none of "
                "[[callers]] fits it: [listen] known_callers_only keeps it out"
            )


def names_meet(settings: NodeSettings) -> None:
    """A name stands for one thing, and what rules name is there."""
    known = [destination.name for destination in settings.destinations]
    for what, names in (
        ("destination", known),
        ("source", [source.name for source in settings.sources]),
        ("rule", [rule.name for rule in settings.rules]),
        ("caller", [caller.name for caller in settings.callers]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two {what}s are named {twice[0]!r}")
    for rule in settings.rules:
        if not rule.destinations:
            raise ValueError(f"rule {rule.name!r} names no destination: nothing would be sent")
        for name in rule.destinations:
            if name not in known:
                raise ValueError(
                    f"rule {rule.name!r} names the destination {name!r}; "
                    f"known are {', '.join(map(repr, known)) or 'none'}"
                )


def profiles_are_known(settings: NodeSettings) -> None:
    """Each says on which line its rule stands."""
    problems = []
    for number, rule in enumerate(settings.rules):
        if rule.profile is not None and rule.profile not in settings.profiles:
            known = ", ".join(map(repr, settings.profiles)) or "none"
            field, found = "profile", rule.profile
            problem = f"no profile {found!r}; known are {known}"
        elif strange := sorted({*(rule.results or ())} - {*get_args(RungName)}):
            field, found = "results", strange[0]
            problem = f"no result {found!r}; known are {', '.join(get_args(RungName))}"
        else:
            continue
        problems.append(
            InitErrorDetails(
                type=PydanticCustomError("profile", "{problem}", {"problem": problem}),
                loc=("rules", number, field),
                input=found,
            )
        )
    for name, results in settings.profiles.items():
        if not results:
            problems.append(
                InitErrorDetails(
                    type=PydanticCustomError("profile", "a profile names no result"),
                    loc=("profiles", name),
                    input=results,
                )
            )
    if problems:
        raise ValidationError.from_exception_data(type(settings).__name__, problems)


def networks_can_run(settings: NodeSettings) -> None:
    """A network that cannot be used stops the start, and not the first study."""
    options = settings.networks.options
    problems = []
    for number, rule in enumerate(settings.rules):
        problem = network_problem(rule.method, options)
        if problem is not None:
            problems.append(
                InitErrorDetails(
                    type=PydanticCustomError("network", "{problem}", {"problem": problem}),
                    loc=("rules", number, "method"),
                    input=rule.method,
                )
            )
    if problems:
        # So that each says on which line its rule stands.
        raise ValidationError.from_exception_data(type(settings).__name__, problems)


def moved_images_are_let_in(settings: NodeSettings) -> None:
    """C-MOVE makes the source call the node, as any sender does."""
    let_in = settings.listen.calling_ae_titles
    for source in settings.sources:
        if let_in and source.kind == "c-move" and source.ae_title not in let_in:
            raise ValueError(
                f"source {source.name!r} sends by C-MOVE as {source.ae_title!r}, "
                "which [listen] calling_ae_titles does not let in"
            )


def reports_are_let_in(settings: NodeSettings) -> None:
    """A peer may report a commitment on an association that it opens to the node."""
    let_in = settings.listen.calling_ae_titles
    for destination in settings.destinations:
        if (
            let_in
            and isinstance(destination, DicomDestination)
            and destination.commit
            and destination.ae_title not in let_in
        ):
            raise ValueError(
                f"destination {destination.name!r} reports storage commitment as "
                f"{destination.ae_title!r}, which [listen] calling_ae_titles does not let in"
            )


def something_is_sent(settings: NodeSettings) -> None:
    """A destination without results would wait for ever."""
    for destination in settings.destinations:
        if not destination.results:
            raise ValueError(f"destination {destination.name!r} gets no results")


AGREEMENTS = (
    peers_can_be_known,
    callers_can_come_in,
    names_meet,
    profiles_are_known,
    networks_can_run,
    moved_images_are_let_in,
    reports_are_let_in,
    something_is_sent,
)
