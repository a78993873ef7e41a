# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""keyctl for the keys that Lustre loads into root's user keyring; everything else goes to the host's own keyctl.

``show``, ``list``, ``rlist``, ``search``, ``describe``, ``unlink`` and ``purge`` know these keys; nothing prints a payload.
"""

from __future__ import annotations

import os
from typing import Any, TextIO

from ..faults import Faults
from ..keyring import Keyring
from ._real import run_real

PROGRAM = "keyctl"
_USER_RING = ("@u", "-4")
_SESSION, _RING = 403174835, 15769643  # numbers that the keyrings themselves are shown with


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    keyring = Keyring.of(kernel)
    command, words = (argv[0], argv[1:]) if argv else ("", [])
    if os.geteuid() == 0:
        keys = keyring.serials()
        if command == "show" and words[:1] in ([], ["@s"], *([ring] for ring in _USER_RING)):
            return _show(keys, bool(words) and words[0] != "@s", out)
        if command in ("list", "rlist") and words[:1] and words[0] in _USER_RING:
            return _list(command, keys, out)
        if command == "search" and len(words) > 2 and words[1] == "user" and words[2].startswith("lustre:"):
            return _search(keys, words[2], out, err)
        if command in ("describe", "rdescribe", "unlink", "revoke") and words:
            named = _named(keys, words[0])
            if named is not None:
                return _one(command, keyring, keys, named, words, out)
        if command == "purge" and words[-2:-1] == ["user"] and words[-1].startswith("lustre:"):
            removed = keyring.remove(words[-1])
            out.write(f"user '{words[-1]}'\n" * removed + f"purged {int(removed)} keys\n")
            return 0
    rc = run_real(PROGRAM, argv, out, err)
    if rc is None:
        err.write(f"{PROGRAM}: command not found\n")
        return 127
    return rc


def _show(keys: dict[str, int], ring_only: bool, out: TextIO) -> int:
    if ring_only:
        out.write("Keyring\n" + _line(_RING, 65534, "", "keyring: _uid.0"))
        indent = " \\_ "
    else:
        out.write("Session Keyring\n" + _line(_SESSION, 0, "", "keyring: _ses"))
        out.write(_line(_RING, 65534, " \\_ ", "keyring: _uid.0"))
        indent = "     \\_ "
    for description, serial in keys.items():
        out.write(_line(serial, 0, indent, f"user: {description}"))
    return 0


def _line(serial: int, gid: int, indent: str, text: str) -> str:
    return f"{serial:10d} --alswrv      0 {gid:5d}  {indent}{text}\n"


def _list(command: str, keys: dict[str, int], out: TextIO) -> int:
    if command == "rlist":
        out.write(" ".join(str(serial) for serial in keys.values()) + "\n")
    elif not keys:
        out.write("keyring is empty\n")
    else:
        out.write(f"{len(keys)} key{'s' if len(keys) > 1 else ''} in keyring:\n")
        out.write("".join(f"{serial:9d}: --alswrv     0     0 user: {name}\n" for name, serial in keys.items()))
    return 0


def _search(keys: dict[str, int], description: str, out: TextIO, err: TextIO) -> int:
    if description not in keys:
        err.write("keyctl_search: Required key not available\n")
        return 1
    out.write(f"{keys[description]}\n")
    return 0


def _named(keys: dict[str, int], word: str) -> str | None:
    """The description of a key given as number or as ``%user:DESCRIPTION``."""
    return next((name for name, serial in keys.items() if word in (str(serial), f"%user:{name}", f"%:{name}")), None)


def _one(command: str, keyring: Keyring, keys: dict[str, int], name: str, words: list[str], out: TextIO) -> int:
    if command == "describe":
        out.write(f"{keys[name]:9d}: alswrv-----v------------     0     0 user: {name}\n")
    elif command == "rdescribe":
        out.write(f"user;0;0;3f3f3f3f;{name}\n")
    else:
        keyring.remove(name)
        if command == "unlink" and len(words) == 1:
            out.write("1 links removed\n")
    return 0
