# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lustre's kernel modules: sizes as recorded, and who uses whom."""

from __future__ import annotations

from collections.abc import Collection

# Module → (size, modules that it uses). Order as lsmod lists them: last loaded first.
MODULES: dict[str, tuple[int, str]] = {
    "ptlrpc_gss": (344064, "ptlrpc obdclass lnet libcfs"),
    "osp": (487424, "lfsck lquota fid fld ptlrpc obdclass lnet libcfs"),
    "ofd": (462848, "lfsck lquota fid fld ptlrpc obdclass lnet libcfs"),
    "lod": (602112, "lfsck lquota fld ptlrpc obdclass libcfs"),
    "mdd": (544768, "lfsck lquota fid fld ptlrpc obdclass libcfs"),
    "ost": (28672, "ptlrpc obdclass libcfs"),
    "mdt": (1105920, "lfsck lquota fid fld ptlrpc obdclass lnet libcfs"),
    "mgs": (401408, "mgc ptlrpc obdclass lnet libcfs"),
    "lfsck": (811008, "fid fld ptlrpc obdclass libcfs"),
    "mgc": (126976, "ptlrpc obdclass lnet libcfs"),
    "osd_ldiskfs": (634880, "lquota fid fld ptlrpc obdclass libcfs ldiskfs"),
    "osd_zfs": (512000, "lquota fid fld ptlrpc obdclass libcfs"),
    "lquota": (483328, "fld ptlrpc obdclass libcfs"),
    "lustre": (1187840, "lmv lov mdc fld ptlrpc obdclass lnet libcfs"),
    "mdc": (303104, "lov fid fld ptlrpc obdclass lnet libcfs"),
    "lov": (352256, "osc fld ptlrpc obdclass libcfs"),
    "lmv": (237568, "fid fld ptlrpc obdclass lnet libcfs"),
    "osc": (491520, "fid fld ptlrpc obdclass lnet libcfs"),
    "fid": (86016, "ptlrpc obdclass libcfs"),
    "fld": (94208, "ptlrpc obdclass libcfs"),
    "ptlrpc": (2859008, "obdclass lnet libcfs"),
    "obdclass": (3694592, "lnet libcfs"),
    "obdecho": (200704, "ptlrpc obdclass libcfs"),
    "ko2iblnd": (294912, "lnet libcfs"),
    "ksocklnd": (208896, "lnet libcfs"),
    "lnet_selftest": (290816, "lnet libcfs"),
    "lnet": (995328, "libcfs"),
    "libcfs": (139264, ""),
    "ldiskfs": (1048576, ""),
}
# What loading a server's module brings along beyond its dependencies.
SERVER = ("mdt", "mgs", "ost", "ofd", "osp", "lod", "mdd", "lfsck", "mgc", "lquota")
# Aliases as in modprobe: a file system's name loads its module.
ALIASES = {"fs-lustre": "lustre", "fs-lustre_tgt": "mgs", "llite": "lustre", "lustre_tgt": "mgs"}


def canonical(name: str) -> str:
    name = name.replace("-", "_")
    return ALIASES.get(name.replace("_", "-", 1), ALIASES.get(name, name))


def is_ours(name: str) -> bool:
    return canonical(name) in MODULES


def closure(names: Collection[str]) -> list[str]:
    """The modules themselves and everything they need, in lsmod's order."""
    found: set[str] = set()
    todo = [name for name in names if name in MODULES]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += MODULES[name][1].split()
    return [name for name in MODULES if name in found]


def lsmod_lines(loaded: Collection[str]) -> list[str]:
    modules = closure(loaded)
    lines = []
    for name in modules:
        users = [one for one in modules if name in MODULES[one][1].split()]
        lines.append(f"{name:<19} {MODULES[name][0]:>8}  {len(users)}{' ' + ','.join(users) if users else ''}")
    if "lnet" in modules:
        lines.append(f"{'sunrpc':<19} {692224:>8}  1 lnet")
    return lines
