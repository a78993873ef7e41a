# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about file systems, their MGS and their targets, as far as no host or network is looked at."""

from __future__ import annotations

import re

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources.stable import stable_path
from ansible_collections.lustre.core.plugins.module_utils._resources.target_want import TargetWant
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool_want import PoolWant
from ansible_collections.lustre.core.plugins.plugin_utils._site import ranges
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.inventory import fs_group
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import did_you_mean, listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem, Pool, Target
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import below

RULES = (
    Rule(
        "fs-name-twice", "A file system's name is used once, also without regard to - and _ (they make the same group)."
    ),
    Rule("fs-empty", "A file system has at least one MDT and one OST, unless its MGS is outside this inventory."),
    Rule("mdt0-missing", "Every file system has an MDT0000."),
    Rule("mdt-gap", "Indexes of MDTs have no gaps."),
    Rule("index-twice", "An index is used once per file system and kind."),
    Rule("pattern-no-index", "An entry that stands for several targets has {index} in its device, path and pool."),
    Rule("device-twice", "A device is used once on every host that can reach it, vdevs of pools included."),
    Rule("device-unstable", "A device of an ldiskfs target or a pool is named by a stable, absolute path."),
    Rule("device-zfs", "The device of a ZFS target is POOL/DATASET."),
    Rule("zpool", "A pool is described once, for ZFS targets only, under the name that the device begins with."),
    Rule("server-twice", "The servers of a target are different hosts."),
    Rule(
        "mgs-servers",
        "An MGS of one's own has servers; one that is elsewhere has none; a combined one has those of MDT0000.",
    ),
    Rule("mgs-of", "mgs.of names another file system of the list that has its own MGS."),
    Rule("mgs-outside", "A file system whose MGS is outside this inventory has no targets here, only client mounts."),
    Rule("mgs-twice", "A host serves at most one MGS: a node runs only one."),
    Rule("mgs-needless", "Keys of a stand-alone MGT are given only where there is one."),
    Rule("replace-one", "Consent to replace a lost target names that one target, not a range."),
    Rule("target-value", "A target's values are ones that its formatting would accept."),
)


def names(context: Context) -> None:
    seen: dict[str, FileSystem] = {}
    for filesystem in context.site.filesystems:
        if not filesystem.named:
            continue
        other = seen.setdefault(fs_group(filesystem.name), filesystem)
        if other is filesystem:
            continue
        where = f"{filesystem.path}.name"
        if other.name == filesystem.name:
            what = f'the name "{filesystem.name}" is also that of {other.path}'
            context.add(
                where, what, "Give each file system its own name, or make one entry of the two.", "fs-name-twice"
            )
        else:
            what = f'"{filesystem.name}" and "{other.name}" ({other.path}) make the same group {fs_group(other.name)}'
            context.add(where, what, "Rename one: group names cannot tell - from _.", "fs-name-twice")


