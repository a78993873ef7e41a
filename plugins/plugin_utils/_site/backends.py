# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The backends of one host's targets, seen in the description alone.

Which packages a host needs is asked often and for every host, so this reads no host's
variables, as the whole slice must for NIDs.  What is malformed is left to the check of the
whole, which comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Iterator


def node_backends(filesystems: Any, host: str) -> list[str]:
    """``ldiskfs`` and ``zfs``, those of them that targets served by this host have, standby servers included."""
    found = {backend for raw in _mappings(filesystems) for backend, servers in _targets(raw) if host in servers}
    return sorted(found)


def has_luks(filesystems: Any, host: str) -> bool:
    """Whether a target that this host serves is in a LUKS container."""
    return any(
        entry.get("luks") and host in (entry.get("servers") or ())
        for raw in _mappings(filesystems)
        for entry in _mappings([raw.get("mgs"), *_mappings(raw.get("mdts")), *_mappings(raw.get("osts"))])
    )


def _targets(raw: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """The backend and servers of each entry of a file system."""
    default = raw.get("backend") or "ldiskfs"
    for entry in [raw.get("mgs"), *_mappings(raw.get("mdts")), *_mappings(raw.get("osts"))]:
        servers = entry.get("servers") if isinstance(entry, Mapping) else None
        if isinstance(entry, Mapping) and isinstance(servers, (list, tuple)):
            yield str(entry.get("backend") or default), list(servers)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, (list, tuple)) else []
