"""What the JSON answers are, as OpenAPI 3.1 describes them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from dicomnode.version import VERSION
from dicomnode.web.operator.acting import Acted, Asked

_SCHEMAS = "#/components/schemas/{model}"


@dataclass(frozen=True)
class Described:
    """One address that answers JSON.

    Attributes
    ----------
    path : str
    summary : str
    role : str
        Who may ask.
    shown : type
        The dataclass that the answer is made of.
    sorts : collection of str
        Of a list.
    filters : mapping of str to collection of str or None
        Of a list, as `read_listing` takes them.
    """

    path: str
    summary: str
    role: str
    shown: type
    sorts: Collection[str] = ()
    filters: Mapping[str, Collection[str] | None] | None = None


def described(paths: Sequence[Described]) -> dict[str, Any]:
    """Write the description.

    Parameters
    ----------
    paths : sequence of Described
    """
    schemas: dict[str, Any] = {
        "Refused": {"type": "object", "properties": {"detail": {"type": "string"}}}
    }
    operations: dict[str, Any] = {one.path: {"get": _get(one, schemas)} for one in paths}
    operations["/api/jobs"] = {
        "post": {
            "summary": "Take up, cancel or discard jobs. Needs the role operator.",
            "requestBody": {"required": True, "content": _content(Asked, schemas, "validation")},
            "responses": _responses(Acted, schemas),
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Soft-mask node",
            "version": VERSION,
            "description": "Research software, not for diagnosis. Times are seconds since 1970.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": operations,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-dicomnode"},
            },
        },
    }


def _get(one: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": part.strip("{}"), "in": "path", "required": True, "schema": {"type": "string"}}
        for part in one.path.split("/")
        if part.startswith("{")
    ]
    if one.filters is not None:
        orders = [order + name for name in one.sorts for order in ("", "-")]
        parameters += [
            _parameter("page", {"type": "integer", "minimum": 1}),
            _parameter("size", {"type": "integer", "minimum": 1, "maximum": 500}),
            _parameter("sort", {"type": "string", "enum": orders}),
        ]
        for name, values in one.filters.items():
            schema: dict[str, Any] = {"type": "string"}
            if values is not None:
                schema["enum"] = [str(value) for value in values]
            parameters.append(_parameter(name, schema))
    return {
        "summary": f"{one.summary} Needs the role {one.role}.",
        "parameters": parameters,
        "responses": _responses(one.shown, schemas),
    }


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema}


def _responses(shown: type, schemas: dict[str, Any]) -> dict[str, Any]:
    refused = {"application/json": {"schema": {"$ref": _SCHEMAS.format(model="Refused")}}}
    words = {"400": "what was asked makes no sense", "401": "nobody signed in",
             "403": "the role does not allow it", "404": "not there"}  # fmt: skip
    return {
        "200": {"description": "as asked", "content": _content(shown, schemas, "serialization")},
        **{code: {"description": said, "content": refused} for code, said in words.items()},
    }


def _content(shown: type, schemas: dict[str, Any], mode: Any) -> dict[str, Any]:
    schema = TypeAdapter(shown).json_schema(ref_template=_SCHEMAS, mode=mode)
    schemas.update(schema.pop("$defs", {}))
    schemas[shown.__name__] = schema
    return {"application/json": {"schema": {"$ref": _SCHEMAS.format(model=shown.__name__)}}}
