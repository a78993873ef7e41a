# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The flavor of a tenant, as the rules that Lustre has for it.

There is no rule for a nodemap or a host, only for the LNet network on which a connection begins.  So a tenant's flavor is
two rules per network of its NIDs, ``cli2mdt`` and ``cli2ost``: a rule without a direction would hit servers among
themselves as well, whose flavor is not the tenant's.  The same for the check of the whole site and for one host's slice.
"""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import (
    FlavorRule,
    Nodemap,
    Tenant,
    effective,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.nodemaps import readable

DIRECTIONS = ("cli2mdt", "cli2ost")


def nets_of(nodemap: Nodemap, nids: Iterable[str] = ()) -> list[str]:
    """The networks of its written ranges, and of these NIDs."""
    return sorted({span.net for span in readable(nodemap.ranges)} | {nid_net(nid) for nid in nids})


def rules_of(tenant: Tenant, nets: Iterable[str], described: Sequence[FlavorRule]) -> list[FlavorRule]:
    """What is to be set for it on these networks; nothing where the rules of the file system say the same."""
    found = []
    for net in nets:
        for direction in DIRECTIONS:
            rule = effective(described, net, direction)
            if (rule.flavor if rule is not None else "null") != tenant.flavor:
                found.append(FlavorRule(f"{tenant.where}.flavor", tenant.flavor, net, direction))
    return found if tenant.flavor else []


def unlike(rules: Iterable[FlavorRule], described: Iterable[FlavorRule]) -> list[FlavorRule]:
    """Each rule once, those left out that speak of what a described one speaks of: tenants of one network share them."""
    taken = {(rule.network, rule.direction) for rule in described}
    found: dict[tuple[str, str], FlavorRule] = {}
    for rule in rules:
        if (rule.network, rule.direction) not in taken:
            found.setdefault((rule.network, rule.direction), rule)
    return list(found.values())


def options_of_rules(fsname: str, rules: Iterable[FlavorRule]) -> list[dict[str, str]]:
    """Rules of a file system in the options of ``lustre.core.flavor``."""
    return [
        {"target": fsname, "network": rule.network, "direction": rule.direction, "flavor": rule.flavor}
        for rule in rules
    ]


def name_of_rule(rule: Mapping[str, str]) -> str:
    """What the MGS calls such a rule of a network and a direction."""
    return f"{rule['target']}.srpc.flavor.{rule['network']}.{rule['direction']}"
