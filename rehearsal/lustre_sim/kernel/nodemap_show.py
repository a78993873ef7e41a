# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ``nodemap.*`` shows of the nodemaps, in the shapes that were recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .nodemap_ranges import shown

ID_TYPES = ("uid", "gid", "projid")
FLAGS = ("admin", "trusted", "deny_unknown", "audit_mode", "forbid_encryption", "readonly_mount", "deny_mount")
NUMBERS = ("squash_uid", "squash_gid", "squash_projid")
READ_AS = {"admin": "admin_nodemap", "trusted": "trusted_nodemap"}
ROLES = (
    "file_perms", "dne_ops", "quota_ops", "byfid_ops", "chlg_ops", "fscrypt_admin", "server_upcall",
    "ignore_root_prjquota", "hsm_ops", "local_admin", "pool_quota_ops",
)  # fmt: skip
PRIVILEGES = (
    "child_raise_privs", "admin", "trusted", "deny_unknown", "readonly_mount", "forbid_encryption", "caps", "deny_mount",
)  # fmt: skip


def rows(items: Iterable[str]) -> str:
    lines = [f" {{ {item} }}" for item in items]
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def params(name: str, one: Mapping[str, Any], exports: Callable[[str], list[str]]) -> dict[str, Any]:
    """Of one nodemap, without its name; each is rendered when somebody reads it."""
    found: dict[str, Any] = {READ_AS.get(flag, flag): str(int(one[flag])) for flag in FLAGS}
    found.update({key: str(one[key]) for key in NUMBERS})
    found["id"] = str(one["id"])
    found["map_mode"] = lambda: "all" if set(one["map_mode"]) == set(ID_TYPES) else ",".join(one["map_mode"])
    found["child_raise_privileges"] = lambda: ",".join(one["child_raise_privileges"]) or "none"
    found["banlist"] = lambda: rows(_spans(one["banlist"]))
    found["enable_cap_mask"] = lambda: "type: {}\ncaps: {}".format(*one["caps"]) if one["caps"] else "off"
    found["exports"] = lambda: rows(exports(name))
    found["fileset"] = lambda: _filesets(one["filesets"])
    if name != "default":
        found["idmap"] = lambda: rows(
            f"idtype: {kind}, client_id: {client}, fs_id: {fs}"
            for kind in ID_TYPES
            for client, fs in sorted((int(key), value) for key, value in one["idmap"][kind].items())
        )
        found["offset"] = lambda: _offset(one["offset"])
        found["parent"] = one["parent"]
        found["ranges"] = lambda: rows(_spans(one["ranges"]))
        found["rbac"] = lambda: ",".join(one["rbac"]) or "none"
        found["sepol"] = one["sepol"]
    return found


def _spans(ranges: Iterable[list[Any]]) -> Iterable[str]:
    return [f"id: {one[0]}, start_nid: {shown(one[1], one[2])}, end_nid: {shown(one[1], one[3])}" for one in ranges]


def _filesets(filesets: Iterable[Mapping[str, Any]]) -> str:
    """The primary one first; an empty list is not written as other empty ones are (recorded)."""
    ordered = sorted(filesets, key=lambda one: one["alternate"])
    lines = [
        f" {{ {'alternate:   ' if one['alternate'] else 'primary:     '}{one['path']}{', mode: ro' if one['ro'] else ''} }}"
        for one in ordered
    ]
    return "[\n" + "".join(line + ",\n" for line in lines[:-1]) + "".join(line + "\n" for line in lines[-1:]) + "]"


def _offset(offset: list[int] | None) -> str:
    start, limit = offset or (0, 0)
    lines = [f" start_{kind}: {start},\n limit_{kind}: {limit}" for kind in ID_TYPES]
    return "{\n" + ",\n".join(lines) + "\n}"
