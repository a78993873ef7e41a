# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what LNet has to what it shall be: removals first, then additions, each by one lnetctl command.

Never ``import`` as a way to converge, never a restart.  What is not declared stays,
unless its list is named in ``purge``; what a mount may be using goes only with consent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl, lnetctl_state
from ansible_collections.lustre.core.plugins.module_utils._errors import NeedsRelease
from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_conns import conns_of_all, tune_all
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_ipv6 import ByNid
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_system import LustreMount
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_udsp import plan_udsp
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import (
    LnetWant,
    Network,
    WantPeer,
    WantRoute,
)

KIND = "lnet"


@dataclass
class Draft:
    """The steps as they are found, in the three groups in which they are carried out."""

    removals: list[Step] = field(default_factory=list)
    additions: list[Step] = field(default_factory=list)
    drift: list[Drift] = field(default_factory=list)

    def remove(
        self, action: str, thing: str, reason: str, argv: Sequence[str], timeout: float = lnetctl.CHANGE_TIMEOUT
    ) -> None:
        self.removals.append(Step(KIND, action, thing, reason, argv=tuple(argv), disruptive=True, timeout=timeout))

    def add(self, action: str, thing: str, reason: str, argv: Sequence[str], disruptive: bool = False) -> None:
        timeout = lnetctl.CHANGE_TIMEOUT
        self.additions.append(
            Step(KIND, action, thing, reason, argv=tuple(argv), disruptive=disruptive, timeout=timeout)
        )

    def differs(self, thing: str, found: str, wanted: str, remedy: str) -> None:
        self.drift.append(Drift(KIND, thing, found, wanted, remedy))


def plan_live(
    want: LnetWant, have: lnetctl_state.State, mounts: Sequence[LustreMount], by_nid: ByNid | None = None
) -> Plan:
    """The steps from the running LNet to the wanted one (nothing of files); ``by_nid``: see lnet_ipv6."""
    draft = Draft()
    _settings(want, have, draft)
    _networks(want, have, mounts, by_nid or {}, draft)
    gone = _emptied(have, draft)
    _routes(want, have, gone, draft)
    _routing(want, have, draft)
    _peers(want, have, gone, draft)
    _udsp(want, have, draft)
    steps = _start(want, have) + sorted(draft.removals, key=_rank) + sorted(draft.additions, key=_rank)
    return Plan(tuple(steps), tuple(draft.drift))


#: What runs over a network goes before it. Settings come before networks (discovery decides how a new
#: interface presents itself), networks before what runs over them.  What is tuned is all that is there, so it
#: comes before anything is added.
_ORDER = (
    "remove policy",
    "remove peer",
    "remove route",
    "remove network",
    "set",
    "tune network",
    "add network",
    "add route",
    "set routing",
    "set buffers",
    "add peer",
    "add policy",
)


def _rank(step: Step) -> int:
    return _ORDER.index(step.action)


def _staying(have: lnetctl_state.State, draft: Draft) -> list[lnetctl_state.Interface]:
    """The interfaces that no step takes down."""
    removed = {step.argv[4:] for step in draft.removals if step.action == "remove network"}
    return [
        ni for ni in have.interfaces if not {(ni.net,), *((ni.net, "--if", name) for name in ni.interfaces)} & removed
    ]


def _emptied(have: lnetctl_state.State, draft: Draft) -> set[str]:
    """Networks that lose all their interfaces on the way: LNet forgets their routes and peers, too."""
    kept = {ni.net for ni in _staying(have, draft)}
    return {ni.net for ni in have.interfaces} - kept


def _start(want: LnetWant, have: lnetctl_state.State) -> list[Step]:
    if have.up or not (want.networks or want.sections()):
        return []
    steps = []
    if not have.loaded:
        steps.append(Step(KIND, "load", "the module lnet", "LNet's module is not loaded", argv=lnetctl.MODPROBE))
    steps.append(
        Step(KIND, "configure", "LNet", "LNet is not up", argv=lnetctl.CONFIGURE, timeout=lnetctl.SLOW_TIMEOUT)
    )
    return steps


# ---- networks ---------------------------------------------------------------------------------


