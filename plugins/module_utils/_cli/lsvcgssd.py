# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lustre's GSS daemon of a server: its arguments, who of it runs, and what it said of itself when it started.

What decides the shape of everything here (observed on Lustre 2.17.0):

* Its exit code tells nothing: with ``-k -s`` and one entry missing in the keytab it runs on without Kerberos, ends the
  start with 0, and only the system's log has the reason.
* ``lsvcgss.service`` stays active after the daemon died (RemainAfterExit), and a second daemon ends with 0 at once.
* When nobody answers, the kernel's upcall restarts the unit; without /etc/sysconfig/lsvcgss that is with ``-k -s -z``:
  the null security included.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from dataclasses import dataclass
from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

PROGRAM = "lsvcgssd"
UNIT = "lsvcgss.service"
SYSCONFIG = "/etc/sysconfig/lsvcgss"
VARIABLE = "LSVCGSSDARGS"
PROC = "/proc"
#: The flag of each kind of server, and the principal that it then needs.
SERVICES = {"mgs": ("-g", "lustre_mgs"), "mds": ("-m", "lustre_mds"), "oss": ("-o", "lustre_oss")}
#: Seconds around the start of the process in which it said how that went (it asks for credentials before it forks).
BEFORE, AFTER = 30, 10


def arguments(kerberos: bool, ssk: bool, services: Sequence[str]) -> tuple[str, ...]:
    """In the order that is recorded to work; ``-v`` because without it the log does not say that Kerberos is ready."""
    flags = [flag for flag, wanted in (("-k", kerberos), ("-s", ssk)) if wanted]
    return (*flags, *(flag for name, (flag, _principal) in SERVICES.items() if name in services), "-v")


# ---- its configuration -----------------------------------------------------------------------

_ASSIGNMENT = re.compile(rf"[ \t]*(?:export[ \t]+)?{VARIABLE}=(?P<value>.*)\Z")


def configured(text: str) -> tuple[str, ...] | None:
    """The arguments that a configuration sets (a shell reads it: the last assignment counts); None when it sets none."""
    found: tuple[str, ...] | None = None
    for line in text.splitlines():
        match = _ASSIGNMENT.match(line)
        if match is not None:
            try:
                found = tuple(shlex.split(" ".join(shlex.split(match["value"], comments=True))))
            except ValueError:
                raise UnknownOutput(SYSCONFIG, "the arguments of lsvcgssd", line) from None
    return found


def with_arguments(text: str, words: Sequence[str]) -> str:
    """The configuration with these arguments; what else it sets stays."""
    kept = [line for line in text.splitlines() if not _ASSIGNMENT.match(line)]
    return "\n".join([*kept, f'{VARIABLE}="{" ".join(words)}"']) + "\n"


# ---- who runs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Daemon:
    """A process; ``of_unit`` when systemd started it as part of lsvcgss.service; ``started`` in seconds since 1970."""

    pid: int
    arguments: tuple[str, ...]
    of_unit: bool
    started: float


def daemons(proc: str = PROC) -> list[Daemon]:
    """All running lsvcgssd of this node, by their command lines."""
    found = []
    for name in sorted((name for name in os.listdir(proc) if name.isdigit()), key=int):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = _text(proc, name, "cmdline").rstrip("\0").split("\0")
            # A program that an interpreter runs has it in front.
            at = next((n for n, word in enumerate(words[:3]) if os.path.basename(word) == PROGRAM), None)
            if at is None or (at > 0 and words[0].rpartition("/")[2] in ("bash", "sh", "timeout")):
                continue
            ours = f"/{UNIT}" in _text(proc, name, "cgroup")
            found.append(Daemon(int(name), tuple(words[at + 1 :]), ours, _started(proc, name)))
    return found


def _text(proc: str, *names: str) -> str:
    with open(os.path.join(proc, *names), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def _started(proc: str, name: str) -> float:
    """proc(5): field 22 of stat counts ticks since the boot, btime of /proc/stat is that boot."""
    after = _text(proc, name, "stat").rsplit(")", 1)[1].split()
    boot = next(line.split()[1] for line in _text(proc, "stat").splitlines() if line.startswith("btime "))
    return float(boot) + int(after[19]) / os.sysconf("SC_CLK_TCK")


# ---- what it said ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """What a daemon said when it started: kinds of servers it is ready for by Kerberos, and why not for all."""

    ready: frozenset[str] = frozenset()
    realm: str = ""
    why_not: str = ""
    seen: bool = False


_LINE = re.compile(r"\S.* lsvcgssd\[(?P<pid>\d{1,10})\]: (?P<said>.*)\Z")
_READY = re.compile(r"Ready to serve Lustre (?P<kind>MGS|MDS|OSS) in realm (?P<realm>\S+)\Z")
_MISSING = re.compile(r"Unable to obtain credentials for '(?P<name>[^']+)'")
_ABOUT_START = re.compile(r"Kerberos realm: |service principal: |Ready to serve |ERROR: disabling Kerberos")


def journal_argv(daemon: Daemon) -> tuple[str, ...]:
    since, until = int(daemon.started) - BEFORE, int(daemon.started) + AFTER
    return (
        "journalctl", "-q", "--no-pager", "-o", "short", "-t", PROGRAM, f"--since=@{since}", f"--until=@{until}"
    )  # fmt: skip


def start_of(run: Runner, daemon: Daemon) -> Start:
    """How the start of a running daemon went, by the journal of that moment."""
    argv = journal_argv(daemon)
    rc, out, err = run(argv, None, 30.0)
    if rc not in (0, 1):
        # Where nothing was logged journalctl ends with 1.
        raise ToolError("read what lsvcgssd logged at its start", argv, rc, out, err)
    return parse_start(out, daemon.pid)


def parse_start(text: str, pid: int) -> Start:
    """The process that starts tells of Kerberos and then forks the daemon, whose number is therefore a little higher."""
    blocks: dict[int, list[str]] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if match is not None:
            said = blocks.pop(int(match["pid"]), [])
            blocks[int(match["pid"])] = [*said, match["said"]]
    told = {number: said for number, said in blocks.items() if any(map(_ABOUT_START.match, said))}
    # Numbers begin anew at some point: then the last one that there is.
    number = next((n for n in sorted(told, reverse=True) if n <= pid), None if not told else list(told)[-1])
    return _judged(told[number]) if number is not None else Start()


def _judged(said: Sequence[str]) -> Start:
    ready = [match for match in map(_READY.match, said) if match is not None]
    why = ""
    if any("disabling Kerberos support" in line for line in said):
        names = [match["name"] for match in map(_MISSING.match, said) if match is not None]
        errors = [line.partition("): ")[2] or line for line in said if line.startswith("ERROR: GSS-API")]
        why = f"no credentials for {', '.join(names) or 'its services'}" + (f" ({errors[-1]})" if errors else "")
    kinds = frozenset(match["kind"].lower() for match in ready)
    return Start(frozenset() if why else kinds, ready[-1]["realm"] if ready else "", why, True)
