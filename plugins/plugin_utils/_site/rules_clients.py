# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about mount points, mount options and parameters."""

from __future__ import annotations

import posixpath
import re
from typing import NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources import mount_options
from ansible_collections.lustre.core.plugins.module_utils._resources.param_want import want_from_options
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import listed
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import FileSystem, Param

RULES = (
    Rule(
        "path-form", "Mount points and subdirectories are absolute, without .. and doubled slashes, and not / itself."
    ),
    Rule("path-twice", "A mount point is used once per host, by targets and clients together."),
    Rule("path-nested", "No mount point of a host lies below another one."),
    Rule("mount-option", "Mount options can be declared and do not contradict each other."),
    Rule("param-twice", "A parameter is declared once per scope, over all file systems that share an MGS."),
    Rule(
        "param-value",
        "Name, value and state of a parameter are ones that its module would accept; an absent one has no value.",
    ),
    Rule("param-hosts", "A local parameter names its hosts, a persistent one is for all."),
    Rule("param-fs", "A parameter is for the file system it stands under, not for another one."),
    Rule("param-no-mgs", "Persistent parameters need an MGS of this inventory."),
    Rule("param-wide", "On a shared MGS, a pattern names its file system: * means all of them (warning)."),
    Rule("purge-wide", "A prefix for deletion names its file system."),
    Rule("directory-twice", "A directory is declared once per file system."),
    Rule("directory-no-client", "Directories are made by a client that mounts the whole file system."),
    Rule("ha-alone", "A target managed by a cluster has more than one server (warning)."),
)


class Use(NamedTuple):
    """One mount point on some hosts."""

    path: str
    where: str
    hosts: frozenset[str]


