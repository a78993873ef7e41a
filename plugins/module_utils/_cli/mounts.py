# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's mount table, and the command lines of mount and umount.

What the table looks like for Lustre 2.17.0 is recorded in ``mount/proc-mounts``: a
target's source is its device and its options tell ``svname=``; a client's source is the
``NIDs:/fsname[/subdir]`` it was mounted with.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from typing import Iterable

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._nid import join_nodes, split_nodes

TABLE = "/proc/self/mounts"
#: Kernels from 2.13 on may name targets ``lustre_tgt``; both are read, ``lustre`` is written:
#: no release installs a mount helper for the other one.
LUSTRE_TYPES = ("lustre", "lustre_tgt")
_OCTAL = re.compile(r"\\([0-7]{3})")
_CLIENT = re.compile(r"(?P<nids>[^/]+):/(?P<fsname>[A-Za-z0-9_-]{1,8})(?P<subdir>/.*)?\Z")


@dataclass(frozen=True)
class MountEntry:
    """One line of the table, with its escapes undone and a ``fuse.`` prefix of the type dropped."""

    source: str
    path: str
    fstype: str
    options: tuple[str, ...]

    @property
    def lustre(self) -> bool:
        return self.fstype in LUSTRE_TYPES

    @property
    def client(self) -> ClientSource | None:
        """What a client mount shows; None for everything else."""
        return client_source(self.source) if self.fstype == "lustre" else None

    @property
    def target(self) -> bool:
        """Whether this is a server target: of a Lustre type, and its source no client's."""
        return self.lustre and self.client is None

    def option(self, name: str) -> str | None:
        """The value of ``name=value``."""
        return next((option.partition("=")[2] for option in self.options if option.startswith(f"{name}=")), None)


@dataclass(frozen=True)
class ClientSource:
    """``NIDs:/fsname[/subdir]``; ``nodes`` is None when it was mounted by host names, which cannot be compared."""

    nodes: tuple[tuple[str, ...], ...] | None
    fsname: str
    subdir: str

    @property
    def node_set(self) -> frozenset[frozenset[str]]:
        return frozenset(frozenset(node) for node in self.nodes or ())

    @property
    def nids(self) -> frozenset[str]:
        return frozenset(nid for node in self.nodes or () for nid in node)


def client_source(text: str) -> ClientSource | None:
    """Read a client's source; None when it does not have the form of one."""
    match = _CLIENT.match(text)
    if match is None:
        return None
    try:
        nodes = tuple(tuple(node) for node in split_nodes(match["nids"]))
    except ValueError:
        nodes = None
    return ClientSource(nodes, match["fsname"], (match["subdir"] or "").rstrip("/"))


def client_text(nodes: Iterable[tuple[str, ...]], fsname: str, subdir: str) -> str:
    """The inverse of client_source, in the order given: the first node is tried first."""
    return f"{join_nodes(nodes)}:/{fsname}{subdir}"


def parse_mounts(text: str) -> tuple[MountEntry, ...]:
    """The whole table; UnknownOutput when a line is not one of six fields."""
    entries = []
    for line in text.split("\n"):
        if not line:
            continue
        fields = line.split(" ")
        if len(fields) != 6 or not fields[4].isdigit() or not fields[5].isdigit():
            raise UnknownOutput(TABLE, "the mount table", line)
        source, path, fstype = (unescape(field) for field in fields[:3])
        entries.append(
            MountEntry(
                source,
                path,
                fstype.partition(".")[2] if fstype.startswith("fuse.") else fstype,
                tuple(fields[3].split(",")),
            )
        )
    return tuple(entries)


def deepest(table: Iterable[MountEntry], path: str) -> MountEntry | None:
    """What is mounted where a path lies: the longest mount point above it, of several there the last one."""
    found: MountEntry | None = None
    for entry in table:
        above = path.startswith(entry.path.rstrip("/") + "/")
        if above and (found is None or len(entry.path) >= len(found.path)):
            found = entry
    return found


