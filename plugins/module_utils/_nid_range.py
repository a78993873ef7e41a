# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges of NIDs: what an administrator writes, as first and last address, and the words that Lustre stores rightly.

Why everything is brought to first and last address: nodemaps store these; a mask (``10.7.0.0/24@tcp``) is accepted by
Lustre 2.17.0 and stored as its first address alone, and a range with a hole in it (``10.0.[1-3].[1-254]@tcp``) is
refused.  So a range is cut into pieces that are written with one bracket and whole octets behind it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Iterable, NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._nid import normal_net, split_nid

#: More pieces than this of one written range are surely not meant: ``10.*.*.[1-254]`` has 65536.
MAX_SPANS = 4096
_NUMBERS = re.compile(r"\d{1,10}(?:-\d{1,10}(?:/\d{1,5})?)?\Z")
_IP_NETS = ("tcp", "o2ib", "efa")
_V4_LAST = 2**32 - 1
_NUMBER_LAST = 2**32 - 1


class Span(NamedTuple):
    """Addresses ``low`` to ``high`` of a network, both included; ``kind``: 4 and 6 for IP, 0 for plain numbers."""

    net: str
    kind: int
    low: int
    high: int

    @property
    def space(self) -> tuple[str, int]:
        """Only addresses of one space can touch."""
        return self.net, self.kind

    def covers(self, other: Span) -> bool:
        return self.space == other.space and self.low <= other.low and other.high <= self.high

    def meets(self, other: Span) -> bool:
        return self.space == other.space and self.low <= other.high and other.low <= self.high

    @property
    def first(self) -> str:
        return f"{_address(self.kind, self.low)}@{self.net}"

    @property
    def last(self) -> str:
        return f"{_address(self.kind, self.high)}@{self.net}"

    @property
    def text(self) -> str:
        """As messages show it: ``10.0.0.1-10.0.0.20@tcp``."""
        return self.first if self.low == self.high else f"{_address(self.kind, self.low)}-{self.last}"


def spans_of(text: str) -> list[Span]:
    """What a written range stands for; ValueError with a sentence for one that is none.

    ``10.0.0.1@tcp``, ``10.0.[1-3].[1-254]@tcp``, ``10.0.0.[1-9/2,20]@tcp``, ``10.0.0.*@tcp``, ``*@tcp``,
    ``10.0.0.0/24@tcp``, ``fd00::1@tcp``, ``[1-20]@gni``.
    """
    address, at, net_text = str(text).strip().rpartition("@")
    if not at or not address:
        raise ValueError(f"{text!r} is no range of NIDs: it must be ADDRESSES@NETWORK, such as 10.0.0.[1-20]@tcp")
    net = normal_net(net_text)
    if not net.startswith(_IP_NETS):
        return merged(Span(net, 0, low, high) for low, high in _numbers(address, _NUMBER_LAST, text))
    if ":" in address:
        return [_v6(address, net, text)]
    if "/" in address and "[" not in address:
        return [_masked(address, net, text)]
    if address == "*":
        return [Span(net, 4, 0, _V4_LAST)]
    octets = _octets(address)
    if len(octets) != 4:
        raise ValueError(f"{text!r} is no range of NIDs: an IPv4 address has four parts")
    return merged(Span(net, 4, low, high) for low, high in _combined(octets, text))


def span_between(first: str, last: str) -> Span:
    """The span of two NIDs as nodemaps show them; ValueError when they do not belong together."""
    (low_text, net), (high_text, other) = split_nid(first), split_nid(last)
    (kind, low), (other_kind, high) = _number(low_text), _number(high_text)
    if net != other or kind != other_kind or low > high:
        raise ValueError(f"{first} to {last} is no range of NIDs")
    return Span(net, kind, low, high)


def span_of_nid(nid: str) -> Span:
    """One NID as a span."""
    return span_between(nid, nid)


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same addresses in as few spans as possible, sorted."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and found[-1].space == span.space and span.low <= found[-1].high + 1:
            found[-1] = found[-1]._replace(high=max(found[-1].high, span.high))
        else:
            found.append(span)
    return found


def without(spans: Iterable[Span], taken: Sequence[Span]) -> list[Span]:
    """The addresses of ``spans`` that are in none of ``taken``."""
    left: list[Span] = []
    gone = merged(taken)
    for span in merged(spans):
        low = span.low
        for other in gone:
            if not other.meets(span) or other.high < low:
                continue
            if other.low > low:
                left.append(span._replace(low=low, high=other.low - 1))
            low = other.high + 1
        if low <= span.high:
            left.append(span._replace(low=low))
    return left


