"""How a request came: from whom, by which proxy, and what the proxy says of who asks."""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dicomnode.settings.web import ProxySettings

logger = logging.getLogger(__name__)

_PASSED_ON = (b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"true-client-ip")
_KEY = "dicomnode.arrival"


@dataclass(frozen=True)
class Arrival:
    """How one request came.

    Attributes
    ----------
    address : str
        Of the machine that asked; of the one that the proxy names where it came by a proxy.
    of_this_machine : bool
        Whether it came from a loopback address and says nothing of a proxy. A request that some
        proxy on this machine passed on may come from anywhere.
    by_proxy : bool
        Whether the configured proxy brought it.
    user : str
        As the proxy says; empty where it says nothing.
    groups : tuple of str
    """

    address: str
    of_this_machine: bool
    by_proxy: bool
    user: str = ""
    groups: tuple[str, ...] = ()


def arrival_of(scope: Scope) -> Arrival:
    """How it came, as `ArrivalMiddleware` found."""
    return scope[_KEY]


class ArrivalMiddleware:
    """Finds out how a request came, and takes away what nobody after it is to believe.

    Headers in which a proxy says who asks go no further, whoever sent them. What the proxy says of
    the address and of TLS replaces what the socket says. A second header of the same name, as one
    comes in where a client sends its own and the proxy adds, is refused.

    Parameters
    ----------
    app : ASGIApp
    proxy : ProxySettings or None
    """

    def __init__(self, app: ASGIApp, proxy: ProxySettings | None) -> None:
        self._app = app
        self._proxy = proxy
        said = (
            () if proxy is None else (proxy.secret_header, proxy.user_header, proxy.groups_header)
        )
        self._said = tuple(name.lower().encode() for name in said)
        self._networks = () if proxy is None else proxy.networks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on as it is to be believed."""
        if scope["type"] != "http":
            return
        found: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            found.setdefault(_plain(name), []).append(value)
        by_proxy = self._is_the_proxy(scope, found)
        if by_proxy and any(len(found.get(name, ())) > 1 for name in self._said):
            refused = PlainTextResponse("a header of the proxy came twice", status_code=400)
            await refused(scope, receive, send)
            return
        arrival = self._arrival(scope, found, by_proxy)
        scope = {**scope, _KEY: arrival}
        scope["client"] = (arrival.address, 0 if by_proxy else (scope["client"] or ("", 0))[1])
        if by_proxy and found.get(b"x-forwarded-proto") == [b"https"]:
            scope["scheme"] = "https"
        scope["headers"] = [
            (name, value) for name, value in scope["headers"] if not self._is_said(_plain(name))
        ]
        await self._app(scope, receive, send)

    def _is_said(self, name: bytes) -> bool:
        return name in self._said or name in _PASSED_ON or name.startswith(b"x-forwarded-")

    def _is_the_proxy(self, scope: Scope, found: dict[bytes, list[bytes]]) -> bool:
        if self._proxy is None:
            return False
        by_socket = scope["client"] is None
        if not by_socket and not _is_within(scope["client"][0], self._networks):
            return False
        try:
            secret = self._proxy.secret
        except (OSError, UnicodeDecodeError):
            logger.error("web.proxy_secret_unread")
            return False
        if secret is None:
            return by_socket
        shown = found.get(self._proxy.secret_header.lower().encode(), [b""])
        return bool(secret) and hmac.compare_digest(shown[0], secret.encode())

    def _arrival(self, scope: Scope, found: dict[bytes, list[bytes]], by_proxy: bool) -> Arrival:
        address = "" if scope["client"] is None else scope["client"][0]
        if not by_proxy:
            passed_on = any(self._is_said(name) for name in found)
            return Arrival(address, not passed_on and _is_loopback(address), False)
        # The last is what the proxy itself saw; those before it are what it was told.
        told = b",".join(found.get(b"x-forwarded-for", [])).split(b",")[-1].strip()
        try:
            address = str(ip_address(told.decode("ascii").strip("[]")))
        except ValueError:
            address = "proxy"  # Who is behind it is not known; its own address proves nothing.
        user = _text(found, self._said[1], 256)
        groups = (part.strip() for part in _text(found, self._said[2], 4096).split(","))
        return Arrival(address, False, True, user, tuple(group for group in groups if group))


def _plain(name: bytes) -> bytes:
    # Some servers take X_Forwarded_User for X-Forwarded-User.
    return name.lower().replace(b"_", b"-")


def _text(found: dict[bytes, list[bytes]], name: bytes, longest: int) -> str:
    text = b"".join(found.get(name, [])).decode("utf-8", "replace").strip()
    return text if len(text) <= longest and text.isprintable() else ""


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in networks)


def is_watcher(scope: Scope, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Whether a request came from one of these networks and not through an unknown proxy."""
    arrival = arrival_of(scope)
    if _is_loopback(arrival.address) and not (arrival.of_this_machine or arrival.by_proxy):
        return False
    return _is_within(arrival.address, networks)
