"""The collector gets every message, also one that was away, over TLS and without it."""

from __future__ import annotations

import re
import socket
import time

import pytest
from lxml import etree

from dicomnode.audit.document import write
from dicomnode.audit.files import SENT, Mark
from dicomnode.audit.journal import Entry, Journal
from dicomnode.audit.sender import AuditSender, unsent
from dicomnode.settings import AuditSettings, CollectorSettings, NodeSettings, RetrySettings
from dicomnode.timing import CallScheduler
from tests.dicomnode.audit.collector import StandInCollector
from tests.dicomnode.audit.said import EVERY_KIND, SOURCE

SOON = RetrySettings(first_wait_s=0.1, factor=1.0)
HEAD = re.compile(
    rb"<85>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (\S+) dicomnode \d+ DICOM\+RFC3881 "
    rb'\[meta sequenceId="(\d+)"\]\[origin software="dicomnode" swVersion="[^"]+"\] \xef\xbb\xbf'
)


class Sending:
    """A journal, and what sends it."""

    def __init__(self, folder):
        self.folder = folder
        self.journal = Journal(folder, 4000, lambda words: Entry(1.0, f"<mended>{words}</mended>"))
        self.scheduler = CallScheduler()
        self.scheduler.start()
        self.senders = []

    def write(self, count=1):
        for number in range(count):
            message = list(EVERY_KIND.values())[number % len(EVERY_KIND)]
            self.journal.append([Entry(time.time(), write(message, time.time(), SOURCE))])
        for sender in self.senders:
            sender.notify()

    def begin(self, collector, **changes):
        settings = CollectorSettings(
            **{"host": "127.0.0.1", "port": collector, "timeout_s": 5} | changes
        )
        sender = AuditSender(self.folder, settings, SOON, self.scheduler)
        sender.start()
        self.senders.append(sender)
        return sender

    def stop(self):
        while self.senders:
            self.senders.pop().stop()


@pytest.fixture
def sending(tmp_path):
    found = Sending(tmp_path / "audit")
    yield found
    found.stop()
    found.scheduler.shutdown()


def numbers(collector) -> list[int]:
    return [int(HEAD.match(message)[2]) for message in collector.messages]


def test_every_message_arrives_by_tls_in_order_as_syslog(
    sending, hospital, collectors_certificate, until
):
    with StandInCollector(collectors_certificate) as collector:
        sending.write(17)
        sending.begin(collector.port, tls={"ca_file": hospital.file})
        until(lambda: len(collector.messages) == 17, "what lay there")
        sending.write(3)
        until(lambda: len(collector.messages) == 20, "what was written then")
        assert numbers(collector) == list(range(1, 21))
        for message in collector.messages:
            head = HEAD.match(message)
            assert head[1].decode() == socket.gethostname()
            assert etree.fromstring(message[head.end() :]).tag == "AuditMessage"
        until(lambda: unsent(sending.folder) == (0, None), "the mark")


def test_a_mark_that_a_crash_left_half_written_goes(
    sending, hospital, collectors_certificate, until
):
    left = sending.folder / f".{SENT}.0123456789abcdef.part"
    with StandInCollector(collectors_certificate) as collector:
        sending.write(2)
        left.write_bytes(b"{")
        sending.begin(collector.port, tls={"ca_file": hospital.file})
        until(lambda: len(collector.messages) == 2, "what lay there")
    assert not left.exists()


def test_a_collector_that_was_away_gets_what_it_missed(
    sending, hospital, collectors_certificate, until, caplog
):
    caplog.set_level("INFO", "dicomnode")
    with StandInCollector(collectors_certificate) as collector:
        sending.begin(collector.port, tls={"ca_file": hospital.file})
        sending.write(5)
        until(lambda: unsent(sending.folder)[0] == 0, "the first ones")
        port = collector.port
    sending.write(5)
    until(lambda: "audit.unsent" in caplog.text, "a word on it")
    number, oldest = unsent(sending.folder)
    assert number == 5
    assert time.time() - oldest < 60
    with StandInCollector(collectors_certificate, port=port) as again:
        until(lambda: len(again.messages) >= 5, "the rest")
        assert sorted({*numbers(again)}) == [6, 7, 8, 9, 10]
        until(lambda: unsent(sending.folder)[0] == 0, "the mark")
    until(lambda: "audit.sending" in caplog.text, "a word that it goes on")


