# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces whose NID is an IPv6 address: they are added by that very NID.

``lnetctl net add --net NET --if NAME`` takes whichever address LNet thinks of: the first
of IPv4, or after any ``lnetctl lnet configure --large`` since the modules were loaded the
IPv6 one that the kernel lists first (2.17.0, observed).  ``net add --nid ADDRESS@NET``
(2.16 and newer) takes exactly what it names and needs no ``--large``.  ``lnetctl import``
takes no notice of the ``nid:`` of an entry (2.17.0), so at boot it is not used for these.
An interface has one NID in a network.
"""

from __future__ import annotations

import ipaddress
from typing import Mapping

from ansible_collections.lustre.core.plugins.module_utils._errors import NeedsRelease, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._nid import split_nid
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_system import Link
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import IP_NETS, LnetWant, net_kind
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: Answers with the help of `net add` on every release, and does nothing.
HELP = ("lnetctl", "net", "add", "--help")

#: By network and interface the NID that it must get by name.
ByNid = Mapping[tuple[str, str], str]


def ipv6(nid: str) -> bool:
    return ":" in split_nid(nid)[0]


def any_ipv6(want: LnetWant) -> bool:
    return any(ipv6(nid) for nid in want.nids)


def by_nid(want: LnetWant, links: Mapping[str, Link]) -> dict[tuple[str, str], str]:
    """Which interface has the address of which expected IPv6 NID; what is unclear is Refused."""
    found: dict[tuple[str, str], str] = {}
    for network in want.networks:
        if net_kind(network.net) not in IP_NETS:
            continue
        expected = [nid for nid in want.nids if split_nid(nid)[1] == network.net]
        for name in network.interfaces:
            mine = [nid for nid in expected if name in links and split_nid(nid)[0] in plain(links[name])]
            if len(mine) > 1:
                raise Refused(
                    f"give {name} the NIDs {' and '.join(mine)}",
                    f"an interface has one NID in one network, and both are in {network.net}",
                    "Give the second address a network of its own (such as tcp1), in networks and in the expected NIDs.",
                )
            if mine and ipv6(mine[0]):
                found[network.net, name] = mine[0]
            elif not mine and name in links and all(":" in address for address in plain(links[name])):
                raise Refused(
                    f"put the network {network.net} on {name}",
                    f"{name} has only IPv6 addresses ({', '.join(plain(links[name])) or 'none'}), and none of them is an expected NID",
                    f"Say which one LNet is to use: name the NID among this node's NIDs (lustre_nids), as ADDRESS@{network.net}.",
                )
    return found


def plain(link: Link) -> list[str]:
    """Addresses a NID can be made of: not link-local, in one spelling."""
    parsed = [ipaddress.ip_address(address) for address in link.addresses]
    return [str(address) for address in parsed if not address.is_link_local]


def require_option(run: Runner) -> None:
    """NeedsRelease unless this node's lnetctl adds an interface by its NID."""
    rc, out, err = run(HELP, None, 30.0)
    if "--net:" not in out + err:
        raise ToolError("see which options `lnetctl net add` has", HELP, rc, out, err)
    if "--nid:" not in out + err:
        raise NeedsRelease(
            "A NID with an IPv6 address (`lnetctl net add --nid`)", "2.16", "an lnetctl without that option"
        )
