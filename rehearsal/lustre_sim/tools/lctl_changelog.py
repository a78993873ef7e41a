# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lctl's commands for changelog users, with the texts and exit codes of 2.17.0."""

from __future__ import annotations

import errno
import os
import re
from typing import Any

from ..sim_error import SimError
from ._getopt import NONE, REQUIRED, getopt_long
from ._parser import Io

_PAD = "\t" * 5
HELP = {
    "changelog_register": "register a new persistent changelog user, returns id\n"
    "usage: {--device MDTNAME} changelog_register [--help|-h]\n"
    f"{_PAD}       [--mask|-m MASK]\n{_PAD}       [--nameonly|-n]\n{_PAD}       [--user|-u USERNAME]",
    "changelog_deregister": "deregister an existing changelog user\n"
    "usage: {--device MDTNAME} changelog_deregister [ID|clID]\n"
    f"{_PAD}\t [--help|-h]\n{_PAD}\t [--user|-u USERNAME]",
}
_LONGS = {"help": NONE, "mask": REQUIRED, "nameonly": NONE, "user": REQUIRED}
_USAGE = 4


def _usage(verb: str, io: Io) -> int:
    io.out.write(HELP[verb] + "\n")
    return _USAGE


def _call(verb: str, io: Io, texts: dict[int, str], **given: Any) -> int:
    """The number that the kernel gives, or a negative error number that was told."""
    try:
        return int(io.kernel.call(f"changelog.{verb}", device=io.shared["device"], **given))
    except SimError as error:
        io.err.write(f"error: changelog_{verb}: {texts.get(error.errno) or os.strerror(error.errno)}\n")
        return -error.errno


def register(argv: list[str], io: Io) -> int:
    verb = "changelog_register"
    parsed = getopt_long(verb, argv, _LONGS, {"h": "help", "m": "mask", "n": "nameonly", "u": "user"}, io.err)
    if io.shared.get("device") is None or parsed.failed or parsed.has("help"):
        return _usage(verb, io)
    name = parsed.value("user")
    number = _call("register", io, {errno.EEXIST: "User exists"}, name=name, mask=parsed.value("mask"))
    if number < 0:
        return number
    label = f"cl{number}" if name is None else f"cl{number}-{name}"
    whole = f"{io.shared['device']}: Registered changelog userid '{label}'"
    io.out.write((label if parsed.has("nameonly") else whole) + "\n")
    return 0


def deregister(argv: list[str], io: Io) -> int:
    verb = "changelog_deregister"
    longs = {"help": NONE, "user": REQUIRED}
    parsed = getopt_long(verb, argv, longs, {"h": "help", "u": "user"}, io.err)
    if io.shared.get("device") is None or parsed.failed or parsed.has("help") or not argv or len(parsed.words) > 1:
        return _usage(verb, io)
    name, number = parsed.value("user"), 0
    if parsed.words and name is None:
        match = re.match(r"(?:cl)?(\d+)", parsed.words[0])
        number = int(match[1]) if match else 0
        if not number:
            io.err.write(f"error: Invalid argument: expect <ID> or cl<ID>[-name] got '{parsed.words[0]}'\n")
            return _usage(verb, io)
    gone = _call("deregister", io, {errno.ENOENT: "User not found"}, number=number, name=name)
    if gone < 0:
        return gone
    io.out.write(f"{io.shared['device']}: Deregistered changelog user #{gone}\n")
    return 0


FUNCTIONS = {"changelog_register": register, "changelog_deregister": deregister}
