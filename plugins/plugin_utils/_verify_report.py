# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The health of a whole site: what its nodes found, and what only shows when they are looked at together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Sequence

from ansible_collections.lustre.core.plugins.plugin_utils._device_looks import unlooked
from ansible_collections.lustre.core.plugins.plugin_utils._lasting import lasting_table
from ansible_collections.lustre.core.plugins.plugin_utils._operations import declared_targets
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain
from ansible_collections.lustre.core.plugins.plugin_utils._table import count, table

#: Hosts without a problem share lines when there are more than this.
_HOSTS_SHOWN = 20
_NAME = ".lustre-verify-"


def verify_data(filesystems: Any, results: Mapping[str, Any]) -> dict[str, Any]:
    """One entry per host, the problems of the site, what ends when, what could not be proven, and the verdict.

    ``results`` maps each host to the return of ``lustre.core.verify`` (or a list of returns,
    ``lustre.core.verify_shared`` among them); None stands for a host that gave no answer.
    """
    hosts = [_host(plain(host), _answers(plain(results[host]))) for host in results]
    problems = _placement(filesystems, hosts)
    checks = sum(host["checks"] for host in hosts)
    return {
        "healthy": bool(checks) and not problems and all(host["healthy"] for host in hosts),
        "checks": checks,
        "hosts": [{key: host[key] for key in ("host", "healthy", "checks", "problems")} for host in hosts],
        "problems": problems,
        "ends": [{"host": host["host"], **one} for host in hosts for one in host["ends"]],
        "notes": [{"host": host["host"], "text": text} for host in hosts for text in host["notes"]] + unlooked(results),
        "remarks": [{"host": host["host"], "text": text} for host in hosts for text in host["remarks"]],
    }


def _answers(result: Any) -> list[dict[str, Any]]:
    several = result if isinstance(result, list) else [result]
    return [answer for answer in several if isinstance(answer, dict) and not answer.get("skipped")]


