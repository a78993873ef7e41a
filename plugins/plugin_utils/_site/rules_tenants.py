# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about tenants: each in a directory, with identities and hosts of its own; and about who can still mount."""

from __future__ import annotations

from typing import Iterator

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources import nodemap_want
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import ClientMount, FileSystem
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import Nodemap, Tenant
from ansible_collections.lustre.core.plugins.plugin_utils._site.nodemaps import MgsNodemaps
from ansible_collections.lustre.core.plugins.plugin_utils._site.rules_nodemaps import groups

RULES = (
    Rule("tenant-nodemaps", "Tenants need nodemaps, and are kept apart only by active ones (warning without)."),
    Rule("tenant-hosts", "A tenant has hosts or ranges, and hosts if its directory is to be mounted."),
    Rule("tenant-subdir", "No tenant's directory is, or lies in, that of another one."),
    Rule(
        "tenant-ids",
        "A tenant's ids are mapped, or those of the file system; one way of the two (warning without any).",
    ),
    Rule("id-overlap", "Offsets of nodemaps do not overlap; an id of the file system belongs to one tenant (warning)."),
    Rule("tenant-project", "A project id belongs to one tenant of a file system."),
    Rule("tenant-mount", "A host of a tenant mounts nothing outside of the tenant's directory."),
    Rule("client-denied", "A host that mounts is in a nodemap that may mount."),
    Rule("directory-maker", "The host that makes directories is root in the file system."),
)
_ID_KINDS = ("uid", "gid", "projid")


def nodemaps(context: Context) -> None:
    for filesystem, found in groups(context):
        tenants = [tenant for tenant in found.tenants if tenant.present]
        if not tenants:
            continue
        if found.settings is None and not context.broken(f"{filesystem.path}.nodemaps"):
            what = "tenants are kept apart by nodemaps, and it is not said whether these are in force and who administers them"
            fix = "Add nodemaps: {active: true, admins: [...], default: {deny_mount: true}}."
            context.add(f"{filesystem.path}.nodemaps", what, fix, "tenant-nodemaps")
        elif found.settings is not None and not found.settings.active:
            what = f"nodemaps are not said to be active, so that nothing keeps {listed(t.name for t in tenants)} apart"
            fix = "Set active: true once all that is mounted is in a nodemap."
            context.warn(f"{found.settings.where}.active", what, fix, "tenant-nodemaps")


