"""A store with rows and files, as a node leaves it."""

from __future__ import annotations

from pathlib import Path

from dicomnode.store.database import Database
from dicomnode.store.files import FileStore, write_durably
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.received import InstanceHeader, ReceivedInstance
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion, Result

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.3"


class KeptStore:
    """A store in a folder; `receive` adds what a sender is told of success for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = f"sqlite:///{root / 'node.sqlite'}"
        self.files = FileStore(root, 0)
        self.database = Database(self.url)
        self.database.upgrade()
        self.index = InstanceIndex(self.database, [CT])

    def receive(self, uid: str, data: bytes = b"data set", study: str = STUDY) -> Path:
        with self.files.begin(b"\0" * 128 + b"DICM") as part:
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

    def make(self, uid: str, study: str = STUDY) -> Path:
        """A lesion with its soft mask and its result."""
        mask = write_durably(self.root / "soft_masks" / f"{uid}.npz", lambda f: f.write(b"mask"))
        seg = write_durably(self.root / "results" / study / f"{uid}.dcm", lambda f: f.write(b"seg"))
        with self.database.write() as session:
            lesion = Lesion(
                mark_key=uid,
                mark={},
                source_sop_instance_uid=uid,
                study_instance_uid=study,
                state=LesionState.PUBLISHED,
                soft_mask_path=str(mask),
            )
            session.add(
                Result(
                    lesion=lesion,
                    kind="fractional-seg",
                    sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
                    sop_instance_uid=uid,
                    path=str(seg),
                    size=3,
                )
            )
        return seg

    def close(self) -> None:
        self.database.close()
