# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""mkfs.lustre: the command that formats a target, and what its exit codes mean.

Two things to know of it (2.15 to 2.17): the type must stand before ``--network`` or
that option is refused, and it passes ``-F`` to mke2fs, so that it protects Lustre's
data but nobody else's.  Exit code 0 proves nothing (a stand-alone MGS with an index
prints the usage and ends with 0): the caller reads the device again.
"""

from __future__ import annotations

from typing import Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError
from ansible_collections.lustre.core.plugins.module_utils._nid import join_nodes

TOOL = "mkfs.lustre"
#: Formatting writes inode tables over the whole device: hours are not normal, many minutes are.
TIMEOUT = 3600.0

_TYPES = {
    ("mgt", False): ("--mgs",),
    ("mdt", False): ("--mdt",),
    ("mdt", True): ("--mgs", "--mdt"),
    ("ost", False): ("--ost",),
}
_REMEDIES = (
    (
        "Invalid filesystem option set",
        "The mke2fs of this node does not know Lustre's features: install the e2fsprogs that comes with Lustre "
        "(the distribution's own cannot format an MDT), then run again.",
    ),
    ("was previously formatted", "Lustre data appeared on the device after it was found blank: look who else uses it."),
    ("is currently mounted", "The device was mounted after it was found blank: look who else uses it."),
    ("hostid", "ZFS targets need a host id: run zgenhostid once on this node, then run again."),
)


def format_argv(
    kind: str,
    mgs: bool,
    fsname: str,
    index: int | None,
    backend: str,
    device: str,
    mgs_nids: Sequence[Sequence[str]] = (),
    service_nids: Sequence[Sequence[str]] = (),
    networks: Sequence[str] = (),
    mkfs_options: str = "",
    mount_fs_options: str = "",
    params: Mapping[str, str] | None = None,
    replace: bool = False,
) -> list[str]:
    """The words of the command; the type comes first, the device last, and there is no forcing option.

    ``replace`` is none: it tells the MGS that this is the target that it knows by the index already.
    """
    argv = [TOOL, *_TYPES[kind, mgs and kind == "mdt"]]
    if kind != "mgt":
        argv += [f"--fsname={fsname}", f"--index={index}", *(["--replace"] if replace else [])]
    argv += [f"--mgsnode={join_nodes([node])}" for node in mgs_nids]
    argv += [f"--servicenode={join_nodes([node])}" for node in service_nids]
    if networks:
        argv.append(f"--network={','.join(networks)}")
    argv.append(f"--backfstype={backend}")
    if mkfs_options:
        argv.append(f"--mkfsoptions={mkfs_options}")
    if mount_fs_options:
        argv.append(f"--mountfsoptions={mount_fs_options}")
    argv += [f"--param={key}={value}" for key, value in (params or {}).items()]
    return [*argv, device]


def error(wanted: str, argv: Sequence[str], rc: int, out: str, err: str) -> ToolError:
    """The error of a failed format: exit codes above 1 are errnos; mke2fs leaves its cause on standard output."""
    said = "\n".join(line for line in out.splitlines() if "nvalid" in line or "rror" in line)
    remedy = next((text for sign, text in _REMEDIES if sign in out or sign in err), "")
    remedy = (
        remedy
        or "Read the device's state again before anything else: what mkfs.lustre had already written is not known."
    )
    return ToolError(
        wanted, argv, rc, out, "\n".join(part for part in (err, said) if part), rc if rc > 1 else None, remedy
    )
