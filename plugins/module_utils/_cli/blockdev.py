# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""blkid, wipefs, lsblk and e2mmpstatus: what is on a block device, read only.

Each parser knows the answers it can prove; any other text is UnknownOutput, since these
answers decide whether a device may be formatted.  Observed with util-linux 2.38:

- ``blkid -p`` ends with 2 and prints nothing when it finds nothing, *and* when the
  device does not exist; given several devices it stops at the first without a
  signature.  So: one device per call, and never as the only proof.
- ``lsblk`` shows FSTYPE from udev; without udev (a container) it shows null on a
  device full of ext4.  Its null proves nothing, anything else is a reason to stop.
- ``wipefs -n -J`` prints an empty list for a blank device (util-linux 2.36 or newer).
"""

from __future__ import annotations

import json
import re
from typing import Any, Mapping, NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TIMEOUT = 60.0
LSBLK_COLUMNS = "NAME,KNAME,MAJ:MIN,TYPE,SIZE,RO,FSTYPE,PTTYPE,MOUNTPOINTS"


class Disk(NamedTuple):
    """One row of lsblk; ``size`` in bytes, ``children`` the kernel names of everything stacked on it."""

    kname: str
    number: str
    type: str
    size: int
    read_only: bool
    fstype: str
    pttype: str
    mountpoints: tuple[str, ...]
    children: tuple[str, ...]


class Signature(NamedTuple):
    """One magic string that wipefs found: last part of the path it was given, byte offset as text, type."""

    device: str
    offset: str
    type: str


def lsblk(run: Runner, devices: Sequence[str]) -> dict[str, Disk]:
    """Rows of the devices themselves by ``major:minor``, from one process for all of them."""
    argv = ["lsblk", "-J", "-b", "-o", LSBLK_COLUMNS, *devices]
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0 or err.strip():
        raise ToolError("list the block devices", argv, rc, out, err)
    return parse_lsblk(out)


def parse_lsblk(text: str) -> dict[str, Disk]:
    rows = _json_list("lsblk", "blockdevices", text)
    try:
        disks = [_disk(row) for row in rows]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UnknownOutput("lsblk", "the block devices", text) from None
    return {disk.number: disk for disk in disks}


def _disk(row: Mapping[str, Any]) -> Disk:
    number = row["maj:min"].strip()
    if not re.fullmatch(r"\d+:\d+", number):
        raise ValueError(number)
    mounts = row["mountpoints"]
    if not isinstance(mounts, list):
        raise TypeError("mountpoints")
    return Disk(
        kname=_word(row["kname"]),
        number=number,
        type=_word(row["type"]),
        size=int(row["size"]),
        read_only=_flag(row["ro"]),
        fstype=_optional(row["fstype"]),
        pttype=_optional(row["pttype"]),
        mountpoints=tuple(_word(point) for point in mounts if point is not None),
        children=tuple(_descendants(row)),
    )


def _word(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a word")
    return value


def _optional(value: Any) -> str:
    return "" if value is None else _word(value)


def _flag(value: Any) -> bool:
    """lsblk before 2.33 wrote "0" and "1" where newer ones write false and true."""
    known = {False: False, True: True, "0": False, "1": True}
    if value not in known:
        raise ValueError("ro")
    return known[value]


def _descendants(row: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for child in row.get("children", []):
        found += [_word(child["kname"]), *_descendants(child)]
    return found


def wipefs(run: Runner, devices: Sequence[str]) -> tuple[Signature, ...]:
    """All signatures on all the devices, from one process; writes nothing (``--no-act``)."""
    argv = ["wipefs", "-n", "-J", *devices]
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0 or err.strip():
        raise ToolError("look for signatures", argv, rc, out, err)
    return parse_wipefs(out)


def parse_wipefs(text: str) -> tuple[Signature, ...]:
    rows = _json_list("wipefs", "signatures", text)
    try:
        return tuple(Signature(_word(row["device"]), _word(row["offset"]), _word(row["type"])) for row in rows)
    except (KeyError, TypeError):
        raise UnknownOutput("wipefs", "signatures on devices", text) from None


def _json_list(tool: str, key: str, text: str) -> list[Mapping[str, Any]]:
    """The list under the one key of a tool's JSON answer; UnknownOutput on any other shape."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    rows = document.get(key) if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnknownOutput(tool, f"its list of {key}", text)
    return rows


def blkid(run: Runner, device: str) -> dict[str, str]:
    """The tags of a low-level probe of one device; empty when it finds nothing at all.

    Exit code 8 (several signatures that contradict each other) and everything else
    that is not "found" or "nothing" is a ToolError.
    """
    argv = ["blkid", "-p", "-o", "export", device]
    rc, out, err = run(argv, None, TIMEOUT)
    if rc == 2 and not out.strip() and not err.strip():
        return {}
    if rc == 8:
        raise ToolError("tell what is on the device", argv, rc, out, err or "several signatures contradict each other")
    if rc != 0 or err.strip():
        raise ToolError("tell what is on the device", argv, rc, out, err)
    return parse_blkid(out)


def parse_blkid(text: str) -> dict[str, str]:
    """``KEY=value`` lines; UnknownOutput when there is none or a line has another shape."""
    tags: dict[str, str] = {}
    for line in filter(None, text.split("\n")):
        match = re.fullmatch(r"([A-Z][A-Z0-9_]*)=(.*)", line)
        if match is None or match[1] in tags:
            raise UnknownOutput("blkid", "what is on a device", text)
        tags[match[1]] = match[2]
    if not tags:
        raise UnknownOutput("blkid", "what is on a device", text)
    return tags


def mmp_state(run: Runner, device: str) -> str:
    """Multi-mount protection of an ext4 device: ``clean``, ``off`` (no such feature) or ``busy``.

    Busy means that some node, perhaps not this one, has it mounted or checks it; the
    tool then waits for a few seconds to see whether the block still changes.
    """
    argv = ["e2mmpstatus", device]
    rc, out, err = run(argv, None, TIMEOUT)
    text = out + err
    if rc == 0 and "safe to mount" in text:
        return "clean"
    if rc != 0 and "MMP feature not enabled" in text:
        return "off"
    if rc == 1 and re.search(r"\bMMP\b", text):
        return "busy"
    raise ToolError("tell whether another node uses the device", argv, rc, out, err)
