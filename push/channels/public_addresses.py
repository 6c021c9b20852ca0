"""Addresses that we call because somebody typed them: only such as anybody on the internet could call.

Otherwise a form would reach what only this machine can: its own services, the network it stands in, the cloud's
metadata.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

NAT64 = IPv6Network("64:ff9b::/96")
# Reserved for a network itself, and two at which clouds answer only their own machines (Azure's and Oracle's metadata).
INNER = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "fec0::/10")))
LONGEST_URL = 500


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, whichever way it is written."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _inner(found) if isinstance(found, IPv6Address) else None
    meant = found if inner is None else inner
    if any(meant in network for network in INNER):
        return False
    return meant.is_global and (inner is not None or not (meant.is_multicast or meant.is_reserved))


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to."""
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def host_of(url: str) -> str | None:
    """The host of an address that may be called; None when it is none: wrong scheme, user names, odd signs."""
    if len(url) > LONGEST_URL or not url.isascii() or any(sign <= " " or sign in '\\"<>^`{|}\x7f' for sign in url):
        return None
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("https", "http") or parts.username is not None or parts.fragment or port == 0:
        return None
    return parts.hostname or None


def may_be_public(host: str) -> bool:
    """False for a host that can never be public; a name is looked up only when it is called."""
    if host.strip(".").lower().rpartition(".")[2] in ("localhost", "local", "internal", "lan", "home", "arpa"):
        return False
    looks_like_number = host.replace(".", "").isdigit() or ":" in host or host.lower().startswith("0x")
    return is_public(host) if looks_like_number else "." in host.strip(".")
