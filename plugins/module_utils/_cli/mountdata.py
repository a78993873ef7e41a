# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a formatted Lustre target says about itself, whichever tool reads it.

On ldiskfs it is the file ``CONFIGS/mountdata`` (printed by ``tunefs.lustre --dryrun``),
on ZFS the dataset's ``lustre:*`` properties (printed by ``zfs get``).  Flag bits are
those of Lustre's ``lustre_disk.h``; the label's separator changes over a target's life
(``:`` never started, ``=`` writeconf pending, ``+`` local logs ignored, ``-``
registered), and its index is hexadecimal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.lustre.core.plugins.module_utils._nid import split_nodes

MDT, OST, MGS = 0x1, 0x2, 0x4
FIRST_TIME, WRITECONF, NO_PRIMNODE = 0x20, 0x100, 0x1000

#: The highest index mkfs.lustre accepts (2.17.0: "must be less than 65504").
MAX_INDEX = 65503
FSNAME = re.compile(r"[A-Za-z0-9_-]{1,8}")
_LABEL = re.compile(r"(?P<fs>[A-Za-z0-9_-]{1,8})(?P<sep>[:=+-])(?P<kind>MDT|OST)(?P<index>[0-9a-f]{4})")


@dataclass(frozen=True)
class Label:
    """A target's label taken apart; ``index`` is None and ``fsname`` empty for a stand-alone MGT."""

    kind: str
    fsname: str
    index: int | None


def parse_label(text: str) -> Label | None:
    """``fs1=OST000a`` → ``Label("ost", "fs1", 10)``, ``MGS`` → ``Label("mgt", "", None)``; None when it is no label."""
    if text == "MGS":
        return Label("mgt", "", None)
    match = _LABEL.fullmatch(text)
    return Label(match["kind"].lower(), match["fs"], int(match["index"], 16)) if match else None


def label_of(kind: str, fsname: str, index: int | None) -> str:
    """The label in its normal form: ``fs1-OST000a``, or ``MGS`` for a stand-alone MGT."""
    return "MGS" if kind == "mgt" or index is None else f"{fsname}-{kind.upper()}{index:04x}"


@dataclass(frozen=True)
class TargetData:
    """One target as found.

    ``params`` keeps every ``key=value`` in the order found; ``mgsnode`` and
    ``failover.node`` hold nodes joined by colons and may come several times
    (``tunefs.lustre --mgsnode`` appends).
    """

    name: str
    kind: str
    fsname: str
    index: int | None
    backend: str
    flags: int
    mount_options: tuple[str, ...]
    params: tuple[tuple[str, str], ...]

    @property
    def label(self) -> str:
        return label_of(self.kind, self.fsname, self.index)

    @property
    def mgs(self) -> bool:
        return bool(self.flags & MGS)

    @property
    def registered(self) -> bool:
        """True when the MGS knows the target, so that a change of its NIDs does not come by itself."""
        return not self.flags & (FIRST_TIME | WRITECONF)

    def values(self, key: str) -> list[str]:
        return [value for name, value in self.params if name == key]

    def nodes(self, key: str) -> list[list[str]]:
        """The nodes of ``mgsnode`` or ``failover.node``, as a list of NID lists; ValueError on what is no NID."""
        return [node for value in self.values(key) for node in split_nodes(value)]


def kind_of(flags: int) -> str:
    """``mdt``, ``ost`` or ``mgt`` (MGS alone) by the flag bits; ValueError when they say none or two of them."""
    kinds = [name for name, bit in (("mdt", MDT), ("ost", OST)) if flags & bit]
    if not kinds and flags & MGS:
        kinds = ["mgt"]
    if len(kinds) != 1:
        raise ValueError(f"the flags {flags:#x} name no target type")
    return kinds[0]


def make(
    name: str,
    flags: int,
    fsname: str,
    index: int | None,
    backend: str,
    mount_options: str,
    params: list[tuple[str, str]],
) -> TargetData:
    """A TargetData whose parts agree with each other; ValueError when its name says something else than its fields."""
    kind = kind_of(flags)
    if kind == "mgt":
        fsname, index = "", None
    label = parse_label(name)
    if index is not None and label != Label(kind, fsname, index):
        raise ValueError(f"the name {name!r} does not belong to {kind} {index} of file system {fsname!r}")
    options = tuple(word for word in mount_options.split(",") if word)
    data = TargetData(name, kind, fsname, index, backend, flags, options, tuple(params))
    for key in ("mgsnode", "failover.node"):
        data.nodes(key)
    return data
