"""A destination's profile as a table of the configuration, to be copied as it is."""

from __future__ import annotations

import json
from typing import Any

from dicomnode.settings import Destination
from dicomnode.testcard.answers import Answers
from dicomnode.testcard.profile import Profile, profile

_CHOSEN = {"results", "omit_empty_frames", "references", "options"}
_SECRET = "headers"


def fragment(answers: Answers, destination: Destination) -> str:
    """Say the whole table of a destination, with the profile that its answers give it.

    Parameters
    ----------
    answers : Answers
    destination : Destination
        As it is configured now. What the card does not ask stays as it is; headers, which may hold
        a secret, are not printed.

    Returns
    -------
    str
        TOML that `load_settings` takes, each rung with its reason as a comment.

    Raises
    ------
    NothingArrived
        If no rung would be sent.
    """
    chosen = profile(answers)
    known = destination.model_dump(mode="json", exclude_unset=True, exclude=_CHOSEN)
    headers = _note_on_headers(known)
    known.pop(_SECRET, None)
    tables = {name: value for name, value in known.items() if isinstance(value, dict)}
    viewer = " ".join(answers.viewer.split()) or "its viewer"
    lines = [
        f"# What {viewer} showed of the test card. Research, not for diagnosis.",
        "[[destinations]]",
        *(f"{name} = {_toml(value)}" for name, value in known.items() if name not in tables),
        *headers,
        f"results = {_toml(list(chosen.results))}",
        *(
            f"# {choice.rung}: {'sent' if choice.sent else 'not sent'}: {choice.reason}"
            for choice in chosen.choices
        ),
        f"omit_empty_frames = {_toml(chosen.omit_empty_frames)}",
        f"references = {_toml('all' if chosen.all_references else 'ct')}",
    ]
    for name, table in tables.items():
        lines += ["", f"[destinations.{name}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in table.items() if key != _SECRET]
        lines += _note_on_headers(table)
    for rung, options in _options(chosen, destination).items():
        lines += ["", f"[destinations.options.{rung}]"]
        lines += [f"{name} = {_toml(value)}" for name, value in options.items()]
    return "\n".join(lines) + "\n"


def _options(chosen: Profile, destination: Destination) -> dict[str, dict[str, Any]]:
    """What rungs are told already, and what the card says of maps alone."""
    said = destination.model_dump(mode="json", include={"options"})["options"]
    options = {
        rung: {name: value for name, value in told.items() if name not in _CHOSEN}
        for rung, told in said.items()
    }
    if chosen.map_omits_empty_frames != chosen.omit_empty_frames:
        alone = {"omit_empty_frames": chosen.map_omits_empty_frames}
        options["parametric-map"] = options.get("parametric-map", {}) | alone
    return {rung: told for rung, told in options.items() if told}


def _note_on_headers(table: dict[str, Any]) -> list[str]:
    return [f"# {_SECRET}: as before; not printed, for they may hold a secret"] * (_SECRET in table)


def _toml(value: Any) -> str:
    """A value of JSON in TOML; texts, numbers and lists are written alike."""
    if isinstance(value, dict):
        items = (f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {', '.join(items)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    # TOML has no bare DEL, which JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
