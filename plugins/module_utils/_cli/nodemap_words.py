# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words of lctl's commands for nodemaps, and several of them for one process.

A batch is given to lctl without ``ignore_errors``: it ends at the first command that fails, with that one's exit code
(observed on Lustre 2.17.0).  For nodemaps this is what is wanted: the steps after a failed one, ranges and the
activation above all, must not be taken.  An unknown command is no error to lctl; who builds a batch asks first.
"""

from __future__ import annotations

import re
from typing import Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.nodemap import Fileset

Words = tuple[str, ...]
_FAILED = re.compile(r"\b(nodemap_[a-z_]+): |cannot '(nodemap_[a-z_]+)'|executing (set_param)")


def script(commands: Iterable[Sequence[str]]) -> str:
    """Standard input for one lctl process that stops at its first failure."""
    return "".join(" ".join(command) + "\n" for command in commands)


def failed_verb(err: str) -> str:
    """The command whose failure standard error tells; empty when it names none."""
    match = _FAILED.search(err)
    return next((name for name in match.groups() if name), "") if match else ""


def activate(on: bool) -> Words:
    return ("nodemap_activate", "1" if on else "0")


def add(name: str, parent: str = "", dynamic: bool = False) -> Words:
    """A plain one in the form that every release has."""
    if not dynamic:
        return ("nodemap_add", name)
    return ("nodemap_add", "--dynamic", "--parent", parent, "--name", name)


def remove(name: str) -> Words:
    return ("nodemap_del", name)


def add_range(name: str, text: str) -> Words:
    return ("nodemap_add_range", "--name", name, "--range", text)


def del_range(name: str, text: str) -> Words:
    return ("nodemap_del_range", "--name", name, "--range", text)


def ban(name: str, text: str) -> Words:
    return ("nodemap_banlist_add", "--name", name, "--range", text)


def unban(name: str, text: str) -> Words:
    return ("nodemap_banlist_del", "--name", name, "--range", text)


def modify(name: str, key: str, value: str) -> Words:
    return ("nodemap_modify", "--name", name, "--property", key, "--value", value)


def add_offset(name: str, offset: int, limit: int) -> Words:
    return ("nodemap_add_offset", "--name", name, "--offset", str(offset), "--limit", str(limit))


def del_offset(name: str) -> Words:
    return ("nodemap_del_offset", "--name", name)


def add_idmaps(name: str, kind: str, ids: Mapping[int, int], ranges: bool) -> list[Words]:
    """``ranges``: consecutive ids in one command, which releases before 2.17 cannot."""
    return [
        ("nodemap_add_idmap", "--name", name, "--idtype", kind, "--idmap", text) for text in idmap_texts(ids, ranges)
    ]


def del_idmaps(name: str, kind: str, ids: Mapping[int, int]) -> list[Words]:
    """One by one, as they are stored."""
    return [
        ("nodemap_del_idmap", "--name", name, "--idtype", kind, "--idmap", text) for text in idmap_texts(ids, False)
    ]


def idmap_texts(ids: Mapping[int, int], ranges: bool = True) -> list[str]:
    """``{500: 1000, 600: 2000, 601: 2001}`` → ``500:1000``, ``600-601:2000``."""
    runs: list[list[int]] = []
    for client, fs in sorted(ids.items()):
        if ranges and runs and client == runs[-1][0] + runs[-1][2] and fs == runs[-1][1] + runs[-1][2]:
            runs[-1][2] += 1
        else:
            runs.append([client, fs, 1])
    return [f"{client}-{client + count - 1}:{fs}" if count > 1 else f"{client}:{fs}" for client, fs, count in runs]


def set_fileset(name: str, path: str) -> Words:
    """Before 2.17: the only one; an empty path takes it away."""
    return ("nodemap_set_fileset", "--name", name, "--fileset", path)


def store(name: str, key: str, value: str) -> Words:
    """Before 2.17 file set and policy outlive a restart only as a stored parameter."""
    return ("set_param", "-P", f"nodemap.{name}.{key}={value or 'clear'}")


def add_fileset(name: str, fileset: Fileset) -> Words:
    kind = (*(("--alt",) if fileset.alternate else ()), *(("--ro",) if fileset.read_only else ()))
    return ("nodemap_fileset_add", *kind, "--name", name, "--fileset", fileset.path)


def del_fileset(name: str, path: str) -> Words:
    return ("nodemap_fileset_del", "--name", name, "--fileset", path)


def rename_fileset(name: str, path: str, new: str) -> Words:
    return ("nodemap_fileset_modify", "--name", name, "--fileset", path, "--rename", new)


def fileset_mode(name: str, path: str, read_only: bool) -> Words:
    return ("nodemap_fileset_modify", "--name", name, "--fileset", path, "--ro" if read_only else "--rw")


def set_sepol(name: str, policy: str) -> Words:
    return ("nodemap_set_sepol", "--name", name, "--sepol", policy)


def set_caps(name: str, kind: str, caps: Iterable[str]) -> Words:
    names = ("--caps", ",".join(sorted(caps))) if kind != "off" else ()
    return ("nodemap_set_cap", "--name", name, "--type", kind, *names)
