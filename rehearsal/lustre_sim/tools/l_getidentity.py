# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""l_getidentity: the upcall that tells an MDT a user's groups; ``-d`` prints them."""

from __future__ import annotations

import grp
import pwd
from typing import Any, TextIO


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, _kernel: Any) -> int:
    words = [word for word in argv if not word.startswith("-")]
    if not words or not words[-1].isdigit():
        err.write("usage: l_getidentity {-d|mdtname} {uid}\n")
        return 1
    try:
        user = pwd.getpwuid(int(words[-1]))
    except KeyError:
        err.write(f"l_getidentity: no such user {words[-1]}\n")
        return 2
    if "-d" in argv:
        groups = [str(entry.gr_gid) for entry in grp.getgrall() if user.pw_name in entry.gr_mem]
        out.write(f"uid={user.pw_uid} gid={user.pw_gid} groups={','.join(groups)}\n")
    return 0
