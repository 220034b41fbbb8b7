"""What an evaluation's configuration may say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models import REGISTRY
from pipelines.dataset.lidc import READERS, SPLITS
from pipelines.networks.options import NetworkOptions
from pipelines.parameters import known_methods
from pipelines.toml_settings import read_toml_settings

Count = Annotated[int, Field(gt=0)]


class EvaluationSettingsError(ValueError):
    """An evaluation's configuration that cannot be used."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PhantomSettings(_Strict):
    """Phantoms, whose occupancy is known exactly: `count` of each kind and slice thickness."""

    seed: Annotated[int, Field(ge=0)]
    """Of the first phantom; from 1000 on they are kept for figures that are published."""
    count: Count = 3
    thicknesses_mm: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (
        1.25,
        2.5,
        5.0,
    )
    limit: Count | None = None
    """At most so many phantoms of a thickness, the first by the order of their hashes."""


class LidcSettings(_Strict):
    """Nodules that four readers outlined. Paths are relative to where the command runs."""

    data: Path
    """Folder of `index.csv` and `lidc_slices_4readers.tar.xz`."""
    cache: Path
    """Folder of nodules that are read once; may be deleted at any time."""
    split: Literal[SPLITS] = "validation"
    repeats: Annotated[int, Field(ge=1, le=READERS)] = READERS
    """Marks of a nodule, each by another reader."""
    limit: Count | None = None
    """At most so many nodules, the first by the order of their hashes."""
    continued_limit: Annotated[int, Field(ge=0)] | None = None
    """The same for the runs on nodules whose slices go on beyond their ends; 0 for none."""
    samples_limit: Annotated[int, Field(ge=0)] | None = None
    """The same for the masks that probabilistic networks draw."""
    pictures: Annotated[int, Field(ge=0)] = 6
    """Nodules on the contact sheet, which is not made for the split `report`."""


class CostSettings(_Strict):
    """What a method costs, on phantoms."""

    lesions: Count = 9
    seed: Annotated[int, Field(ge=0)] = 100


class NetworkSettings(_Strict):
    """Where a site's own weights lie, and on what networks run.

    What is asked of each network, where that is less than of other methods, `limit` and `repeats`
    say for all that `method` does not name.
    """

    weights: Path | None = None
    device: str = "cpu"
    limit: Count | None = None
    repeats: Annotated[int, Field(ge=1, le=READERS)] | None = None

    @model_validator(mode="after")
    def _can_be(self) -> NetworkSettings:
        _ = self.options
        return self

    @property
    def options(self) -> NetworkOptions:
        """For `pipelines.lesion.soft_mask_from_recist`."""
        return NetworkOptions(weights=self.weights, device=self.device)


class MethodSettings(_Strict):
    """What is asked of one method, where that is less than of the others."""

    limit: Count | None = None
    repeats: Annotated[int, Field(ge=1, le=READERS)] | None = None


class EvaluationSettings(_Strict):
    """One evaluation."""

    folder: Path
    """Of the results, and of the scores that they are made from."""
    processes: Count = 1
    methods: Literal["all"] | tuple[str, ...] = "all"
    """Names in `pipelines.matting.METHODS` or `models.REGISTRY`."""
    phantoms: PhantomSettings | None = None
    lidc: LidcSettings | None = None
    cost: CostSettings | None = None
    networks: NetworkSettings = NetworkSettings()
    method: dict[str, MethodSettings] = {}

    @field_validator("methods")
    @classmethod
    def _are_known(cls, names: Literal["all"] | tuple[str, ...]) -> Literal["all"] | tuple:
        unknown = [] if names == "all" else [n for n in names if n not in known_methods()]
        if unknown:
            raise ValueError(f"found {', '.join(unknown)}, known are: {', '.join(known_methods())}")
        return names

    @field_validator("method")
    @classmethod
    def _names_are_known(cls, found: dict[str, MethodSettings]) -> dict[str, MethodSettings]:
        cls._are_known(tuple(found))
        return found

    def of(self, method: str) -> MethodSettings:
        """What is asked of one method."""
        if method in self.method:
            return self.method[method]
        if method in REGISTRY:
            return MethodSettings(limit=self.networks.limit, repeats=self.networks.repeats)
        return MethodSettings()


def load_evaluation_settings(path: Path) -> EvaluationSettings:
    """Read a TOML file.

    Raises
    ------
    EvaluationSettingsError
        If it is no TOML, or says what cannot be.
    """
    return read_toml_settings(path, EvaluationSettings, EvaluationSettingsError)
