"""A store with rows and files, as a node leaves it."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dicomnode.marks import RecistMark
from dicomnode.marks.serialised import to_json
from dicomnode.receive.part10 import file_head
from dicomnode.store.database import Database
from dicomnode.store.files import FileStore, write_durably
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.received import InstanceHeader, ReceivedInstance
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.3"


class KeptStore:
    """A store in a folder; `receive` adds what a sender is told of success for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = f"sqlite:///{root / 'node.sqlite'}"
        self.files = FileStore(root, 0)
        (root / "node.sqlite").write_bytes(_empty_tables())
        self.database = Database(self.url)
        self.index = InstanceIndex(self.database, [CT])

    def receive(self, uid: str, data: bytes = b"data set", study: str = STUDY) -> Path:
        head = file_head(CT, uid, "1.2.840.10008.1.2.1", "CALLER", "NODE")
        with self.files.begin(head) as part:
            part.write(data)
            stored = part.keep(study, f"{study}.4", uid)
        header = InstanceHeader(
            sop_class_uid=CT,
            sop_instance_uid=uid,
            study_instance_uid=study,
            series_instance_uid=f"{study}.4",
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            modality="CT",
        )
        self.index.add(ReceivedInstance(stored.path, stored.size, header, "CALLER", "NODE"))
        return stored.path

    def make(
        self,
        uid: str,
        study: str = STUDY,
        deliveries: Sequence[DeliveryState] = (),
        **lesion_says: object,
    ) -> Path:
        """A lesion, drawn in the object of that UID, with its soft mask and its result."""
        mask = write_durably(self.root / "soft_masks" / f"{uid}.npz", lambda f: f.write(b"mask"))
        seg = write_durably(
            self.root / "results" / study / f"{uid}.seg.dcm", lambda f: f.write(b"seg")
        )
        with self.database.write() as session:
            says = {
                "mark_key": uid,
                "mark": to_json(RecistMark(np.array([[1.0, 1], [5, 1]]), None, uid, "1", uid)),
                "source_sop_instance_uid": uid,
                "study_instance_uid": study,
                "state": LesionState.PUBLISHED,
                "slices": [uid],
                "soft_mask_path": str(mask),
            }
            result = Result(
                lesion=Lesion(**(says | lesion_says)),
                kind="fractional-seg",
                sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
                sop_instance_uid=f"{uid}.1",
                path=str(seg),
                size=3,
            )
            for number, state in enumerate(deliveries):
                result.deliveries.append(Delivery(destination=f"pacs {number}", state=state))
            session.add(result)
        return seg

    def close(self) -> None:
        self.database.close()


@functools.cache
def _empty_tables() -> bytes:
    """A database that was migrated, once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/node.sqlite")
        database.upgrade()
        database.close()
        return Path(folder, "node.sqlite").read_bytes()
