"""The main job on real CT: storescu sends, Orthanc ends up with fractional SEGs that fit."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.end_to_end import run
from benchmarks.lidc_end_to_end import cases
from benchmarks.real_ct import ibsi, lungdx
from tests.interop.peers import need
from tests.real_data import real

pytestmark = [
    pytest.mark.interop,
    pytest.mark.real_data,
    # highdicom quotes odd names of the data sets when the reports are written.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(autouse=True)
def peers():
    need("Orthanc")
    need("storescu")


def test_a_mass_on_the_chest_wall_and_a_central_tumour(tmp_path):
    data = real("ibsi_ct").parent
    real("lungdx_A0002_B40f")
    mass, tumour = run([ibsi(data), lungdx(data)], tmp_path)
    assert mass.dice >= 0.72
    assert 0.8 * 359 <= mass.volume_ml <= 1.2 * 359
    assert tumour.in_box >= 0.9
    assert tumour.volume_ml > 20


def test_twenty_lidc_nodules_at_once(tmp_path):
    scores = run(cases(real("lidc_slices"), 20, context=False), tmp_path)
    assert len(scores) == 20
    assert np.mean([score.dice for score in scores]) >= 0.75
