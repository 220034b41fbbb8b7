"""An SMTP server on loopback that keeps what it is given; as far as a client needs it, RFC 5321."""

from __future__ import annotations

import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Self


class MailServer:
    """Takes mail, or answers the sender with `refusal` where that is set."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.logins: list[str] = []
        self.refusal = ""
        server = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 test ESMTP")
                while line := self.rfile.readline():
                    word = line.split(b":")[0].split()[0].upper()
                    match word:
                        case b"EHLO":
                            self._say("250-test")
                            self._say("250 AUTH PLAIN")
                        case b"AUTH":
                            server.logins.append(line.decode().split()[-1])
                            self._say("235 ok")
                        case b"MAIL" if server.refusal:
                            self._say(server.refusal)
                        case b"RCPT":
                            server.recipients.append(line.decode().split("<")[1].split(">")[0])
                            self._say("250 ok")
                        case b"DATA":
                            self._say("354 go on")
                            content = b""
                            while (part := self.rfile.readline()) != b".\r\n":
                                content += part
                            mail = message_from_bytes(content, policy=policy.default)
                            server.mails.append(mail)
                            self._say("250 ok")
                        case b"QUIT":
                            self._say("221 bye")
                            return
                        case _:
                            self._say("250 ok")

            def _say(self, line: str) -> None:
                self.wfile.write(line.encode() + b"\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