def indexes(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for kind, targets in (("MDT", filesystem.mdts), ("OST", filesystem.osts)):
            seen: dict[int, Target] = {}
            for target in targets:
                index = target.index or 0
                other = seen.setdefault(index, target)
                if other is not target:
                    what = f"the {kind} index {index} is also used by {other.path}"
                    context.add(f"{target.path}.index", what, f"Give each {kind} its own index.", "index-twice")
        _mdt_indexes(context, filesystem)


def _mdt_indexes(context: Context, filesystem: FileSystem) -> None:
    found = sorted({target.index or 0 for target in filesystem.mdts})
    if not found or context.broken(f"{filesystem.path}.mdts"):
        return
    where = f"{filesystem.path}.mdts"
    if found[0] != 0:
        what = f"there is no MDT0000, only index {ranges.compact(found)}"
        context.add(where, what, "Give one MDT the index 0: it holds the root of the file system.", "mdt0-missing")
    missing = sorted(set(range(found[-1])) - set(found) - {0})
    if missing:
        what = f"the indexes {ranges.compact(found)} leave out {ranges.compact(missing)}"
        context.add(where, what, "Number the MDTs without gaps.", "mdt-gap")


def complete(context: Context) -> None:
    for filesystem in context.site.filesystems:
        external = filesystem.mgs.way == "nids"
        for kind, key, targets in (("MDT", "mdts", filesystem.mdts), ("OST", "osts", filesystem.osts)):
            where = f"{filesystem.path}.{key}"
            if external and targets:
                what = f"targets are described, but the MGS is outside this inventory ({filesystem.mgs.path}.nids)"
                fix = (
                    "Describe the MGS itself (servers and device), or remove the targets: then only clients are set up."
                )
                context.add(where, what, fix, "mgs-outside")
            elif not external and not targets and not context.broken(where):
                context.add(where, f"the file system has no {kind}", f"Add at least one {kind}.", "fs-empty")


def patterns(context: Context) -> None:
    """Several targets of one entry with the same device, mount point or pool: the range was forgotten there."""
    for entry in _entries(context).values():
        if len(entry) < 2:
            continue
        first = entry[0]
        several = f"the entry stands for {len(entry)} targets (index {ranges.compact([t.index or 0 for t in entry])})"
        values: list[tuple[str, set[object]]] = [
            ("device", {target.raw for target in entry}),
            ("path", {target.mount_path for target in entry}),
        ]
        pool_names = {target.pool.name for target in entry if target.pool is not None}
        if first.luks is not None:
            values.append(("luks.name", {target.luks.name for target in entry if target.luks is not None}))
        if first.pool is not None and first.pool.vdevs and len(pool_names) > 1:
            values.append(("zpool.vdevs", {target.pool.vdevs for target in entry if target.pool is not None}))
        for key, found in values:
            if len(found) == 1 and not context.broken(f"{first.path}.{key}"):
                fix = "Write {index} where they differ, or list the targets one by one."
                context.add(f"{first.path}.{key}", f"{several}, but all have the same {key}", fix, "pattern-no-index")


def _entries(context: Context) -> dict[str, list[Target]]:
    found: dict[str, list[Target]] = {}
    for target in context.targets():
        found.setdefault(target.path, []).append(target)
    return found


def devices(context: Context) -> None:
    """One use per host and device; each pair of uses is reported once, however many hosts they share."""
    used: dict[tuple[str, str], tuple[str, Target]] = {}
    for target in context.targets():
        for where, device in _devices(target):
            clash = next((used[host, device] for host in target.servers if (host, device) in used), None)
            if clash is not None and clash[0] != where:
                host = next(host for host in target.servers if (host, device) in used)
                what = f"{device} on {host} is already used by {clash[0]} ({clash[1].label})"
                context.add(where, what, "Give each target (and each vdev) its own device.", "device-twice")
            for host in target.servers:
                used.setdefault((host, device), (where, target))


def _devices(target: Target) -> list[tuple[str, str]]:
    found = [(f"{target.path}.device", target.raw)]
    if target.luks is not None and target.raw != target.device == target.luks.mapping:
        found.append((f"{target.luks.path}.name", target.luks.mapping))
    if target.pool is not None:
        for number, vdev in enumerate(target.pool.vdevs):
            found += [
                (f"{target.pool.path}.vdevs[{number}].devices[{n}]", device) for n, device in enumerate(vdev.devices)
            ]
    return found


def device_names(context: Context) -> None:
    for target in context.targets():
        for where, device in _devices(target):
            # One of several targets of an entry, or a pattern that could not be filled in: said once.
            if context.broken(where) or where.endswith(".luks.name"):
                continue
            if target.backend == "zfs" and where.endswith(".device"):
                if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.:-]*(/[A-Za-z0-9_.:-]+)+", device) is None:
                    fix = "Write POOL/DATASET, such as ostpool0/ost0, or set backend: ldiskfs."
                    context.add(where, f'"{device}" is not a dataset, but the backend is zfs', fix, "device-zfs")
                continue
            if not device.startswith("/"):
                fix = "Write a stable path such as /dev/disk/by-id/..., or set backend: zfs."
                context.add(
                    where,
                    f'"{device}" is not an absolute path, but the backend is {target.backend}',
                    fix,
                    "device-unstable",
                )
                continue
            try:
                stable_path(device, where)
            except BadValue as error:
                context.add(where, error.problem, error.remedy, "device-unstable")


def pools(context: Context) -> None:
    made: dict[tuple[str, str], str] = {}
    for target in context.targets():
        pool = target.pool
        if pool is None:
            continue
        if target.backend != "zfs":
            what = f"a pool is described, but the backend of the target is {target.backend}"
            context.add(pool.path, what, "Set backend: zfs, or remove zpool.", "zpool")
            continue
        if pool.name != target.device.partition("/")[0]:
            what = f'the pool "{pool.name}" is not the one of the device {target.device}'
            context.add(f"{pool.path}.name", what, "Leave name out: it follows from device.", "zpool")
        for host in target.servers if pool.vdevs else ():
            other = made.setdefault((host, pool.name), pool.path)
            if other != pool.path:
                what = f'the vdevs of the pool "{pool.name}" are also given in {other}'
                context.add(f"{pool.path}.vdevs", what, "Describe the vdevs of a pool at one of its targets.", "zpool")
                break


def servers(context: Context) -> None:
    lists = [(f"{target.path}.servers", target.servers) for target in context.targets() if target.kind != "mgt"]
    lists += [(f"{filesystem.mgs.path}.servers", filesystem.mgs.servers) for filesystem in context.site.filesystems]
    for where, hosts in lists:
        for number, host in enumerate(hosts):
            if host in hosts[:number]:
                context.add(f"{where}[{number}]", f"{host} is listed twice", "Name each server once.", "server-twice")


