# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about LUKS containers below targets: where they can be, what they are called, where their keys are."""

from __future__ import annotations

import re

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_want import NAME, key_path
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import Luks, Target

RULES = (
    Rule("luks-backend", "A LUKS container is below an ldiskfs target: ZFS encrypts by itself."),
    Rule("luks-name", "A container is opened under a name that device-mapper takes, and that is not its own device."),
    Rule(
        "luks-key", "Its key has a file that outlasts a boot, and perhaps the name of a secret; one file holds one key."
    ),
)


def backends(context: Context) -> None:
    for target, luks in _containers(context):
        if target.backend == "zfs" and not context.broken(luks.path):
            fix = "Write zpool: {filesystem_properties: {encryption: aes-256-gcm, ...}} for a new pool instead, or set backend: ldiskfs."
            context.add(
                luks.path, "LUKS is described, but the backend is zfs, which encrypts by itself", fix, "luks-backend"
            )


def names(context: Context) -> None:
    for _target, luks in _containers(context):
        where = f"{luks.path}.name"
        if context.broken(where):
            continue
        if NAME.match(luks.name) is None:
            what = f'"{luks.name}" is no name below /dev/mapper'
            context.add(where, what, "Use letters, digits, _, . and -; or leave it out.", "luks-name")
        elif luks.mapping == luks.device:
            what = f"the container would be opened as {luks.mapping}, which is its own device"
            context.add(where, what, "Give it another name.", "luks-name")


def keys(context: Context) -> None:
    files: dict[tuple[str, str], Luks] = {}
    for target, luks in _containers(context):
        file, key = f"{luks.path}.key_file", f"{luks.path}.key"
        if luks.key and re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", luks.key) is None and not context.broken(key):
            # What stands there may be a secret, so it is not shown.
            what = "it is no name of 1 to 32 letters, digits, _, . or -; if it is the key itself, it is in the inventory in the clear"
            fix = (
                "Put the key into lustre_luks_keys of a vault, and write its name here. Make a new one if this was it."
            )
            context.add(key, what, fix, "luks-key")
        if not luks.key_file or context.broken(file):
            continue
        try:
            key_path(luks.key_file, file)
        except BadValue as error:
            context.add(file, error.problem, error.remedy, "luks-key")
            continue
        for server in target.servers:
            other = files.setdefault((server, luks.key_file), luks)
            if other.key != luks.key and not context.broken(file):
                what = f"{luks.key_file} on {server} is that of {other.path}, too, with another key"
                context.add(file, what, "Give each key a file of its own.", "luks-key")


def _containers(context: Context) -> list[tuple[Target, Luks]]:
    return [(target, target.luks) for target in context.targets() if target.luks is not None]


CHECKS: tuple[Checker, ...] = (backends, names, keys)
