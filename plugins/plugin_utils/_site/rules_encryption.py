# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about encrypted directories: where they can be, and whose key opens them."""

from __future__ import annotations

import posixpath
import re

from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt import PAIRS
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import Encrypted
from ansible_collections.lustre.core.plugins.plugin_utils._site.rules_nodemaps import groups
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice_security import holding

RULES = (
    Rule("encrypted-path", "An encrypted directory is a directory of its own, in no other encrypted one, named once."),
    Rule("encrypted-mount", "Each of its hosts mounts the file system so that the directory can be seen there."),
    Rule(
        "encrypted-key",
        "It has a key: the name of a secret, a file on the node, which lies outside of the directory, or both.",
    ),
    Rule(
        "encrypted-protector",
        "With a protector it has no identifier, since the program fscrypt makes its key, and a raw key has a file on the node.",
    ),
    Rule("encrypted-modes", "Contents and names are encrypted by a pair of modes that belong together."),
    Rule("encrypted-forbidden", "None of its hosts is forbidden to encrypt, by its nodemap or by its mount."),
)


def paths(context: Context) -> None:
    for filesystem in context.site.filesystems:
        seen: dict[str, Encrypted] = {}
        for one in filesystem.security.encrypted:
            where = f"{one.where}.path"
            if one.path == "/" or posixpath.normpath(one.path) != one.path or one.path.startswith("//"):
                what = f'"{one.path}" is not the plain form of a directory below the top'
                context.add(where, what, "Write it such as /secret/data.", "encrypted-path")
                continue
            other = seen.setdefault(one.path, one)
            if other is not one:
                what = f"{one.path} is already declared by {other.where}"
                context.add(where, what, "Declare it once, with all its hosts.", "encrypted-path")
        for one in seen.values():
            outer = next((seen[p] for p in _above(one.path) if p in seen), None)
            if outer is not None:
                what = (
                    f"{one.path} lies in {outer.path} ({outer.where}), which is encrypted as a whole with its own key"
                )
                context.add(f"{one.where}.path", what, "Choose a directory beside it.", "encrypted-path")


def _above(path: str) -> list[str]:
    found = []
    while path not in ("/", ""):
        path = posixpath.dirname(path)
        found.append(path)
    return found


def keys(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for one in filesystem.security.encrypted:
            if not one.key and not one.key_file and not context.broken(f"{one.where}.key", f"{one.where}.key_file"):
                fix = "Give key (a name in lustre_encryption_keys), key_file (a path on the node), or both."
                context.add(one.where, "it has no key", fix, "encrypted-key")
            if one.key and re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", one.key) is None:
                # What stands there may be a secret, so it is not shown.
                what = "it is no name of 1 to 32 letters, digits, _, . or -; if it is the key itself, it is in the inventory in the clear"
                fix = "Put the key into lustre_encryption_keys of a vault, and write its name here. Make a new one if this was it."
                context.add(f"{one.where}.key", what, fix, "encrypted-key")
            inside = any(
                one.key_file.startswith(f"{mount.mount_path.rstrip('/')}/")
                for mount in filesystem.clients
                if mount.mount_path
            )
            if one.key_file and inside:
                what = f"{one.key_file} lies in a mount of {filesystem.name}, beside what it protects"
                context.add(f"{one.where}.key_file", what, "Keep it on the node's own disk.", "encrypted-key")
            protector = one.options["protector"]
            if protector and one.identifier:
                what = "the program fscrypt makes the key of a directory with a protector by itself"
                context.add(f"{one.where}.identifier", what, "Leave out one of them.", "encrypted-protector")
            if protector == "raw_key" and not one.key_file and one.key:
                what = "the program fscrypt reads a raw key from a file"
                context.add(one.where, what, "Give key_file, a path on the node.", "encrypted-protector")
            pair = PAIRS.get(one.options["contents"])
            if pair is not None and one.options["filenames"] != pair:
                what = f"the kernel does not take {one.options['filenames']} for names with {one.options['contents']} for contents"
                context.add(f"{one.where}.filenames", what, f"Write {pair}.", "encrypted-modes")


def mounts(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for one in filesystem.security.encrypted:
            if context.broken(f"{one.where}.path"):
                continue
            missing, plain = [], []
            for host in sorted(context.expanded(one.hosts)):
                own = [mount for mount in filesystem.clients if host in context.expanded(mount.hosts)]
                fitting = [mount for mount in own if holding(one.path, [mount]) is not None]
                if not fitting:
                    missing.append(host)
                elif any("noencrypt" in mount.options for mount in fitting):
                    plain.append(host)
            if missing:
                what = f"{one.path} cannot be seen on {listed(missing)}: no client mount of {filesystem.name} there holds it"
                context.add(
                    f"{one.where}.hosts", what, "Add these hosts to clients, or take them out here.", "encrypted-mount"
                )
            if plain:
                what = f"{listed(plain)} {'mounts' if len(plain) == 1 else 'mount'} {filesystem.name} with noencrypt"
                context.add(
                    f"{one.where}.hosts", what, "Remove that option, or take the hosts out here.", "encrypted-forbidden"
                )


def forbidden(context: Context) -> None:
    if not context.complete:
        return
    for filesystem, found in groups(context):
        for other in {one.path: one for one in [filesystem, *context.sharers(filesystem)]}.values():
            for one in other.security.encrypted:
                shut: dict[str, list[str]] = {}
                for host in sorted(context.expanded(one.hosts)):
                    nodemap = found.of_host(host, context.hosts, context.nids(host))
                    if found.allows(nodemap, "forbid_encryption"):
                        shut.setdefault(nodemap.name if nodemap is not None else "default", []).append(host)
                for name, hosts in shut.items():
                    what = f"{listed(hosts)} {'is' if len(hosts) == 1 else 'are'} in the nodemap {name}, which forbids encryption"
                    fix = _allow(other, name)
                    context.add(f"{one.where}.hosts", what, fix, "encrypted-forbidden")


def _allow(filesystem: FileSystem, name: str) -> str:
    tenant = next((tenant for tenant in filesystem.security.tenants if tenant.name == name), None)
    return (
        f"Set encryption: true in {tenant.where}." if tenant else f"Take forbid_encryption out of the nodemap {name}."
    )


CHECKS: tuple[Checker, ...] = (paths, keys, mounts, forbidden)
