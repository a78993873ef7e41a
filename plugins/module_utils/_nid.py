# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""NIDs and LNet network names in the one form in which they may be compared.

A NID is ``<address>@<net>``; a net is ``<type>[N]``, and Lustre's tools print the
short form without a 0 (``tcp0`` → ``tcp``, facts of lnetctl(8)).  Everything that
compares NIDs goes through here.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Iterable, Sequence

NET_TYPES = ("lo", "tcp", "o2ib", "gni", "kfi", "efa")


def normal_net(net: str) -> str:
    """``tcp0`` → ``tcp``, ``o2ib02`` → ``o2ib2``; ValueError with a sentence when it is no LNet network."""
    text = str(net).strip().lower()
    for kind in NET_TYPES:
        number = text[len(kind) :]
        if text.startswith(kind) and (number == "" or number.isdigit()):
            value = int(number or 0)
            if value > 65535:
                raise ValueError(f"{net!r} is not an LNet network: its number must be 0 to 65535")
            return kind if value == 0 else f"{kind}{value}"
    raise ValueError(
        f"{net!r} is not an LNet network: it must be one of {', '.join(NET_TYPES)} with an optional number, such as tcp or o2ib1"
    )


def split_nid(nid: str) -> tuple[str, str]:
    """``10.0.0.1@tcp0`` → ``("10.0.0.1", "tcp")``; ValueError with a sentence when it is no NID."""
    address, at, net = str(nid).strip().rpartition("@")
    if not at or not address:
        raise ValueError(f"{nid!r} is not a NID: it must be ADDRESS@NETWORK, such as 10.0.0.1@tcp")
    short = normal_net(net)
    if short.startswith(("tcp", "o2ib", "efa")):
        try:
            address = str(ipaddress.ip_address(address))
        except ValueError:
            raise ValueError(
                f"{nid!r} is not a NID: {address!r} is not an IP address (host names in NIDs are frozen at format time and refused here)"
            ) from None
    return address, short


def normal_nid(nid: str) -> str:
    """A NID in the form Lustre's tools print: ``10.0.0.1@tcp0`` → ``10.0.0.1@tcp``."""
    return "@".join(split_nid(nid))


def nid_net(nid: str) -> str:
    """The network of a NID, in short form."""
    return split_nid(nid)[1]


def join_nodes(nodes: Iterable[Sequence[str]]) -> str:
    """``[["a@tcp", "a@o2ib"], ["b@tcp"]]`` → ``a@tcp,a@o2ib:b@tcp`` (NIDs of one node by comma, nodes by colon)."""
    return ":".join(",".join(normal_nid(nid) for nid in node) for node in nodes)


_NODE = re.compile(r"([^@,]+@[a-z0-9]+(?:,[^@,]+@[a-z0-9]+)*)(?::|$)")


def split_nodes(text: str) -> list[list[str]]:
    """The inverse of join_nodes; IPv6 colons are told from separators by the ``@net`` that each NID carries."""
    nodes: list[list[str]] = []
    position = 0
    while position < len(text):
        match = _NODE.match(text, position)
        if match is None:
            raise ValueError(f"{text!r} is not a list of NIDs (NID[,NID][:NID...], each with its @network)")
        nodes.append([normal_nid(nid) for nid in match.group(1).split(",")])
        position = match.end()
    return nodes