def _networks(
    want: LnetWant, have: lnetctl_state.State, mounts: Sequence[LustreMount], by_nid: ByNid, draft: Draft
) -> None:
    declared = {network.net: network for network in want.networks}
    for net in dict.fromkeys(ni.net for ni in have.interfaces):
        if net not in declared:
            _undeclared(net, None, want, have, mounts, draft)
    for ni in have.interfaces:
        if ni.net in declared and not set(ni.interfaces) & set(declared[ni.net].interfaces):
            _undeclared(ni.net, ni, want, have, mounts, draft)
    together = conns_of_all(want, _staying(have, draft))
    tune = tune_all(together, _staying(have, draft)) if together is not None else None
    if tune is not None:
        draft.add("tune network", *tune)
    for network in want.networks:
        _network(network, together is not None, want, have, mounts, by_nid, draft)


def _network(
    network: Network,
    conns_done: bool,
    want: LnetWant,
    have: lnetctl_state.State,
    mounts: Sequence[LustreMount],
    by_nid: ByNid,
    draft: Draft,
) -> None:
    live = {name: ni for ni in have.interfaces if ni.net == network.net for name in ni.interfaces}
    missing = [name for name in network.interfaces if name not in live]
    for name in network.interfaces:
        if name in live and _tune(network, conns_done, name, live[name], want, mounts, draft):
            missing.append(name)
    for together in _together(network, missing, by_nid):
        nid = by_nid.get((network.net, together[0]))
        argv = lnetctl.net_add(network.net, together, network.tunables, network.lnd_tunables, network.cpts, nid)
        reason = "again, with the declared tunables" if set(together) & set(live) else "declared and not there"
        draft.add("add network", f"{network.net} on {', '.join(together)}", reason, argv)


def _together(network: Network, missing: Sequence[str], by_nid: ByNid) -> list[list[str]]:
    """Interfaces to add by one command: all that are named to LNet by their name, each of the others alone."""
    ordered = [name for name in network.interfaces if name in missing]
    named = [name for name in ordered if (network.net, name) not in by_nid]
    return ([named] if named else []) + [[name] for name in ordered if name not in named]


def _tune(
    network: Network,
    conns_done: bool,
    name: str,
    ni: lnetctl_state.Interface,
    want: LnetWant,
    mounts: Sequence[LustreMount],
    draft: Draft,
) -> bool:
    """Compare the tunables that are declared; True when the NI is taken down to be added again."""
    lnd = {key: value for key, value in network.lnd_tunables.items() if str(ni.lnd_tunables.get(key)) != str(value)}
    if conns_done or network.lnd_tunables.get("conns_per_peer") == 0:
        lnd.pop("conns_per_peer", None)
    fixed: dict[str, tuple[Any, Any]] = {
        key: (ni.tunables.get(key), value) for key, value in network.tunables.items() if ni.tunables.get(key) != value
    }
    fixed.update({key: (ni.lnd_tunables.get(key), value) for key, value in lnd.items()})
    if network.cpts and ni.cpts is not None and ni.cpts != network.cpts:
        fixed["cpts"] = (list(ni.cpts), list(network.cpts))
    if not fixed:
        return False
    found_text = ", ".join(f"{key} {found}" for key, (found, _wanted) in fixed.items())
    wanted_text = ", ".join(f"{key} {wanted}" for key, (_found, wanted) in fixed.items())
    thing = f"{network.net} on {name}"
    if network.net in want.remove_networks:
        draft.remove(
            "remove network",
            thing,
            f"to add it again: {found_text}, wanted {wanted_text}",
            lnetctl.net_del(network.net, name),
            lnetctl.SLOW_TIMEOUT,
        )
        return True
    users = f" while {_named(mounts)} use it" if mounts else ""
    draft.differs(
        thing,
        found_text,
        wanted_text,
        f"LNet takes these only when an interface is added. Name {network.net} in remove_networks to have it removed and added again "
        f"(its connections drop{users}), or wait: the next boot has them.",
    )
    return False


