# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Basics of a host that Lustre does not check itself: a clock that is kept, updatedb that stays out, a host id for ZFS."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

CHECKS = ("time", "updatedb", "hostid")
TIME_SERVICES = ("chronyd", "chrony", "systemd-timesyncd", "ntpd", "ntpsec", "ntp")
UPDATEDB = "/etc/updatedb.conf"
HOSTID = "/etc/hostid"
#: Both names that a mount of Lustre has in the mount table.
FILESYSTEMS = ("lustre", "lustre_tgt")
_PRUNE = re.compile(r"^[ \t]*PRUNEFS[ \t]*=[ \t]*\"?(?P<names>[^\"\n#]*)\"?", re.M)


@dataclass
class Basics:
    """``where`` makes a path of this node's (tests have a folder of their own)."""

    run: Runner
    where: Callable[[str], str]
    checks: Sequence[str] = CHECKS
    warnings: list[str] = field(default_factory=list, init=False)
    todo: list[str] = field(default_factory=list, init=False)

    def inspect(self) -> dict[str, Any]:
        unknown = [check for check in self.checks if check not in CHECKS]
        if unknown:
            raise BadValue("basics", f"there is no check {unknown[0]!r}", f"Known are: {', '.join(CHECKS)}.")
        asked = {"time": self._time, "updatedb": self._updatedb, "hostid": self._hostid}
        found = {check: asked[check]() for check in CHECKS if check in self.checks}
        return {**found, "todo": self.todo, "warnings": self.warnings}

    def _warn(self, check: str, text: str) -> None:
        self.todo.append(check)
        self.warnings.append(text)

    def _time(self) -> dict[str, Any]:
        try:
            said = self.run(("systemctl", "is-active", *TIME_SERVICES), None, 30.0).out.split()
        except ToolMissing:
            said = []
        active = [name for name, state in zip(TIME_SERVICES, said) if state == "active"]
        if not active:
            self._warn(
                "time",
                "No service that keeps the clock runs here (chrony, systemd-timesyncd, ntp): timestamps of files and logs will drift "
                "apart between nodes, and Kerberos will fail. Set up chrony.",
            )
        return {"services": active}

    def _updatedb(self) -> dict[str, Any]:
        try:
            with open(self.where(UPDATEDB), encoding="utf-8", errors="replace") as stream:
                match = _PRUNE.search(stream.read())
        except FileNotFoundError:
            return {"configured": False, "prunefs": []}
        names = match["names"].split() if match else []
        missing = [name for name in FILESYSTEMS if name not in names]
        if missing:
            self._warn(
                "updatedb",
                f"PRUNEFS in {UPDATEDB} does not name {' and '.join(missing)}: updatedb will walk through the whole file system from "
                "every node, every day.",
            )
        return {"configured": True, "prunefs": [*names, *missing]}

    def _hostid(self) -> dict[str, Any]:
        try:
            with open(self.where(HOSTID), "rb") as stream:
                data = stream.read()
        except FileNotFoundError:
            data = b""
        value = int.from_bytes(data, "little") if len(data) == 4 else 0
        if not value:
            self._warn(
                "hostid",
                f"{HOSTID} holds no host id: ZFS cannot tell this node from others (multihost), and mkfs.lustre refuses pools without it.",
            )
        return {"hostid": f"{value:08x}" if value else None}
