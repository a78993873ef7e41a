# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security rules as a user writes them, checked before anything is read."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import srpc
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net
from ansible_collections.lustre.core.plugins.module_utils._options import require_known

_KNOWN = ("target", "network", "direction", "flavor")
#: Flavors that say how a peer is known, for those who forgot that YAML reads a bare null as nothing.
_QUOTES = 'Write one of {known}, null in quotes: flavor: "null".'


def rules_from_options(options: Sequence[Mapping[str, Any]], path: str = "rules") -> list[srpc.Rule]:
    """The wanted rules; BadValue names the entry that cannot be used, or that speaks of what another one speaks of."""
    rules: list[srpc.Rule] = []
    for number, entry in enumerate(options):
        rule = _rule(entry, f"{path}[{number}]")
        for place, other in enumerate(rules):
            if other.name == rule.name:
                raise BadValue(
                    f"{path}[{number}]", f"{rule.name} is already given as {path}[{place}]", "Keep one of the two."
                )
        rules.append(rule)
    return rules


def checked_target(given: object, path: str) -> str:
    """``fs1``, ``fs1-OST000a`` (as Lustre prints it) or ``_mgs``."""
    name = str(given or "")
    match = srpc.TARGET.match(name)
    if name == srpc.MGS or match is None:
        if name != srpc.MGS:
            raise BadValue(
                path,
                f"{name!r} is neither a file system nor a target of one",
                f"Write the name of a file system (fs1), of a target (fs1-MDT0000, fs1-OST0003), or {srpc.MGS}.",
            )
        return name
    return f"{match['fsname']}-{match['kind']}{match['index'].lower()}" if match["kind"] else name


def checked_purge(given: object, path: str) -> str:
    """A target, or one rule by the whole name that Lustre prints: ``fs1.srpc.flavor.default.cli2mdt``."""
    name = str(given or "")
    if ".srpc.flavor." not in name:
        return checked_target(given, path)
    try:
        return srpc.parse_rule(f"{name}=null").name
    except UnknownOutput:
        what = f"{name!r} is not the name of a rule"
        raise BadValue(path, what, "Write it as the MGS shows it: fs1.srpc.flavor.default.cli2mdt.") from None


def _rule(options: Mapping[str, Any], path: str) -> srpc.Rule:
    require_known(options, _KNOWN, path)
    target = checked_target(options.get("target"), f"{path}.target")
    network = str(options.get("network") or srpc.ANY_NETWORK)
    if network != srpc.ANY_NETWORK:
        try:
            network = normal_net(network)
        except ValueError as error:
            raise BadValue(f"{path}.network", str(error), f"Or write {srpc.ANY_NETWORK} for all networks.") from None
        if network == "lo":
            raise BadValue(
                f"{path}.network",
                "connections inside a node never use a flavor",
                "Leave the rule out, or name a network.",
            )
    direction = str(options.get("direction") or "")
    if direction and direction not in srpc.DIRECTIONS:
        raise BadValue(
            f"{path}.direction",
            f"{direction!r} is no direction",
            f"Write one of {', '.join(srpc.DIRECTIONS)}, or leave it out for all.",
        )
    if target == srpc.MGS and direction:
        raise BadValue(
            f"{path}.direction", f"a rule of {srpc.MGS} has none: only nodes connect to the MGS", "Leave it out."
        )
    return srpc.Rule(target, _flavor(options.get("flavor"), f"{path}.flavor"), network, direction)


def _flavor(value: object, path: str) -> str:
    known = ", ".join(srpc.FLAVORS)
    if value is None:
        raise BadValue(path, "is empty", _QUOTES.format(known=known))
    text = str(value)
    if text not in srpc.FLAVORS:
        raise BadValue(path, f"{text!r} is no security flavor", _QUOTES.format(known=known))
    return text