def common(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """The addresses that are in both."""
    mine = merged(spans)
    return without(mine, without(mine, others))


def written(spans: Iterable[Span]) -> list[str]:
    """Ranges in words that Lustre stores as exactly these addresses, each one without a hole."""
    return [text for span in merged(spans) for text in _written(span)]


def names_of(span: Span) -> list[str]:
    """One stored span in such words; more than one when no single word means it."""
    return _written(span)


def _written(span: Span) -> list[str]:
    if span.kind == 4:
        return [f"{text}@{span.net}" for text in _pieces(span.low, span.high, "", 24)]
    if span.low == span.high:
        return [span.first]
    if span.kind == 0:
        return [f"[{span.low}-{span.high}]@{span.net}"]
    return [f"{_address(6, number)}@{span.net}" for number in range(span.low, min(span.high, span.low + 63) + 1)]


def _pieces(low: int, high: int, prefix: str, bits: int) -> list[str]:
    """Addresses below a prefix of whole octets; ``bits`` are those of the octets after the next one."""
    size = 1 << bits
    first, last = low // size, high // size
    if bits == 0:
        return [f"{prefix}{_octet(first, last)}"]
    found = []
    start = first
    if low % size:
        end = min(high, (first + 1) * size - 1)
        found += _pieces(low - first * size, end - first * size, f"{prefix}{first}.", bits - 8)
        start += 1
    whole = last if (high + 1) % size == 0 else last - 1
    if start <= whole:
        found.append(f"{prefix}{_octet(start, whole)}" + ".*" * (bits // 8))
    if whole < last and last >= start:
        found += _pieces(0, high - last * size, f"{prefix}{last}.", bits - 8)
    return found


def _octet(low: int, high: int) -> str:
    if (low, high) == (0, 255):
        return "*"
    return str(low) if low == high else f"[{low}-{high}]"


def _octets(address: str) -> list[str]:
    """Parts of an address; a dot inside brackets is no separator (and no number either)."""
    return re.findall(r"\[[^\]]*\]|[^.\[\]]+", address) if re.fullmatch(r"[\d.*\[\],/-]+", address) else []


def _combined(octets: Sequence[str], text: str) -> list[tuple[int, int]]:
    """First and last addresses of all pieces without a hole."""
    spans = [(0, 0)]
    size = 1
    for octet in reversed(octets):
        choices = _numbers(octet, 255, text)
        if spans == [(0, size - 1)]:
            spans = [(low * size, (high + 1) * size - 1) for low, high in choices]
        else:
            count = sum(high - low + 1 for low, high in choices) * len(spans)
            if count > MAX_SPANS:
                raise ValueError(
                    f"{text!r} would be {count} ranges: what stands after a bracket must be whole octets (*) to be one range"
                )
            spans = [
                (number * size + low, number * size + high)
                for first, last in choices
                for number in range(first, last + 1)
                for low, high in spans
            ]
        size *= 256
    return spans


def _numbers(part: str, most: int, text: str) -> list[tuple[int, int]]:
    """``*``, ``7``, ``[1-9/2,20]`` as pairs of first and last number, sorted and without overlap."""
    if part == "*":
        return [(0, most)]
    inner = part[1:-1] if part.startswith("[") and part.endswith("]") else part
    found: list[tuple[int, int]] = []
    for piece in inner.split(","):
        if not _NUMBERS.match(piece) or (inner == part and not piece.isdigit()):
            raise ValueError(
                f"{text!r} is no range of NIDs: {part!r} is neither a number nor [A-B], [A-B/STEP], [A,B] or *"
            )
        span, _slash, step_text = piece.partition("/")
        first_text, _dash, last_text = span.partition("-")
        first, last, step = int(first_text), int(last_text or first_text), int(step_text or 1)
        if last > most or first > last or step < 1:
            raise ValueError(f"{text!r} is no range of NIDs: {piece!r} is not within 0 to {most}, from low to high")
        if step > 1 and (last - first) // step > MAX_SPANS:
            raise ValueError(f"{text!r} would be {(last - first) // step} ranges, which is surely not meant")
        found += [(first, last)] if step == 1 else [(number, number) for number in range(first, last + 1, step)]
    return [(span.low, span.high) for span in merged(Span("", 0, low, high) for low, high in found)]


def _masked(address: str, net: str, text: str) -> Span:
    try:
        network = ipaddress.IPv4Network(address)
    except ValueError as error:
        raise ValueError(f"{text!r} is no range of NIDs: {error}") from None
    return Span(net, 4, int(network.network_address), int(network.broadcast_address))


def _v6(address: str, net: str, text: str) -> Span:
    """A single one: what Lustre reads back of a range of them cannot be told from its first address."""
    if "/" in address and not address.endswith("/128"):
        raise ValueError(
            f"{text!r}: a range of IPv6 NIDs cannot be checked, for Lustre shows its first address only; list the NIDs one by one"
        )
    try:
        number = int(ipaddress.IPv6Address(address.partition("/")[0]))
    except ValueError as error:
        raise ValueError(f"{text!r} is no range of NIDs: {error}") from None
    return Span(net, 6, number, number)


def _number(address: str) -> tuple[int, int]:
    if address.isdigit():
        return 0, int(address)
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


def _address(kind: int, number: int) -> str:
    if kind == 4:
        return str(ipaddress.IPv4Address(number))
    return str(ipaddress.IPv6Address(number)) if kind == 6 else str(number)
