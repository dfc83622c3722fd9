"""Who may connect: allowed and denied networks."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network


def network(text: str) -> Network:
    """The network that a text names.  Raises ValueError, with the text, if it names none."""
    return ip_network(text)


def peer_address(host: str) -> IPv4Address | IPv6Address:
    """The address of a peer, as the system names it.  For an IPv4 peer of an IPv6 socket
    (::ffff:10.0.0.1) it is the IPv4 address."""
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


class Access:
    """The rule for new connections.

    allow: the networks from which one may connect; none: from anywhere.  deny: networks from
    which one may not, even if `allow` has them.  Each is an address or a network ("10.0.0.0/8",
    "fd00::/8").  Raises ValueError, with the text, if one is neither.
    """

    def __init__(self, allow: Iterable[str] = (), deny: Iterable[str] = ()) -> None:
        self.allow = tuple(map(network, allow))
        self.deny = tuple(map(network, deny))

    def admits(self, host: str) -> bool:
        """Whether a peer with this address may connect."""
        if not self.allow and not self.deny:
            return True
        address = peer_address(host)
        if any(address in denied for denied in self.deny):
            return False
        return not self.allow or any(address in allowed for allowed in self.allow)


EVERYBODY: Final = Access()
"""No restriction."""
