"""The report: one set of numbers as Markdown and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipelines.evaluation.cost import Machine
from pipelines.evaluation.records import code_digest
from pipelines.evaluation.settings import EvaluationSettings
from pipelines.evaluation.table import Table, as_markdown
from pipelines.parameters import DEFAULT_METHOD
from pipelines.soft_mask import READERS_LEVEL

NOTICE = "Research software, not for diagnosis."
MARKDOWN, FIGURES, NUMBERS = "evaluation.md", "evaluation", "evaluation.json"
"""Files and folder of figures in the folder of results."""

_TEMPLATE = "evaluation.md.j2"


@dataclass(frozen=True)
class Made:
    """How a report was made.

    Attributes
    ----------
    command, version : str
        Of this package.
    machine : Machine
    weights : mapping
        Digest of each network's weights.
    unusable : mapping
        Why a network takes no part.
    nodules, patients, phantoms : int
        Cases of the configuration.
    """

    command: str
    version: str
    machine: Machine
    weights: Mapping[str, str]
    unusable: Mapping[str, str]
    nodules: int
    patients: int
    phantoms: int


@dataclass(frozen=True)
class Report:
    """All that is told.

    Attributes
    ----------
    settings : EvaluationSettings
    made : Made
    tables : tuple of Table
    weak_points : tuple of str
        Sentences.
    figures : tuple of (str, str)
        File beside the report and what it shows.
    """

    settings: EvaluationSettings
    made: Made
    tables: tuple[Table, ...]
    weak_points: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]

    def starting(self, key: str) -> list[Table]:
        """Tables whose key starts so."""
        return [table for table in self.tables if table.key.startswith(key)]


def as_numbers(report: Report) -> str:
    """The report as JSON: every number of the Markdown, not rounded."""
    told = {
        "notice": NOTICE,
        "made": {**asdict(report.made), "code": code_digest()},
        "settings": report.settings.model_dump(mode="json"),
        "tables": {table.key: table.as_dict() for table in report.tables},
        "weak_points": list(report.weak_points),
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def as_text(report: Report) -> str:
    """The report as Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    environment.filters["markdown"] = as_markdown
    return environment.get_template(_TEMPLATE).render(
        report=report,
        settings=report.settings,
        made=report.made,
        code=code_digest(),
        default=DEFAULT_METHOD,
        level=READERS_LEVEL,
        notice=NOTICE,
    )


def write(path: Path, text: str) -> None:
    """Write a text: whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_report(report: Report) -> Path:
    """Write both forms to the folder of results, and give the Markdown's path."""
    folder = report.settings.folder
    write(folder / NUMBERS, as_numbers(report))
    write(folder / MARKDOWN, as_text(report))
    return folder / MARKDOWN