def management(context: Context) -> None:
    for filesystem in context.site.filesystems:
        mgs = filesystem.mgs
        if mgs.way == "device" and not mgs.servers:
            context.add(
                f"{mgs.path}.servers", "the MGT has no servers", "List the hosts that can serve it.", "mgs-servers"
            )
        if mgs.way in ("of", "nids") and mgs.servers:
            what = f"the MGS is elsewhere ({mgs.way}), yet servers are given"
            context.add(f"{mgs.path}.servers", what, f"Remove servers, or remove {mgs.way}.", "mgs-servers")
        if mgs.way == "of":
            _of(context, filesystem)
        if mgs.way == "combined":
            _combined(context, filesystem)


def _of(context: Context, filesystem: FileSystem) -> None:
    mgs, owner = filesystem.mgs, context.owner(filesystem)
    where = f"{mgs.path}.of"
    known = [other.name for other in context.site.filesystems if other is not filesystem]
    if owner is None and mgs.of == filesystem.name:
        what = "a file system cannot use its own MGS by reference"
        context.add(where, what, "Describe the MGS (servers and device), or name another file system.", "mgs-of")
    elif owner is None and all(other.named for other in context.site.filesystems):
        fix = did_you_mean(mgs.of, known) or f"Known here: {listed(known) or 'no other one'}."
        context.add(where, f'there is no file system "{mgs.of}"', fix, "mgs-of")
    elif owner is None:
        return
    elif owner.mgs.way == "of":
        what = f"{mgs.of} has no MGS of its own, it uses that of {owner.mgs.of}"
        context.add(where, what, "Name the file system that has the MGS.", "mgs-of")
    elif owner.mgs.way == "nids" and filesystem.targets:
        what = f"the MGS of {mgs.of} is outside this inventory, and targets are described"
        context.add(where, what, "Describe the MGS itself, or remove the targets.", "mgs-outside")


def _combined(context: Context, filesystem: FileSystem) -> None:
    first = next((target for target in filesystem.mdts if target.index == 0), None)
    mgs = filesystem.mgs
    if first is not None and mgs.servers and mgs.servers != first.servers:
        what = f"the MGS is on MDT0000, whose servers are {', '.join(first.servers)}, not {', '.join(mgs.servers)}"
        context.add(f"{mgs.path}.servers", what, "Leave servers out: they are those of MDT0000.", "mgs-servers")


def one_mgs_per_host(context: Context) -> None:
    serving: dict[str, FileSystem] = {}
    for filesystem in context.site.filesystems:
        if filesystem.mgs.way not in ("device", "combined"):
            continue
        mgs = context.mgs_of(filesystem)
        for host in mgs.servers if mgs is not None else ():
            other = serving.setdefault(host, filesystem)
            if other is not filesystem:
                what = f"{host} already serves the MGS of {other.name} ({other.mgs.path}), and a node runs only one"
                fix = f"Share it: mgs: {{of: {other.name}}}. Or use other servers."
                context.add(filesystem.mgs.path, what, fix, "mgs-twice")
                break


_DERIVED = {"mgsnode", "failover.node", "network"}


def values(context: Context) -> None:
    """The module's own check of each target, so that what it would refuse on a node is known here."""
    nodes = [["0.0.0.1@tcp"]]
    done: set[str] = set()
    for target in context.targets():
        if target.path in done or context.broken(target.path):
            continue
        done.add(target.path)
        own = target.kind == "mgt" or target.mgs
        named = target.fsname.replace("?", "unnamed")
        options = {
            "label": "MGS" if target.kind == "mgt" else target.label.replace(target.fsname, named),
            "kind": target.kind,
            "fsname": None if target.kind == "mgt" else named,
            "index": target.index,
            "mgs": target.mgs,
            "backend": target.backend,
            "device": target.device,
            "mgs_nids": [] if own else nodes,
            "networks": list(target.networks),
            "mkfs_options": target.mkfs_options,
            "mount_fs_options": target.mount_fs_options,
            "params": target.params,
        }
        for name in _DERIVED & set(target.params):
            what = "it follows from the servers and networks of the description"
            context.add(below(f"{target.path}.params", name), what, "Remove it here.", "target-value")
        if context.broken(target.path):
            continue
        try:
            TargetWant.from_options(options, target.path)
            if target.pool is not None:
                PoolWant.from_options(_pool_options(target.pool), target.pool.path)
        except BadValue as error:
            context.add(error.path, error.problem, error.remedy, "target-value")


def _pool_options(pool: Pool) -> dict[str, object]:
    return {
        "name": pool.name,
        "vdevs": [{"type": vdev.type, "devices": list(vdev.devices)} for vdev in pool.vdevs],
        "properties": pool.properties,
        "filesystem_properties": pool.filesystem_properties,
        "create": bool(pool.vdevs),
    }


CHECKS: tuple[Checker, ...] = (
    names,
    indexes,
    complete,
    patterns,
    devices,
    device_names,
    pools,
    servers,
    management,
    one_mgs_per_host,
    values,
)
