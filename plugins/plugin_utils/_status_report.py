# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs where: the description of the site beside what its nodes said about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils._site import parse
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import ClientMount, FileSystem, Target
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain
from ansible_collections.lustre.core.plugins.plugin_utils._table import count, size, table

#: More clients than this are summed up, and only those with a trouble are named.
_CLIENTS_SHOWN = 20
_RECOVERED = ("COMPLETE", "INACTIVE", "")


class Answers:
    """What each host said (the return of ``lustre.core.node_info``); a host that said nothing has None."""

    def __init__(self, results: Mapping[str, Any]) -> None:
        self._results = results
        self._read: dict[str, dict[str, Any] | None] = {}

    def of(self, host: str) -> dict[str, Any] | None:
        if host not in self._read:
            answer: Any = plain(self._results[host]) if host in self._results else None
            usable = isinstance(answer, dict) and not (answer.get("failed") or answer.get("unreachable"))
            self._read[host] = answer.get("node", answer) if usable else None
        return self._read[host]

    def asked(self, host: str) -> bool:
        return host in self._results


def status_data(filesystems: Any, results: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Per file system its targets and its client mounts; ``healthy`` is true when all is as described.

    Hosts that were not asked (a limited run) are left out of the judgement.
    """
    findings = Findings()
    site = parse.site(filesystems, None, findings)
    findings.stop_if_any("The description of the site cannot be used")
    servers = {server for filesystem in site.filesystems for target in filesystem.targets for server in target.servers}
    answers, hosts = Answers(results), Hosts(results, groups, servers)
    found = [_filesystem(filesystem, answers, hosts) for filesystem in site.filesystems]
    problems = [{"host": plain(host), "problem": text} for host in results for text in _problems(answers, plain(host))]
    entries = [entry for filesystem in found for key in ("targets", "clients") for entry in filesystem[key]]
    return {
        "filesystems": found,
        "problems": problems,
        "healthy": not problems and all(entry["ok"] for entry in entries),
    }


def _problems(answers: Answers, host: str) -> list[str]:
    answer = answers.of(host)
    return ["no answer"] if answer is None else [str(text) for text in answer.get("problems") or ()]


def _filesystem(filesystem: FileSystem, answers: Answers, hosts: Hosts) -> dict[str, Any]:
    ordered = sorted(
        filesystem.targets, key=lambda target: (("mgt", "mdt", "ost").index(target.kind), target.index or 0)
    )
    targets = [_target(target, answers) for target in ordered if any(answers.asked(h) for h in target.servers)]
    clients = [
        _client(filesystem, mount, host, answers)
        for mount in filesystem.clients
        for host in hosts.expanded(mount.hosts)
        if answers.asked(host)
    ]
    return {
        "name": filesystem.name,
        "mgs": filesystem.mgs.of or None,
        "targets": targets,
        "clients": clients,
        "capacity": _sum([target["capacity"] for target in targets if target["kind"] == "ost"]),
    }


def _sum(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Over all OSTs; unknown as long as one of them did not tell."""
    keys = ("total_kb", "free_kb", "available_kb")
    known = parts and all(part.get(key) is not None for part in parts for key in keys)
    return {key: sum(part[key] for part in parts) if known else None for key in keys}


def _target(target: Target, answers: Answers) -> dict[str, Any]:
    """A target, on the host (or hosts) where it was found."""
    places = [(host, entry) for host in target.servers for entry in _entries(answers, host, target)]
    silent = [host for host in target.servers if answers.asked(host) and answers.of(host) is None]
    entry = places[0][1] if places else {}
    recovery = str((entry.get("recovery") or {}).get("status", ""))
    state, ok = _state(target, places, recovery, silent)
    return {
        "label": target.label,
        "kind": target.kind,
        "index": target.index,
        "servers": list(target.servers),
        "host": places[0][0] if places else None,
        "hosts": [host for host, _entry in places],
        "device": target.device,
        "path": target.mount_path,
        "state": state,
        "recovery": recovery or None,
        "ok": ok,
        "capacity": {key: (entry.get("capacity") or {}).get(key) for key in ("total_kb", "free_kb", "available_kb")},
    }


def _entries(answers: Answers, host: str, target: Target) -> list[dict[str, Any]]:
    answer = answers.of(host) or {}
    return [entry for entry in answer.get("targets") or () if entry.get("label") == target.label]


def _state(
    target: Target, places: list[tuple[str, dict[str, Any]]], recovery: str, silent: list[str]
) -> tuple[str, bool]:
    if not places:
        return ("unknown", False) if silent else ("down", False)
    if len(places) > 1:
        return "RUNS TWICE", False
    host, entry = places[0]
    if entry.get("state") != "UP":
        return f"mounted, {entry.get('state') or 'not running'}", False
    if recovery not in _RECOVERED:
        return f"up, recovery {recovery.lower()}", False
    if host != target.servers[0] and target.managed_by == "site":
        return f"up, away from {target.servers[0]}", True
    return "up", True


def _client(filesystem: FileSystem, mount: ClientMount, host: str, answers: Answers) -> dict[str, Any]:
    answer = answers.of(host)
    found = next(
        (
            entry
            for entry in (answer or {}).get("mounts") or ()
            if entry.get("kind") == "client" and entry.get("path") == mount.mount_path
        ),
        None,
    )
    right = found is not None and (found.get("fsname"), found.get("subdir") or "") == (filesystem.name, mount.subdir)
    if answer is None:
        state, ok = "unknown", False
    elif found is not None and not right:
        state, ok = f"other file system: {found.get('fsname')}{found.get('subdir') or ''}", False
    elif found is not None:
        state, ok = "mounted", mount.state in ("mounted", "present")
    else:
        state, ok = "not mounted", mount.state != "mounted" or mount.automount
    return {
        "host": host,
        "path": mount.mount_path,
        "subdir": mount.subdir,
        "wanted": mount.state,
        "state": state,
        "ok": ok,
    }


def status_table(filesystems: Any, results: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> str:
    """The same as text."""
    data = status_data(filesystems, results, groups)
    parts = [_shown(filesystem) for filesystem in data["filesystems"]]
    if data["problems"]:
        lines = table(("", ""), [(f"{problem['host']}:", problem["problem"]) for problem in data["problems"]])
        parts.append("Problems:\n" + "\n".join("  " + line for line in lines[1:]))
    parts.append("All is as described." if data["healthy"] else "Not all is as described: see the lines marked with *.")
    return "\n\n".join(parts)


def _shown(filesystem: Mapping[str, Any]) -> str:
    total, free = filesystem["capacity"]["total_kb"], filesystem["capacity"]["free_kb"]
    head = f"File system {filesystem['name']}"
    head += f" (MGS of {filesystem['mgs']})" if filesystem["mgs"] else ""
    head += f": {size(total)}, {_used(total, free)} used" if total is not None else ""
    rows = [
        (
            "" if target["ok"] else "*",
            target["label"],
            ", ".join(target["hosts"]) or "-",
            target["state"],
            size(target["capacity"]["total_kb"]),
            _used(target["capacity"]["total_kb"], target["capacity"]["free_kb"]),
            ", ".join(server for server in target["servers"] if server not in target["hosts"]),
        )
        for target in filesystem["targets"]
    ]
    lines = [head]
    if rows:
        lines += table(("", "TARGET", "RUNS ON", "STATE", "SIZE", "USED", "COULD RUN ON"), rows, "  ")
    return "\n".join([*lines, *_clients(filesystem["clients"])])


def _clients(clients: Sequence[Mapping[str, Any]]) -> list[str]:
    if not clients:
        return []
    chosen = [client for client in clients if len(clients) <= _CLIENTS_SHOWN or not client["ok"]]
    lines = []
    if len(chosen) < len(clients):
        good = [client["host"] for client in clients if client["ok"]]
        lines.append(f"  {count(len(good), 'client mount')} as described: {listed(good, 3)}")
    rows = [
        ("" if client["ok"] else "*", client["host"], client["path"], client["subdir"] or "/", client["state"])
        for client in chosen
    ]
    return lines + (table(("", "CLIENT", "MOUNT POINT", "DIRECTORY", "STATE"), rows, "  ") if rows else [])


def _used(total: int | None, free: int | None) -> str:
    return "" if not total or free is None else f"{100 * (total - free) / total:.0f} %"
