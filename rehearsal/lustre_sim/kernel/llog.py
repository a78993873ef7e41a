# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The configuration logs of an MGS: records, markers, cancelled records, and how ``lctl llog_print`` shows them.

Plain data inside (``LogStore(data)`` wraps a JSON-able dict), so that the MGS can keep it on its device.
Shapes from recordings of Lustre 2.17.0: every setting is a start marker, the record and an end marker; a
setting that is replaced or deleted keeps its records, its markers get a cancel time and flag 0x04, and
``llog_print`` shows neither markers nor cancelled records unless ``-r`` is given.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import Any

from ..sim_error import SimError

START, END, CANCELLED = 0x01, 0x02, 0x04
VERSION = "2.17.0.0"
Record = dict[str, Any]


class LogStore:
    """All configuration logs of one MGS, by name (``params``, ``FSNAME-client``, ``FSNAME-OST0000``, ...)."""

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self.data: dict[str, Any] = data if data is not None else {}
        self.logs: dict[str, list[Record]] = self.data.setdefault("logs", {})

    # -- writing -----------------------------------------------------------------------------------------------

    def create(self, log: str) -> None:
        self.logs.setdefault(log, [])

    def add(self, log: str, now: float, *events: tuple[str, dict[str, Any]]) -> None:
        """Append one setting: a start marker, its records (name of the event, fields in order), an end marker."""
        records = self.logs.setdefault(log, [])
        group = 1 + max((record["group"] for record in records), default=0)
        for event, fields in (("marker", {"flags": START}), *events, ("marker", {"flags": END})):
            record = {"index": len(records) + 1, "group": group, "event": event, "fields": fields, "time": int(now)}
            records.append(record)

    def replace(
        self, log: str, now: float, same: Callable[[Record], bool], *events: tuple[str, dict[str, Any]]
    ) -> None:
        """Cancel the settings that hold a record ``same`` says yes to, then add the new one."""
        self.cancel(log, now, same)
        self.add(log, now, *events)

    def cancel(self, log: str, now: float, same: Callable[[Record], bool]) -> int:
        """Cancel every live setting with a matching record; how many there were."""
        groups = {record["group"] for record in self.live(log) if same(record)}
        for record in self.logs.get(log, []):
            if record["group"] in groups:
                record["cancelled"] = int(now)
        return len(groups)

    def cancel_index(self, log: str, index: int) -> None:
        for record in self.logs.get(log, []):
            if record["index"] == index and record["event"] != "marker" and "cancelled" not in record:
                record["cancelled"] = record["time"]
                return
        raise SimError(errno.ENOENT, f"{log}:{index}")

    def erase(self, logs: Iterable[str]) -> None:
        for log in list(logs):
            self.logs.pop(log, None)

    # -- reading -----------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        return list(self.logs)

    def live(self, log: str) -> list[Record]:
        """The records in force, without markers."""
        return [r for r in self.logs.get(log, []) if r["event"] != "marker" and "cancelled" not in r]

    def version(self, log: str) -> int:
        """Grows with every change: nodes ask for it to learn that there is something new."""
        records = self.logs.get(log, [])
        return len(records) + sum("cancelled" in record for record in records)

    def print(self, log: str, raw: bool = False) -> list[str]:
        """What ``lctl llog_print [-r] LOG`` writes, a line each; ENOENT when there is no such log."""
        if log not in self.logs:
            raise SimError(errno.ENOENT, log)
        return [_line(record) for record in (self.logs[log] if raw else self.live(log))]

    def info(self, log: str) -> list[str]:
        if log not in self.logs:
            raise SimError(errno.ENOENT, log)
        count = len(self.logs[log])
        number = 10 + self.names().index(log)
        return [
            f"logid:            [0x{number:x}:0x3:0x0]",
            "flags:            4 (plain)",
            f"records_count:    {count}",
            f"last_index:       {count}",
        ]


def _line(record: Record) -> str:
    fields = dict(record["fields"])
    if record["event"] == "marker":
        cancelled = record.get("cancelled", 0)
        flags = fields["flags"] | (CANCELLED if cancelled else 0)
        fields = {"flags": f"0x{flags:02x}", "version": VERSION, "createtime": record["time"], "canceltime": cancelled}
    shown = "".join(f", {key}: {value}" for key, value in fields.items() if not key.startswith("_"))
    return f"- {{ index: {record['index']}, event: {record['event']}{shown} }}"
