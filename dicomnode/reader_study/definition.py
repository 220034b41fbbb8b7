"""What a reader study's file may say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dicomnode.reader_study.letters import MOST_CANDIDATES
from pipelines.dataset.lidc import SPLITS
from pipelines.parameters import DEFAULT_METHOD, known_methods
from pipelines.reader_study.reading import Origin
from pipelines.toml_settings import read_toml_settings

DEFAULT_QUESTION = "Which one represents the lesion most accurately?"
"""As the clinicians of Wang et al., 3D Matting (2022), section 3.3, were asked."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,39}")
_READER = re.compile(r"[^\s\x00-\x1f]([^\x00-\x1f]{0,126}[^\s\x00-\x1f])?")

Count = Annotated[int, Field(gt=0)]
Display = Literal["outline", "alpha"]


class StudyDefinitionError(ValueError):
    """A reader study's file that cannot be used."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Candidate(_Strict):
    """One mask of every case, and where it comes from."""

    name: str
    """In results and exports; readers never see it."""
    origin: Origin
    made_by: Annotated[
        Literal["reader", "consensus", "method", "node", "file"], Field(alias="from")
    ]
    """A reader's mask; what readers share; a method run now on the readers' masks, or on the mark
    where there are none; the soft mask that the node has; or a file of each case."""
    reader: Annotated[int, Field(ge=1)] | None = None
    """Which one, from 1; of "reader"."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the readers who must have marked a voxel; of "consensus"."""
    method: str = DEFAULT_METHOD
    """Of "method"."""
    file: str | None = None
    """Of "file": a NIfTI image on the CT's grid; {case} stands for the case's name."""
    threshold: Annotated[float, Field(gt=0, le=1)] | None = None
    """A mask of the voxels with so much alpha, in place of alpha itself."""

    @model_validator(mode="after")
    def _is_whole(self) -> Candidate:
        if not _LABEL.fullmatch(self.name):
            raise ValueError(f"found the name {self.name!r}, expected up to 40 letters and digits")
        if (self.made_by == "reader") != (self.reader is not None):
            raise ValueError(f"{self.name}: `reader` goes with from = 'reader', and only with it")
        if (self.made_by == "file") != (self.file is not None):
            raise ValueError(f"{self.name}: `file` goes with from = 'file', and only with it")
        if self.method not in known_methods():
            raise ValueError(
                f"{self.name}: found the method {self.method!r}, known are: "
                f"{', '.join(known_methods())}"
            )
        return self


class CaseSource(_Strict):
    """One lesion: of the node, by its number, or of files."""

    lesion: Count | None = None
    """Of the node's store."""
    ct: Path | None = None
    """NIfTI image in HU, or any other that SimpleITK reads."""
    masks: tuple[Path, ...] = ()
    """Readers' masks on the CT's grid."""
    name: str = ""
    """Of a case of files; the CT's file name unless given."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> CaseSource:
        if (self.lesion is None) == (self.ct is None):
            raise ValueError("a case has either `lesion` or `ct`")
        if self.lesion is not None and (self.masks or self.name):
            raise ValueError("a lesion of the node has its own masks and name")
        return self


class LidcCases(_Strict):
    """Nodules that four readers outlined: see `pipelines.dataset.lidc`."""

    data: Path
    cache: Path
    """Folder of nodules that are read once; may be deleted at any time."""
    split: Literal[SPLITS] = "validation"
    limit: Count | None = None
    """At most so many, the first by the order of their hashes."""


class PhantomCases(_Strict):
    """Phantom nodules with simulated readers, to try a study."""

    count: Annotated[int, Field(gt=0, le=200)]
    seed: Annotated[int, Field(ge=0)] = 1
    readers: Annotated[int, Field(gt=0, le=MOST_CANDIDATES)] = 4


class StudyDefinition(_Strict):
    """One reader study. Paths are relative to the file."""

    name: str
    """In commands and file names."""
    title: Annotated[str, Field(min_length=1, max_length=200)]
    """Readers see it: it must not say what is compared."""
    question: Annotated[str, Field(min_length=1, max_length=500)] = DEFAULT_QUESTION
    display: Display
    """How all candidates are shown. "outline": the voxels of at least `level` alpha, so that a soft
    mask looks like any other; "alpha": as they are, so that readers judge softness, too."""
    level: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of outlines."""
    asks_origin: bool = False
    """Whether readers also say of each candidate whether a person drew it."""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    """Of the order of cases and candidates."""
    repeats: Annotated[int, Field(ge=0)] = 0
    """So many cases come twice to each reader."""
    readers: tuple[str, ...] = ()
    """Who may take part, as they sign in; every viewer where none is named."""
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=2, max_length=MOST_CANDIDATES)]
    cases: tuple[CaseSource, ...] = ()
    lidc: LidcCases | None = None
    phantoms: PhantomCases | None = None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, found: str) -> str:
        if not _NAME.fullmatch(found):
            raise ValueError(
                f"found {found!r}, expected up to 48 of a to z, 0 to 9 and -, not first"
            )
        return found

    @field_validator("title", "question")
    @classmethod
    def _is_one_line(cls, found: str) -> str:
        if not found.isprintable() or not found.strip():
            raise ValueError("expected one line of text")
        return found

    @field_validator("readers")
    @classmethod
    def _are_names(cls, found: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [name for name in found if not _READER.fullmatch(name)]
        if wrong or len(set(found)) != len(found):
            raise ValueError("found an empty reader, a line break, or one who is named twice")
        return found

    @model_validator(mode="after")
    def _has_cases(self) -> StudyDefinition:
        if not (self.cases or self.lidc or self.phantoms):
            raise ValueError("expected [[cases]], [lidc] or [phantoms]")
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError("found two candidates of one name")
        return self

    def about_candidates(self) -> list[dict[str, Any]]:
        """As the study's row keeps them."""
        return [
            one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in self.candidates
        ]


def load_definition(path: Path) -> StudyDefinition:
    """Read a study's TOML file.

    Raises
    ------
    StudyDefinitionError
        If it is no TOML, or says what cannot be.
    """
    return read_toml_settings(path, StudyDefinition, StudyDefinitionError)
