# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts take part in which play of ``site.yml``, out of what a look at every host found.

The look only chooses hosts; a play that a host takes part in looks again by itself.  So a
host may be chosen once too often, but never be left out: one that has anything to do also
takes part in all that comes after it, and one whose look gave no answer for a phase is
never taken for done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.lustre.core.plugins.plugin_utils._plan_report import elsewhere, plan_table
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain
from ansible_collections.lustre.core.plugins.plugin_utils._table import count, table

#: The plays in their order, each with its tag (also the name of its role) and the phases of a node that it brings about.
PLAYS: dict[str, tuple[str, ...]] = {
    "lustre_packages": ("packages",),
    "lustre_lnet": ("firewall", "lnet", "services"),
    "lustre_security": ("credentials", "gss"),
    "lustre_storage": ("zpools", "luks"),
    "lustre_mgs": ("mgt",),
    "lustre_mds": ("mdt0", "mdt", "changelogs"),
    "lustre_oss": ("ost",),
    "lustre_client": ("params_mount", "client", "directories", "client_subdir"),
    "lustre_encryption": ("encryption",),
    "lustre_params": ("params",),
}
#: Plays that change what other hosts see: after them parameters may be there that were not before.
_SERVING = ("lustre_storage", "lustre_mgs", "lustre_mds", "lustre_oss")
#: Plays before the point from which on each counts on all servers.
_GROUND = ("lustre_packages", "lustre_lnet")
SERVERS = ("lustre_mgs", "lustre_mds", "lustre_oss")
#: A pattern that matches no host. An empty list would not do: Ansible takes it for all hosts.
NOBODY = ["all:!all"]


def site_hosts(groups: Iterable[str]) -> str:
    """The pattern of the hosts that a playbook begins with: those of the site, or the controller, where it is said that there is none."""
    return "lustre_all" if "lustre_all" in groups else "localhost"


def look_phases(
    run_tags: Iterable[str], skip_tags: Iterable[str] = (), firewall: Any = True, packages: bool = True
) -> list[str]:
    """The phases that a run with these tags acts on; tags of the user's own mean all of them."""
    out = {
        phase
        for phase, wanted in (("firewall", boolean(plain(firewall), strict=False)), ("packages", packages))
        if not wanted
    }
    chosen = [tag for tag in PLAYS if tag in set(plain(list(run_tags)))] or list(PLAYS)
    left = [tag for tag in chosen if tag not in set(plain(list(skip_tags)))]
    return [phase for tag in left for phase in PLAYS[tag] if phase not in out]


def site_todo(
    looks: Mapping[str, Any],
    groups: Mapping[str, Sequence[str]],
    check_mode: bool = False,
    kerberos: Mapping[str, Any] | None = None,
    filesystems: Iterable[Any] | None = None,
) -> dict[str, Any]:
    """The hosts of each play as patterns (``hosts``), and what to tell the user (``text``).

    ``looks`` maps each host to the return of ``lustre.core.node`` in check mode (None: no answer; such a host takes part
    in nothing).  ``hosts`` has a key for each of PLAYS, ``ground`` for the first two of them together, ``devices`` for the
    servers that take part in anything before or of the plays of targets, ``lacking`` for hosts whose packages are not
    as wanted, and ``lustre_kdc`` for our own KDCs, when a host lacks anything of security.  In check mode nobody takes part
    in what changes something: the look itself was the plan.  ``filesystems``: where nodemaps or tenants are described, the
    text says which playbook is for them.
    """
    taking: dict[str, list[str]] = {play: [] for play in PLAYS}
    pools: list[str] = []
    answers = {plain(host): plain(looks[host]) for host in looks}
    answers = {
        host: look for host, look in answers.items() if look and not look.get("failed") and not look.get("unreachable")
    }
    for host, look in answers.items():
        for play in _plays_of(look):
            taking[play].append(host)
        if "hostid" in look.get("packages", {}).get("basics", {}):
            pools.append(host)
    serving = {host for play in _SERVING for host in taking[play]}
    if serving or any("params" in _changed(look) for look in answers.values()):
        taking["lustre_params"] = [host for host, look in answers.items() if "params" in _phases(look)]
    text = _text(answers, taking, check_mode)
    # The role looks after more of ZFS than its pools (units, the host id), which a look does not see.
    taking["lustre_storage"] = list(dict.fromkeys([*taking["lustre_storage"], *pools]))
    ground = [host for host in answers if any(host in taking[play] for play in _GROUND)]
    servers = {plain(host) for group in SERVERS for host in groups.get(group, ())}
    devices = [host for host in answers if host in servers and (host in serving or host in ground)]
    told = {**taking, "ground": ground, "devices": devices}
    shown = {play: NOBODY if check_mode or not hosts else hosts for play, hosts in told.items()}
    shown["lustre_kdc"] = (_own_kdcs(kerberos) if taking["lustre_security"] and not check_mode else []) or NOBODY
    # Refusals are told in check mode, too.
    shown["lacking"] = [host for host, look in answers.items() if _lacks(look)] or NOBODY
    return {"hosts": shown, "text": text + elsewhere(filesystems)}


def _own_kdcs(kerberos: Mapping[str, Any] | None) -> list[str]:
    """The hosts that are KDCs of ours, the primary first; none where keys come from somebody else's realm."""
    given = plain(kerberos) or {}
    if not given.get("realm") or (given.get("source") or "own") != "own":
        return []
    kdcs = given.get("kdcs") or []
    return [kdcs] if isinstance(kdcs, str) else list(kdcs)


def _phases(look: Mapping[str, Any]) -> list[str]:
    return [part["phase"] for part in look.get("results") or ()]


def _changed(look: Mapping[str, Any]) -> set[str]:
    return {part["phase"] for part in look.get("results") or () if part["changed"]}


def _lacks(look: Mapping[str, Any]) -> bool:
    packages = look.get("packages") or {}
    return bool(packages.get("todo") or packages.get("basics", {}).get("repair"))


def _plays_of(look: Mapping[str, Any]) -> list[str]:
    """The plays that a host takes part in: the first that has something to do, and of those after it all that concern it."""
    also = {"packages"} if _lacks(look) else set()
    changed = also | _changed(look)
    concerned = also | set(_phases(look))
    chosen, begun = [], False
    for play, phases in PLAYS.items():
        begun = begun or bool(changed & set(phases))
        if begun and concerned & set(phases):
            chosen.append(play)
    return chosen


def _text(answers: Mapping[str, Any], taking: Mapping[str, Sequence[str]], check_mode: bool) -> str:
    if check_mode:
        return plan_table(answers)
    rows = [(play, listed(hosts, 8)) for play, hosts in taking.items() if hosts]
    headline, _break, rest = plan_table(answers).partition("\n")
    drifted = any(look.get("drift") for look in answers.values())
    if rows:
        return "\n".join([headline, *table(("ROLE", "HOSTS"), rows)])
    return f"Nothing to do: {count(len(answers), 'host')} as described." if not drifted else f"{headline}\n{rest}"
