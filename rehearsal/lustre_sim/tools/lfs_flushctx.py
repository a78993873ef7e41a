# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``lfs flushctx [-k] [-r] [MOUNT ...]``: the caller's security contexts go, with ``-k`` the caller's tickets, too."""

from __future__ import annotations

import contextlib
import os
from typing import Any

_USAGE = (
    "Flush security context for current user.\n"
    "usage: flushctx [-k] [-r] [mountpoint...]\n"
    "\t-k: destroy Kerberos tickets as well\n\t-r: reap the revoked keys from the keyring\n"
)


def flushctx(words: list[str], context: Any) -> int:
    """``context`` is that of lfs."""
    flags = [word for word in words if word.startswith("-")]
    paths = [word for word in words if not word.startswith("-")]
    letters = set("".join(flag[1:] for flag in flags))
    if not letters <= set("kr"):
        wrong = sorted(letters - set("kr"))[0]
        context.err.write(f"lfs: invalid option -- '{wrong}'\n")
        context.out.write(_USAGE)
        return 4
    filesystems = context.meant(paths)
    if filesystems is None:
        context.err.write(f"lfs flushctx: error: '{paths[0]}' is not on a mounted Lustre filesystem\n")
        return 22
    if "k" in letters:
        with contextlib.suppress(OSError):
            os.unlink(f"/tmp/krb5cc_{os.getuid()}")
    for fs in filesystems:
        context.kernel.call("gss.flush", instance=fs["instance"], uid=os.getuid())
    return 0
