# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges of NIDs as nodemaps keep them: network, first and last address.

A mask (``10.7.0.0/24@tcp``) is kept as its first address alone, as 2.17.0 was recorded to do.
"""

from __future__ import annotations

import errno
import ipaddress
import re
from collections.abc import Iterable

from ..sim_error import SimError

Range = list[object]  # [net, first, last], as JSON has it
_PART = re.compile(r"\[(?P<low>\d+)-(?P<high>\d+)\]\Z")


def range_of(text: str) -> tuple[str, int, int]:
    """EINVAL for what is none, or has a hole in it."""
    address, at, net = text.partition("@")
    if not at or not net:
        raise SimError(errno.EINVAL, text)
    net = re.sub(r"(?<=[a-z])0\Z", "", net)
    try:
        if ":" in address:
            number = int(ipaddress.IPv6Address(address.partition("/")[0]))
            return net, number, number
        if address.isdigit():
            return net, int(address), int(address)
        if address == "*":
            return net, 0, 2**32 - 1
        return (net, *_octets(address.partition("/")[0]))
    except ValueError as error:
        raise SimError(errno.EINVAL, text) from error


def _octets(address: str) -> tuple[int, int]:
    parts = re.findall(r"\[[^\]]*\]|[^.]+", address)
    if len(parts) != 4:
        raise ValueError(address)
    low = high = 0
    for part in parts:
        first, last = _numbers(part)
        if low != high and (first, last) != (0, 255):
            raise ValueError("a hole")
        low, high = low * 256 + first, high * 256 + last
    return low, high


def _numbers(part: str) -> tuple[int, int]:
    match = _PART.match(part)
    first, last = (0, 255) if part == "*" else (int(match["low"]), int(match["high"])) if match else (int(part),) * 2
    if not 0 <= first <= last <= 255:
        raise ValueError(part)
    return first, last


def nid_number(nid: str) -> tuple[str, int]:
    """EINVAL for what is no NID."""
    net, first, last = range_of(nid)
    if first != last or "/" in nid or "[" in nid:
        raise SimError(errno.EINVAL, nid)
    return net, first


def shown(net: str, number: int) -> str:
    if net.startswith(("lo", "gni", "kfi")):
        return f"{number}@{net}"
    address = ipaddress.IPv6Address(number) if number >= 2**32 else ipaddress.IPv4Address(number)
    return f"{address}@{net}"


def meets(one: Iterable[object], net: str, low: int, high: int) -> bool:
    other, first, last = one
    return other == net and int(str(first)) <= high and low <= int(str(last))


def holds(ranges: Iterable[Range], net: str, number: int) -> bool:
    return any(meets(one[-3:], net, number, number) for one in ranges)
