"""Certificates once for all tests of the room, and a node that takes associations with TLS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dicomnode.receive.callers import Callers
from dicomnode.receive.scp import StorageSCP
from dicomnode.tls.in_force import ServerTLS
from dicomnode.tls.settings import TLSSettings
from tests.dicomnode.receive.loopback import Node
from tests.dicomnode.tls.authorities import Authority

Pair = tuple[Path, Path]


@dataclass(frozen=True)
class Certificates:
    """Each is a certificate and its key."""

    hospital: Path
    stranger: Path
    node: Pair
    peer: Pair
    expired: Pair
    weak: Pair
    locked: Pair
    for_servers: Pair
    for_clients: Pair
    strangers_peer: Pair

    def settings(self, **changes: object) -> TLSSettings:
        """The node's, with mutual TLS."""
        values = {
            "port": 0, "only": True, "ca_file": self.hospital,
            "certificate_file": self.node[0], "key_file": self.node[1],
        }  # fmt: skip
        return TLSSettings(**(values | changes))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    hospital = Authority(folder / "hospital", "Hospital")
    stranger = Authority(folder / "stranger", "Stranger")
    return Certificates(
        hospital=hospital.file,
        stranger=stranger.file,
        node=hospital.sign("node"),
        peer=hospital.sign("peer"),
        expired=hospital.sign("expired", days=-1),
        weak=hospital.sign("weak", key=("-newkey", "rsa:1024")),
        locked=hospital.sign("locked", password="a password"),
        for_clients=hospital.sign("for-clients", usage="clientAuth"),
        for_servers=hospital.sign("for-servers", usage="serverAuth"),
        strangers_peer=stranger.sign("peer"),
    )


@pytest.fixture
def secured(tmp_path, certificates):
    """Give a node that listens with TLS: `start(**changes of [tls])`."""
    node = Node(tmp_path / "store")

    def start(
        plain: bool = False,
        timeout_s: float = 10.0,
        stall_s: float = 5.0,
        callers: Callers | None = None,
        **changes: object,
    ) -> Node:
        node.tls = ServerTLS(certificates.settings(**changes))
        settings = replace(
            node.settings,
            plain=plain,
            tls_port=0,
            handshake_timeout_s=timeout_s,
            network_timeout_s=stall_s,
        )
        node.scp = StorageSCP(
            settings, node.store, node.index, node.stored.append, tls=node.tls, callers=callers
        )
        node.scp.start()
        return node

    yield start
    node.close()
