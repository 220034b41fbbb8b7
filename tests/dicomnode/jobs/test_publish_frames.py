"""All kinds of objects of a lesion on an enhanced CT are published, but what cannot say it."""

from __future__ import annotations

import pydicom
import pytest

from dicomnode.frames import FrameFile
from dicomnode.jobs.publish import LesionFiles, PublishRequest, publish
from dicomnode.jobs.summarise import SummaryRequest, SummaryVariant, summarise
from dicomnode.jobs.variants import Ladders, Variant
from dicomnode.marks import read_marks
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.results.ladder import LADDER
from dicomnode.settings import FolderDestination, PublishSettings
from pipelines.lesion import soft_mask_from_recist
from tests.dicomnode.enhanced_ct import FrameOf, enhanced_ct, frames_of, naming_frames
from tests.dicomnode.results.rungs import references
from tests.dicomnode.studies import save, study


@pytest.fixture
def variants(database, tmp_path):
    """Everything that a destination with the whole ladder gets, of a lesion or of a series."""
    (tmp_path / "pacs").mkdir()
    pacs = FolderDestination(
        name="pacs", kind="folder", path=tmp_path / "pacs", results=list(LADDER)
    )

    def of(what: str) -> tuple[Variant, ...]:
        with database.read() as session:
            return Ladders([pacs], PublishSettings()).variants(session, ["pacs"], what)

    return of


def published(frames: list[FrameOf], made, folder, variants) -> dict[str, set[int]]:
    """Kinds of objects that come out, with the numbers of the frames that they name."""
    ct = enhanced_ct(frames)
    report = naming_frames(made.report, [ct], frames)
    image, source = save([ct, report], folder)
    mask = soft_mask_from_recist(made.volume, made.axes[0])
    with open(folder / "mask.npz", "wb") as file:
        mask.save(file)
    files = LesionFiles(
        slices=tuple(FrameFile(image.path, n) for n in range(1, len(frames) + 1)),
        soft_mask=folder / "mask.npz",
        mark=LesionMark.of(read_marks(report).marks[0]),
        sources=(source.path,),
        lesion_number=1,
    )
    of_lesion = publish(PublishRequest(files, variants("lesion"), folder))
    twins = (tuple(one.path for one in of_lesion),)
    series = tuple(SummaryVariant(one, twins, (), (0,)) for one in variants("series"))
    of_series = summarise(SummaryRequest((files,), series, folder))
    found: dict[str, set[int]] = {}
    for one in (*of_lesion, *of_series):
        for item in references(pydicom.dcmread(one.path)):
            if item.ReferencedSOPInstanceUID == ct.SOPInstanceUID:
                numbers = item.get("ReferencedFrameNumber", [])
                numbers = [numbers] if isinstance(numbers, int) else numbers
                found.setdefault(one.kind, set()).update(map(int, numbers))
        found.setdefault(one.kind, set())
    return found


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_rung_is_made_and_names_frames(tmp_path, variants):
    made = study("published frames")
    found = published(frames_of(made.ct), made, tmp_path, variants)
    assert found.keys() == LADDER.keys()
    assert found.pop("key-object") == set()  # points to results
    for kind, numbers in found.items():
        assert 13 in numbers, kind  # where the lesion is drawn
        assert numbers <= set(range(1, 25))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_frames_of_several_rescales_have_no_presentation_state(tmp_path, variants):
    made = study("published rescales")
    frames = [
        FrameOf(image, position=i, intercept=-1000.0 - i) for i, image in enumerate(made.ct, 1)
    ]
    assert published(frames, made, tmp_path, variants).keys() == LADDER.keys() - {"iso-contours"}
