# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who writes markers into which encrypted directory, and which objects of them servers look at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain


def _several(result: Any) -> list[Mapping[str, Any]]:
    given = plain(result)
    return [one for one in (given if isinstance(given, list) else [given]) if isinstance(one, Mapping)]


def marked_directories(results: Mapping[str, Any]) -> dict[str, list[str]]:
    """By client the directories that it writes a marker into: each once, by the first client that could use it.

    ``results`` maps hosts to the return of ``lustre.core.verify_encrypted``.
    """
    chosen: dict[str, list[str]] = {}
    known = set()
    for host in results:
        for answer in _several(results[host]):
            for one in answer.get("usable") or ():
                name = one["fsname"], one["inside"]
                if name not in known:
                    known.add(name)
                    chosen.setdefault(plain(host), []).append(one["path"])
    return chosen


def marked_objects(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects of all files that the action write of ``lustre.core.verify_ciphertext`` made."""
    return [dict(one) for host in results for answer in _several(results[host]) for one in answer.get("objects") or ()]


def unlooked(results: Mapping[str, Any]) -> list[dict[str, str]]:
    """Of what was written, what no server has looked at, as notes."""
    looked = {name for host in results for answer in _several(results[host]) for name in answer.get("looked") or ()}
    return [
        {
            "host": plain(host),
            "text": f"{one['directory']}: its bytes were not looked at: {one['fsname']}-OST{one['ost']:04x} runs on no server that answered.",
        }
        for host in results
        for answer in _several(results[host])
        for one in answer.get("objects") or ()
        if f"{one['fsname']} {one['fid']}" not in looked
    ]
