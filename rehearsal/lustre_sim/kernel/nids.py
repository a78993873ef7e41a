# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of LNet: nets (``tcp``, ``o2ib3``), NIDs (``10.0.0.1@tcp1``) and expressions that stand for several NIDs.

Everything inside the simulated kernel is in the short form that the tools print: ``tcp``, never ``tcp0``.
"""

from __future__ import annotations

import itertools
import re
import socket

LND_TYPES = ("lo", "tcp", "o2ib", "gni", "kfi", "efa", "ptlf")
MAX_NUMBER = 65535
MAX_EXPANSION = 4096

_BRACKET = re.compile(r"\[([^\]]*)\]")


def split_net(text: str) -> tuple[str, int] | None:
    """``tcp7`` → (``tcp``, 7); None when the type is not one of LNet's. The number is not checked."""
    for lnd in LND_TYPES:
        rest = text.removeprefix(lnd)
        if rest != text and (rest == "" or rest.isdigit()):
            return lnd, int(rest or 0)
    return None


def canonical_net(text: str) -> str | None:
    """The short form of a net's name, or None when it is not one."""
    parts = split_net(text)
    if parts is None or parts[1] > MAX_NUMBER:
        return None
    return parts[0] + (str(parts[1]) if parts[1] else "")


def split_nid(nid: str) -> tuple[str, str]:
    """``10.0.0.1@tcp`` → (``10.0.0.1``, ``tcp``)."""
    address, _, net = nid.rpartition("@")
    return address, net


def net_of(nid: str) -> str:
    return nid.rpartition("@")[2]


def canonical_nid(text: str) -> str | None:
    """The form the tools print, or None. Without ``@net`` the net is tcp, as in the real library.

    Host names are not looked up (the real library asks the resolver).
    """
    address, at, net_text = text.rpartition("@")
    if not at:
        address, net_text = text, "tcp"
    net = canonical_net(net_text)
    if net is None:
        return None
    if net == "lo":
        return "0@lo" if address == "0" else None
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        packed = socket.inet_pton(family, address)
    except (OSError, ValueError):
        return None
    return f"{socket.inet_ntop(family, packed)}@{net}"


def expand_nids(text: str) -> list[str] | None:
    """``10.0.0.[1-2]@tcp,10.0.1.5@tcp1`` → every NID it stands for, canonical; None when it cannot be read."""
    found: list[str] = []
    for item in _split_outside_brackets(text):
        for plain in _expand_brackets(item):
            nid = canonical_nid(plain) if plain is not None else None
            if nid is None or "@" not in item:
                return None
            found.append(nid)
            if len(found) > MAX_EXPANSION:
                return None
    return found or None


def is_nid_expression(text: str) -> bool:
    """True for what UDSP rules and nid ranges accept: a net, a NID, a NID with ``[..]`` or ``*``."""
    if canonical_net(text) is not None:
        return True
    address, at, net = text.rpartition("@")
    if not at or canonical_net(net) is None:
        return False
    return bool(re.fullmatch(r"[0-9a-fA-F:.*,\[\]/-]+", address)) and ("*" in address or expand_nids(text) is not None)


def expand_numbers(text: str) -> list[int] | None:
    """``1-3,7`` or ``0-8/2`` → numbers; None when malformed."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+)(?:/(\d+))?)?\s*", part)
        if match is None:
            return None
        low = int(match[1])
        high = int(match[2]) if match[2] else low
        step = int(match[3]) if match[3] else 1
        if high < low or step < 1 or high - low > MAX_EXPANSION:
            return None
        numbers.extend(range(low, high + 1, step))
    return numbers


def _split_outside_brackets(text: str) -> list[str]:
    parts = [""]
    depth = 0
    for char in text:
        depth += {"[": 1, "]": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]


def _expand_brackets(text: str) -> list[str | None]:
    literals = _BRACKET.split(text)  # even places: text, odd places: inside of brackets
    choices: list[list[str]] = []
    for place, piece in enumerate(literals):
        if place % 2 == 0:
            choices.append([piece])
            continue
        numbers = expand_numbers(piece)
        if numbers is None:
            return [None]
        choices.append([str(number) for number in numbers])
    return ["".join(parts) for parts in itertools.islice(itertools.product(*choices), MAX_EXPANSION + 1)]
