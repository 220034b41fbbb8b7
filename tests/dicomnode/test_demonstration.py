"""The demonstration shows what it says: every kind of nodule comes back, sound and of its size."""

from __future__ import annotations

import pytest

from dicomnode.deliver.ladder_choice import AUTOMATIC
from dicomnode.demo.demonstration import demonstrate
from dicomnode.results.ladder import LADDER
from pipelines.phantom import chest

JUXTA_PLEURAL = "juxta-pleural"


@pytest.mark.timeout(300)
def test_every_nodule_comes_back_sound_and_of_about_its_volume():
    said: list[str] = []
    shown = demonstrate(1, said.append)
    verified = shown.nodules
    assert {one.kind for one in verified} == {n.kind.value for n in chest(1).nodules}
    assert len(verified) == len({one.kind for one in verified})
    assert JUXTA_PLEURAL in {one.kind for one in verified}
    assert {one.kind: one.problems for one in verified if one.problems} == {}
    for one in verified:
        allowed = 0.25 if one.kind == JUXTA_PLEURAL else 0.15
        assert one.volume_ml == pytest.approx(one.true_volume_ml, rel=allowed), one.kind
        assert one.panel.alpha.max() > 0.5
    assert any("CT slices" in line for line in said)
    of_lesions = [n for n in AUTOMATIC if LADDER[n].of == "lesion" and n != "fractional-seg"]
    of_series = [n for n in AUTOMATIC if LADDER[n].of == "series"]
    expected = dict.fromkeys(of_lesions, len(verified)) | dict.fromkeys(of_series, 1)
    assert shown.companions == expected
