# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""zpool: pools that are imported, pools that could be, their properties and members; and how to make one.

The text forms are those of OpenZFS 2.1 to 2.3 (zpool_main.c).  Nothing here ever passes
``-f``: a pool that another node used last, or a device that zpool finds in use, stays
as it is.
"""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.zfs import parse_rows
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TIMEOUT = 60.0
#: Importing reads every device, and with multihost waits to see whether another node writes.
IMPORT_TIMEOUT = 600.0
_FIELD = re.compile(r" *(pool|id|state|status|action|see|comment|config): ?(.*)")
_LEAF = re.compile(r"\t\s*(?:/\S+|\d+\s+\S+.*\bwas (/\S+))")


class Importable(NamedTuple):
    """A pool that ``zpool import`` lists: its name, state, and what the tool says may be done with it."""

    name: str
    state: str
    status: str
    action: str

    @property
    def clean(self) -> bool:
        """It may be imported as it is: no force, no other host, no missing host id."""
        return (
            self.action.startswith("The pool can be imported") and "'-f'" not in self.action and "-F" not in self.action
        )


def imported(run: Runner) -> dict[str, str]:
    """Names of the imported pools with their health, such as ``{"ostpool": "ONLINE"}``."""
    argv = ["zpool", "list", "-H", "-o", "name,health"]
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0 or err.strip() not in ("", "no pools available"):
        raise ToolError("list the imported ZFS pools", argv, rc, out, err)
    rows = parse_rows(out, 2, "the imported pools")
    return {row[0]: row[1] for row in rows}


def properties(run: Runner, tool: str, names: Sequence[str], pools: Sequence[str]) -> dict[str, dict[str, str]]:
    """Values of pool properties (``tool`` zpool) or of the pools' root datasets (``tool`` zfs), exact numbers."""
    argv = [tool, "get", "-Hp", "-o", "name,property,value", ",".join(names), *pools]
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0 or err.strip():
        raise ToolError("read the properties of the ZFS pools", argv, rc, out, err)
    found: dict[str, dict[str, str]] = {pool: {} for pool in pools}
    for name, key, value in parse_rows(out, 3, "the properties of pools"):
        if name not in found or key not in names:
            raise UnknownOutput(tool, "the properties of pools", out)
        found[name][key] = value
    if any(len(values) != len(names) for values in found.values()):
        raise UnknownOutput(tool, "the properties of pools", out)
    return found


def members(run: Runner, pools: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The device paths of each imported pool, of every class (data, log, spare, ...)."""
    argv = ["zpool", "status", "-P", *pools]
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0 or err.strip():
        raise ToolError("read the members of the ZFS pools", argv, rc, out, err)
    found = {pool: devices for pool, devices in parse_status(out).items() if pool in pools}
    if set(found) != set(pools):
        raise UnknownOutput("zpool status", f"the members of {', '.join(pools)}", out)
    return found


def parse_status(text: str) -> dict[str, tuple[str, ...]]:
    """``zpool status -P``: leaf devices by pool; a lost one is shown by its number and ``was /dev/...``."""
    found: dict[str, tuple[str, ...]] = {}
    for block in _blocks(text):
        name, config = (*block.split("\n", 1), "")[:2]
        section = re.search(r"^config:\n\n\tNAME .*\n((?:\t.*\n?)+)", config, re.M)
        if section is None or name.strip() in found:
            raise UnknownOutput("zpool status", "the members of pools", text)
        leaves = [_leaf(line) for line in section[1].splitlines()]
        found[name.strip()] = tuple(leaf for leaf in leaves if leaf)
    return found


def _leaf(line: str) -> str:
    match = _LEAF.match(line)
    return (match[1] or match[0].strip()) if match else ""


def _blocks(text: str) -> list[str]:
    """What follows each ``pool:`` line, up to the next."""
    return re.split(r"^ *pool: ", text, flags=re.M)[1:]


def importable(run: Runner, folders: Sequence[str]) -> list[Importable]:
    """Pools on devices in ``folders`` that are not imported; only lists them."""
    argv = ["zpool", "import", *(word for folder in folders for word in ("-d", folder))]
    rc, out, err = run(argv, None, IMPORT_TIMEOUT)
    if not out.strip() and err.strip() == "no pools available to import" and rc in (0, 1):
        return []
    if rc != 0 or err.strip():
        raise ToolError("look for pools to import", argv, rc, out, err)
    return parse_importable(out)


def parse_importable(text: str) -> list[Importable]:
    """The blocks of ``zpool import``; UnknownOutput when one has no state or no action."""
    found = []
    for block in _blocks(text):
        fields, last = {"pool": block.partition("\n")[0].strip()}, ""
        for line in block.partition("\n")[2].split("\n"):
            match = _FIELD.fullmatch(line)
            if match:
                last = match[1]
                fields[last] = match[2].strip()
            elif last and last != "config" and line.startswith("\t"):
                fields[last] += " " + line.strip()
        if not {"pool", "state", "action", "config"} <= set(fields):
            raise UnknownOutput("zpool import", "pools to import", text)
        found.append(Importable(fields["pool"], fields["state"], fields.get("status", ""), fields["action"]))
    if not found:
        raise UnknownOutput("zpool import", "pools to import", text)
    return found


def import_argv(name: str, folders: Sequence[str], pool_properties: Mapping[str, str]) -> list[str]:
    """The properties are set by the import itself: a pool is never here without the guard that it is to have."""
    words = [word for folder in folders for word in ("-d", folder)]
    words += [word for key, value in pool_properties.items() for word in ("-o", f"{key}={value}")]
    return ["zpool", "import", *words, name]


def create_argv(
    name: str,
    pool_properties: Mapping[str, str],
    options: Mapping[str, str],
    vdevs: Sequence[tuple[str, Sequence[str]]],
) -> list[str]:
    """``vdevs`` are ``(words of the type, devices)`` in order; the type of a stripe has no words."""
    argv = ["zpool", "create"]
    argv += [word for key, value in pool_properties.items() for word in ("-o", f"{key}={value}")]
    argv += [word for key, value in options.items() for word in ("-O", f"{key}={value}")]
    argv.append(name)
    for kind, devices in vdevs:
        argv += [*kind.split(), *devices]
    return argv
