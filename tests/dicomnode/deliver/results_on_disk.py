"""Objects on disk with rows that say they are to be delivered, as publishing leaves them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless
from sqlalchemy import select

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks import RecistMark
from dicomnode.marks.serialised import to_json
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result

PATIENCE_S = 240.0


def segs(count: int, folder: Path) -> list[Path]:
    """Write small fractional SEGs of one series in JPEG-LS."""
    folder.mkdir(parents=True, exist_ok=True)
    volume = hd.Volume(
        np.zeros((3, 32, 24), np.int16),
        np.diag([2.0, 0.8, 0.8, 1.0])[[2, 1, 0, 3]],
        coordinate_system="PATIENT",
        frame_of_reference_uid="1.2.826.0.1.3680043.10.8",
    )
    ct = ct_series(volume, CtSeriesDescription(seed="results on disk"))
    random = np.random.default_rng(0)
    codes = pydicom.sr.codedict.codes.SCT
    segment = hd.seg.SegmentDescription(
        1,
        "Lesion",
        codes.MorphologicallyAbnormalStructure,
        codes.Lesion,
        hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    paths = []
    for number in range(count):
        seg = hd.seg.Segmentation(
            source_images=ct,
            pixel_array=random.random((3, 32, 24)).astype(np.float32),
            segmentation_type="FRACTIONAL",
            segment_descriptions=[segment],
            series_instance_uid="1.2.826.0.1.3680043.10.9",
            series_number=1,
            sop_instance_uid=f"1.2.826.0.1.3680043.10.9.{number + 1}",
            instance_number=number + 1,
            manufacturer="test",
            manufacturer_model_name="test",
            software_versions="1",
            device_serial_number="1",
            max_fractional_value=255,
            transfer_syntax_uid=JPEGLSLossless,
        )
        paths.append(folder / f"{seg.SOPInstanceUID}.dcm")
        seg.save_as(paths[-1], enforce_file_format=True)
    return paths


_MARK = RecistMark(np.array([[1.0, 1.0], [5.0, 1.0]]), None, "1.2", "1", "1.3")


def queue(database: Database, paths: Iterable[Path], destination: str) -> list[int]:
    """Give each object a lesion, a result and a delivery; the ids of the deliveries."""
    database.upgrade()
    made = []
    for path in paths:
        header: Dataset = pydicom.dcmread(path, stop_before_pixels=True)
        uid = str(header.SOPInstanceUID)
        with database.write() as session:
            result = session.scalar(select(Result).where(Result.sop_instance_uid == uid))
            if result is None:
                lesion = Lesion(
                    mark_key=uid,
                    mark=to_json(_MARK),
                    source_sop_instance_uid="1.2",
                    state=LesionState.PUBLISHED,
                )
                result = Result(
                    lesion=lesion,
                    kind="fractional-seg",
                    sop_class_uid=str(header.SOPClassUID),
                    sop_instance_uid=uid,
                    path=str(path),
                    size=path.stat().st_size,
                )
                session.add(result)
            delivery = Delivery(result=result, destination=destination, state=DeliveryState.QUEUED)
            session.add(delivery)
            session.flush()
            made.append(delivery.id)
    return made


def deliveries(database: Database) -> list[Delivery]:
    """All deliveries, oldest first."""
    with database.read() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def until(condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {patience_s:g} s"
        time.sleep(0.05)


def states(rows: Sequence[Delivery]) -> list[DeliveryState]:
    """State of each."""
    return [row.state for row in rows]
