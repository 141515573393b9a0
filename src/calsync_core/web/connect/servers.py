"""Addresses that people type: to which servers this host may be sent by anybody who is logged in."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from calsync_core.transport import problem_with

__all__ = ["checked_address", "is_public"]


def checked_address(typed: str, *, private: bool) -> str | None:
    """The address of a calendar server as it may be used; None: it may not.

    Whoever types an address has this host ask it, from inside the host's own network. So it must be https, and every
    address of its name must be one of the internet's. A name that points elsewhere a moment later gains nothing: before
    anything is asked or told, TLS has the server there prove that the name is its own.

    Args:
        typed: What was typed; ``https://`` may be left out.
        private: Servers in the host's own network, and on its machine, are fine.
    """
    text = typed.strip()
    url = text if "://" in text else f"https://{text}"
    if len(url) > 2_000 or problem_with(url) is not None:
        return None
    parts = urlsplit(url)
    if parts.query or parts.fragment:
        return None
    # Plain http is for this machine only, which is not public.
    return url if private or is_public(str(parts.hostname)) else None


def is_public(host: str) -> bool:
    """Whether every address of a host is one that the whole internet can reach. Asks the machine's resolver."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    return bool(addresses) and all(_is_public(each) for each in addresses)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        # An IPv4 address in IPv6's clothes leads where it leads bare.
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return _is_public(inner)
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        return address.is_global and address in _ASSIGNED
    return address.is_global and not address.is_multicast


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ASSIGNED = ipaddress.IPv6Network("2000::/3")
"""To hosts on the internet. Beside it are site-local addresses, a network's own NAT64, and more of IPv4's clothes:
some versions of Python call those global."""
