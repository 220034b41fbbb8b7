"""Who looks at the first lesion after a start does not wait for libraries that only compute."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.peers.lesion_store import lesion_store

LOOK = """
import sys
import dicomnode.node
from dicomnode.store.database import Database
from dicomnode.web.lesion.drawn import DrawnLesion
from dicomnode.web.lesion.records import lesion_record

database = Database(sys.argv[1])
with database.read() as session:
    record = lesion_record(session, int(sys.argv[2]))
body = DrawnLesion.read(record).bundle()
print(len(body), *({"numba", "scipy.ndimage", "torch"} & {*sys.modules}))
"""


def test_a_lesion_is_read_without_numba_and_scipy(tmp_path):
    store = lesion_store(tmp_path)
    url = f"sqlite:///{tmp_path / 'node.sqlite'}"
    done = subprocess.run(
        [sys.executable, "-c", LOOK, url, str(store.lesion_id)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    store.database.close()
    assert done.returncode == 0, done.stderr
    size, *loaded = done.stdout.split()
    assert int(size) > 10_000
    assert loaded == []
