"""Certificates by OpenSSL: a hospital's authority, a stranger's, and what they signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.interop.peers import need

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Authority:
    """An authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._openssl = need("openssl")
        folder.mkdir(parents=True)
        self.folder = folder
        self.file = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._run("req", "-x509", *_EC, "-nodes", "-subj", f"/CN={name}", "-days", "30",
                  "-keyout", self._key, "-out", self.file)  # fmt: skip

    def sign(
        self,
        name: str,
        days: int = 30,
        usage: str = "",
        key: tuple[str, ...] = _EC,
        password: str | None = None,
    ) -> tuple[Path, Path]:
        """Make a certificate for localhost and 127.0.0.1; return it and its key."""
        certificate, file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        lock = ("-nodes",) if password is None else ("-passout", f"pass:{password}")
        self._run("req", "-new", *key, *lock, "-subj", f"/CN={name}", "-keyout", file,
                  "-out", request)  # fmt: skip
        lines = f"subjectAltName=DNS:localhost,DNS:{name},IP:127.0.0.1\n"
        extensions.write_text(lines + (f"extendedKeyUsage={usage}\n" if usage else ""))
        self._run("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key,
                  "-CAcreateserial", "-days", str(days), "-extfile", extensions,
                  "-out", certificate)  # fmt: skip
        return certificate, file

    def revoke(self, *certificates: Path, hours: int = 24) -> Path:
        """Write the list of what is revoked, valid for so many hours; return its file."""
        database, configuration = self.folder / "index.txt", self.folder / "ca.cnf"
        database.write_text("")
        configuration.write_text(
            "[ca]\ndefault_ca=own\n[own]\ndatabase=" + str(database) + "\ndefault_md=sha256\n"
            f"certificate={self.file}\nprivate_key={self._key}\n"
        )
        for certificate in certificates:
            self._run("ca", "-config", configuration, "-revoke", certificate)
        file = self.folder / f"revoked-{len(certificates)}-{hours}.crl.pem"
        until = ("-crlhours", str(hours)) if hours > 0 else (
            "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z"
        )  # fmt: skip
        self._run("ca", "-config", configuration, "-gencrl", *until, "-out", file)
        return file

    def _run(self, *arguments: object) -> None:
        subprocess.run(
            [self._openssl, *map(str, arguments)], check=True, capture_output=True, timeout=60
        )