def _undeclared(
    net: str,
    ni: lnetctl_state.Interface | None,
    want: LnetWant,
    have: lnetctl_state.State,
    mounts: Sequence[LustreMount],
    draft: Draft,
) -> None:
    """A network, or one interface of a declared network, that nobody declared."""
    interface = ni.interfaces[0] if ni is not None and ni.interfaces else None
    nids = [ni.nid] if ni is not None else [one.nid for one in have.interfaces if one.net == net]
    thing = f"{net} on {interface}" if interface else net
    if not want.networks:
        return
    if "networks" not in want.purge:
        draft.differs(
            thing,
            f"there with {', '.join(nids)}",
            "not declared",
            "Declare it, or add networks to purge to have it removed.",
        )
    elif mounts and net not in want.remove_networks:
        draft.differs(
            thing,
            f"there with {', '.join(nids)}, and {_named(mounts)} may be using it",
            "removed (purge names networks)",
            f"Name {net} in remove_networks to consent, or unmount first.",
        )
    else:
        draft.remove(
            "remove network",
            thing,
            "not declared, and purge names networks",
            lnetctl.net_del(net, interface),
            lnetctl.SLOW_TIMEOUT,
        )


def _named(mounts: Sequence[LustreMount]) -> str:
    shown = [mount.path for mount in mounts[:3]] + (["..."] if len(mounts) > 3 else [])
    return "the Lustre mounts " + ", ".join(shown) if len(mounts) > 1 else f"the Lustre mount {shown[0]}"


# ---- settings and routing ---------------------------------------------------------------------


def _settings(want: LnetWant, have: lnetctl_state.State, draft: Draft) -> None:
    for key, value in _setting_order(want, have):
        found = have.settings.get(key) if have.settings is not None else None
        if have.settings is not None and found is None:
            raise NeedsRelease(
                f"The LNet setting {key}", "2.16", "a release whose `lnetctl global show` does not list it"
            )
        if found != value:
            reason = (
                f"is {found}, wanted {value}" if found is not None else f"wanted {value}; LNet is not up to be asked"
            )
            draft.add("set", key, reason, lnetctl.set_value(key, value))


def _setting_order(want: LnetWant, have: lnetctl_state.State) -> list[tuple[str, int]]:
    """LNet refuses a transaction_timeout that is not above retry_count at any moment: raise first what gives room."""
    keys = sorted(want.settings)
    retries = (have.settings or {}).get("retry_count", 2)
    if want.settings.get("transaction_timeout", 2**31) <= retries:
        keys.sort(key=lambda key: key == "transaction_timeout")
    else:
        keys.sort(key=lambda key: key == "retry_count")
    return [(key, want.settings[key]) for key in keys]


