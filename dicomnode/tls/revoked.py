"""Until when the lists of revoked certificates are valid: after that every peer is refused."""

from __future__ import annotations

from cryptography.x509 import load_pem_x509_crl

from dicomnode.credentials import credential_path
from dicomnode.tls.contexts import TLSFilesError
from dicomnode.tls.settings import TLSIdentity

_END = b"-----END X509 CRL-----"


def lists_end(identity: TLSIdentity) -> float | None:
    """When the first of the lists ends, in seconds since 1970; None where none says so.

    Parameters
    ----------
    identity : TLSIdentity

    Raises
    ------
    TLSFilesError
        The file cannot be read, or holds something else.
    """
    if identity.crl_file is None:
        return None
    path = credential_path(identity.crl_file)
    try:
        *lists, _rest = path.read_bytes().split(_END)
        ends = [load_pem_x509_crl(text + _END).next_update_utc for text in lists]
    except OSError as error:
        raise TLSFilesError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise TLSFilesError(f"{path}: no revocation list in PEM ({error})") from None
    return min((end.timestamp() for end in ends if end is not None), default=None)
