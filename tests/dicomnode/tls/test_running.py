"""The node as it is composed: with TLS in its configuration, and other certificates by SIGHUP."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import threading

from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.node import Node
from tests.dicomnode.receive.loopback import CT, VERIFICATION, ct, send
from tests.dicomnode.tls.test_taking import SecuredPeer


def test_a_node_takes_renewed_certificates_at_a_reload(certificates, tmp_path, monkeypatch):
    pair = [shutil.copy(path, tmp_path) for path in certificates.node]
    path = tmp_path / "node.toml"
    path.write_text(
        f'[store]\npath = "{tmp_path}"\nreserve_mb = 0\n[listen]\nhost = "127.0.0.1"\n'
        f'ae_title = "NODE"\nknown_callers_only = true\n[tls]\nport = 0\nonly = true\n'
        f'ca_file = "{certificates.hospital}"\ncertificate_file = "{pair[0]}"\n'
        f'key_file = "{pair[1]}"\n[pressure]\nmarks_only_mb = {10**9}\n'
        '[[callers]]\nname = "peers"\nae_titles = "PEER*"\ncertificates = "peer"\n'
    )
    told = threading.Event()
    nodes = []

    def peer(calling: str = "PEER1") -> SecuredPeer:
        found = SecuredPeer(nodes[0].tls_port, certificates.hospital, certificates.peer)
        assert found.associate(CT, VERIFICATION, calling=calling) == (2 if "PEER" in calling else 3)
        return found

    class Receiving(Node):
        """The receiver alone: workers take long to start."""

        def __enter__(self) -> Receiving:
            nodes.append(self)
            self.receiving.scp.start()
            threading.Thread(target=use).start()
            return self

        def __exit__(self, *exception: object) -> None:
            self.receiving.scp.stop()
            self.database.close()

        def reload_certificates(self) -> bool:
            taken = super().reload_certificates()
            told.set()
            return taken

    found = []

    def use() -> None:
        try:
            peer("OTHER")
            before = peer()
            # No room for CT, as the file has it.
            found.append(send(before, ct()))
            for new, old in zip(certificates.for_servers, pair, strict=True):
                shutil.copy(new, old)
            os.kill(os.getpid(), signal.SIGHUP)
            assert told.wait(30)
            subject = dict(peer().socket.getpeercert()["subject"][0])
            before.socket.sendall(b"\5\0\0\0\0\4\0\0\0\0")
            found.append((subject["commonName"], before.read_pdu()[0]))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(importlib.import_module("dicomnode.commands.serve"), "Node", Receiving)
    handlers = {n: signal.getsignal(n) for n in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    try:
        answer = CliRunner().invoke(app, ["serve", "--config", str(path)])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert answer.exit_code == 0, answer.output
    assert found == [0xA700, ("for-servers", 6)]
    assert nodes[0].port == nodes[0].tls_port