def hosts(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for tenant in filesystem.security.tenants:
            if not tenant.nodemap.hosts and not tenant.nodemap.ranges and tenant.present:
                what = f"the tenant {tenant.name} has neither hosts nor ranges, so that nobody belongs to it"
                context.add(tenant.where, what, "Name its hosts, or the ranges of their NIDs.", "tenant-hosts")
            if tenant.mount is not None and not tenant.nodemap.hosts:
                what = "it is described by ranges alone, and nobody here knows which hosts are to mount"
                context.add(tenant.mount.where, what, "Name hosts of the inventory, or remove mount.", "tenant-hosts")


def directories(context: Context) -> None:
    for _filesystem, found in groups(context):
        # One nodemap holds for all file systems of its MGS, and so does its fileset.
        tenants = sorted((t for t in found.tenants if t.present), key=lambda t: (t.subdir.rstrip("/") + "/", t.where))
        for number, outer in enumerate(tenants):
            for inner in tenants[number + 1 :]:
                if not (inner.subdir.rstrip("/") + "/").startswith(outer.subdir.rstrip("/") + "/"):
                    continue
                if inner.subdir == outer.subdir and context.broken(f"{inner.where}.subdir"):
                    continue
                if inner.subdir == outer.subdir:
                    what = f"{inner.subdir} is also the directory of {outer.name} ({outer.where})"
                else:
                    what = f"{inner.subdir} lies in {outer.subdir}, the directory of {outer.name} ({outer.where}), who would see all of it"
                context.add(
                    f"{inner.where}.subdir", what, "Give each tenant a directory beside the others.", "tenant-subdir"
                )


def identities(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for tenant in filesystem.security.tenants:
            mapped = [key for key in ("offset", "idmap") if tenant.nodemap.options.get(key)]
            if tenant.trusted and mapped:
                what = f"its ids are those of the file system (trusted), yet {' and '.join(mapped)} is given"
                context.add(
                    f"{tenant.where}.trusted", what, f"Remove trusted, or {' and '.join(mapped)}.", "tenant-ids"
                )
            elif not tenant.trusted and not mapped and tenant.present:
                what = f"no id of {tenant.name} is mapped, so that every user of it, and its root, is nobody"
                fix = "Give it an offset (or idmap), or trusted: true if its ids are those of the file system."
                context.warn(tenant.where, what, fix, "tenant-ids")


def ids(context: Context) -> None:
    for _filesystem, found in groups(context):
        _offsets(context, found)
        _shared_ids(context, found)


def _spans(nodemap: Nodemap) -> Iterator[tuple[str, int, int]]:
    """``(kind, first, last)`` of the ids of the file system that a nodemap's clients can become."""
    offset = nodemap.options.get("offset")
    if offset and offset["limit"]:
        for kind in _ID_KINDS:
            yield kind, offset["offset"], offset["offset"] + offset["limit"] - 1
    try:
        want = nodemap_want.want_from_options({"name": "x", "idmap": nodemap.options.get("idmap")}, "x")
    except BadValue:
        return
    for kind, pairs in (want.idmap or {}).items():
        for number in pairs.values():
            yield kind, number, number


def _offsets(context: Context, found: MgsNodemaps) -> None:
    placed = [(one.options["offset"], one) for one in found.present if one.options.get("offset", {}).get("limit")]
    placed.sort(key=lambda pair: (pair[0]["offset"], pair[1].where))
    for (first, one), (second, other) in zip(placed, placed[1:]):
        end = first["offset"] + first["limit"] - 1
        if second["offset"] <= end:
            what = f"ids from {second['offset']} on belong to {one.name} ({one.where}), which has {first['offset']} to {end}"
            context.add(f"{other.where}.offset", what, f"Begin at {end + 1} or above.", "id-overlap")


def _shared_ids(context: Context, found: MgsNodemaps) -> None:
    """Two tenants that become the same user of the file system: their directories still differ, so it is a warning."""
    taken: list[tuple[str, int, int, Tenant]] = []
    for tenant in found.tenants:
        own = list(_spans(tenant.nodemap)) if tenant.present else []
        for kind, first, last in own:
            clash = next(
                (t for t in taken if t[0] == kind and t[1] <= last and first <= t[2] and t[3] is not tenant), None
            )
            if clash is not None:
                if first == last or clash[1] == clash[2]:
                    what = f"the {kind} {max(first, clash[1])} of the file system is also one of {clash[3].name} ({clash[3].where})"
                    context.warn(
                        f"{tenant.where}.idmap",
                        what,
                        "Map them to ids of their own, if they shall not share files.",
                        "id-overlap",
                    )
                break
        taken += [(kind, first, last, tenant) for kind, first, last in own]


def projects(context: Context) -> None:
    for filesystem in context.site.filesystems:
        seen: dict[int, str] = {}
        for directory in filesystem.directories:
            if directory.project is None:
                continue
            where = f"{directory.where}.project"
            other = seen.setdefault(directory.project, where)
            if other != where and directory.tenant:
                what = f"the project {directory.project} is also that of {other}: they would share one quota"
                context.add(where, what, "Give each tenant a project id of its own.", "tenant-project")


def mounts(context: Context) -> None:
    for filesystem, found in groups(context):
        tenants = [tenant for tenant in found.tenants if tenant.present and tenant.nodemap.hosts]
        members = [(tenant, context.expanded(tenant.nodemap.hosts)) for tenant in tenants]
        for other in {one.path: one for one in [filesystem, *context.sharers(filesystem)]}.values():
            for mount in other.clients:
                if not mount.tenant and mount.state in ("mounted", "present"):
                    _mount(context, mount, members)


def _mount(context: Context, mount: ClientMount, members: list[tuple[Tenant, frozenset[str]]]) -> None:
    mounting = context.expanded(mount.hosts)
    for tenant, own in members:
        both = sorted(mounting & own)
        if both and not (mount.subdir + "/").startswith(tenant.subdir.rstrip("/") + "/"):
            whole = mount.subdir or "the whole file system"
            what = f"{listed(both)} {'is' if len(both) == 1 else 'are'} of the tenant {tenant.name} ({tenant.where}) and would mount {whole}"
            fix = f"Say subdir: {tenant.subdir} or a directory in it, or leave these hosts to {tenant.where}.mount."
            context.add(mount.path, what, fix, "tenant-mount")


def denied(context: Context) -> None:
    """With active nodemaps: hosts that the description itself lets mount, and Lustre would not."""
    if not context.complete:
        return
    for filesystem, found in groups(context):
        if found.settings is None or not found.settings.active:
            continue
        sharers = {one.path: one for one in [filesystem, *context.sharers(filesystem)]}
        for mount in (mount for one in sharers.values() for mount in one.clients if mount.state == "mounted"):
            closed: dict[str, list[str]] = {}
            for host in sorted(context.expanded(mount.hosts)):
                nodemap = found.of_host(host, context.hosts, context.nids(host))
                if found.allows(nodemap, "deny_mount"):
                    closed.setdefault(nodemap.name if nodemap is not None else "", []).append(host)
            for name, shut in closed.items():
                one = len(shut) == 1
                place = f"in the nodemap {name}" if name else "in no nodemap, so in default"
                what = f"{listed(shut)} {'is' if one else 'are'} {place}, which denies mounts"
                fix = f"Add {'it' if one else 'them'} to admins, to a nodemap of maps, or to a tenant."
                context.add(mount.hosts_path, what, fix, "client-denied")


def makers(context: Context) -> None:
    """Directories are made by root of one host; squashed, it would fail in the middle of a run."""
    if not context.complete:
        return
    for filesystem, found in groups(context):
        if found.settings is None or not found.settings.active:
            continue
        for one in {one.path: one for one in [filesystem, *context.sharers(filesystem)]}.values():
            host = maker(context, one) if one.directories else None
            if host is None or not context.hosts.knows(host):
                continue
            nodemap = found.of_host(host, context.hosts, context.nids(host))
            if not (found.allows(nodemap, "admin") and found.allows(nodemap, "trusted")):
                key = "tenants" if all(directory.tenant for directory in one.directories) else "directories"
                place = f"the nodemap {nodemap.name}" if nodemap is not None else "the nodemap default"
                what = f"{host} makes the directories, as the first host that mounts the whole of {one.name}, and {place} squashes its root"
                fix = f"Add {host} to admins, or put an administrator's node first in clients."
                context.add(f"{one.path}.{key}", what, fix, "directory-maker")


def maker(context: Context, filesystem: FileSystem) -> str | None:
    whole = (context.hosts.first(mount.hosts) for mount in filesystem.clients if mount.whole)
    return next((host for host in whole if host is not None), None)


CHECKS: tuple[Checker, ...] = (nodemaps, hosts, directories, identities, ids, projects, mounts, denied, makers)
