"""``dicomnode networks``: which networks are there, and what keeps them from running?"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from dicomnode.commands.app import app, configured, console
from dicomnode.routing.networks import network_problem
from models import REGISTRY, NoWeightsError
from models.contract import InputContract
from models.loading import contract_of, meaning_of, weights_about, weights_digest, weights_of
from pipelines.networks.options import DeviceError, NetworkOptions, place_of


@dataclass(frozen=True)
class _Listed:
    """What is said of one network; None is what cannot be known here."""

    name: str
    method: bool
    parameters: int | None
    kind: str
    size: tuple[int, ...]
    spacing_mm: float | None
    window: str
    meaning: str
    weights: str
    digest: str | None
    device: str | None
    precision: str | None
    problem: str | None


@app.command()
def networks(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="A site's TOML file; the defaults without one."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="In place of the configuration's folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List every network: its input, what alpha means, its weights, and its problem if it has one.

    Research software, not for diagnosis.
    """
    options = NetworkOptions() if config is None else configured(config).networks.options
    if weights is not None:
        options = NetworkOptions(
            weights.absolute(), options.device, options.precision, options.batch
        )
    listed = [_listed(name, options) for name in REGISTRY]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in listed], indent=2))
        return
    table = Table(
        "network",
        Column("parameters", justify="right"),
        "input",
        "alpha is",
        "weights",
        "runs on",
        Column("problem", overflow="fold"),
    )
    for one in listed:
        size = " x ".join(map(str, one.size))
        spacing = "" if one.spacing_mm is None else f" of {one.spacing_mm:g} mm"
        table.add_row(
            one.name,
            "" if one.parameters is None else f"{one.parameters:,}",
            f"{one.kind}, {size}{spacing}",
            one.meaning.lower() if one.method else "none: no method",
            one.weights if one.digest is None else f"{one.weights}, {one.digest}",
            "" if one.device is None else f"{one.device}, {one.precision}",
            one.problem or "",
        )
    console.print(table)


def _listed(name: str, options: NetworkOptions) -> _Listed:
    network = REGISTRY[name]
    path = weights_of(name, options.weights)
    kind = "none"
    if path is not None:
        kind = "shipped" if path == network.weights else "site"
    problem = network_problem(name, options)
    about, digest = {}, None
    contract, meaning = network.contract, network.meaning
    if path is not None:
        try:
            about = weights_about(name, options.weights)
            contract, meaning = contract_of(name, about), meaning_of(name, about)
            digest = weights_digest(name, options.weights)
        except NoWeightsError:  # `problem` says so
            about = {}
    place = None
    if find_spec("torch") is not None:
        try:
            place = place_of(options)
        except DeviceError as error:
            problem = problem or str(error)
    return _Listed(
        name=name,
        method=network.segments,
        parameters=_parameters(name, about),
        kind=contract.kind,
        size=contract.size,
        spacing_mm=contract.spacing_mm,
        window=contract.window,
        meaning=meaning,
        weights=kind,
        digest=digest,
        device=None if place is None else place.device,
        precision=None if place is None else _precision(contract, place.precision),
        problem=problem,
    )


def _precision(contract: InputContract, precision: str) -> str:
    """Networks that a mark prompts always compute in single precision."""
    return "fp32" if contract.kind == "prompted-planes" else precision


def _parameters(name: str, about: dict[str, str]) -> int | None:
    """How many values it learns; None where packages or what makes its form are missing."""
    if any(find_spec(package) is None for package in REGISTRY[name].packages):
        return None
    import torch

    from models.counting import parameter_count

    try:
        with torch.device("meta"):  # no memory, no random numbers
            return parameter_count(REGISTRY[name].make(about))
    except (KeyError, ValueError):
        return None
