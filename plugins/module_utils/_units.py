# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values of tunables: what is written is rarely what reads back, and still the same.

``64M`` written to ``max_dirty_mb`` reads ``64``; ``checksum_type`` reads as all choices with
the current one in brackets; ``debug=+ha`` reads as the whole list; ``max_cached_mb`` reads as
a block of lines; ``qos_prio_free`` reads with a percent sign.  Here a wanted and a found text
are compared by what they mean.  The kinds:

=========  ==========================================================================
bool       0 or 1 (also ``on``, ``off``, ``true``, ``yes``, ...)
int        a whole number; ``-1`` and ``0400`` as they are
size       a number with an optional unit; ``unit`` bytes is what a bare number counts
plain      the same, but Lustre takes no unit with it (2.17.0: EINVAL)
trace      whole MiB, shared out evenly among the CPUs: reads back less the rest, plus one
pages      a number of pages; with a unit it is a size that Lustre divides by the page size
time       milliseconds; with ``s`` seconds
percent    0 to 100 with or without ``%``
choice     one word of several, the current one in brackets when read
flags      a set of words; ``+word`` and ``-word`` change it; for debug masks also a number
records    a set of types of changelog records; MARK is always one of them
nrs        a request scheduler policy; reads as a block with the state of each
nids       ranges of NIDs with blanks between; reads in other words and order, ``NONE`` when empty
text       anything on one line
command    written to make something happen; what reads back is something else
readonly   can only be read
=========  ==========================================================================
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation

from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, merged, spans_of

KIB, MIB = 1024, 1024 * 1024

#: Bits 0 to 31 of ``debug``, ``printk`` and of ``subsystem_debug``, as the tools print them (Lustre 2.15 to 2.17).
DEBUG_BITS = (
    "trace inode super iotrace malloc cache info ioctl neterror net warning buffs other dentry nettrace page "
    "dlmtrace error emerg ha rpctrace vfstrace reada mmap config console quota sec lfsck hsm snapshot layout"
).split()
SUBSYSTEM_BITS = (
    "undefined mdc mds osc ost class log llite rpc mgmt lnet lnd pinger filter libcfs echo "
    "ldlm lov lquota osd lfsck snapshot - lmv - sec gss - mgc mgs fid fld"
).split()
#: Types of changelog records in Lustre's order (changelog_type2str; the same from 2.15 to 2.17), what DEFAULT stands for, and the
#: one that is part of every mask.
CHANGELOG_TYPES = (
    "MARK CREAT MKDIR HLINK SLINK MKNOD UNLNK RMDIR RENME RNMTO OPEN CLOSE LYOUT TRUNC SATTR XATTR HSM MTIME CTIME ATIME "
    "MIGRT FLRW RESYNC GXATR NOPEN"
).split()
CHANGELOG_DEFAULT = [name for name in CHANGELOG_TYPES if name not in ("OPEN", "ATIME", "GXATR", "NOPEN")]
CHANGELOG_ALWAYS = "MARK"
_BITS = {
    "debug": DEBUG_BITS,
    "printk": DEBUG_BITS,
    "subsystem_debug": SUBSYSTEM_BITS,
    "subsystem_printk": SUBSYSTEM_BITS,
}

_TRUE = frozenset({"1", "on", "yes", "y", "true", "enable", "enabled"})
_FALSE = frozenset({"0", "off", "no", "n", "false", "disable", "disabled"})
_NUMBER = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*([A-Za-z]*)\Z")
_BRACKET = re.compile(r"(?:^|\s)\[(?P<word>[^\[\]\s]+)\](?:\s|$)")
_NRS_STARTED = re.compile(r"^ *- name: (\S+)\n +state: started$", re.M)
#: Words for an empty list of NIDs, and the bytes that a list may have, a line feed not counted.
_NO_NIDS = ("", "NONE", "clear")
_NIDS_LONGEST = 4095
#: Words that a flag list may hold; anything else is no flag list.
_FLAG = re.compile(r"[+-]?[A-Za-z0-9_]+\Z")


@dataclass(frozen=True)
class Kind:
    """What sort of value a tunable takes; ``unit`` is the bytes a bare number of a ``size`` stands for."""

    name: str = "text"
    unit: int = 1


def text_of(value: object) -> str:
    """A value from YAML as the text that is written: ``true`` → ``1``, surrounding quotes and spaces dropped."""
    if isinstance(value, bool):
        return "1" if value else "0"
    text = str(value).strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return text


def written(kind: Kind, value: str) -> str:
    """The form that is sent to Lustre: words for yes and no become 1 and 0 where Lustre takes only those."""
    if kind.name == "bool" and value.lower() in _TRUE | _FALSE:
        return "1" if value.lower() in _TRUE else "0"
    if kind.name == "percent":
        return value.rstrip("% ")
    size = size_of(value, kind.unit) if kind.name in ("plain", "trace") else None
    return str(int((size / kind.unit).to_integral_value(ROUND_CEILING))) if size is not None else value