def unescape(field: str) -> str:
    """``\\040`` and the like, as the kernel and fstab(5) write blanks in a field."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)


def escape(field: str) -> str:
    """The inverse, for a field of fstab."""
    return re.sub(r"[ \t\n\\#]", lambda match: f"\\{ord(match[0]):03o}", field)


def mount_argv(source: str, path: str, options: Iterable[str]) -> tuple[str, ...]:
    """Targets are mounted as ``lustre``, too: 2.17 calls that deprecated, but ships no helper for ``lustre_tgt``."""
    joined = ",".join(options)
    return ("mount", "-t", "lustre", *(("-o", joined) if joined else ()), source, path)


def umount_argv(path: str) -> tuple[str, ...]:
    """Never ``-f`` (clients of a target are evicted, a client loses data) and never ``-l`` (the device stays in use unseen)."""
    return ("umount", path)


#: What an exit code of mount.lustre means for whoever reads it; it is the errno (observed on 2.17.0).
_CAUSES = {
    errno.EPERM: "A server does not let this client in: its nodemap denies mounts (deny_mount) or bans its NID (banlist). "
    "`lctl nodemap_test_nid NID` on the MDS says which nodemap that is.",
    errno.EACCES: "A server does not let this client in: its nodemap asks for another SELinux policy (sepol), or the MGS for another flavor "
    "than mgssec= of the mount.",
    errno.ENOENT: "The MGS answered but does not know this file system, or the subdirectory or the mount point is missing, or this client's "
    "nodemap has no file set with it: check the names, and that MDT0000 has been started once. A target that was formatted with "
    "replace: true (or --replace) fails so when the MGS never knew its index: format it without.",
    errno.EIO: "The MGS did not take the request: check that the MGT is mounted on the node that answers, and the kernel log (dmesg) here and there.",
    errno.ENXIO: "The MGS has no usable configuration log for it: see dmesg.",
    errno.ENOMEM: "The kernel ran out of memory: see dmesg.",
    errno.EBUSY: "The device or the path is in use: see what holds it (lsblk, fuser) and whether the partner node has the target mounted.",
    errno.EEXIST: "It is mounted already.",
    errno.ENODEV: "The device carries no Lustre target, or the lustre modules are not loaded: check `tunefs.lustre --dryrun DEVICE` and `modprobe lustre`.",
    errno.EINVAL: "Lustre did not accept the options or the configuration: check the mount options and that all servers have run once, then dmesg.",
    errno.EPIPE: "A helper of the mount failed; with skpath= check that the key file exists and is readable by root alone.",
    errno.EADDRINUSE: "The MGS has this index registered already (`lctl get_param mgs.MGS.live.FSNAME` there lists them), and this device "
    "was formatted as a new target: it was wiped and formatted anew, or given an index in use. If the registered target is lost for good and "
    "this one is to take its place, run `tunefs.lustre --replace DEVICE`, or wipe it and have it formatted with replace: true; whatever the "
    "lost one held is given up. If not, wipe it and format it with a free index. Trying again does not help.",
    errno.ENOTCONN: "The connection to a server was lost: check LNet and that the MGS and MDT0000 run.",
    errno.ESHUTDOWN: "A server is just stopping: try again when it runs.",
    errno.ETIMEDOUT: "A server did not answer in time: check `lctl ping` to the MGS, the firewall (TCP port 988, both "
    "directions) and that the targets are mounted.",
    errno.EHOSTUNREACH: "There is no LNet route to a server: check the networks and routes of this node (`lnetctl net show`, `lnetctl route show`).",
    errno.EALREADY: "The target's service is running on this node already, mounted at another path.",
    errno.EINPROGRESS: "An earlier mount or unmount of it is still going on: wait for it.",
    errno.ENOMEDIUM: "The file system has no OST yet: mount at least one first.",
    errno.ENOKEY: "The security flavor asks for a key that this node does not have: load the key (SSK) or get a ticket (Kerberos) first.",
    errno.EROFS: "The device is read-only.",
    errno.ENOTBLK: "The source is no block device.",
}
#: mount(8)'s own exit codes, which are no errno.
_UTIL_LINUX = {
    1: "mount(8) refused the call itself: check the source, and that this runs as root.",
    32: "mount(8) could not start the mount: check that mount.lustre is installed (the package lustre-client-utils or lustre) and the modules are loaded.",
}


def mount_cause(rc: int, err: str) -> tuple[int | None, str]:
    """``(errno, what to do)`` of a failed mount: the helper's exit code is an errno, that of mount(8) itself is not."""
    lines = [line for line in err.splitlines() if line.strip()]
    if lines and lines[0].startswith("mount:") and rc in _UTIL_LINUX:
        return None, _UTIL_LINUX[rc]
    remedy = _CAUSES.get(rc, "")
    return (rc if rc in errno.errorcode else None), remedy or "See the node's kernel log (dmesg) for Lustre's reason."
