# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemctl: what units are, in one process, and the few verbs that are needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: systemd marks itself as running by this folder (sd_booted(3)).
BOOTED = "/run/systemd/system"
DAEMON_RELOAD = ("systemctl", "daemon-reload")
_KEYS = ("Id", "LoadState", "UnitFileState", "ActiveState", "SubState", "Result", "DropInPaths")


@dataclass(frozen=True)
class UnitState:
    """One unit: ``loaded`` is False when systemd has no such unit; ``file_state`` as `systemctl is-enabled` prints it."""

    name: str
    load: str
    file_state: str
    active: str
    sub: str
    result: str
    drop_ins: tuple[str, ...] = ()

    @property
    def exists(self) -> bool:
        return self.load not in ("not-found", "")

    @property
    def masked(self) -> bool:
        return self.load == "masked" or self.file_state in ("masked", "masked-runtime")

    @property
    def enabled(self) -> bool:
        """Whether it is part of the boot, by itself or through another unit.

        ``enabled-runtime`` is gone after a reboot; ``disabled`` never was.
        """
        return self.file_state in ("enabled", "static", "alias", "indirect", "generated", "linked")

    @property
    def started(self) -> bool:
        return self.active in ("active", "reloading")


def show_argv(units: Iterable[str]) -> tuple[str, ...]:
    return ("systemctl", "show", f"--property={','.join(_KEYS)}", "--", *units)


def show(run: Runner, units: Sequence[str]) -> dict[str, UnitState]:
    """The state of each unit asked for, by the name asked for (an alias answers with its own Id)."""
    if not units:
        return {}
    argv = show_argv(units)
    rc, out, err = run(argv, None, 30.0)
    if rc != 0:
        raise ToolError("ask systemd for its units", argv, rc, out, err, remedy="Is systemd running on this node?")
    blocks = parse_show(out)
    if len(blocks) != len(units):
        raise UnknownOutput("systemctl", f"the units {', '.join(units)}", out)
    return dict(zip(units, blocks))


def parse_show(text: str) -> list[UnitState]:
    """Blocks of ``Key=value`` divided by blank lines, in the order asked for."""
    states = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if not block.strip():
            continue
        pairs = [line.partition("=") for line in block.splitlines() if line.strip()]
        values = {key: value for key, mark, value in pairs if mark}
        if "Id" not in values or "ActiveState" not in values:
            raise UnknownOutput("systemctl", "the state of a unit", block)
        states.append(
            UnitState(
                name=values["Id"],
                load=values.get("LoadState", ""),
                file_state=values.get("UnitFileState", ""),
                active=values["ActiveState"],
                sub=values.get("SubState", ""),
                result=values.get("Result", ""),
                drop_ins=tuple(values.get("DropInPaths", "").split()),
            )
        )
    return states


def unit_of_path(path: str, suffix: str) -> str:
    """The name of the unit of a path: ``/mnt/fs1`` and ``mount`` give ``mnt-fs1.mount`` (as systemd-escape --path does)."""
    parts = [part for part in path.split("/") if part]
    name = "-".join(_escaped(part, first=number == 0) for number, part in enumerate(parts)) or "-"
    return f"{name}.{suffix}"


def _escaped(part: str, first: bool) -> str:
    text = ""
    for place, byte in enumerate(part.encode()):
        sign = chr(byte)
        plain = byte < 128 and (sign.isalnum() or sign in ":_" or (sign == "." and not (first and place == 0)))
        text += sign if plain else f"\\x{byte:02x}"
    return text
