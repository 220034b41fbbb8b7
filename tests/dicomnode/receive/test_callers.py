"""Who may call the node, by AE title, address and certificate, and how much each may take."""

from __future__ import annotations

import contextlib
import threading
from ipaddress import ip_network

import pytest
from pydantic import ValidationError
from pydicom.uid import generate_uid

from dicomnode.metrics.counted import COUNTED
from dicomnode.parts.receiver_settings import callers_of
from dicomnode.receive.callers import CallerRule, Callers, Pace, TurnedAway
from dicomnode.receive.scp import StorageSCP
from dicomnode.settings import NodeSettings
from dicomnode.tls.shown import ShownCertificate
from tests.dicomnode.receive.loopback import CT, ct, encode, send, store_request

OWN = ShownCertificate(("ct1.example.org", "CT one"), "ab" * 32)
NOT_RECOGNISED, TOO_MANY = (1, 1, 3), (2, 3, 2)


def callers(*tables: dict, known_only: bool = False) -> Callers:
    """As the node makes them of its configuration."""
    settings = NodeSettings(
        listen={"known_callers_only": known_only},
        tls={"port": 2762, "certificate_file": "own", "ca_file": "ca"},
        callers=[{"name": f"number {number}"} | table for number, table in enumerate(tables)],
    )
    return callers_of(settings)


def why(rules: Callers, calling="CT1", address="10.1.2.3", certificate=OWN, tls=True) -> str:
    """Who is let in is named, who is not is told why."""
    try:
        return rules.admit(calling, address, certificate, tls).name
    except TurnedAway as away:
        return f"{away.why}: {away.caller}"


CT1 = {
    "ae_titles": ["CT1", "CT-?"], "addresses": ["10.1.2.0/24"], "tls": True,
    "certificates": ["CT1.example.org"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "number 0"),
        ({"calling": "CT-4"}, "number 0"),
        ({"address": "10.1.3.1"}, "address: number 0"),
        ({"address": "::ffff:10.1.2.9"}, "number 0"),
        ({"address": "fe80::1%eth0"}, "address: number 0"),
        ({"address": "nonsense"}, "address: number 0"),
        ({"tls": False, "certificate": None}, "no-tls: number 0"),
        ({"certificate": None}, "certificate: number 0"),
        ({"certificate": ShownCertificate(("ct2.example.org",), "ab" * 32)},
         "certificate: number 0"),
        ({"calling": "MR1", "address": "192.0.2.1", "certificate": None, "tls": False}, "none"),
    ],
)  # fmt: skip
def test_a_title_that_is_somebodys_needs_all_that_is_said_of_it(changes, expected):
    assert why(callers(CT1), **changes) == expected


def test_where_only_known_callers_are_let_in_nobody_else_is():
    rules = callers(CT1, known_only=True)
    assert why(rules) == "number 0"
    assert why(rules, calling="MR1") == "not-known: none"
    assert why(callers(known_only=True)) == "not-known: none"


def test_one_title_can_have_two_places_and_the_first_that_fits_counts():
    other = {"ae_titles": ["CT1"], "addresses": ["192.0.2.7"]}
    rules = callers(CT1, other, {"addresses": ["2001:db8::/32"]})
    assert why(rules, address="192.0.2.7", tls=False, certificate=None) == "number 1"
    assert why(rules, address="2001:db8::5") == "number 2"
    assert why(rules, address="192.0.2.8") == "address: number 0"
    assert why(rules, calling="MR1", address="192.0.2.8") == "none"


def test_who_is_denied_is_denied_also_by_address_alone():
    rules = callers({"addresses": ["10.1.2.3"], "allow": False}, {})
    assert why(rules) == "denied: number 0"
    assert why(rules, address="10.1.2.4") == "number 1"


@pytest.mark.parametrize("colons", [True, False])
def test_a_fingerprint_names_a_certificate(colons):
    digits = ":".join(["AB"] * 32) if colons else "ab" * 32
    rules = callers({"ae_titles": ["CT1"], "certificates": [f"sha256:{digits}"]})
    assert why(rules) == "number 0"
    other = ShownCertificate(OWN.names, "cd" * 32)
    assert why(rules, certificate=other) == "certificate: number 0"


def test_places_are_counted_for_each_caller_and_given_back_once():
    rules = callers({"ae_titles": ["CT1"], "max_associations": 2}, {"max_associations": 1})
    first, second = (rules.admit("CT1", "10.0.0.1", None, False) for _ in range(2))
    assert why(rules) == "associations: number 0"
    assert why(rules, calling="MR1") == "number 1"
    first.leave()
    first.leave()
    assert why(rules) == "number 0"
    assert why(rules) == "associations: number 0"
    second.leave()


