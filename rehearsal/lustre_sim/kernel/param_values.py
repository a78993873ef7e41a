# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel makes of a value that is written to a parameter: the echo may differ from what was written."""

from __future__ import annotations

import errno
import os
import re

from ..sim_error import SimError
from .nodemap_ranges import range_of

SUFFIX = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
#: (path, lowest, highest): recorded or documented limits
LIMITS = (
    (re.compile(r"^osc/.*-osc-[0-9a-f]{8,}/max_rpcs_in_flight$"), 1, 256),
    (re.compile(r"^mdc/.*/max_rpcs_in_flight$"), 1, 512),
    (re.compile(r"/max_mod_rpcs_in_flight$"), 1, 256),
    (re.compile(r"/max_pages_per_rpc$"), 1, 4096),
    (re.compile(r"/max_dirty_mb$"), 0, 2047),
)
FLAGS = (
    "trace inode super iotrace malloc cache info ioctl neterror net warning buffs other dentry nettrace page dlmtrace "
    "error emerg ha rpctrace vfstrace reada mmap config console quota sec lfsck hsm snapshot layout"
).split()


def checked(path: str, current: str, value: str) -> str:
    """The value as it reads back, or SimError(EINVAL, ERANGE)."""
    name = path.rsplit("/", 1)[-1]
    if path == "debug_mb":
        return trace_mb(value, os.cpu_count() or 1)
    if path in ("debug", "printk"):
        return _flags(current, value)
    if path.startswith("mdt/") and name in ("root_squash", "nosquash_nids"):
        return squash(value) if name == "root_squash" else nosquash(value)
    if "[" in current:
        return _choice(current, value)
    if re.fullmatch(r"-?\d+", current) and name not in ("jobid_var", "jobid_name"):
        return _number(path, name, value)
    return value


def trace_mb(value: str, cpus: int) -> str:
    """Whole MiB without a unit, shared out among the CPUs, at least one for each; one is added when it is shown (seen: 100 reads 101)."""
    if re.fullmatch(r"\d{1,6}", value.strip()) is None:
        raise SimError(errno.EINVAL, value)
    return str(max(int(value), cpus) // cpus * cpus + 1)


def squash(value: str) -> str:
    """``UID:GID``; EINVAL as recorded for ``abc``."""
    match = re.fullmatch(r"(\d{1,10}):(\d{1,10})", value.strip())
    if match is None or max(int(match[1]), int(match[2])) >= 2**32:
        raise SimError(errno.EINVAL, value)
    return f"{int(match[1])}:{int(match[2])}"


def nosquash(value: str) -> str:
    """A list of NID ranges as it reads back: by network, ``*`` as ``[0-255]``; at most 4096 bytes."""
    if value in ("NONE", "clear"):
        return "NONE"
    if len(value) >= 4096 or not value.split():
        raise SimError(errno.EINVAL, value)
    by_net: dict[str, list[str]] = {}
    for word in value.split():
        net = range_of(word)[0]
        address = word.partition("@")[0]
        shown = address if address == "*" else re.sub(r"\*", "[0-255]", address)
        by_net.setdefault(net, []).append(f"{shown}@{net}")
    return " ".join(word for words in by_net.values() for word in words)


def _number(path: str, name: str, value: str) -> str:
    match = re.fullmatch(r"(-?)(\d+)([KMGT]?)i?B?", value.strip(), re.I)
    if match is None or (match[1] and not name.startswith("enable_setstripe_gid")):
        raise SimError(errno.EINVAL, value)
    number = int(match[2])
    if match[3]:
        unit = 1 << 20 if name.endswith("_mb") else 1 << 10 if name.endswith("_kb") else 4096 if "pages" in name else 1
        number = number * SUFFIX[match[3].upper()] // unit
    for pattern, low, high in LIMITS:
        if pattern.search(path) and not low <= number <= high:
            raise SimError(errno.ERANGE, value)
    return f"{match[1]}{number}"


def _choice(current: str, value: str) -> str:
    choices = current.replace("[", "").replace("]", "").split()
    if value not in choices:
        raise SimError(errno.EINVAL, value)
    return " ".join(f"[{choice}]" if choice == value else choice for choice in choices)


def _flags(current: str, value: str) -> str:
    """``+flag``, ``-flag`` change the set, plain names replace it, a number is a mask of which only 0 and -1 are known."""
    if value in ("0", "-1"):
        return "" if value == "0" else " ".join(FLAGS)
    words = value.split()
    names = [word.lstrip("+-") for word in words]
    if not words or any(name not in FLAGS for name in names):
        raise SimError(errno.EINVAL, value)
    chosen = set(current.split()) if words[0][0] in "+-" else set()
    for word, name in zip(words, names, strict=True):
        (chosen.discard if word.startswith("-") else chosen.add)(name)
    order = current.split() + [flag for flag in FLAGS if flag not in current.split()]
    return " ".join(flag for flag in order if flag in chosen)