def problem(kind: Kind, value: str, name: str = "") -> str:
    """Why a value cannot be one of this kind, as the middle of a sentence; empty when it can."""
    if "\n" in value or "\0" in value:
        return "it spans several lines"
    checks = {
        "bool": _bad_bool,
        "int": _bad_int,
        "size": _bad_size,
        "pages": _bad_size,
        "plain": _bad_size,
        "trace": _bad_size,
        "records": _bad_records,
        "time": _bad_time,
        "percent": _bad_percent,
        "nids": _bad_nids,
    }
    if kind.name in checks:
        return checks[kind.name](value)
    if kind.name == "flags":
        return _bad_flags(value, name)
    if kind.name in ("choice", "nrs") and not value:
        return "it is empty"
    return ""


def _bad_bool(value: str) -> str:
    return "" if value.lower() in _TRUE | _FALSE else "it is neither 0 nor 1"


def _bad_int(value: str) -> str:
    return "" if re.fullmatch(r"[+-]?(?:[0-9]+|0[xX][0-9a-fA-F]+)", value) else "it is not a whole number"


def _bad_size(value: str) -> str:
    if value.endswith("%"):
        return "a share of the memory reads back as a number that cannot be compared with it: give a size, such as 64M"
    return "" if size_of(value, 1) is not None else "it is not a number with an optional unit such as K, M or G"


def _bad_time(value: str) -> str:
    return "" if time_of(value) is not None else "it is not a number of milliseconds, nor one of seconds with an s"


def _bad_percent(value: str) -> str:
    number = value.rstrip("% ")
    share = _digits(number)
    return "" if share is not None and share <= 100 else "it is not a percentage from 0 to 100"


def _bad_nids(value: str) -> str:
    if len(value) > _NIDS_LONGEST:
        return f"it has {len(value)} characters, and Lustre takes {_NIDS_LONGEST}"
    try:
        _nids(value)
    except ValueError as error:
        return str(error)
    return "" if value else "it is empty: NONE is an empty list"


def _nids(text: str) -> list[Span]:
    """The addresses of a list of ranges; ValueError for one that is none."""
    words = [] if text.strip() in _NO_NIDS else text.split()
    return merged(span for word in words for span in spans_of(word))


def _same_nids(wanted: str, value: str) -> bool:
    try:
        return _nids(wanted) == _nids(value)
    except ValueError:
        return False


def _bad_flags(value: str, name: str) -> str:
    words = _words(value)
    if not words or not all(_FLAG.match(word) or word == "-1" for word in words):
        return "it is not a list of words"
    bits = _BITS.get(name.rpartition(".")[2])
    unknown = [
        w for w in words if bits and not _integer(w) and w.lstrip("+-") not in bits and w.lstrip("+-") not in ("all",)
    ]
    return (
        f"it names {', '.join(unknown)}, which is none of {' '.join(b for b in bits if b != '-')}"
        if unknown and bits
        else ""
    )


def _bad_records(value: str) -> str:
    known = {*CHANGELOG_TYPES, "ALL", "DEFAULT"}
    unknown = [word for word in _words(value) if word.lstrip("+-").upper() not in known]
    if unknown:
        return f"it names {', '.join(unknown)}, which is none of ALL DEFAULT {' '.join(CHANGELOG_TYPES)}"
    return "" if _words(value) else "it is empty"


def size_of(text: str, unit: int) -> Decimal | None:
    """Bytes of ``64``, ``64M``, ``64MiB``, ``1.5G`` (1024 each) or ``64MB`` (1000 each); None when it is no size."""
    match = _NUMBER.match(text.strip())
    if match is None:
        return None
    letters = match[2].lower()
    number = Decimal(match[1])
    if not letters:
        return number * unit
    if letters == "b":
        return number
    power = "kmgtpe".find(letters[0]) + 1
    if power == 0 or letters[1:] not in ("", "b", "ib"):
        return None
    return number * Decimal(1000 if letters[1:] == "b" else 1024) ** power


def time_of(text: str) -> int | None:
    """Milliseconds of ``600000``, ``600000ms`` or ``600s``; None when it is no time."""
    match = re.fullmatch(r"([0-9]{1,18})\s*(ms|s|)", text.strip())
    return int(match[1]) * (1000 if match[2] == "s" else 1) if match else None


def current(name: str, found: str) -> str:
    """The value proper inside what was read: the bracketed choice, the key's line of a block, ``0 (all)`` without its remark."""
    text = found.strip()
    if "\n" in text:
        key = re.escape(name.rpartition(".")[2])
        line = re.search(rf"^\s*{key}:[ \t]*(.*)$", text, re.M)
        return line[1].strip() if line else text
    bracket = _BRACKET.search(text)
    if bracket is not None and " " in text:
        return bracket["word"]
    remark = re.fullmatch(r"(\S+) \([^()]*\)", text)
    return remark[1] if remark else text


