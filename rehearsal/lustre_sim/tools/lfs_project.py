# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lfs project: project ids of files and directories, kept in an attribute of each. Nothing is counted, and nothing inherits."""

from __future__ import annotations

import getopt
import os
from typing import Any

#: Only root reads and writes it, as only root runs these tools.
_ATTRIBUTE = "trusted.lustre_sim.project"


def project(words: list[str], context: Any) -> int:
    """``lfs project [-d] [-r] [-p ID] [-s] [-C] PATH...``"""
    flags, paths = getopt.gnu_getopt(words, "dp:srCk", ["directory", "recursive", "clear", "keep"])
    options = {name.lstrip("-"): value for name, value in flags}
    wanted = options.get("p")
    if wanted is not None and not wanted.isdigit():
        context.err.write(f"invalid project id '{wanted}'\n")
        return 4
    for path in paths:
        if not os.path.lexists(path):
            context.err.write(f"lfs: failed to lstat '{path}': No such file or directory\n")
            return 1
        if context.of_path(path) is None:
            context.err.write(f"lfs: failed to get xattr for '{path}': Inappropriate ioctl for device\n")
            return 25
        for one in _meant(path, options):
            if "C" in options or "clear" in options:
                _write(one, 0 if "k" not in options else _read(one)[0], False)
            elif wanted is not None or "s" in options:
                number, inherit = _read(one)
                _write(one, int(wanted) if wanted is not None else number, "s" in options or inherit)
            else:
                number, inherit = _read(one)
                context.out.write(f"{number:5d} {'P' if inherit else '-'} {one}\n")
    return 0


def _meant(path: str, options: dict[str, str]) -> list[str]:
    """The path itself; without -d and -p what lies in it; with -r all of that as well."""
    inside = os.path.isdir(path) and not os.path.islink(path)
    deep = bool({"r", "recursive"} & set(options))
    lists = inside and not {"p", "s", "C", "clear", "d", "directory"} & set(options)
    found = [] if lists else [path]
    if inside and (deep or lists):
        for folder, names, files in os.walk(path):
            found += [os.path.join(folder, name) for name in [*files, *names]]
            if not deep:
                break
    return found


def _read(path: str) -> tuple[int, bool]:
    try:
        text = os.getxattr(path, _ATTRIBUTE, follow_symlinks=False).decode()
    except OSError:
        return 0, False
    number, _space, flag = text.partition(" ")
    return int(number), flag == "P"


def _write(path: str, number: int, inherit: bool) -> None:
    os.setxattr(path, _ATTRIBUTE, f"{number} {'P' if inherit else '-'}".encode(), follow_symlinks=False)