def test_places_hold_also_where_many_come_at_once():
    rules = callers({"max_associations": 5})
    outcomes, gate = [], threading.Barrier(20)

    def come() -> None:
        gate.wait()
        outcomes.append(why(rules))

    threads = [threading.Thread(target=come) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["associations: number 0"] * 15 + ["number 0"] * 5


def test_associations_of_a_minute_are_counted_and_forgotten():
    now = [0.0]
    rule = CallerRule("number 0", associations_per_minute=2)
    rules = Callers([rule], clock=lambda: now[0])
    found = []
    for moment in (0, 10, 20, 59.9, 60, 65, 70, 125):
        now[0] = moment
        found.append(why(rules).partition(":")[0])
    assert found == ["number 0", "number 0", "rate", "rate", "number 0", "rate", "number 0",
                     "number 0"]  # fmt: skip


def test_a_pace_lets_a_second_through_at_once_and_then_so_many_bytes_a_second():
    now = [100.0]
    pace = Pace(1000.0, lambda: now[0])
    assert pace.wait_s(500) == pytest.approx(0.5)  # nothing is saved up before the first byte
    now[0] = 110.0
    assert pace.wait_s(1000) == 0.0
    assert pace.wait_s(250) == pytest.approx(0.25)
    assert pace.wait_s(250) == pytest.approx(0.5)
    now[0] = 110.5
    assert pace.wait_s(100) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"callers": [{"name": "a", "tls": True}]}, r"\[tls\] has no port"),
        (
            {
                "tls": {"port": 1, "certificate_file": "a", "clients": "none"},
                "callers": [{"name": "a", "certificates": ["a"]}],
            },
            "asks for none",
        ),
        ({"callers": [{"name": "a", "addresses": ["10.1.2.3/24"]}]}, "valid IPv4 or IPv6 network"),
        ({"callers": [{"name": "a"}, {"name": "a"}]}, "two callers are named 'a'"),
        (
            {
                "listen": {"known_callers_only": True},
                "callers": [{"name": "a", "ae_titles": "CT*"}],
                "destinations": [
                    {"name": "p", "ae_title": "PACS", "host": "p", "port": 1, "commit": True}
                ],
            },
            "'PACS' sends by C-MOVE or reports storage commitment",
        ),
    ],
)
def test_what_would_keep_everybody_out_stops_the_start(settings, reason):
    with pytest.raises(ValidationError, match=reason):
        NodeSettings(**settings)


# -- at the receiver


@pytest.fixture
def guarded(node):
    """Give a node with these callers."""

    def start(*tables: dict, **values: object):
        node.scp = StorageSCP(
            node.settings, node.store, node.index, node.stored.append,
            callers=callers(*tables, **values),
        )  # fmt: skip
        node.scp.start()
        return node

    return start


def rejections(caller: str, reason: str) -> float:
    labels = {"caller": caller, "why": reason}
    return COUNTED.get_sample_value("dicomnode_callers_rejected_total", labels) or 0


def test_who_is_not_let_in_is_told_by_the_code_of_the_standard(guarded, caplog):
    node = guarded(
        {"ae_titles": ["PEER"], "addresses": ["192.0.2.1"]},
        {"ae_titles": ["BUSY"], "max_associations": 1},
        {"ae_titles": ["CT1"]},
        known_only=True,
    )
    before = rejections("number 0", "address")
    for calling, answer in (("PEER", NOT_RECOGNISED), ("OTHER", NOT_RECOGNISED)):
        peer = node.peer()
        assert peer.associate(CT, calling=calling) == 3
        assert tuple(peer.answer[1:]) == answer
    assert rejections("number 0", "address") == before + 1
    assert "calling=PEER address=127.0.0.1 caller=number 0 why=address" in caplog.text

    held = node.associated(CT, calling="BUSY")
    peer = node.peer()
    assert peer.associate(CT, calling="BUSY") == 3
    assert tuple(peer.answer[1:]) == TOO_MANY
    # Others have their own places.
    assert send(node.associated(CT, calling="CT1"), ct()) == 0x0000
    held.close()
    node.wait_for(lambda: node.peer().associate(CT, calling="BUSY") == 2)


def test_a_caller_has_its_own_longest_pdu(guarded):
    node = guarded({"ae_titles": ["SMALL"], "max_pdu": 4096})
    # Item 51H of user information: the longest PDU that the node takes.
    small, other = node.associated(CT, calling="SMALL"), node.associated(CT)
    assert b"\x51\x00\x00\x04" + (4096).to_bytes(4, "big") in small.answer
    assert b"\x51\x00\x00\x04" + node.settings.max_pdu.to_bytes(4, "big") in other.answer
    small.send_pdv(store_request(CT, generate_uid()), command=True)
    small.send_pdv(bytes(5000), command=False, size=5000)
    assert small.read_pdu()[0] == 7
    assert send(other, ct(rows=64, columns=64, PixelData=bytes(8192))) == 0x0000


def test_a_caller_has_its_own_largest_object(guarded):
    node = guarded({"ae_titles": ["SMALL"], "max_object_mb": 1})
    large = ct(rows=1024, columns=600, PixelData=bytes(2 * 1024 * 600))
    labels = {"what": "instance", "reason": "too-large"}
    before = COUNTED.get_sample_value("dicomnode_refusals_total", labels)
    small = node.associated(CT, calling="SMALL")
    assert send(small, ct()) == 0x0000
    with contextlib.suppress(ConnectionError):  # aborted while it still sent
        assert send(small, large) == -1
    node.wait_for(lambda: len(node.files()) == 1)
    assert COUNTED.get_sample_value("dicomnode_refusals_total", labels) == before + 1
    assert send(node.associated(CT), large) == 0x0000


def test_a_caller_is_read_from_at_its_pace(guarded, monkeypatch):
    waits = []
    monkeypatch.setattr("dicomnode.receive.callers._sleep", waits.append)
    node = guarded({"ae_titles": ["SLOW"], "mb_per_s": 0.1})
    data_set = ct(rows=512, columns=200, PixelData=bytes(2 * 512 * 200))
    assert send(node.associated(CT, calling="SLOW"), data_set) == 0x0000
    # Time that is not waited for here is still owed: the last wait is for all of it.
    assert max(waits) == pytest.approx(len(encode(data_set)) / 1e5, rel=0.7)
    slept = len(waits)
    assert send(node.associated(CT), data_set) == 0x0000
    assert len(waits) == slept


def test_networks_are_what_the_configuration_says():
    (rule,) = [caller.rule for caller in callers(CT1)._callers]
    assert rule.networks == (ip_network("10.1.2.0/24"),)