def forms(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for mount in filesystem.clients:
            _form(context, mount.mount_path, f"{mount.path}.path", "mount point")
            if not mount.tenant:
                _form(context, mount.subdir, f"{mount.path}.subdir", "subdirectory")
        for directory in filesystem.directories:
            if not directory.tenant or directory.path != f"/{directory.tenant}":
                _form(context, directory.path, directory.path_at, "directory")
        for target in filesystem.targets:
            _form(context, target.mount_path, f"{target.path}.path", "mount point")


def _form(context: Context, text: str, where: str, noun: str) -> None:
    if not text:
        return
    if text == "/":
        context.add(
            where,
            f"/ cannot be the {noun}",
            f"Name a directory for it, or leave {where.rpartition('.')[2]} out.",
            "path-form",
        )
    elif posixpath.normpath(text) != text or text.startswith("//") or re.search(r"\s", text):
        fix = (
            f"Write it as {posixpath.normpath('/' + text.strip().lstrip('/'))}."
            if not re.search(r"\s", text)
            else "Use a path without blanks."
        )
        context.add(where, f'"{text}" is not the plain form of an absolute path', fix, "path-form")


def mount_points(context: Context) -> None:
    uses: list[Use] = []
    for filesystem in context.site.filesystems:
        for target in filesystem.targets:
            uses.append(Use(target.mount_path, f"{target.path}.path", frozenset(target.servers)))
        for mount in filesystem.clients:
            if mount.state != "absent" and mount.mount_path:
                uses.append(Use(mount.mount_path, f"{mount.path}.path", context.expanded(mount.hosts)))
    _twice(context, uses)
    _nested(context, uses)


def _twice(context: Context, uses: list[Use]) -> None:
    by_path: dict[str, list[Use]] = {}
    for use in uses:
        for other in by_path.setdefault(use.path, []):
            both = sorted(use.hosts & other.hosts)
            # Several targets of one entry: the rule about {index} says it better.
            if both and other.where != use.where:
                what = f"{use.path} is also the mount point of {other.where} on {listed(both)}"
                context.add(use.where, what, "Give each mount its own path on a host.", "path-twice")
                break
        by_path[use.path].append(use)


def _nested(context: Context, uses: list[Use]) -> None:
    by_path: dict[str, list[Use]] = {}
    for use in uses:
        by_path.setdefault(use.path, []).append(use)
    for use in uses:
        parent = posixpath.dirname(use.path)
        while parent not in ("/", ""):
            for other in by_path.get(parent, []):
                both = sorted(use.hosts & other.hosts)
                if both:
                    what = f"{use.path} lies below {parent} ({other.where}), which is mounted on {listed(both)}, too"
                    context.add(use.where, what, "Choose a path outside: one would hide the other.", "path-nested")
            parent = posixpath.dirname(parent)


def options(context: Context) -> None:
    for filesystem in context.site.filesystems:
        lists = [(f"{mount.path}.options", "client", mount.options) for mount in filesystem.clients]
        lists += [(f"{target.path}.mount_options", "target", target.mount_options) for target in filesystem.targets]
        for where, kind, given in lists:
            try:
                mount_options.checked(list(given), kind, where)
            except BadValue as error:
                context.add(error.path, error.problem, error.remedy, "mount-option")


def params(context: Context) -> None:
    for filesystem in context.site.filesystems:
        for param in filesystem.params:
            _param(context, filesystem, param)
        for number, prefix in enumerate(filesystem.purge_params):
            if filesystem.named and filesystem.name not in prefix:
                what = f'the prefix "{prefix}" does not name {filesystem.name}, and the MGS keeps parameters of all its file systems in one list'
                fix = f'Name the file system, such as "osc.{filesystem.name}-".'
                context.add(f"{filesystem.path}.purge_params[{number}]", what, fix, "purge-wide")


def _param(context: Context, filesystem: FileSystem, param: Param) -> None:
    where = param.path
    if param.state == "absent" and param.value is not None:
        context.add(
            f"{where}.value", "a parameter to be deleted has no value", "Remove value, or state.", "param-value"
        )
    options = {
        "name": param.name,
        "value": param.value,
        "scope": param.scope,
        "state": param.state,
        "fsname": filesystem.name if filesystem.named else "",
    }
    try:
        want_from_options(options, where)
    except BadValue as error:
        # In the short form the name is the key itself.
        at = where if where.endswith('"]') else error.path
        context.add(at, error.problem, error.remedy, "param-value")
    if param.scope == "local" and not param.hosts:
        what = "a local parameter is set on named hosts, and none is named"
        context.add(f"{where}.hosts", what, "Name hosts or groups, such as lustre_client.", "param-hosts")
    if param.scope == "persistent" and param.hosts:
        what = "a persistent parameter goes to every node that has it"
        context.add(f"{where}.hosts", what, "Remove hosts, or use scope: local.", "param-hosts")
    if param.scope == "persistent":
        _persistent(context, filesystem, param)
    others = [other.name for other in context.site.filesystems if other.named and other is not filesystem]
    named = [name for name in others if re.search(rf"[.]{re.escape(name)}-", param.name)]
    if named:
        what = f'"{param.name}" is for {named[0]}, but stands under {filesystem.name}'
        context.add(where, what, f"Move it to the params of {named[0]}.", "param-fs")


def _persistent(context: Context, filesystem: FileSystem, param: Param) -> None:
    if filesystem.mgs.way == "nids":
        what = "persistent parameters are stored on the MGS, which is outside this inventory"
        context.add(param.path, what, "Use scope: local or mount, or set it at that site.", "param-no-mgs")
    shared = len(context.sharers(filesystem)) > 1
    if shared and re.match(r"(osc|mdc|osp|mdt|mdd|ost|obdfilter|llite|lov|lmv|lod|osd-\w+)\.\*\.", param.name):
        what = f'"{param.name}" reaches every file system of this MGS, not only {filesystem.name}'
        fix = f"Write {param.name.replace('.*.', f'.{filesystem.name}-*.', 1)} if only {filesystem.name} is meant."
        context.warn(param.path, what, fix, "param-wide")


def params_twice(context: Context) -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for filesystem in context.site.filesystems:
        group = min(other.path for other in [filesystem, *context.sharers(filesystem)])
        for param in filesystem.params:
            scope = param.scope if param.scope != "local" else "local:" + ",".join(sorted(param.hosts))
            other = seen.setdefault((group, scope, param.name), param.path)
            if other != param.path:
                context.add(
                    param.path, f'"{param.name}" is already declared by {other}', "Declare it once.", "param-twice"
                )


def directories(context: Context) -> None:
    for filesystem in context.site.filesystems:
        seen: dict[str, str] = {}
        for directory in filesystem.directories:
            other = seen.setdefault(directory.path, directory.where)
            if other != directory.where:
                what = f"{directory.path} is already declared by {other}"
                context.add(directory.path_at, what, "Declare it once.", "directory-twice")
        if filesystem.directories and not any(mount.whole for mount in filesystem.clients):
            key = "tenants" if all(directory.tenant for directory in filesystem.directories) else "directories"
            what = f"no client mounts the whole of {filesystem.name}, so that nobody can make them"
            fix = "Add an entry without subdir to its clients, or remove directories and make them elsewhere."
            if key == "tenants":
                what = f"no client mounts the whole of {filesystem.name}, so that nobody can make their directories"
                fix = "Add an entry without subdir to its clients, for an administrator's node."
            context.add(f"{filesystem.path}.{key}", what, fix, "directory-no-client")


def clusters(context: Context) -> None:
    for target in context.targets():
        if target.managed_by == "ha" and len(target.servers) < 2:
            what = f"{target.label} is managed by a cluster, but has one server"
            context.warn(f"{target.path}.servers", what, "Name the server that can take over.", "ha-alone")


CHECKS: tuple[Checker, ...] = (forms, mount_points, options, params, params_twice, directories, clusters)
