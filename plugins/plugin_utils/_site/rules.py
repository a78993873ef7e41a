# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The check of a whole description: its shape, then every rule over several fields.

Rules go on after shape errors, on what could be read, so that one run lists everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils._site import (
    parse,
    rules_changelogs,
    rules_clients,
    rules_encryption,
    rules_flavors,
    rules_hosts,
    rules_kerberos,
    rules_lnet,
    rules_luks,
    rules_nodemaps,
    rules_squash,
    rules_targets,
    rules_tenant_flavors,
    rules_tenants,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, Problem
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import Site

#: What the shape of the description itself asks for.
SHAPE = (
    Rule("wrong-type", "A value has the type of its key; consent is a YAML boolean, never a word in quotes."),
    Rule("unknown-key", "A key is one of the reference above."),
    Rule("missing-key", "A key without a default is given."),
    Rule("unknown-choice", "A word is one of those that the key knows."),
    Rule("bad-text", "A text has the form that the key asks for, such as 1 to 8 characters of a file system's name."),
    Rule("bad-index", "An index is a number or a range, and at most 65503."),
    Rule("out-of-range", "A number is within the bounds of its key."),
    Rule("empty-list", "A list that needs an item has one."),
    Rule("template-left", "No Jinja template is left unrendered."),
    Rule("bad-pattern", "A pattern in braces is {index}, {host} or {fsname}."),
    Rule("bad-net", "The name of an LNet network can be read."),
    Rule("mgs-way", "The description says in exactly one way where the MGS is."),
)
_FAMILIES = (
    rules_hosts,
    rules_luks,
    rules_targets,
    rules_lnet,
    rules_clients,
    rules_flavors,
    rules_kerberos,
    rules_nodemaps,
    rules_tenants,
    rules_tenant_flavors,
    rules_encryption,
    rules_squash,
    rules_changelogs,
)
_LISTED = (rules_targets, rules_luks, rules_hosts, rules_lnet, *_FAMILIES[4:])
RULES: tuple[Rule, ...] = SHAPE + tuple(rule for family in _LISTED for rule in family.RULES)
_CHECKS = tuple(check for family in _FAMILIES for check in family.CHECKS)


def check_site(site: Site, hosts: Hosts, findings: Findings, complete: bool = True) -> None:
    """Apply every rule to a parsed site."""
    context = Context(site, hosts, findings, complete)
    for check in _CHECKS:
        check(context)
    findings.problems.sort(key=_order)
    findings.warnings.sort(key=_order)


def check(
    filesystems: Any,
    lnet: Any,
    hostvars: Mapping[str, Any],
    groups: Mapping[str, Sequence[str]],
    complete: bool = True,
    kerberos: Any = None,
) -> tuple[Site, Findings]:
    """Parse and check; what is wrong is in the findings."""
    findings = Findings()
    site = parse.site(filesystems, lnet, findings, kerberos)
    servers = {server for filesystem in site.filesystems for target in filesystem.targets for server in target.servers}
    check_site(site, Hosts(hostvars, groups, servers), findings, complete)
    return site, findings


def _order(problem: Problem) -> tuple[int, str]:
    """In the order of the description: file systems, LNet, Kerberos, hosts."""
    place = next(
        (
            n
            for n, start in enumerate(("hosts", "lustre_filesystems", "lustre_lnet", "lustre_kerberos", "host "))
            if problem.path.startswith(start)
        ),
        5,
    )
    return place, _numbers(problem.path)


def _numbers(path: str) -> str:
    """[10] sorts after [9]."""
    return "".join(
        part.zfill(6) if part.isdigit() else part for part in path.replace("[", "[ ").replace("]", " ]").split(" ")
    )
