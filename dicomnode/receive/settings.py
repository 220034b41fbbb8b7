"""How the node listens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReceiverSettings:
    """How the node listens.

    Attributes
    ----------
    host : str
        Address to listen on; empty for all.
    port : int
        0 takes a free one.
    ae_title : str
        Title of the node.
    more_ae_titles : tuple of str
        Other titles that it may be called by.
    accepted_calling_aets : tuple of str
        Who may associate; empty for anybody.
    require_called_aet : bool
        Refuse associations that call another title than `ae_title` and `more_ae_titles`.
    max_associations : int
        Associations at one time. Bare TCP connections do not count.
    max_pdu : int
        Bytes of the longest P-DATA-TF that a peer may send.
    network_timeout_s : float
        Silence after which a connection is aborted, and the longest that one PDU may take.
    max_object_bytes : int
        Bytes of the largest data set that is received.
    tls_port : int, optional
        Where associations with TLS are taken; 0 takes a free one, None takes none.
    plain : bool
        Whether associations without TLS are taken, at `port`.
    handshake_timeout_s : float
        The longest that a TLS handshake may take as a whole.
    """

    host: str = ""
    port: int = 11112
    ae_title: str = "SOFTMASK"
    more_ae_titles: tuple[str, ...] = ()
    accepted_calling_aets: tuple[str, ...] = ()
    require_called_aet: bool = True
    max_associations: int = 20
    max_pdu: int = 131072
    network_timeout_s: float = 60.0
    max_object_bytes: int = 4 * 2**30
    tls_port: int | None = None
    plain: bool = True
    handshake_timeout_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port}, expected 0 to 65535")
        if not 0 < len(self.ae_title.strip()) <= 16:
            raise ValueError(f"AE title {self.ae_title!r}, expected 1 to 16 characters")
        if self.max_associations < 1:
            raise ValueError(f"max_associations {self.max_associations}, expected at least 1")
        if not 4096 <= self.max_pdu <= 2**24:
            raise ValueError(f"max_pdu {self.max_pdu}, expected 4096 to {2**24}")
        if self.network_timeout_s <= 0:
            raise ValueError(f"network_timeout_s {self.network_timeout_s}, expected more than 0")
        if self.max_object_bytes < 1:
            raise ValueError(f"max_object_bytes {self.max_object_bytes}, expected at least 1")
        if self.tls_port is None and not self.plain:
            raise ValueError("found neither a port with TLS nor one without, expected one")
        if self.handshake_timeout_s <= 0:
            raise ValueError(
                f"handshake_timeout_s {self.handshake_timeout_s}, expected more than 0"
            )
