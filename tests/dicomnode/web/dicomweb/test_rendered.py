"""Pictures: as a display would show them, of the size and window that is asked for."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.dicomnode.web.dicomweb.objects import fractional_seg, odd_binary_seg, ramp
from tests.dicomnode.web.dicomweb.served import parts_of
from tests.dicomnode.web.dicomweb.test_retrieve import at


def picture(served, path: str) -> np.ndarray:
    answer = served.ask(path, "image/png")
    assert answer.status_code == 200, answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)), np.int16)


def test_a_window_maps_hounsfield_units_to_greys_by_the_formula_of_the_standard(served, made):
    ct = made.ct[3]
    hu = ct.pixel_array * float(ct.RescaleSlope) + float(ct.RescaleIntercept)
    seen = picture(served, f"{at(ct)}/rendered?window=-600,1500")
    # PS3.3 C.11.2.1.2.1
    expected = np.clip(((hu - (-600 - 0.5)) / (1500 - 1) + 0.5) * 255, 0, 255)
    assert np.abs(seen - expected).max() <= 1
    exact = picture(served, f"{at(ct)}/rendered?window=-600,1500,linear-exact")
    assert np.abs(exact - np.clip(((hu + 600) / 1500 + 0.5) * 255, 0, 255)).max() <= 1
    sigmoid = picture(served, f"{at(ct)}/frames/1/rendered?window=-600,1500,sigmoid")
    assert np.abs(sigmoid - 255 / (1 + np.exp(-4 * (hu + 600) / 1500))).max() <= 1


def test_a_viewport_scales_without_distortion_and_cuts_out(served, made):
    ct = made.ct[0]
    assert picture(served, f"{at(ct)}/rendered?viewport=128,256").shape == (128, 128)
    whole = picture(served, f"{at(ct)}/rendered")
    part = picture(served, f"{at(ct)}/rendered?viewport=16,16,8,4,16,16")
    assert (part == whole[4:20, 8:24]).all()
    mirrored = picture(served, f"{at(ct)}/rendered?viewport=16,16,8,4,-16,16")
    assert (mirrored == part[:, ::-1]).all()


def test_a_soft_mask_goes_from_black_to_white(served, made):
    seg = fractional_seg(made)
    served.make(seg)
    seen = picture(served, f"{at(seg)}/frames/2/rendered")
    assert np.abs(seen - ramp(made)[1] * 255).max() <= 1.5
    bits, frames = odd_binary_seg(made)
    served.make(bits)
    assert (picture(served, f"{at(bits)}/frames/3/rendered") == frames[2] * 255).all()


@pytest.mark.parametrize("accept", ["image/jpeg", "image/png", "*/*", None, "image/*"])
def test_a_thumbnail_stands_for_each_level(served, made, accept):
    ct = made.ct[0]
    series = f"/studies/{ct.StudyInstanceUID}/series/{ct.SeriesInstanceUID}"
    levels = (f"/studies/{ct.StudyInstanceUID}", series, at(ct), f"{at(ct)}/frames/1")
    for path in levels:
        answer = served.ask(f"{path}/thumbnail", accept)
        assert answer.status_code == 200
        kind = "image/png" if accept == "image/png" else "image/jpeg"
        assert answer.headers["Content-Type"] == kind
        assert max(Image.open(io.BytesIO(answer.content)).size) == 256


def test_all_images_of_a_study_are_drawn_and_its_report_is_not(served, made):
    study = f"/studies/{made.ct[0].StudyInstanceUID}"
    answer = served.ask(f"{study}/rendered", 'multipart/related; type="image/png"')
    parts = parts_of(answer)
    assert [kind for kind, _ in parts] == ["image/png"] * 6
    report = f"{study}/series/{made.report.SeriesInstanceUID}"
    assert served.ask(f"{report}/rendered", "multipart/related").status_code == 404


def test_what_is_no_picture_is_not_sent_as_one(served, made):
    assert served.ask(f"{at(made.ct[0])}/rendered", "image/gif").status_code == 406
    assert served.ask(f"{at(made.ct[0])}/rendered", "text/html").status_code == 406
