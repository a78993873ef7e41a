"""One OST on a disk and one on ZFS: their descriptions, and the calls that look at them."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource
from tests.unit import target_support as support
from tests.unit.target_support import DISK, PATH

OST = {"kind": "ost", "fsname": "fs1", "index": 3, "device": PATH, "mgs_nids": [["10.77.0.11@tcp"]]}
ZGET = ["zfs", "get", "-Hp", "-s", "local,received", "-o", "name,property,value", "all"]
ZOST = {
    "kind": "ost",
    "fsname": "lustre",
    "index": 2,
    "backend": "zfs",
    "device": "ostpool/ost2",
    "mgs_nids": [["10.0.2.15@tcp"]],
}


def resource(files, *targets, **more):
    return TargetResource.from_options([dict(target) for target in targets or (OST,)], files=files, **more)


def blank_reads(disk=DISK):
    return [support.tunefs_call(disk[0], support.NOT_LUSTRE), *support.blank_probes([disk])]


def formatted(path=PATH, **found):
    return support.tunefs_call(path, support.dryrun(**found))


def zpool_list(*names):
    return (["zpool", "list", "-H", "-o", "name,health"], "".join(f"{name}\tONLINE\n" for name in names))


def zfs_get(names, rows="", absent=()):
    err = "".join(f"cannot open '{name}': dataset does not exist\n" for name in absent)
    return ([*ZGET, *names], (1 if absent else 0, rows, err))


def zfs_rows(transcript, name="ostpool/ost2", **changes):
    """The recorded properties of a real target, as ``zfs get -o name,property,value`` prints them."""
    rows = dict(line.split("\t") for line in transcript("zfs/zfs-get-lustre-s-local").out.splitlines())
    rows.update(changes)
    return "".join(f"{name}\t{key}\t{value}\n" for key, value in rows.items() if value is not None)
