"""The library `dicomweb-client` against a running node: what it stores it finds and reads."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless
from sqlalchemy import select

from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.ports import free_port, wait_for_port
from dicomnode.store.tables import Instance
from dicomnode.web.access.tokens import TokenFile, tokens_path
from tests.dicomnode.studies import study
from tests.dicomnode.test_node import until

pytestmark = pytest.mark.interop

OCTETS = (("application/octet-stream", "*"),)


@pytest.fixture(scope="module")
def made():
    return study("dicomweb-client")


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    port = free_port()
    # The client leaves the port out of Host, so the node is told how it is reached.
    url = f"http://127.0.0.1:{port}/dicom-web"
    web = {"port": port, "dicomweb": True, "dicomweb_url": url}
    folder = tmp_path_factory.mktemp("dicomweb-client")
    with NodeProcess(folder, "NOBODY", 9, web=web, rule={"dry_run": True}) as node:
        wait_for_port(web["port"])
        yield node


@pytest.fixture(scope="module")
def address(node):
    return f"http://127.0.0.1:{node.settings.web.port}/dicom-web"


@pytest.fixture(scope="module")
def client(node, address, made):
    """A client whose token lets it store, and which has stored a study."""
    token = operator_token(node)
    client = DICOMwebClient(address, headers={"Authorization": f"Bearer {token}"})
    # The client writes what it is given as it is: only what was a file becomes one.
    files = [pydicom.dcmread(io.BytesIO(encoded(dataset))) for dataset in (*made.ct, made.report)]
    answer = client.store_instances(files)
    assert len(answer.ReferencedSOPSequence) == len(made.ct) + 1
    assert "FailedSOPSequence" not in answer
    return client


def operator_token(node: NodeProcess) -> str:
    settings = node.settings
    return TokenFile(tokens_path(settings.web, settings.store.path)).add("archive", "operator")


def test_what_is_stored_has_its_sender_and_is_found_at_each_level(node, client, made):
    with node.rows() as session:
        assert set(session.scalars(select(Instance.calling_ae))) == {"archive"}
    ct = made.ct[0]
    (found,) = client.search_for_studies(search_filters={"PatientName": "SYNTH*"})
    assert found["0020000D"]["Value"] == [ct.StudyInstanceUID]
    found = client.search_for_series(ct.StudyInstanceUID, search_filters={"Modality": "CT"})
    assert [one["0020000E"]["Value"] for one in found] == [[ct.SeriesInstanceUID]]
    pages = client.search_for_instances(
        ct.StudyInstanceUID, ct.SeriesInstanceUID, limit=5, get_remaining=True
    )
    assert len(pages) == len(made.ct)


def test_what_is_retrieved_is_what_was_stored(client, made):
    uids = (made.ct[0].StudyInstanceUID, made.ct[0].SeriesInstanceUID)
    instances = client.retrieve_series(*uids)
    assert {i.SOPInstanceUID for i in instances} == {i.SOPInstanceUID for i in made.ct}
    one = client.retrieve_instance(*uids, made.ct[3].SOPInstanceUID)
    assert one.PixelData == made.ct[3].PixelData
    assert len(client.retrieve_study(uids[0])) == len(made.ct) + 1
    said = [
        pydicom.Dataset.from_json(m, lambda *_: b"") for m in client.retrieve_series_metadata(*uids)
    ]
    assert sorted(int(m.InstanceNumber) for m in said) == list(range(1, len(made.ct) + 1))
    metadata = client.retrieve_instance_metadata(*uids, made.ct[3].SOPInstanceUID)
    (pixels,) = client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])
    assert pixels == made.ct[3].PixelData
    (frame,) = client.retrieve_instance_frames(
        *uids, made.ct[3].SOPInstanceUID, [1], media_types=OCTETS
    )
    assert frame == made.ct[3].PixelData


def test_pictures_are_drawn(client, made):
    uids = (made.ct[0].StudyInstanceUID, made.ct[0].SeriesInstanceUID, made.ct[0].SOPInstanceUID)
    for media in ("image/jpeg", "image/png"):
        assert client.retrieve_instance_rendered(*uids, media_types=(media,))
        assert client.retrieve_instance_frames_rendered(*uids, [1], media_types=(media,))


def test_a_compressed_image_is_decoded_for_who_cannot(client, made):
    ct = pydicom.dcmread(io.BytesIO(encoded(made.ct[0])))
    ct.SOPInstanceUID = ct.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    values = ct.pixel_array.copy()
    ct.compress(JPEGLSLossless, generate_instance_uid=False)
    client.store_instances([ct])
    uids = (ct.StudyInstanceUID, ct.SeriesInstanceUID, ct.SOPInstanceUID)
    plain = client.retrieve_instance(
        *uids, media_types=(("application/dicom", str(ExplicitVRLittleEndian)),)
    )
    assert plain.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert (plain.pixel_array == values).all()
    stored = client.retrieve_instance(*uids, media_types=(("application/dicom", "*"),))
    assert stored.file_meta.TransferSyntaxUID == JPEGLSLossless
    (frame,) = client.retrieve_instance_frames(
        *uids, [1], media_types=(("application/octet-stream", str(ExplicitVRLittleEndian)),)
    )
    assert (np.frombuffer(frame, values.dtype).reshape(values.shape) == values).all()


def encoded(dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_what_the_node_makes_is_found_and_read(node, client, made):
    """A mark that was stored by STOW-RS is segmented, and its soft mask is found by QIDO-RS."""
    uid = made.ct[0].StudyInstanceUID
    until(lambda: client.search_for_series(uid, search_filters={"Modality": "SEG"}), "a SEG")
    (series,) = client.search_for_series(uid, search_filters={"Modality": "SEG"})
    (seg,) = client.retrieve_series(uid, series["0020000E"]["Value"][0])
    assert seg.SegmentationType == "FRACTIONAL"
    frames = client.retrieve_instance_frames(
        uid, seg.SeriesInstanceUID, seg.SOPInstanceUID, [1, 2], media_types=OCTETS
    )
    assert len(frames) == 2


def test_who_has_no_role_gets_nothing_and_no_patient_is_in_the_log(node, address, client, made):
    answer = requests.post(
        f"{address}/studies", data=b"x", headers={"Content-Type": "multipart/related"}, timeout=30
    )
    assert answer.status_code in (401, 403)
    wrong = {"Authorization": "Bearer wrong"}
    assert requests.get(f"{address}/studies", headers=wrong, timeout=30).status_code == 401
    client.search_for_studies(search_filters={"PatientName": "SYNTHETIC*"})
    assert "synthetic" not in node.log.lower()
    assert "web.looked user=archive action=query" in node.log