def test_what_a_collector_had_not_read_when_it_ended_is_sent_again(
    sending, hospital, collectors_certificate, until
):
    with StandInCollector(collectors_certificate) as collector:
        sending.begin(collector.port, tls={"ca_file": hospital.file})
        sending.write(2)
        until(lambda: unsent(sending.folder)[0] == 0, "the first ones")
        collector.deaf.set()
        sending.write(4)
        port = collector.port
    with StandInCollector(collectors_certificate, port=port) as again:
        until(lambda: unsent(sending.folder)[0] == 0, "the rest")
        got = {*numbers(collector), *numbers(again)}
        # By TCP it may have been acknowledged for long; then it counts as taken.
        assert {1, 2} <= got


def test_a_restart_goes_on_where_it_was_left(sending, until):
    with StandInCollector() as collector:
        sending.write(6)
        sending.begin(collector.port, transport="tcp")
        until(lambda: unsent(sending.folder)[0] == 0, "the first ones")
        sending.stop()
        sending.write(2)
        sending.begin(collector.port, transport="tcp")
        until(lambda: len(collector.messages) == 8, "the rest")
        assert numbers(collector) == list(range(1, 9))
        sending.stop()
        (sending.folder / SENT).write_text("{torn")  # rather twice than not at all
        sending.begin(collector.port, transport="tcp")
        until(lambda: len(collector.messages) == 16, "all again")


def test_mutual_tls_and_who_is_not_trusted(
    sending, hospital, stranger, collectors_certificate, until, caplog
):
    certificate, key = hospital.sign("node", usage="clientAuth")
    sending.write(1)
    own = {"certificate_file": certificate, "key_file": key, "ca_file": hospital.file}
    with StandInCollector(collectors_certificate, clients=hospital.file) as collector:
        for tls, said in (
            ({"ca_file": stranger.file}, "certificate"),
            ({"ca_file": hospital.file, "server_name": "elsewhere"}, "mismatch"),
        ):
            caplog.clear()
            sending.begin(collector.port, tls=tls)
            until(lambda said=said: said in caplog.text.lower(), said)
            sending.stop()
        assert collector.messages == []
        assert Mark.read(sending.folder / SENT) is None
        sending.begin(collector.port, tls=own)
        until(lambda: len(collector.messages) == 1, "with a certificate")


def test_by_udp_a_message_is_a_datagram(sending, until):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        sending.begin(receiver.getsockname()[1], transport="udp")
        sending.write(3)
        got = [HEAD.match(receiver.recv(65536))[2] for _ in range(3)]
    assert got == [b"1", b"2", b"3"]


def test_a_changed_record_holds_up_no_other(sending, until):
    sending.write(3)
    path = next(sending.folder.glob("*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"AuditMessage", b"auditmessage", 1)
    path.write_bytes(b"".join(lines))
    with StandInCollector() as collector:
        sending.begin(collector.port, transport="tcp")
        until(lambda: len(collector.messages) == 2, "the other two")
        assert numbers(collector) == [1, 3]


def test_a_collector_by_tls_needs_to_be_known(tmp_path):
    ca = tmp_path / "ca.pem"
    with pytest.raises(ValueError, match="whose certificate is trusted"):
        CollectorSettings(host="audit.example.org")
    with pytest.raises(ValueError, match="has none"):
        CollectorSettings(host="a", transport="tcp", tls={"ca_file": ca})
    shared = NodeSettings(
        tls={"ca_file": ca}, audit={"collector": {"host": "audit.example.org", "tls": {}}}
    )
    assert shared.audit.collector.tls.ca_file == ca
    assert shared.audit.collector.port == 6514
    assert AuditSettings().enabled
    assert not AuditSettings().patient_ids
