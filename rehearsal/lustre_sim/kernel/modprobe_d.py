# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module options of ``/etc/modprobe.d/*.conf``, as a module sees them in the moment it is loaded."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass

Options = dict[str, dict[str, str]]


@dataclass(frozen=True)
class NetworkSpec:
    net: str
    interfaces: tuple[str, ...]


def read_options(folder: str) -> Options:
    """``options lnet networks="tcp(eth0)"`` → ``{"lnet": {"networks": "tcp(eth0)"}}``; the last word on a key counts."""
    found: Options = {}
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".conf"))
    except OSError:
        return found
    for name in names:
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as stream:
                text = stream.read()
        except OSError:
            continue
        for line in text.replace("\\\n", " ").splitlines():
            _option_line(line, found)
    return found


def _option_line(line: str, found: Options) -> None:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return
    if len(words) < 3 or words[0] != "options":
        return
    values = found.setdefault(words[1].replace("-", "_"), {})
    for word in words[2:]:
        key, _, value = word.partition("=")
        values[key] = value


def parse_networks(text: str) -> list[NetworkSpec]:
    """``tcp0(eth0,eth1),o2ib`` → specifications; an entry without interfaces takes the first suitable one."""
    return [
        NetworkSpec(match[1], tuple(part.strip() for part in (match[2] or "").split(",") if part.strip()))
        for match in re.finditer(r"([a-z0-9]+)\s*(?:\(([^)]*)\))?\s*(?:,|\Z)", text.strip())
    ]


def parse_routes(text: str) -> list[tuple[str, int, str]]:
    """``tcp1 2 10.0.0.30@tcp; o2ib 10.0.0.[31-32]@tcp`` → (net, hop or -1, gateway expression)."""
    found: list[tuple[str, int, str]] = []
    for entry in text.split(";"):
        words = entry.split()
        if len(words) < 2:
            continue
        hop = int(words[1]) if len(words) > 2 and words[1].isdigit() else -1
        found.extend((words[0], hop, gateway) for gateway in words[2 if hop > 0 else 1 :])
    return found
