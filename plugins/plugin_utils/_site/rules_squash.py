# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about root squash: nobody whose root is needed loses it, and what is stored is what Lustre takes.

Metadata servers map by the nodemap first, then squash whoever is still root (mdt_lib.c): a host that stays root needs both.
"""

from __future__ import annotations

from typing import Iterator

from ansible_collections.lustre.core.plugins.module_utils._nid_range import spans_of
from ansible_collections.lustre.core.plugins.module_utils._resources.param_want import ParamWant
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import RootSquash
from ansible_collections.lustre.core.plugins.plugin_utils._site.root_squash import (
    KEYS,
    LONGEST,
    name_of,
    spared,
    spares,
    values,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.rules_nodemaps import groups
from ansible_collections.lustre.core.plugins.plugin_utils._site.rules_tenants import maker

RULES = (
    Rule("squash-mgs", "Root squash is stored by an MGS of this inventory."),
    Rule("squash-off", "Root squash without a user is off, and has no group either."),
    Rule("squash-param", "Root squash is described once: by its key, or by parameters."),
    Rule("squash-range", "Ranges of NIDs that are not squashed can be read."),
    Rule("squash-nid", "The NIDs of hosts that are not squashed are known."),
    Rule("squash-length", f"The list of NIDs that are not squashed has at most {LONGEST} characters."),
    Rule(
        "squash-lockout",
        "Hosts that make or encrypt directories, and those that administer nodemaps, are not squashed.",
    ),
    Rule("squash-nodemap", "A host that is not squashed keeps root's rights in its nodemap, too (warning)."),
)


def _described(context: Context) -> Iterator[tuple[FileSystem, RootSquash]]:
    for filesystem in context.site.filesystems:
        if filesystem.security.root_squash is not None:
            yield filesystem, filesystem.security.root_squash


def forms(context: Context) -> None:
    for filesystem, squash in _described(context):
        if filesystem.mgs.way == "nids":
            what = "root squash is stored on the MGS, which is outside this inventory"
            context.add(squash.where, what, "Remove it, and set it at that site.", "squash-mgs")
        if not squash.on and squash.gid:
            what = f"with uid 0 Lustre squashes nobody, so that the group {squash.gid} has no effect"
            context.add(f"{squash.where}.gid", what, "Give a uid, or gid: 0 as well to switch it off.", "squash-off")
        for number, text in enumerate(squash.ranges):
            try:
                spans_of(text)
            except ValueError as error:
                fix = "Write it like 10.0.0.[1-20]@tcp or 10.0.0.0/24@tcp."
                context.add(f"{squash.where}.nosquash_nids[{number}]", str(error), fix, "squash-range")


def params(context: Context) -> None:
    """A parameter that speaks of the same thing would be set against this one in every run."""
    for filesystem, squash in _described(context):
        for other in [filesystem, *(one for one in context.sharers(filesystem) if one is not filesystem)]:
            for param in other.params:
                both = [key for key in KEYS if _meet(param.name, name_of(filesystem.name, key))]
                if both:
                    what = f'"{param.name}" speaks of what {squash.where} describes'
                    context.add(param.path, what, "Remove it, or root_squash.", "squash-param")


def _meet(one: str, other: str) -> bool:
    return ParamWant(one).covers(other) or ParamWant(other).covers(one)


def _nids(context: Context, filesystem: FileSystem, squash: RootSquash) -> list[str]:
    mgs = context.mgs_of(filesystem)
    servers = [*(mgs.servers if mgs is not None else ())]
    servers += [server for target in filesystem.targets for server in target.servers]
    hosts = [*(host for host in servers if context.hosts.knows(host)), *sorted(context.expanded(squash.nosquash))]
    return [nid for host in dict.fromkeys(hosts) for nid in context.nids(host)]


def lists(context: Context) -> None:
    if not context.complete:
        return
    for filesystem, squash in _described(context):
        where = f"{squash.where}.nosquash"
        missing = sorted(host for host in context.expanded(squash.nosquash) if not context.nids(host))
        if missing and not context.broken(where, *(f"host {host}" for host in missing)):
            what = f"the NIDs of {listed(missing)} are not known, and the list of who is not squashed is made of them"
            fix = "Give them lustre_nids, or an IP address in ansible_host and a place on exactly one network; or write nosquash_nids."
            context.add(where, what, fix, "squash-nid")
        length = len(values(squash, _nids(context, filesystem, squash))["nosquash_nids"])
        if length > LONGEST:
            what = f"the NIDs of all hosts that are not squashed make a list of {length} characters, and Lustre takes {LONGEST}"
            fix = "Name fewer hosts, or a range that holds them in nosquash_nids; nodemaps have no such limit."
            context.add(where, what, fix, "squash-length")


def lockout(context: Context) -> None:
    if not context.complete:
        return
    for filesystem, squash in _described(context):
        if not squash.on or context.broken(squash.where):
            continue
        spans = spared(squash, _nids(context, filesystem, squash))
        named = context.expanded(squash.nosquash)
        told: set[str] = set()
        for where, host, does in _needed(context, filesystem):
            if host in named or host in told or not context.hosts.knows(host) or spares(spans, context.nids(host)):
                continue
            told.add(host)
            what = f"{host} {does}, and its root would be {squash.uid}:{squash.gid}"
            context.add(f"{squash.where}.nosquash", what, f"Add {host}, or change {where}.", "squash-lockout")
        _nodemaps(context, filesystem, squash)


def _needed(context: Context, filesystem: FileSystem) -> Iterator[tuple[str, str, str]]:
    """Hosts whose root has work to do in the file system: where that is described, and what they do."""
    host = maker(context, filesystem) if filesystem.directories else None
    if host is not None:
        key = "tenants" if all(directory.tenant for directory in filesystem.directories) else "directories"
        yield f"{filesystem.path}.{key}", host, f"makes the directories of {filesystem.path}.{key}"
    for directory in filesystem.security.encrypted:
        first = context.hosts.first(directory.hosts)
        if first is not None:
            yield directory.where, first, f"encrypts {directory.path}"
    for owner, found in groups(context):
        if found.settings is not None and filesystem.path in {one.path for one in [owner, *context.sharers(owner)]}:
            settings = found.settings
            for key, patterns in (("admins", settings.admins), ("protect", settings.protect)):
                for name in sorted(context.expanded(patterns)):
                    yield f"{settings.where}.{key}", name, f"is to keep root's rights ({settings.where}.{key})"


def _nodemaps(context: Context, filesystem: FileSystem, squash: RootSquash) -> None:
    """With active nodemaps, the nodemap of a host squashes its root before this list is looked at."""
    for owner, found in groups(context):
        sharers = {one.path for one in [owner, *context.sharers(owner)]}
        if found.settings is None or not found.settings.active or filesystem.path not in sharers:
            continue
        hosts = sorted(context.expanded(squash.nosquash))
        lost = [
            host for host in hosts if not found.allows(found.of_host(host, context.hosts, context.nids(host)), "admin")
        ]
        if lost:
            what = f"nodemaps are active, and {listed(lost)} {'is' if len(lost) == 1 else 'are'} in one without admin, which squashes root first"
            fix = f"Add {'it' if len(lost) == 1 else 'them'} to nodemaps.admins, or leave {'it' if len(lost) == 1 else 'them'} out here."
            context.warn(f"{squash.where}.nosquash", what, fix, "squash-nodemap")


CHECKS: tuple[Checker, ...] = (forms, params, lists, lockout)
