# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the playbooks for stopping, starting and taking down ask of a description: other states of chosen mounts, and lists of targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Iterable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.plugin_utils._site import parse
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import plain

STATES = ("described", "mounted", "unmounted", "present", "absent")
_DOWN = ("unmounted", "absent")
#: Parts of a node that have nothing to do with its mounts: whoever stops or starts formats, tunes and sets nothing.
_LEFT_OUT: dict[str, Any] = {"targets": [], "params": [], "purge_params": [], "directories": [], "changelogs": []}


class NotAlone(LustreError):
    """An MGS would go away under a file system that stays."""

    def __init__(self, label: str, path: str, others: Sequence[str]) -> None:
        super().__init__(
            f"{label} at {path} carries the MGS of {listed(others)}, too, and cannot go away alone. "
            f"Name {listed(others)} as well, or leave its file system as it is."
        )


def with_mounts(
    node: Mapping[str, Any],
    state: str = "described",
    filesystems: Sequence[str] | None = None,
    consent: Iterable[str] = (),
    boot: bool | None = None,
) -> dict[str, Any]:
    """One host's wanted state (of the filter ``node_state``), reduced to chosen mounts in another state.

    ``filesystems``: None means all.  ``consent``: the file systems whose mounts may be unmounted.
    A stand-alone MGT belongs to all file systems that use it: it goes down with the last and comes
    up with the first of them.  Targets that a cluster manages are never chosen.
    """
    if state not in STATES:
        raise LustreError(f"with_mounts: {state!r} is not a state of mounts. Use one of {', '.join(STATES)}.")
    names = None if filesystems is None else set(_words(filesystems))
    allowed = set(_words(consent))
    wanted = plain(node)
    chosen: list[str] = []
    for mount in wanted["mounts"]:
        if mount.get("label") in wanted["cluster_managed"]:
            continue
        users = _users(wanted, mount)
        if not _concerned(mount, users, names, state in _DOWN):
            continue
        chosen.append(mount["path"])
        if state != "described":
            mount["state"] = state
        if state in _DOWN:
            mount["unmount"] = users <= allowed
        if boot is not None:
            mount["boot"] = boot
    return {**wanted, **_LEFT_OUT, "only_paths": chosen}


def _words(value: Any) -> list[str]:
    given = plain(value)
    return [given] if isinstance(given, str) else list(given or ())


def _users(node: Mapping[str, Any], mount: Mapping[str, Any]) -> set[str]:
    """The file systems that a mount belongs to; several for an MGS that they share."""
    own = {mount["fsname"]} if mount["fsname"] else set()
    return own | set(node["mgs_users"].get(mount["path"], ()))


def _concerned(mount: Mapping[str, Any], users: set[str], names: set[str] | None, down: bool) -> bool:
    if names is None:
        return True
    if down and mount["fsname"] in names and not users <= names:
        raise NotAlone(mount.get("label") or mount["fsname"], mount["path"], sorted(users - names))
    if down and mount["fsname"] is None:
        return bool(users) and users <= names
    return bool(users & names) if mount["fsname"] is None else mount["fsname"] in names


def declared_targets(filesystems: Any, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The targets of the description in the order in which they start, each with its host and device.

    ``names``: of these file systems only.  A stand-alone MGT is among them when all its users are.
    """
    findings = Findings()
    site = parse.site(filesystems, None, findings)
    findings.stop_if_any("The description of the site cannot be used")
    wanted = {filesystem.name for filesystem in site.filesystems} if names is None else set(_words(names))
    found = []
    for filesystem in site.filesystems:
        users = {other.name for other in site.filesystems if filesystem.name in (other.name, other.mgs.of)}
        for target in filesystem.targets:
            if (users <= wanted) if target.kind == "mgt" else filesystem.name in wanted:
                found.append(
                    {
                        "label": target.label,
                        "kind": target.kind,
                        "mgs": target.kind == "mgt" or target.mgs,
                        "fsname": filesystem.name,
                        "host": target.servers[0],
                        "servers": list(target.servers),
                        "backend": target.backend,
                        "device": target.device,
                        "path": target.mount_path,
                        "managed_by": target.managed_by,
                        "key": f"{target.servers[0]}:{target.device}",
                    }
                )
    return found


def named_for(entries: Any, host: str) -> list[str]:
    """Of entries ``HOST:OBJECT`` the objects of one host."""
    start = f"{plain(host)}:"
    return [entry[len(start) :] for entry in _words(entries) if entry.startswith(start)]
