"""``dicomnode rules``: which rules a node goes by, and which of them fires for a study."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from sqlalchemy.orm import Session

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.commands.opened import opened
from dicomnode.logs import start_logging
from dicomnode.routing import Rule
from dicomnode.routing.verdicts import Judged, Verdict
from dicomnode.rule_reload import RulesStatus, dumped
from dicomnode.settings import NodeSettings, SettingsError, StoreSettings, load_settings
from dicomnode.store.uid import is_valid_uid

_STORE = re.compile(r"^\[store\][^\n]*\n(?:(?!\[)[^\n]*\n)*", re.MULTILINE)

rules_app = typer.Typer(help="The rules that a node goes by, and which fires for a study.")
app.add_typer(rules_app, name="rules")


@rules_app.callback(invoke_without_command=True)
def rules(
    context: typer.Context,
    config: Configuration = DEFAULT_CONFIGURATION,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Show the rules in force, and whether the file's are the same. Exit code 1: they are not, or
    the last reload was not taken.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        settings, wrong = load_settings(config), None
    except SettingsError as error:
        settings, wrong = None, str(error)
    root = _store_of(config) if settings is None else settings.store.path
    try:
        status = RulesStatus.read(root)
    except OSError as error:
        raise complain(
            f"{root}: the node's status cannot be read ({error.strerror}); "
            "run this as the user that the node runs as"
        ) from None
    differ = settings is not None and status is not None and not _same(status.rules, settings)
    if as_json:
        said = {
            "in_force": None if status is None else asdict(status),
            "file": {"path": str(config), "problem": wrong, "differs": differ},
        }
        typer.echo(json.dumps(said, indent=1))
    else:
        for line in _told(status, settings, config, wrong, differ):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if wrong is not None or differ or (status is not None and status.problem is not None):
        raise typer.Exit(1)


@rules_app.command("test")
def check_study(
    path_or_study: Annotated[
        str, typer.Argument(help="A folder, a DICOM file, or a study instance UID in the store.")
    ],
    calling_ae: Annotated[str | None, typer.Option(help="Assume that it sends the marks.")] = None,
    called_ae: Annotated[str | None, typer.Option(help="Assume that it is called.")] = None,
    priority: Annotated[
        Literal["low", "medium", "high"] | None, typer.Option(help="Assume it of the C-STORE.")
    ] = None,
    time: Annotated[str | None, typer.Option(help="Assume that marks come then, HH:MM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    config: Configuration = DEFAULT_CONFIGURATION,
) -> None:
    """Say which rule of the file fires for a study's marks, and clause by clause why the others do
    not. Nothing is changed, segmented or sent. Exit code 1: some mark falls under no rule.
    """
    # These import the collector; `dicomnode rules` should not wait for that.
    from dicomnode.rule_trial import Assumed, files_as_store, trials_of

    settings = configured(config)
    assumed = Assumed(calling_ae, called_ae, priority, _today_at(time))
    path = Path(path_or_study)
    start_logging("ERROR")

    def tell(session: Session, study: str | None) -> None:
        trials = trials_of(session, settings.routes, study, assumed, from_files=study is None)
        if not trials:
            raise complain(f"{path_or_study}: no CT, and no object that may hold marks, is there")
        if as_json:
            typer.echo(json.dumps([_as_json(trial) for trial in trials], indent=1))
        else:
            for trial in trials:
                for line in _lines(trial):
                    console.print(line, highlight=False, markup=False, soft_wrap=True)
        if any(trial.firing is None for trial in trials):
            raise typer.Exit(1)

    if path.exists():
        with files_as_store(path) as (session, skipped):
            if not as_json:
                for skipped_path, why in skipped:
                    console.print(f"{skipped_path}: skipped, because {why}", markup=False)
            tell(session, None)
    elif is_valid_uid(path_or_study):
        with opened(settings) as session:
            tell(session, path_or_study)
    else:
        raise complain(f"{path_or_study}: no such file or folder, and no UID")


def _told(
    status: RulesStatus | None,
    settings: NodeSettings | None,
    config: Path,
    wrong: str | None,
    differ: bool,
) -> Iterator[str]:
    if status is None:
        yield "no node has said which rules it goes by"
    else:
        moment = datetime.fromtimestamp(status.loaded_at).astimezone()
        yield f"{len(status.rules)} rule(s) in force since {moment:%Y-%m-%d %H:%M:%S %Z}:"
        for number, rule in enumerate(status.rules, start=1):
            yield f"  {number}. {_summary(Rule.model_validate(rule))}"
        if status.problem is not None:
            tried = datetime.fromtimestamp(status.tried_at or 0).astimezone()
            yield f"the reload of {tried:%Y-%m-%d %H:%M:%S %Z} was not taken, these rules stay:"
            yield from (f"  {line}" for line in status.problem.splitlines())
        if status.restart_for:
            yield f"changed in the file, and waiting for a restart: {', '.join(status.restart_for)}"
    if wrong is not None:
        yield f"{config} is wrong now; a reload would not be taken, and a start would fail:"
        yield from (f"  {line}" for line in wrong.splitlines())
    elif differ:
        yield f"the rules of {config} are others; a reload takes them (systemctl reload dicomnode)"
    elif status is None and settings is not None:
        yield f"{config} holds {len(settings.rules)} rule(s), and nothing is wrong with it:"
        for number, rule in enumerate(settings.routes, start=1):
            yield f"  {number}. {_summary(rule)}"


def _same(in_force: Sequence[dict[str, Any]], settings: NodeSettings) -> bool:
    return list(in_force) == list(dumped(settings.routes))


def _summary(rule: Rule) -> str:
    said = f"{rule.name!r}: {rule.method}, to {', '.join(rule.destinations)}"
    if rule.results is not None:
        said += f", results {', '.join(rule.results)}"
    return said + (", dry run: nothing is sent" if rule.dry_run else "")


def _lines(trial: Any) -> Iterator[str]:
    about = "CT alone" if trial.mark_object is None else f"object {trial.mark_object}"
    if trial.lesions:
        about += f", lesion(s) {', '.join(map(str, trial.lesions))}"
    about += "" if trial.ct_series is None else f", CT series {trial.ct_series}"
    yield about
    firing = trial.firing
    for name in trial.given:
        yield f"  was given the rule {name!r} when it met its CT, and keeps it"
    yield (
        "  no rule fires: the mark is refused" if firing is None else f"  fires: {_summary(firing)}"
    )
    for rule, judged in trial.judged:
        yield f"  {_verdict(rule, judged, firing)}"
        if not judged.parts:
            yield "    it has no conditions"
        for part in judged.parts:
            yield from _clause(part, "    ")


def _verdict(rule: Rule, judged: Judged, firing: Rule | None) -> str:
    if judged.verdict is Verdict.FAILS:
        return f"{rule.name!r} does not fire"
    if rule is not firing:
        return f"{rule.name!r} would fire, but {firing.name!r} comes before it"
    if judged.verdict is Verdict.UNKNOWN:
        return f"{rule.name!r} fires unless what is not known speaks against it"
    return f"{rule.name!r} fires"


def _clause(judged: Judged, indent: str) -> Iterator[str]:
    found = f": {judged.found}" if judged.found else ""
    yield f"{indent}{judged.verdict.value:<9} {judged.clause}{found}"
    for part in judged.parts:
        yield from _clause(part, indent + "  ")


def _as_json(trial: Any) -> dict[str, Any]:
    return {
        "mark_object": trial.mark_object,
        "ct_series": trial.ct_series,
        "lesions": list(trial.lesions),
        "given": list(trial.given),
        "fires": None if trial.firing is None else trial.firing.name,
        "rules": [
            {"name": rule.name, "dry_run": rule.dry_run, **_judged_as_json(judged)}
            for rule, judged in trial.judged
        ],
    }


def _judged_as_json(judged: Judged) -> dict[str, Any]:
    said: dict[str, Any] = {"clause": judged.clause, "verdict": judged.verdict.value}
    if judged.found:
        said["found"] = judged.found
    if judged.parts:
        said["parts"] = [_judged_as_json(part) for part in judged.parts]
    return said


def _today_at(clock: str | None) -> float | None:
    if clock is None:
        return None
    try:
        at = datetime.strptime(clock, "%H:%M").time()
    except ValueError:
        raise complain(f"--time {clock!r}: expected HH:MM") from None
    return datetime.combine(datetime.now().date(), at).timestamp()


def _store_of(config: Path) -> Path:
    """Where the store of a configuration is that may be wrong in other places."""
    if stated := os.environ.get("DICOMNODE_STORE__PATH"):
        return Path(stated)
    try:
        # The section alone: what is wrong may keep the file from being TOML at all.
        section = _STORE.search(config.read_text(encoding="utf-8"))
        return Path(tomllib.loads(section[0])["store"]["path"])
    except (OSError, ValueError, KeyError, TypeError):  # the usual place, then
        return StoreSettings().path
