# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""zfs: which of some datasets exist, and what Lustre wrote into their properties.

Lustre keeps a target's identity in user properties ``lustre:*`` of the dataset (2.17.0:
version, svname, flags in decimal, index, fsname, mgsnode, and one per parameter).
"""

from __future__ import annotations

import re
from typing import Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import mountdata
from ansible_collections.lustre.core.plugins.module_utils._cli.mountdata import TargetData
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TIMEOUT = 60.0
_PREFIX = "lustre:"
_OWN = ("svname", "flags", "index", "fsname", "version", "uuid", "mountopts", "userdata")
_UNASSIGNED = 0xFFFF
_ABSENT = re.compile(r"cannot open '([^']+)': (?:dataset does not exist|no such pool '[^']+')")


def local_properties(run: Runner, datasets: Sequence[str]) -> dict[str, dict[str, str]]:
    """Properties set on each dataset itself, from one process; a dataset that does not exist is not in the result.

    An existing dataset without any is there with an empty dict.  Only ZFS's own
    sentence counts as "does not exist": every other failure is a ToolError.
    """
    argv = ["zfs", "get", "-Hp", "-s", "local,received", "-o", "name,property,value", "all", *datasets]
    rc, out, err = run(argv, None, TIMEOUT)
    absent = set()
    for line in filter(None, (line.strip() for line in err.splitlines())):
        match = _ABSENT.fullmatch(line)
        if match is None or match[1] not in datasets or rc != 1:
            raise ToolError("read the ZFS datasets", argv, rc, out, err)
        absent.add(match[1])
    if rc != 0 and not absent:
        raise ToolError("read the ZFS datasets", argv, rc, out, err)
    found: dict[str, dict[str, str]] = {name: {} for name in datasets if name not in absent}
    for name, key, value in parse_rows(out, 3, "the properties of datasets"):
        if name not in found:
            raise UnknownOutput("zfs get", "the properties of datasets", out)
        found[name][key] = value
    return found


def parse_rows(text: str, columns: int, what: str) -> list[list[str]]:
    """Lines of ``-H`` output (tabs between columns); UnknownOutput when one has another number of columns."""
    rows = [line.split("\t") for line in text.split("\n") if line]
    if any(len(row) != columns for row in rows):
        raise UnknownOutput("zfs", what, text)
    return rows


def target_of(properties: Mapping[str, str]) -> TargetData | None:
    """The Lustre target in a dataset's properties; None when Lustre never wrote any.

    Half of a target's properties (a format that was killed) is UnknownOutput, not "none".
    """
    ours = {key[len(_PREFIX) :]: value for key, value in properties.items() if key.startswith(_PREFIX)}
    if not ours:
        return None
    try:
        index = int(ours.get("index", _UNASSIGNED))
        return mountdata.make(
            name=ours["svname"],
            flags=int(ours["flags"]),
            fsname=ours.get("fsname", ""),
            index=None if index == _UNASSIGNED else index,
            backend="zfs",
            mount_options=ours.get("mountopts", ""),
            params=[(key, value) for key, value in ours.items() if key not in _OWN],
        )
    except (KeyError, ValueError) as problem:
        text = "\n".join(f"{key}={value}" for key, value in ours.items())
        raise UnknownOutput("zfs get", f"the Lustre target in a dataset ({problem})", text) from None
