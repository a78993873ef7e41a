# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lgss_sk: files with shared keys.

Observed on Lustre 2.17.0: ``-r`` prints the attributes on standard output and the key itself
as a dump on standard error.  So nothing that this program says on standard error may leave
this file unread: messages go through ``redacted``, and of the key only a digest is kept, in
memory, to tell whether two files hold the same one.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TYPES = ("mgs", "server", "client")
#: As options are written, and as the program prints them.
CRYPT = {"AES-256-CTR": "ctr(aes)"}
HMAC = {"SHA256": "sha256", "SHA512": "sha512"}
TIMEOUT = 60.0
_LABELS = {
    "Version": "version",
    "Type": "types",
    "HMAC alg": "hmac",
    "Crypto alg": "crypt",
    "Ctx Expiration": "lifetime",
    "Shared keylen": "key_bits",
    "Prime length": "prime_bits",
    "File system": "fsname",
    "MGS NIDs": "mgs_nids",
    "Nodemap name": "nodemap",
    "Shared key": "",
    "Prime (p)": "",
}
_LINE = re.compile(r"(?P<label>[A-Z][A-Za-z ]{2,14}(?:\(p\))?):[ \t]*(?P<value>.*?)[ \t]*\Z")
_DUMP = re.compile(r"[ \t]*(?P<at>[0-9a-f]{4,8}): (?P<hex>[0-9a-f ]{2,39})")
_NUMBER = re.compile(r"(\d{1,9})(?: (?:seconds|bits))?\Z")
#: Whatever looks like a dump or a long number in hexadecimal digits.
_SECRET = re.compile(r"(?:[0-9a-f]{4}[ :]+){2,}|[0-9a-fA-F]{16,}")


@dataclass(frozen=True)
class KeyFile:
    """Attributes of a key file.  ``digest`` tells keys apart and is shown nowhere; ``prime``: a client can use it."""

    types: frozenset[str]
    fsname: str
    mgs_nids: tuple[str, ...]
    nodemap: str
    crypt: str
    hmac: str
    key_bits: int
    prime_bits: int
    lifetime: int
    prime: bool
    digest: bytes = field(repr=False)


def write_words(
    path: str,
    types: Sequence[str],
    fsname: str,
    mgs_nids: Sequence[str],
    nodemap: str,
    crypt: str,
    hmac: str,
    key_bits: int,
    prime_bits: int,
    lifetime: int,
) -> tuple[str, ...]:
    """Make a new key; the program refuses a file that exists."""
    names = (("-f", fsname), ("-g", ",".join(mgs_nids)), ("-n", nodemap))
    named = [word for option, value in names if value for word in (option, value)]
    numbers = (("-k", key_bits), ("-p", prime_bits), ("-e", lifetime))
    sizes = [word for option, value in numbers for word in (option, str(value))]
    return ("lgss_sk", "-t", ",".join(types), *named, "-c", crypt, "-i", hmac, *sizes, "-w", path)


def modify_words(path: str, types: Sequence[str] = (), **attributes: str) -> tuple[str, ...]:
    """Change attributes of a key file; with the type client a prime is made, which takes up to minutes.

    ``attributes``: the program's own letters (``e="3600"``).
    """
    kind = ("-t", ",".join(types)) if types else ()
    changes = [word for letter, value in sorted(attributes.items()) for word in (f"-{letter}", value)]
    return ("lgss_sk", *kind, *changes, "-m", path)


def load_words(path: str) -> tuple[str, ...]:
    return ("lgss_sk", "-l", path)


def parse_read(out: str, err: str = "") -> KeyFile:
    """What ``lgss_sk -r`` says of a key file."""
    found: dict[str, str] = {}
    for line in out.splitlines():
        match = _LINE.match(line)
        if match is None and (not line.strip() or _DUMP.match(line)):
            continue
        if match is None or match["label"] not in _LABELS:
            raise UnknownOutput("lgss_sk -r", "the attributes of a key", redacted(line))
        found[_LABELS[match["label"]]] = match["value"]
    missing = [label for label, name in _LABELS.items() if name and name not in found]
    key, prime = _dumps(err if any(map(_DUMP.match, err.splitlines())) else out)
    if missing or found["version"] != "1" or not key:
        raise UnknownOutput("lgss_sk -r", "the attributes of a key", redacted(out))
    types = frozenset(re.split(r"[ ,]+", found["types"]))
    numbers = {name: _NUMBER.match(found[name]) for name in ("lifetime", "key_bits", "prime_bits")}
    sizes = {name: int(match[1]) for name, match in numbers.items() if match}
    if len(sizes) != 3 or not types <= set(TYPES) or len(key) * 8 != sizes["key_bits"]:
        raise UnknownOutput("lgss_sk -r", "the attributes of a key", redacted(out))
    return KeyFile(
        types,
        found["fsname"],
        tuple(nid for nid in re.split(r"[ ,]+", found["mgs_nids"]) if nid),
        found["nodemap"],
        found["crypt"],
        found["hmac"],
        sizes["key_bits"],
        sizes["prime_bits"],
        sizes["lifetime"],
        bool(prime),
        hashlib.sha256(key).digest(),
    )


def _dumps(text: str) -> tuple[bytes, bytes]:
    """The key, and the prime where there is one: each dump begins with the offset 0."""
    blocks: list[bytearray] = []
    for line in text.splitlines():
        match = _DUMP.match(line)
        if match is None:
            continue
        at, digits = int(match["at"], 16), match["hex"].partition("  ")[0].replace(" ", "")
        if at == 0:
            blocks.append(bytearray())
        if not blocks or at != len(blocks[-1]) or len(digits) % 2:
            raise UnknownOutput("lgss_sk -r", "the dump of a key", "a dump whose lines do not follow each other")
        blocks[-1] += bytes.fromhex(digits)
    if len(blocks) > 2:
        raise UnknownOutput("lgss_sk -r", "the dump of a key", f"{len(blocks)} dumps in one answer")
    return bytes(blocks[0]) if blocks else b"", bytes(blocks[1]) if len(blocks) > 1 else b""


def redacted(text: str) -> str:
    """What the program said without anything that may be a part of a key."""
    lines = [line for line in text.splitlines() if not _DUMP.match(line)]
    return _SECRET.sub("(left out)", "\n".join(lines))


def read(run: Runner, path: str, shown: str = "") -> KeyFile:
    """One key file; ``shown`` is what a message calls it."""
    argv = ("lgss_sk", "-r", path)
    rc, out, err = run(argv, None, TIMEOUT)
    if rc != 0:
        raise ToolError(f"read the key file {shown or path}", argv, rc, redacted(out), redacted(err))
    return parse_read(out, err)
