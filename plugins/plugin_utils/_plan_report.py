# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run would change, per host and object: from what the modules returned in check mode to one list and one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Iterator

from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain
from ansible_collections.lustre.core.plugins.plugin_utils._table import count, table

#: The sign before a step, by what it costs.
MARKS = {"destructive": "!!", "disruptive": "!", "": ""}
_HOSTS_SHOWN = 3
#: A tenant's mount needs its nodemap first: another playbook brings both, in the order in which nothing is open in between.
ELSEWHERE = "Nodemaps and the mounts of tenants are not part of this: lustre.core.tenants is the playbook for them."


def plan_data(results: Mapping[str, Any]) -> dict[str, Any]:
    """One list over all hosts.

    ``results`` maps each host to the return of a module (or a list of several); None stands for a
    host that gave no answer.  Only the order of risk is ours: within it, hosts and steps keep theirs.
    """
    steps: list[dict[str, Any]] = []
    drift: list[dict[str, Any]] = []
    unplanned: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    idle: list[str] = []
    for host, answers in _answers(results):
        before = len(steps) + len(unplanned) + len(failed)
        if not answers:
            failed.append({"host": host, "msg": "no answer"})
        for answer in answers:
            if answer.get("failed") or answer.get("unreachable"):
                failed.append({"host": host, "msg": str(answer.get("msg") or "no answer")})
            steps += [{"host": host, **step, "risk": _risk(step)} for step in answer.get("plan") or ()]
            drift += [{"host": host, **item} for item in answer.get("drift") or ()]
            unplanned += [
                {"host": host, "phase": part.get("phase", ""), "why": part["unplanned"]}
                for part in answer.get("results") or ()
                if part.get("unplanned")
            ]
        if len(steps) + len(unplanned) + len(failed) == before:
            idle.append(host)
    steps.sort(key=lambda step: list(MARKS).index(step["risk"]))
    return {
        "changes": len(steps),
        "destructive": sum(step["risk"] == "destructive" for step in steps),
        "disruptive": sum(step["risk"] == "disruptive" for step in steps),
        "steps": steps,
        "drift": drift,
        "unplanned": unplanned,
        "failed": failed,
        "unchanged_hosts": idle,
        "clean": not (steps or drift or unplanned or failed),
    }


def _answers(results: Mapping[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for host in results:
        answer = plain(results[host])
        several = answer if isinstance(answer, list) else [answer]
        yield plain(host), [item for item in several if isinstance(item, dict)]


def _risk(step: Mapping[str, Any]) -> str:
    return "destructive" if step.get("destructive") else "disruptive" if step.get("disruptive") else ""


def elsewhere(filesystems: Iterable[Any] | None) -> str:
    """A line for those who describe nodemaps or tenants: neither the plan nor the site playbook looks at these."""
    given = [one for one in plain(filesystems) or () if isinstance(one, Mapping)]
    return f"\n{ELSEWHERE}" if any(one.get("nodemaps") is not None or one.get("tenants") for one in given) else ""


def plan_table(results: Mapping[str, Any], commands: bool = False, filesystems: Iterable[Any] | None = None) -> str:
    """The same as text; equal steps of many hosts share a line.  ``filesystems``: as described (see elsewhere)."""
    data = plan_data(results)
    parts = [_headline(data)]
    if data["steps"]:
        rows = shared_lines(data["steps"], ("risk", "action", "object", "reason", *(("command",) if commands else ())))
        head = ("", "HOST", "ACTION", "OBJECT", "WHY", *(("COMMAND",) if commands else ()))
        cells = [(MARKS[values[0]], hosts, *values[1:]) for hosts, values in rows]
        parts.append("\n".join(table(head, cells)))
    if data["drift"]:
        rows = shared_lines(data["drift"], ("object", "found", "wanted", "remedy"))
        lines = table(
            ("HOST", "OBJECT", "FOUND", "WANTED", "WHAT REPAIRS IT"), [(hosts, *values) for hosts, values in rows]
        )
        parts.append("Differences that a run shows, but does not repair:\n" + "\n".join(lines))
    for key, title, columns in (
        ("unplanned", "Not to be seen before earlier steps are done:", ("phase", "why")),
        ("failed", "No plan, because of an error:", ("msg",)),
    ):
        if data[key]:
            lines = table(
                ("", "", ""),
                [
                    (f"{hosts}:", *values, *([""] * (2 - len(values))))
                    for hosts, values in shared_lines(data[key], columns)
                ],
            )
            parts.append(title + "\n" + "\n".join("  " + line for line in lines[1:]))
    if data["unchanged_hosts"]:
        parts.append(f"Nothing to do on {listed(data['unchanged_hosts'], 8)}.")
    return "\n\n".join(parts) + elsewhere(filesystems)


def _headline(data: Mapping[str, Any]) -> str:
    if data["clean"]:
        return "Plan: nothing to do."
    hosts = len({step["host"] for step in data["steps"]})
    text = f"Plan: {count(data['changes'], 'change')} on {count(hosts, 'host')}"
    risks = []
    if data["destructive"]:
        risks.append(f"{data['destructive']} with loss of what is on a device (!!)")
    if data["disruptive"]:
        risks.append(f"{data['disruptive']} that users notice (!)")
    return text + (", of these " + " and ".join(risks) if risks else "") + "."


def shared_lines(items: list[dict[str, Any]], columns: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Hosts in a few words, and the values they share; in the order of the first host of each."""
    found: dict[tuple[str, ...], list[str]] = {}
    for item in items:
        found.setdefault(tuple(str(item.get(column, "")) for column in columns), []).append(item["host"])
    return [(listed(dict.fromkeys(hosts), _HOSTS_SHOWN), values) for values, hosts in found.items()]
