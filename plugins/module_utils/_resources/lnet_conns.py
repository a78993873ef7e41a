# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections per peer of running interfaces: all at once, or not at all.

``lnetctl net set --nid NID --conns-per-peer N`` of 2.17.0 ends with 0 and changes nothing,
and ``--net NET`` sets the interfaces of every network.  So the number of a running
interface is set only where all of them are to have the same; elsewhere it is one of the
tunables that LNet takes when an interface is added.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl
from ansible_collections.lustre.core.plugins.module_utils._cli.lnetctl_state import Interface
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import LnetWant

NAME = "conns_per_peer"


def conns_of_all(want: LnetWant, staying: Sequence[Interface]) -> int | None:
    """The one number that all running interfaces are to have; None when they are to differ, or have none."""
    declared = {(network.net, name): network.lnd_tunables for network in want.networks for name in network.interfaces}
    values = {_wanted(ni, declared) for ni in staying}
    return values.pop() if len(values) == 1 else None


def _wanted(ni: Interface, declared: Mapping[tuple[str, str], Mapping[str, Any]]) -> int | None:
    """What is declared for one interface, else what it has; 0 leaves the number to LNet, which then shows its choice."""
    values = [declared[ni.net, name].get(NAME) for name in ni.interfaces if (ni.net, name) in declared]
    value = next(filter(None, values), None) or ni.lnd_tunables.get(NAME)
    return None if value is None else int(value)


def tune_all(value: int, staying: Sequence[Interface]) -> tuple[str, str, tuple[str, ...]] | None:
    """Which NIDs, why, and the command line; None when all have the number."""
    other = [ni for ni in staying if ni.lnd_tunables.get(NAME) != value]
    if not other:
        return None
    found = ", ".join(sorted({str(ni.lnd_tunables.get(NAME)) for ni in other}))
    return ", ".join(ni.nid for ni in other), f"{NAME} is {found}, wanted {value}", lnetctl.net_set_conns(value)
