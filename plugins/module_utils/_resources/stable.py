# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which names of a block device stay with the device: over a reboot, and over a format.

Allowed: ``/dev/disk/by-id`` (but not ``lvm-pv-uuid-``), ``by-path``, ``by-partuuid`` (in
the partition table, not in the content), ``by-vdev`` (vdev_id.conf), ``/dev/mapper/NAME``,
``/dev/md/NAME``, ``/dev/VG/LV``, ``/dev/zvol/POOL/NAME``, ``/dev/drbd/by-res/...``.
Not allowed: kernel names, given in the order of discovery (``/dev/sdb``, ``/dev/dm-3``,
``/dev/loop0``), and names made of the content, which a format changes (``by-uuid``,
``by-label``) or which need not be unique (``by-partlabel``).
"""

from __future__ import annotations

import re

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Files, Node
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, NotThereYet, Refused

_KERNEL = re.compile(r"/dev/[^/]+")
_CONTENT = re.compile(r"/dev/disk/(by-uuid|by-label|by-partlabel|by-diskseq)/|/dev/disk/by-id/lvm-pv-uuid-")
_DISK = r"disk/(?:by-id|by-path|by-partuuid|by-vdev)/[^/]+"
_VOLUME = r"(?!(?:block|bus|char|disk|drbd|fd|mapper|md|zvol)/)[^/]+/[^/]+"
_STABLE = re.compile(
    rf"/dev/(?:{_DISK}|mapper/(?!control$)[^/]+|md/[^/]+|zvol(?:/[^/]+){{2,}}|drbd/by-res(?:/[^/]+)+|{_VOLUME})"
)
_CHARACTERS = re.compile(r"[A-Za-z0-9_./:@+=,%\\-]+")
HINT = "Name it by /dev/disk/by-id/..., /dev/disk/by-path/... or /dev/mapper/... (`ls -l /dev/disk/by-id` on the node shows them)."


def stable_path(value: object, path: str) -> str:
    """``value`` when it is a stable device path; BadValue naming ``path`` otherwise."""
    text = str(value or "")
    if (
        not _CHARACTERS.fullmatch(text)
        or not text.startswith("/dev/")
        or "//" in text
        or re.search(r"/\.\.?(/|$)", text)
    ):
        raise BadValue(path, f"{text!r} is not the path of a device", HINT)
    if _CONTENT.match(text):
        raise BadValue(
            path, f"{text} names the device by what is on it, and a format changes that or it is not unique", HINT
        )
    if _KERNEL.fullmatch(text):
        raise BadValue(
            path,
            f"{text} is a name that the kernel gives in the order of discovery; it may be another disk tomorrow",
            HINT,
        )
    if not _STABLE.fullmatch(text):
        raise BadValue(path, f"{text} is not a name that stays with the device", HINT)
    return text


def reached(files: Files, device: str, thing: str, coming: bool = False) -> Node:
    """The block device that a path leads to; Refused where none does, NotThereYet where an earlier step is to open it."""
    try:
        node = files.node(device)
    except OSError as problem:
        if isinstance(problem, FileNotFoundError) and coming:
            raise NotThereYet(thing, "the container below it is not open yet") from None
        raise Refused(
            f"look at {thing}",
            f"the device cannot be reached on this node ({problem.strerror or problem})",
            "Check the cabling, multipath and the path in the site description (`ls -l /dev/disk/by-id`).",
        ) from None
    if not node.number:
        raise Refused(f"look at {thing}", f"{node.real} is not a block device", "Name the device by its stable path.")
    return node
