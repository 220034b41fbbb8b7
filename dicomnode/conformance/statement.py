"""The whole statement: its tables, and the text between them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydicom.charset import python_encoding

from dicomnode.conformance import (
    ai_results,
    attribute_use,
    audit_messages,
    codes,
    contexts,
    limits,
    objects,
    states,
    statuses,
    web_services,
)
from dicomnode.conformance.specimens import specimens
from dicomnode.conformance.table import Table
from dicomnode.results.report_codes import SCHEME
from dicomnode.settings import NodeSettings


def tables(settings: NodeSettings | None = None) -> dict[str, Table]:
    """All tables of the statement, by name.

    Parameters
    ----------
    settings : NodeSettings, optional
        Of one site; without them the tables have the defaults.
    """
    return {table.name: table for table in _tables(settings)}


def statement(settings: NodeSettings | None = None) -> str:
    """Write the statement as Markdown.

    Parameters
    ----------
    settings : NodeSettings, optional
        Of one site; without them it is of the defaults.
    """
    found = tables(settings)
    text = (
        _environment()
        .get_template("statement.md.j2")
        .render(
            table=lambda name: found[name].markdown(),
            kinds=list(specimens().made),
            site=settings is not None,
            listen=(settings or defaults()).listen,
            tls=(settings or defaults()).tls,
            scheme=SCHEME,
            character_sets=_character_sets(),
            not_followed=ai_results.NOT_FOLLOWED,
        )
    )
    return text.rstrip() + "\n"


@cache
def defaults() -> NodeSettings:
    """The settings of a node that is told nothing, not even by its environment."""
    return NodeSettings.model_construct()


def _tables(settings: NodeSettings | None) -> Iterator[Table]:
    known = settings or defaults()
    doing = contexts.activities() if settings is None else contexts.site_activities(settings)
    yield contexts.network_services(doing)
    yield contexts.accepted_contexts()
    yield contexts.proposed_contexts(doing)
    yield contexts.transfer_syntaxes()
    yield objects.created()
    yield objects.received()
    yield limits.identification()
    yield limits.associations(known)
    yield limits.parameters(settings)
    yield limits.peer_parameters()
    yield limits.peers(known)
    yield states.states()
    yield statuses.rejections()
    yield statuses.answered_to_c_store()
    yield statuses.answered_to_commitment()
    yield statuses.failure_reasons()
    yield statuses.made_of_c_store()
    yield statuses.made_of_retrieval()
    yield statuses.made_of_others()
    yield statuses.made_of_http()
    yield web_services.resources()
    yield web_services.search_keys()
    yield web_services.frame_types()
    yield attribute_use.module_table()
    yield attribute_use.common_table()
    for kind in specimens().made:
        yield attribute_use.own_table(kind)
    yield attribute_use.extensions()
    yield attribute_use.private_attributes()
    yield codes.templates()
    yield codes.public_codes()
    yield codes.private_codes()
    yield audit_messages.audit_messages()
    yield ai_results.claims()


def _character_sets() -> str:
    return ", ".join(term for term in sorted(python_encoding) if term)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("dicomnode.conformance", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # Markdown; the cells of tables escape what would end them
    )
