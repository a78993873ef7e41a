# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What protects the connections of all hosts, out of what ``lustre.core.security_info`` found on each, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ansible_collections.lustre.core.plugins.plugin_utils._plan_report import shared_lines
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain
from ansible_collections.lustre.core.plugins.plugin_utils._table import count, table

#: Where a connection leads, by its type.
_TO = {"mdc": "MDTs", "osc": "OSTs", "osp": "other servers", "lwp": "other servers", "mgc": "the MGS"}
#: By whether a connection uses what it should; None where no rule gives it a flavor.
_NOTES = {True: "", False: ", not as described", None: ", no rule speaks of them"}
_HEAD = ("HOST", "CONNECTIONS TO", "FLAVOR", "HOW MANY")


def security_table(results: Mapping[str, Any]) -> str:
    """One line for each host, where its connections lead, and the flavor they use; equal hosts share lines.

    ``results`` maps each host to the return of the module with its ``imports``; None or one without them stands for a host
    that was not asked.  Connections that stay inside a node use no flavor and are left out.
    """
    rows, silent, odd = [], [], 0
    for host in results:
        answer = plain(results[host]) or {}
        if "imports" not in answer:
            silent.append(plain(host))
            continue
        over = [one for one in answer["imports"] if not one["local"]]
        seen = Counter((_TO.get(one["type"], one["type"]), one["flavor"], _NOTES[one["in_force"]]) for one in over)
        for (leads, flavor, note), number in seen.items():
            rows.append({"host": plain(host), "to": leads, "flavor": flavor, "many": f"{number}{note}"})
            odd += number if note == _NOTES[False] else 0
    parts = ["Security: every connection that rules speak of is as described."]
    if odd:
        parts = [f"Security: {count(odd, 'connection')} not as described."]
    if rows:
        lines = [(hosts, *values) for hosts, values in shared_lines(rows, ("to", "flavor", "many"))]
        parts.append("\n".join(table(_HEAD, lines)))
    if silent:
        parts.append(f"Not asked: {', '.join(silent)}.")
    return "\n\n".join(parts)