def _host(name: str, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    problems: list[str] = []
    for answer in answers:
        if answer.get("unreachable") or ("checks" not in answer and (answer.get("failed") or answer.get("msg"))):
            problems.append(str(answer.get("msg") or "no answer"))
        problems += [str(text) for text in answer.get("problems") or ()]
    checks = sum(len(answer.get("checks") or ()) for answer in answers)
    if not checks and not problems:
        problems.append("It gave no answer.")
    targets = [target["label"] for answer in answers for target in answer.get("targets") or ()]
    ends = [one for answer in answers for one in answer.get("ends") or ()]
    return {
        "host": name,
        "healthy": not problems,
        "checks": checks,
        "problems": problems,
        "targets": targets,
        "ends": ends,
        "notes": [str(text) for answer in answers for text in answer.get("notes") or ()],
        "remarks": [str(text) for answer in answers for text in answer.get("remarks") or ()],
    }


def _placement(filesystems: Any, hosts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Targets that run twice, on a strange host, or (managed by a cluster) nowhere."""
    running: dict[str, list[str]] = {}
    for host in hosts:
        for label in host["targets"]:
            # Every site has only MGTs called MGS: which of them it is, its own node knows.
            if label != "MGS":
                running.setdefault(label, []).append(host["host"])
    answered = {host["host"] for host in hosts if host["checks"]}
    problems = []
    for target in declared_targets(filesystems):
        places = running.get(target["label"], [])
        if len(places) > 1:
            problems.append(
                f"{target['label']} runs on {listed(places)} at the same time: stop it on all but one of them at once, since two nodes "
                "that write to one device destroy it."
            )
        strange = [host for host in places if host not in target["servers"]]
        if strange and len(places) == 1:
            problems.append(
                f"{target['label']} runs on {strange[0]}, which is not one of its servers ({listed(target['servers'])})."
            )
        silent = target["kind"] != "mgt" and not places and target["managed_by"] != "site"
        if silent and answered.issuperset(target["servers"]):
            problems.append(f"{target['label']} runs on none of its servers: its cluster manager has to start it.")
    return problems


def verify_table(filesystems: Any, results: Mapping[str, Any]) -> str:
    """The same as text: one line per host, every problem as a sentence, and the verdict."""
    data = verify_data(filesystems, results)
    fine = [host for host in data["hosts"] if host["healthy"]]
    shown = data["hosts"]
    parts = []
    if len(fine) > _HOSTS_SHOWN:
        shown = [host for host in data["hosts"] if not host["healthy"]]
        parts.append(f"{count(len(fine), 'host')} without a problem: {listed([host['host'] for host in fine], 5)}")
    rows = [
        (
            host["host"],
            str(host["checks"]),
            "ok" if host["healthy"] else f"FAILED: {count(len(host['problems']), 'problem')}",
        )
        for host in shown
    ]
    if rows:
        parts.append("\n".join(table(("HOST", "CHECKS", "RESULT"), rows)))
    if data["ends"]:
        parts.append("\n".join(lasting_table(data["ends"])))
    found = [f"{host['host']}: {text}" for host in data["hosts"] for text in host["problems"]]
    found += [f"site: {text}" for text in data["problems"]]
    if found:
        parts.append("Problems:\n" + "\n".join(f"  {number}. {text}" for number, text in enumerate(found, 1)))
    if data["notes"]:
        parts.append("Not proven:\n" + "\n".join(f"  {one['host']}: {one['text']}" for one in data["notes"]))
    if data["remarks"]:
        parts.append("Remarks:\n" + "\n".join(f"  {one['host']}: {one['text']}" for one in data["remarks"]))
    parts.append(_verdict(data, len(found)))
    return "\n\n".join(parts)


def _verdict(data: Mapping[str, Any], problems: int) -> str:
    asked = f"{count(len(data['hosts']), 'host')}, {count(data['checks'], 'check')}"
    if data["healthy"]:
        return f"Verdict: HEALTHY ({asked})."
    if not data["checks"]:
        return f"Verdict: NOT HEALTHY, nothing was checked ({asked})."
    return f"Verdict: NOT HEALTHY, {count(problems, 'problem')} ({asked})."


def shared_files(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Test files that prove that clients see the same: one for each part of a file system that several of them mount.

    The writer is a client that sees more than the part, if there is one, so that a mount of a
    subdirectory is compared with a mount of the whole.  Only mounts that have just been
    written to take part.
    """
    mounts = [
        {"host": plain(host), **mount}
        for host in results
        for answer in _answers(plain(results[host]))
        for mount in answer.get("mounts") or ()
        if mount.get("writable")
    ]
    files = []
    for fsname, subdir in dict.fromkeys((mount["fsname"], mount["subdir"]) for mount in mounts):
        same = [mount for mount in mounts if mount["fsname"] == fsname]
        above = [mount for mount in same if subdir == mount["subdir"] or subdir.startswith(mount["subdir"] + "/")]
        writer = min(above, key=lambda mount: len(mount["subdir"]))
        if any(mount["subdir"] == subdir and mount is not writer for mount in same):
            name = _NAME + os.urandom(8).hex()
            files.append(
                {
                    "fsname": fsname,
                    "subdir": subdir,
                    "name": name,
                    "content": os.urandom(32).hex(),
                    "writer": writer["host"],
                    "path": f"{writer['path']}{subdir[len(writer['subdir']) :]}/{name}",
                    "owner": writer.get("owner", ""),
                }
            )
    return files


def _common(file: Mapping[str, Any]) -> dict[str, Any]:
    return {key: file[key] for key in ("content", "writer")}


def shared_reads(files: Any, result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The test files as one client sees them, out of its own ``lustre.core.verify``: input of ``lustre.core.verify_shared``."""
    own = [mount for answer in _answers(plain(result)) for mount in answer.get("mounts") or ()]
    return [
        {"path": f"{mount['path']}/{file['name']}", **_common(file), "owner": mount.get("owner", "")}
        for file in plain(files)
        for mount in own
        if (mount["fsname"], mount["subdir"]) == (file["fsname"], file["subdir"])
    ]


def shared_writes(files: Any, host: str) -> list[dict[str, Any]]:
    """The test files that one client writes."""
    return [
        {"path": file["path"], **_common(file), "owner": file["owner"]}
        for file in plain(files)
        if file["writer"] == plain(host)
    ]
