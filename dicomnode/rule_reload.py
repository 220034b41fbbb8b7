"""Other rules for a node that runs: they are taken as a whole, or not at all."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dicomnode.routing import Rule, RulesInForce
from dicomnode.routing.networks import network_problem
from dicomnode.settings import NodeSettings, SettingsError, load_settings
from dicomnode.store.files import StorageError, write_durably
from dicomnode.toml_lines import line_of

logger = logging.getLogger(__name__)

_ROUTING = ("rules", "profiles")
"""What a reload changes; all else needs a restart."""


@dataclass(frozen=True)
class RulesStatus:
    """What a running node goes by; kept beside its store for `dicomnode rules`.

    Attributes
    ----------
    configuration : str
        The file that the rules were read from.
    loaded_at : float
        Seconds since 1970.
    rules : tuple of dict
        As JSON has them.
    problem : str or None
        Why the last reload was not taken, with file, line and reason.
    tried_at : float or None
        When that was.
    restart_for : tuple of str
        Sections of the file that have changed and need a restart.
    """

    configuration: str
    loaded_at: float
    rules: tuple[dict[str, Any], ...]
    problem: str | None = None
    tried_at: float | None = None
    restart_for: tuple[str, ...] = ()

    @classmethod
    def read(cls, root: Path) -> RulesStatus | None:
        """What the node that owns a store has said last; None where it has said nothing.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        try:
            said = json.loads(_file(root).read_text(encoding="utf-8"))
            return cls(**said | {key: tuple(said[key]) for key in ("rules", "restart_for")})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):  # of another version
            return None


class RuleReload:
    """Reads the configuration again and changes the rules in force, or says why it does not.

    Parameters
    ----------
    settings : NodeSettings
        Of the running node; all but its rules and profiles stays as it is.
    rules : RulesInForce
    """

    def __init__(self, settings: NodeSettings, rules: RulesInForce) -> None:
        self._settings = settings
        self._rules = rules
        self._status = RulesStatus("", time.time(), dumped(settings.routes))

    def started(self, configuration: Path | None) -> None:
        """Say which rules the node has started with."""
        self._status = RulesStatus(
            "" if configuration is None else str(configuration), time.time(), self._status.rules
        )
        self._say()
        logger.info("rules.loaded rules=%d", len(self._rules))

    def reload(self, configuration: Path) -> bool:
        """Take the rules of a file, if all of it is right and they suit the running node.

        Returns
        -------
        bool
            False where the rules that were in force stay.
        """
        try:
            found = load_settings(configuration)
            self._check(found, configuration)
        except SettingsError as error:
            self._keep(str(error))
            return False
        except Exception as error:  # whatever it is, the node goes on
            self._keep(f"{configuration}: cannot be taken ({type(error).__name__})")
            return False
        restart = self._changed_elsewhere(found)
        self._rules.replace(found.routes)
        self._status = RulesStatus(
            str(configuration), time.time(), dumped(found.routes), restart_for=restart
        )
        self._say()
        logger.info("rules.reloaded rules=%d", len(self._rules))
        if restart:
            logger.warning("rules.restart_needed sections=%s", ",".join(restart))
        return True

    def _keep(self, problem: str) -> None:
        before = self._status
        self._status = RulesStatus(
            before.configuration,
            before.loaded_at,
            before.rules,
            problem,
            time.time(),
            before.restart_for,
        )
        self._say()
        logger.error(
            "rules.kept rules=%d reason=%s", len(self._rules), "; ".join(problem.split("\n"))
        )

    def _check(self, found: NodeSettings, configuration: Path) -> None:
        """Destinations and networks are those of the running node, until it starts again."""
        known = [destination.name for destination in self._settings.destinations]
        text = configuration.read_text(encoding="utf-8")
        problems = []
        for number, rule in enumerate(found.rules):
            missing = [name for name in rule.destinations if name not in known]
            if missing:
                line = line_of(("rules", number, "destinations"), text) or 1
                problems.append(
                    f"{configuration}:{line}: rule {rule.name!r} names the destination "
                    f"{missing[0]!r}, which the running node does not have: restart it"
                )
            problem = network_problem(rule.method, self._settings.networks.options)
            if problem is not None:
                line = line_of(("rules", number, "method"), text) or 1
                problems.append(f"{configuration}:{line}: rule {rule.name!r}: {problem}")
        if problems:
            raise SettingsError("\n".join(problems))

    def _changed_elsewhere(self, found: NodeSettings) -> tuple[str, ...]:
        return tuple(
            name
            for name in type(found).model_fields
            if name not in _ROUTING and getattr(found, name) != getattr(self._settings, name)
        )

    def _say(self) -> None:
        """For `dicomnode rules`. A full disk keeps no node from its work."""
        text = json.dumps(asdict(self._status), indent=1).encode()
        try:
            write_durably(_file(self._settings.store.path), lambda file: file.write(text))
        except (StorageError, OSError) as error:
            logger.error("rules.unsaid %s", error)


def dumped(rules: tuple[Rule, ...]) -> tuple[dict[str, Any], ...]:
    """Rules as JSON has them, without what they leave out."""
    # By Python's JSON, which has infinity; pydantic's writes null for it.
    plain = [rule.model_dump(by_alias=True, exclude_defaults=True) for rule in rules]
    return tuple(json.loads(json.dumps(plain)))


def _file(root: Path) -> Path:
    return root / "status" / "rules.json"
