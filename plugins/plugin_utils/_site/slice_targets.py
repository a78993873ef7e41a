# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Targets and pools of one host in the options of the modules that make them."""

from __future__ import annotations

from typing import Any

from ansible_collections.lustre.core.plugins.plugin_utils._site.model import ChangelogUser, Pool, Target
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice_lnet import LnetSlice


def target_options(target: Target, fsname: str | None, nodes: list[list[str]], lnet: LnetSlice) -> dict[str, Any]:
    """A target in the options of ``lustre.core.target``."""
    several = len(target.servers) > 1
    return {
        "label": target.label,
        "kind": target.kind,
        "fsname": fsname,
        "index": target.index,
        "mgs": target.mgs,
        "backend": target.backend,
        "device": target.device,
        "mgs_nids": nodes,
        "service_nids": [lnet.needed_nids(server, f"{target.path}.servers") for server in target.servers]
        if several
        else [],
        "networks": list(target.networks),
        "mkfs_options": target.mkfs_options,
        "mount_fs_options": target.mount_fs_options,
        "params": dict(target.params),
        "format": target.format,
        "tune": target.tune,
        **({"replace": True} if target.replace else {}),
    }


def container_options(target: Target, host: str) -> dict[str, Any] | None:
    """The container below a target in the options of ``lustre.core.luks``: its first server makes it, all of them open it."""
    luks = target.luks
    if luks is None or target.backend != "ldiskfs":
        return None
    return {
        "label": target.label,
        "device": luks.device,
        "name": luks.name,
        "key_file": luks.key_file,
        **({"key_name": luks.key} if luks.key else {}),
        **({"format": target.format} if host == target.servers[0] else {"standby": True}),
    }


def changelog_options(target: Target, user: ChangelogUser, host: str, consented: bool) -> dict[str, Any]:
    """A changelog user of one MDT in the options of ``lustre.core.changelog_user``; on a standby it is passed over."""
    return {
        "mdt": target.label,
        "name": user.name,
        "mask": list(user.mask),
        "state": user.state,
        "discard_unread": consented,
        "required": host == target.servers[0] and target.managed_by == "site",
    }


def add_pool(pools: dict[str, dict[str, Any]], target: Target) -> None:
    """The pool under a ZFS target of this host, in the options of ``lustre.core.zpool``; without vdevs it must exist."""
    pool = target.pool or Pool(target.path, target.device.partition("/")[0], (), {}, {})
    known = pools.setdefault(
        pool.name,
        {
            "name": pool.name,
            "vdevs": [],
            "properties": {},
            "filesystem_properties": {},
            "create": False,
            # A cluster manager imports its pools itself, where it wants them.
            "import": target.managed_by == "site",
        },
    )
    if pool.vdevs:
        known["vdevs"] = [{"type": vdev.type, "devices": list(vdev.devices)} for vdev in pool.vdevs]
        known["create"] = target.format
    known["properties"].update(pool.properties)
    known["filesystem_properties"].update(pool.filesystem_properties)
