# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at everything, as the user wrote it: who serves what.

ansible-core wraps variables so that each access costs; a slice therefore reads every entry of
the description once, and of the entries that are not its own only the names of the servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Iterator

from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain

KINDS = (("mdt", "mdts"), ("ost", "osts"))


def entries(raw: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Numbered mappings of a list; what has another shape is for the check of the whole to report."""
    if isinstance(raw, (list, tuple)):
        for number, item in enumerate(raw):
            if isinstance(item, Mapping):
                yield number, item


def names(raw: Any) -> list[str]:
    """The strings of a list."""
    return [plain(name) for name in raw if isinstance(name, str)] if isinstance(raw, (list, tuple)) else []


@dataclass(frozen=True)
class Entry:
    """An entry of ``mdts`` or ``osts``; ``path`` is that below its file system."""

    kind: str
    path: str
    raw: Mapping[str, Any]
    servers: tuple[str, ...]


@dataclass(frozen=True)
class Walked:
    """A file system with its entries; ``position`` is its place in the list that the user wrote."""

    position: int
    raw: Mapping[str, Any]
    entries: tuple[Entry, ...]
    mgs_servers: tuple[str, ...]

    @property
    def servers(self) -> Iterator[str]:
        """Every host that is named as a server, some several times."""
        yield from self.mgs_servers
        for entry in self.entries:
            yield from entry.servers


def walk(filesystems: Any) -> list[Walked]:
    """All file systems that have the shape of one."""
    found = []
    for position, raw in entries(filesystems):
        mgs = raw.get("mgs")
        targets = tuple(
            Entry(kind, f"{key}[{number}]", entry, tuple(names(entry.get("servers"))))
            for kind, key in KINDS
            for number, entry in entries(raw.get(key))
        )
        found.append(
            Walked(position, raw, targets, tuple(names(mgs.get("servers") if isinstance(mgs, Mapping) else None)))
        )
    return found