def same(kind: Kind, wanted: str, found: str, name: str = "", page: int = 0, cpus: int = 0) -> bool:
    """True when the found text is what the wanted one becomes once it is set; ``page`` and ``cpus`` are the node's unless given."""
    if kind.name == "nrs":
        return _same_nrs(wanted, found)
    value = current(name, found)
    if wanted.strip() == value:
        return True
    if kind.name in ("size", "plain"):
        return _same_size(wanted, value, kind.unit)
    if kind.name == "pages":
        size = size_of(wanted, 1)
        return size is not None and _digits(value) is not None and size // (page or _page_size()) == _digits(value)
    if kind.name == "trace":
        return _same_trace(wanted, value, cpus or _cpus())
    if kind.name == "records":
        return _same_records(wanted, value)
    if kind.name == "time":
        return time_of(wanted) is not None and time_of(wanted) == time_of(value)
    if kind.name == "percent":
        return wanted.rstrip("% ") == value.rstrip("% ")
    if kind.name == "int":
        return _integer(wanted) is not None and _integer(wanted) == _integer(value)
    if kind.name == "nids":
        return _same_nids(wanted, value)
    if kind.name == "flags":
        return _same_flags(wanted, value, name)
    return _same_plain(wanted, value)


def _same_plain(wanted: str, value: str) -> bool:
    """No kind known: equal words, equal truth, or the same blanks-separated text."""
    low, high = wanted.strip().lower(), value.strip().lower()
    if (low in _TRUE and high in _TRUE) or (low in _FALSE and high in _FALSE):
        return True
    return wanted.split() == value.split()


def _same_size(wanted: str, value: str, unit: int) -> bool:
    """Lustre prints whole units or a few decimals of them; equal when the wanted size prints as what was read."""
    size, found = size_of(wanted, unit), _decimal(value)
    if size is None or found is None:
        return size is not None and size == size_of(value, unit)
    exponent = found.as_tuple().exponent
    places = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    return any((size / unit).quantize(places, rounding) == found for rounding in (ROUND_FLOOR, ROUND_HALF_UP))


def _same_trace(wanted: str, value: str, cpus: int) -> bool:
    """The trace buffer: at least 1 MiB for each CPU, what does not divide is left out, and one is added (tracefile.c)."""
    size, found = size_of(wanted, MIB), _digits(value)
    if size is None or found is None:
        return False
    shared = max(int((size / MIB).to_integral_value(ROUND_CEILING)), cpus) // cpus * cpus
    return shared - 1 <= found <= shared + 1


def _same_records(wanted: str, value: str) -> bool:
    """A mask of plain words is that set, one of ``+`` and ``-`` is met where these are there and not there."""
    has = {word.upper() for word in _words(value)} | {CHANGELOG_ALWAYS}
    groups = {"ALL": CHANGELOG_TYPES, "DEFAULT": CHANGELOG_DEFAULT}
    words = [(word[0] if word[0] in "+-" else "", word.lstrip("+-").upper()) for word in _words(wanted)]
    sets = [(sign, set(groups.get(name, [name]))) for sign, name in words]
    if any(sign for sign, _names in sets):
        return all(not has & names - {CHANGELOG_ALWAYS} if sign == "-" else names <= has for sign, names in sets)
    return {CHANGELOG_ALWAYS}.union(*(names for _sign, names in sets)) == has


def _same_flags(wanted: str, value: str, name: str) -> bool:
    has = set(_words(value))
    words = _words(wanted)
    bits = _BITS.get(name.rpartition(".")[2])
    number = _integer(words[0]) if len(words) == 1 else None
    if number is not None and bits:
        if _integer(value) is not None:
            return _integer(value) == number
        return has == {bit for place, bit in enumerate(bits) if bit != "-" and (number >> place) & 1}
    if any(word[0] in "+-" for word in words):
        return all((word.lstrip("+-") in has) == (word[0] != "-") for word in words)
    return set(words) == has


def _same_nrs(wanted: str, found: str) -> bool:
    """``tbf nid`` → in every group of requests that has policies, tbf is started (fifo stays started as the fallback)."""
    policy = (wanted.split() or [""])[0]
    groups = [set(_NRS_STARTED.findall(part)) for part in re.split(r"^\w+_requests:$", found, flags=re.M)[1:]]
    groups = [group for group in groups if group]
    if policy == "fifo":
        return bool(groups) and groups[0] <= {"fifo"}
    return bool(groups) and policy in groups[0]


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,]+", text.strip()) if word]


def _integer(text: str) -> int | None:
    try:
        return int(text, 16 if text.lower().lstrip("+-").startswith("0x") else 10)
    except ValueError:
        return None


def _digits(text: str) -> int | None:
    return _integer(text) if text.isdigit() else None


def _decimal(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _cpus() -> int:
    """CPUs that this node can ever have, as the kernel shares a buffer out among them."""
    try:
        with open("/sys/devices/system/cpu/possible", encoding="ascii") as stream:
            return int(stream.read().strip().rpartition(",")[2].rpartition("-")[2]) + 1
    except (OSError, ValueError):
        return os.cpu_count() or 1


def _page_size() -> int:
    return os.sysconf("SC_PAGE_SIZE")