def _routing(want: LnetWant, have: lnetctl_state.State, draft: Draft) -> None:
    if want.routing is None:
        return
    live = have.routing or lnetctl_state.Routing()
    if want.routing.enabled != live.enabled:
        verb = "on" if want.routing.enabled else "off"
        argv = lnetctl.set_value("routing", int(want.routing.enabled))
        draft.add(
            "set routing",
            verb,
            f"this node shall {'' if want.routing.enabled else 'not '}forward",
            argv,
            disruptive=not want.routing.enabled,
        )
    for pool, count in want.routing.buffers.items():
        found = live.buffers.get(pool, 0)
        # LNet spreads a pool over its CPU partitions and drops the remainder.
        share = max(count // live.partitions, 1) * live.partitions if live.partitions else count
        if not live.enabled or found != share:
            reason = (
                f"{found} buffers, wanted {count}"
                if live.enabled
                else f"wanted {count}; LNet forgets it while routing is off"
            )
            draft.add("set buffers", pool, reason, lnetctl.set_value(f"{pool}_buffers", count))


# ---- routes and peers -------------------------------------------------------------------------


def _routes(want: LnetWant, have: lnetctl_state.State, gone: set[str], draft: Draft) -> None:
    live = {(route.net, route.gateway): route for route in have.routes or ()}
    for route in want.routes:
        found = live.pop((route.net, route.gateway), None)
        thing = f"{route.net} through {route.gateway}"
        lost = found is not None and nid_net(route.gateway) in gone
        difference = _route_difference(route, found) if found is not None else "declared and not there"
        if not difference and not lost:
            continue
        if found is not None and not lost:
            # Adding over it is no way: EEXIST, and nothing changes.
            draft.remove("remove route", thing, f"to add it again: {difference}", lnetctl.route_del(*_key(route)))
        hop = found.hop if route.hop is None and found is not None else route.hop
        priority = found.priority if route.priority is None and found is not None else route.priority
        argv = lnetctl.route_add(route.net, route.gateway, hop, priority)
        draft.add("add route", thing, difference or _WENT, argv, disruptive=found is not None)
    for extra in live.values():
        thing = f"{extra.net} through {extra.gateway}"
        if "routes" in want.purge:
            if nid_net(extra.gateway) not in gone:
                draft.remove(
                    "remove route", thing, "not declared, and purge names routes", lnetctl.route_del(*_key(extra))
                )
        elif nid_net(extra.gateway) in gone.intersection(network.net for network in want.networks):
            argv = lnetctl.route_add(extra.net, extra.gateway, extra.hop, extra.priority)
            draft.add("add route", thing, _WENT, argv, disruptive=True)


_WENT = "it goes with its network, which is added again"


def _key(route: WantRoute | lnetctl_state.Route) -> tuple[str, str]:
    return route.net, route.gateway


def _route_difference(route: WantRoute, found: lnetctl_state.Route) -> str:
    pairs = [("hop", found.hop, route.hop), ("priority", found.priority, route.priority)]
    return ", ".join(
        f"{name} is {there}, wanted {wanted}" for name, there, wanted in pairs if wanted is not None and there != wanted
    )


def _peers(want: LnetWant, have: lnetctl_state.State, gone: set[str], draft: Draft) -> None:
    live = {peer.primary: peer for peer in have.peers or ()}
    back = gone.intersection(network.net for network in want.networks)
    for peer in want.peers:
        found = live.pop(peer.primary, None)
        if found is not None and gone.intersection(nid_net(nid) for nid in found.nids):
            kept = () if "peers" in want.purge else found.nids
            _add_peer(peer.primary, (*peer.nids, *kept), peer.multi_rail, _WENT, draft)
        else:
            _peer(peer, found, want, draft)
    for extra in live.values():
        # What discovery found is not ours to remove, and would come back.
        if not extra.configured:
            continue
        nets = {nid_net(nid) for nid in extra.nids}
        if "peers" in want.purge:
            if nid_net(extra.primary) not in gone:
                reason = "not declared, and purge names peers"
                draft.remove("remove peer", extra.primary, reason, lnetctl.peer_del(extra.primary))
        elif nets & back and not nets & (gone - back):
            _add_peer(extra.primary, extra.nids, extra.multi_rail, _WENT, draft)


def _add_peer(primary: str, nids: Sequence[str], multi_rail: bool, reason: str, draft: Draft) -> None:
    rest = [nid for nid in dict.fromkeys(nids) if nid != primary]
    draft.add("add peer", primary, reason, lnetctl.peer_add(primary, rest, multi_rail))


def _peer(peer: WantPeer, found: lnetctl_state.Peer | None, want: LnetWant, draft: Draft) -> None:
    if found is None:
        _add_peer(peer.primary, peer.nids, peer.multi_rail, "declared and not there", draft)
        return
    missing = [nid for nid in peer.nids if nid not in found.nids]
    if missing:
        reason = f"without {', '.join(missing)}"
        draft.add("add peer", peer.primary, reason, lnetctl.peer_add(peer.primary, missing, peer.multi_rail))
    extra = [nid for nid in found.nids if nid not in peer.nids]
    if extra and "peers" in want.purge:
        for nid in extra:
            draft.remove(
                "remove peer",
                f"{nid} of {peer.primary}",
                "not declared, and purge names peers",
                lnetctl.peer_del(peer.primary, [nid]),
            )
    if not missing and found.multi_rail != peer.multi_rail:
        # 2.17.0 takes no notice of --non_mr, nor of `Multi-Rail: False` in lnet.conf: a peer entered by hand is and stays
        # multi-rail there, whatever it says itself. Nothing that lnetctl offers changes it, so nothing is done.
        remedy = (
            "This Lustre does not take it from whoever enters a peer (2.17 ignores --non_mr). Not multi-rail is a peer that nobody "
            "enters, while discovery is off on this node or on the peer: leave it out of peers, and write discovery: false."
            if not peer.multi_rail
            else "LNet learnt from the peer itself that it is not; enable discovery there, or leave multi_rail out."
        )
        draft.differs(
            f"peer {peer.primary}", f"multi-rail: {found.multi_rail}", f"multi-rail: {peer.multi_rail}", remedy
        )


def _udsp(want: LnetWant, have: lnetctl_state.State, draft: Draft) -> None:
    removals, additions = plan_udsp(want.udsp, have.udsp or (), purge="udsp" in want.purge)
    for thing, reason, argv in removals:
        draft.remove("remove policy", thing, reason, argv)
    for thing, reason, argv in additions:
        draft.add("add policy", thing, reason, argv)
