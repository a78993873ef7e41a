# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lctl: batches on its standard input, devices, NIDs, version.

What decides the shape of everything here (observed on Lustre 2.17.0):

* lctl reads commands from standard input, splits them at blanks and knows no quotes, and
  takes at most 512 words of a line.  It stops at the first command that fails, unless a
  line ``ignore_errors`` came first; its exit code is then that of one failed command and
  says nothing about which.  An unknown command is no error: it prints the usage.
* Messages of a batch are told apart by their text: standard output holds the answers in
  order, standard error the failures in order.
* On a node whose modules are not loaded everything fails with ENOENT or 1; that is an
  answer ("nothing here"), not an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Result, Runner

#: Words of one line that lctl reads (512 with the command itself); we stay well below.
WORDS_PER_LINE = 200
_NOT_LOADED = re.compile(
    r"failed to resolve Netlink family|opening /dev/(?:lnet|obd) failed|modules may not be loaded", re.I
)
_DEVICE = re.compile(r" *(\d{1,9}) ([A-Z]{2}) (\S+) (\S+) (\S+) (\d{1,9})(?: (\S+))?$")
_USAGE = re.compile(r"^(?:usage: lctl \[COMMAND\]|Without any parameters, interactive mode|Try 'lctl help <COMMAND>')")


@dataclass(frozen=True)
class Device:
    """One line of ``lctl dl``: state (``UP``, ``IN`` inactive, ``AT`` attached, ``ST`` stopping), type, name, uuid, refcount."""

    index: int
    state: str
    type: str
    name: str
    uuid: str
    refs: int
    nid: str = ""


def batch(commands: Iterable[Sequence[str]]) -> str:
    """Standard input for one lctl process that runs all commands, whichever of them fails.

    ValueError for a word that lctl's parser would split or not see: such a command needs a process of its own.
    """
    lines = ["ignore_errors"]
    for command in commands:
        for word in command:
            if not fits_batch(word):
                raise ValueError(f"lctl cannot read {word!r} from its standard input: it knows no quotes")
        lines.append(" ".join(command))
    return "\n".join(lines) + "\n"


def fits_batch(word: str) -> bool:
    """Can this word be part of a line on lctl's standard input?"""
    return bool(word) and not any(letter.isspace() or letter == "\0" for letter in word)


def chunked(command: Sequence[str], words: Sequence[str]) -> list[tuple[str, ...]]:
    """One command over many words as several lines, each short enough for lctl."""
    return [(*command, *words[start : start + WORDS_PER_LINE]) for start in range(0, len(words), WORDS_PER_LINE)]


def run_batch(run: Runner, commands: Iterable[Sequence[str]], timeout: float = 60.0) -> Result:
    """All commands in one process; the output without the lines that lctl itself adds (usage, an echo of the input)."""
    text = batch(commands)
    result = run(("lctl",), text, timeout)
    return Result(result.rc, own_output(result.out, text), result.err)


def own_output(out: str, stdin: str) -> str:
    """Standard output without usage lines, and without the input lines that a lctl built with readline echoes."""
    typed = {line.strip() for line in stdin.splitlines() if line.strip()}
    kept = [line for line in out.splitlines() if line.strip() not in typed and not _USAGE.match(line)]
    return "".join(line + "\n" for line in kept)


def parse_devices(text: str) -> list[Device]:
    """Devices of ``lctl dl`` (with or without ``-t``) or of the parameter ``devices``."""
    devices = []
    for line in text.splitlines():
        if not line.strip() or line.strip() == "devices=":
            continue
        match = _DEVICE.match(line.rstrip())
        if match is None:
            raise UnknownOutput("lctl dl", "the list of devices", line)
        devices.append(Device(int(match[1]), match[2], match[3], match[4], match[5], int(match[6]), match[7] or ""))
    return devices


def devices(run: Runner) -> list[Device]:
    """The devices of this node; empty when Lustre's modules are not loaded."""
    argv = ("lctl", "dl")
    rc, out, err = run(argv, None, 30.0)
    if rc != 0:
        if _NOT_LOADED.search(err):
            return []
        raise ToolError("list the Lustre devices of this node", argv, rc, out, err, code=rc)
    return parse_devices(out)


def parse_nids(text: str) -> list[str]:
    """NIDs of ``lctl list_nids``, one per line."""
    nids = [line.strip() for line in text.splitlines() if line.strip()]
    for nid in nids:
        if not re.fullmatch(r"[^@\s]+@[a-z0-9]+", nid):
            raise UnknownOutput("lctl list_nids", "this node's NIDs", nid)
    return nids


def nids(run: Runner) -> list[str]:
    """This node's NIDs without the loopback; empty when LNet is down or not loaded."""
    argv = ("lctl", "list_nids")
    rc, out, err = run(argv, None, 30.0)
    if rc != 0:
        if _NOT_LOADED.search(err) or "Network is down" in err:
            return []
        raise ToolError("list this node's NIDs", argv, rc, out, err)
    return [nid for nid in parse_nids(out) if not nid.endswith("@lo")]


def parse_version(text: str) -> str:
    """``lctl 2.17.0_dirty`` → ``2.17.0_dirty``; works for every Lustre tool that takes --version."""
    match = re.match(r"\S+ (?:\S+ )*?v?(\d+\.\d+\S*)\s*$", text.strip().splitlines()[0] if text.strip() else "")
    if match is None:
        raise UnknownOutput("lctl --version", "its version", text)
    return match[1]


def version(run: Runner) -> str:
    """The release of the installed tools (needs no modules)."""
    argv = ("lctl", "--version")
    rc, out, err = run(argv, None, 30.0)
    if rc != 0:
        raise ToolError("ask for the version of the Lustre tools", argv, rc, out, err)
    return parse_version(out)
