# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files that bring LNet up the same way at the next boot, as text.

``lnet.conf`` is kept to what ``lnetctl import`` of 2.15 to 2.18 reads alike.  UDSPs are
not in it: the import of 2.17 takes only rules with an ``idx`` and refuses a priority of
0, the most usual one.  The start script adds them instead.
"""

from __future__ import annotations

import re
import shlex
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lnetctl, lnetctl_yaml
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net, normal_nid, split_nid
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_ipv6 import ByNid
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_system import (
    LNET_CONF,
    START_SCRIPT,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet_want import IP_NETS, LnetWant, net_kind

HEADER = "# Managed by Ansible (lustre.core.lnet): the whole file is replaced by the next run; edits are lost.\n"
#: Seconds that the start script waits for the interfaces to have their addresses.
WAIT = 60


def lnet_conf(want: LnetWant, by_nid: ByNid | None = None) -> str:
    """The wanted LNet as ``lnetctl import`` reads it; interfaces are a mapping with integer keys, not a list."""
    lines = [HEADER.rstrip("\n"), "net:"]
    for network in want.networks:
        lines += [f"    - net type: {network.net}", "      local NI(s):"]
        for interface in network.interfaces:
            nid = (by_nid or {}).get((network.net, interface))
            # For whoever reads it, and releases whose import takes notice of it; 2.17.0 does not, see lnet_ipv6.
            lines += [f"        - nid: {nid}", "          interfaces:"] if nid else ["        - interfaces:"]
            lines += [f"              0: {interface}"]
            lines += _mapping("tunables", network.tunables) + _mapping("lnd tunables", network.lnd_tunables)
            lines += [f'          CPT: "[{",".join(str(cpt) for cpt in network.cpts)}]"'] if network.cpts else []
    lines += _routes(want) + _peers(want) + _routing(want)
    if want.settings:
        lines += ["global:"] + [f"    {key}: {value}" for key, value in sorted(want.settings.items())]
    return "\n".join(lines) + "\n"


def _mapping(name: str, values: Mapping[str, Any]) -> list[str]:
    if not values:
        return []
    return [f"          {name}:"] + [f"              {key}: {value}" for key, value in values.items()]


def _routes(want: LnetWant) -> list[str]:
    lines = ["route:"] if want.routes else []
    for route in want.routes:
        lines += [f"    - net: {route.net}", f"      gateway: {route.gateway}"]
        lines += [f"      hop: {-1 if route.hop is None else route.hop}", f"      priority: {route.priority or 0}"]
    return lines


def _peers(want: LnetWant) -> list[str]:
    lines = ["peer:"] if want.peers else []
    for peer in want.peers:
        lines += [
            f"    - primary nid: {peer.primary}",
            f"      Multi-Rail: {'True' if peer.multi_rail else 'False'}",
            "      peer ni:",
        ]
        lines += [f"        - nid: {nid}" for nid in peer.nids]
    return lines


def _routing(want: LnetWant) -> list[str]:
    if want.routing is None:
        return []
    lines = ["routing:", f"    enable: {int(want.routing.enabled)}"]
    if want.routing.buffers:
        lines += ["buffers:"] + [f"    {pool}: {count}" for pool, count in want.routing.buffers.items()]
    return lines


def same_meaning(left: str, right: str) -> bool:
    """Whether two lnet.conf say the same, whatever their layout; False when one cannot be read."""
    try:
        return _meaning(left) == _meaning(right)
    except (UnknownOutput, ValueError):
        return False


def _meaning(text: str) -> dict[str, Any]:
    pairs = lnetctl_yaml.parse(text, LNET_CONF)
    if len({key for key, _value in pairs}) != len(pairs):
        raise ValueError("a section is there twice")
    return {key: _normal(key, value) for key, value in pairs if value}


def _normal(key: str, value: Any) -> Any:
    if isinstance(value, dict):
        if key == "interfaces":
            return sorted(str(name) for name in value.values())
        return {name: _normal(name, inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        # The order of networks decides which NID is a node's first; that of routes and peers decides nothing.
        items = [_normal(key, item) for item in value]
        return items if key in ("net", "local NI(s)") else sorted(items, key=repr)
    if key in ("net type", "net"):
        return normal_net(value)
    if key in ("nid", "gateway", "primary nid"):
        return normal_nid(value)
    return str(value).lower()


def active(text: str | None) -> bool:
    """Whether a file holds anything but comments (the package's own lnet.conf does not)."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in (text or "").splitlines())


def ours(text: str | None) -> bool:
    return (text or "").startswith(HEADER)


def modprobe_conf(options: Mapping[str, Mapping[str, str]]) -> str:
    """``options MODULE name=value ...`` per module."""
    lines = [HEADER.rstrip("\n")]
    for module, values in sorted(options.items()):
        words = [
            f'{name}="{value}"' if re.search(r"\s|,", value) else f"{name}={value}"
            for name, value in sorted(values.items())
        ]
        lines.append(" ".join(["options", module, *words]))
    return "\n".join(lines) + "\n"


def same_options(left: str, right: str) -> bool:
    """Whether two modprobe files say the same."""
    return _options(left) == _options(right)


def _options(text: str) -> list[list[str]]:
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            found.append(sorted(line.replace('"', "").split()))
    return sorted(found)


_STATIC = re.compile(
    r"^[ \t]*options[ \t]+lnet[ \t](?:.*[ \t])?(?P<name>networks|ip2nets|routes)=(?P<value>[^\n]*)", re.M
)


def refuse_static(modprobe: Mapping[str, str]) -> None:
    """Refuse a node whose LNet is (also) configured by module parameters: the two ways must not be mixed."""
    for path, text in sorted(modprobe.items()):
        match = _STATIC.search(text.replace("\\\n", " "))
        if match is not None:
            raise Refused(
                "configure LNet through lnetctl",
                f"{path} sets the parameter {match['name']} of the module lnet ({match['name']}={match['value'].strip()}), "
                "which configures LNet at load time, and the two ways must not be mixed on one node",
                f"Remove {match['name']}= from {path} (what it says belongs under networks and routes here), then run again; "
                "a module that is already loaded keeps what it was given until lustre_rmmod or a reboot.",
            )


def refuse_foreign(path: str, found: str, remedy: str = "") -> None:
    """Refuse to replace a file that somebody else wrote."""
    first = next(line.strip() for line in found.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    raise Refused(
        f"replace {path}",
        f"it holds settings that this collection did not write (the first is {first!r}) and that are not the wanted ones",
        remedy or f"Take over what you need into the description, move {path} away, then run again.",
    )


def drop_in(want: LnetWant) -> str:
    """The drop-in of lnet.service; why it is as it is stands in it, for whoever reads it on the node."""
    devices = " ".join(f"sys-subsystem-net-devices-{_escaped(name)}.device" for name in _interfaces(want))
    return f"""{HEADER}
[Unit]
# The packaged unit is skipped without a word when lnet is already loaded, and then nothing
# of {LNET_CONF} is ever applied.  An empty assignment drops that condition.
ConditionPathExists=
# Order only, no Requires= or BindsTo=: where udev does not run these units never appear and
# must not hold LNet up, and an interface that goes away must not unload LNet under a mount.
# That the interfaces have their addresses is what the start script waits for.
Wants=network-online.target
After=network-online.target {devices}

[Service]
ExecStart=
ExecStart={START_SCRIPT}
TimeoutStartSec=900
"""


def _escaped(name: str) -> str:
    """An interface name inside a unit name (systemd-escape)."""
    return "".join(
        sign if sign.isalnum() or sign in "_:" or (sign == "." and place) else f"\\x{ord(sign):02x}"
        for place, sign in enumerate(name)
    )


def _interfaces(want: LnetWant) -> list[str]:
    return list(
        dict.fromkeys(
            name for network in want.networks if net_kind(network.net) in IP_NETS for name in network.interfaces
        )
    )


def start_script(want: LnetWant, by_nid: ByNid | None = None) -> str:
    """What lnet.service runs: LNet up, whatever of it is up already; fails loudly, never half-way in silence."""
    named = by_nid or {}
    checks = "\n".join(f"wait_for {shlex.quote(name)}" for name in _interfaces(want))
    # An IPv6 address is there before it may be used.
    checks += "".join(
        f"\nwait_for {shlex.quote(name)} to {split_nid(nid)[0]} -tentative" for (_net, name), nid in named.items()
    )
    one_by_one = "\n".join(_add(argv) for argv in _additions(want, named)) or ":"
    policies = (
        "\n".join(_add(lnetctl.udsp_add(rule.src, rule.dst, rule.rte, rule.priority, None)) for rule in want.udsp)
        or ":"
    )
    return f"""#!/bin/sh
{HEADER}# Brings LNet up as {LNET_CONF} says.  Safe to run at any time: what is there already stays.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
failed=0

# LNet takes its NIDs from the addresses, so an interface without one must not be used yet.
wait_for() {{
    left={WAIT}
    until [ -n "$(ip -o address show dev "$@" up scope global 2>/dev/null)" ]; do
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            echo "LNet is not started: the interface $* has no address after {WAIT} s" >&2
            exit 1
        fi
        sleep 1
    done
}}

# One object by lnetctl.  That it exists (-17, for a policy 114) is what was wanted.
add() {{
    text=$(lnetctl "$@" 2>&1) && return 0
    case $text in
    *"errno: -17"* | *"errno: 114"* | *"errno: -114"*) return 0 ;;
    esac
    echo "lnetctl $* failed: $text" >&2
    failed=1
}}

{checks or ":"}
modprobe lnet || exit 1
lnetctl lnet configure || exit 1

{_bring_up(one_by_one, bool(named))}
{policies}
exit "$failed"
"""


def _bring_up(one_by_one: str, by_nid: bool) -> str:
    """Import where it does what is meant; it takes the first address of an interface, whatever NID an entry names (2.17.0)."""
    if by_nid:
        return f"# import may take another address of an interface than the IPv6 one that is meant.\n{one_by_one}"
    return f"""# On a fresh LNet one import does it all.  On one that has interfaces already (a playbook, an
# administrator, a mount before us) import would stop at the first of them and leave the rest out.
if [ -z "$(lctl list_nids 2>/dev/null)" ] && lnetctl import {LNET_CONF}; then
    :
else
{_indented(one_by_one)}
fi"""


def _additions(want: LnetWant, by_nid: ByNid) -> Iterable[Sequence[str]]:
    for key, value in sorted(want.settings.items()):
        yield lnetctl.set_value(key, value)
    for network in want.networks:
        for interface in network.interfaces:
            nid = by_nid.get((network.net, interface))
            yield lnetctl.net_add(network.net, [interface], network.tunables, network.lnd_tunables, network.cpts, nid)
    for route in want.routes:
        yield lnetctl.route_add(route.net, route.gateway, route.hop, route.priority)
    if want.routing is not None:
        yield lnetctl.set_value("routing", int(want.routing.enabled))
        for pool, count in want.routing.buffers.items():
            yield lnetctl.set_value(f"{pool}_buffers", count)
    for peer in want.peers:
        yield lnetctl.peer_add(peer.primary, [nid for nid in peer.nids if nid != peer.primary], peer.multi_rail)


def _add(argv: Sequence[str]) -> str:
    return "add " + shlex.join(argv[1:])


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
