# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lgss_sk: key files for SSK are written, changed, shown and loaded, with the texts and exit codes of 2.17.0."""

from __future__ import annotations

import os
import secrets
from typing import Any, TextIO

from .. import settings
from ..faults import Faults
from ..keyring import Keyring
from ..shared_key import CLIENT, CRYPTS, HMACS, MGS, TYPES, BadKey, SharedKey, read, write
from ._getopt import NONE, REQUIRED, Parsed, getopt_long

PROGRAM = "lgss_sk"
OPTIONS = {
    "ascii": NONE, "crypt": REQUIRED, "data": REQUIRED, "expire": REQUIRED, "fsname": REQUIRED, "mgsnids": REQUIRED,
    "help": NONE, "hmac": REQUIRED, "key-bits": REQUIRED, "load": REQUIRED, "modify": REQUIRED, "nodemap": REQUIRED,
    "prime-bits": REQUIRED, "read": REQUIRED, "type": REQUIRED, "verbose": NONE, "write": REQUIRED,
}  # fmt: skip
LETTERS = {
    "a": "ascii", "c": "crypt", "d": "data", "e": "expire", "f": "fsname", "g": "mgsnids", "h": "help", "i": "hmac",
    "k": "key-bits", "l": "load", "m": "modify", "n": "nodemap", "p": "prime-bits", "r": "read", "t": "type", "v": "verbose",
    "w": "write",
}  # fmt: skip
USAGE = """\
Usage lgss_sk [OPTIONS] {-l|-m|-r|-w} <keyfile>
-l|--load       <keyfile>\tLoad key from file into user's session keyring
-m|--modify     <keyfile>\tModify keyfile's attributes
-r|--read       <keyfile>\tShow keyfile's attributes
-w|--write      <keyfile>\tGenerate keyfile

Modify/Write Options:
-a|--ascii      <keyfile>\tOutput key in ASCII-encoded format
-c|--crypt      <num>\tCipher for encryption (Default: AES Counter mode)
                        NONE
                        ctr(aes)
                        AES-256-CTR
-i|--hmac       <num>\tHash algorithm for integrity (Default: SHA256)
                        NONE
                        sha256
                        SHA256
                        sha512
                        SHA512
-e|--expire     <num>\tSeconds before contexts from key expire (Default: 604800 seconds (7 days))
-f|--fsname     <name>\tFile system name for key
-g|--mgsnids    <nids>\tComma seperated list of MGS NIDs.  Only required when mgssec is used (Default: "")
-n|--nodemap    <name>\tNodemap name for key (Default: "default")
-p|--prime-bits <len>\tPrime length (p) for DHKE in bits (Default: 2048)
-t|--type       <type>\tKey type (mgs, server, client)
-k|--key-bits   <len>\tShared key length in bits (Default: 256)
-d|--data       <file>\tKey data source for new keys (Default: /dev/random)
                        Not a seed value. This is the actual key value.

Other Options:
-v|--verbose           Increase verbosity for errors
"""
_CRYPTS = {"NONE": 0, "null": 0, "ctr(aes)": 1, "AES-256-CTR": 1}
_HMACS = {"NONE": 0, "null": 0, "sha256": 1, "SHA256": 1, "sha512": 2, "SHA512": 2}
_VERBS = ("load", "modify", "read", "write")


class Refused(Exception):
    """The text that ends the program with 1."""


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    parsed = getopt_long(PROGRAM, argv, OPTIONS, LETTERS, err)
    verbs = [verb for verb in _VERBS if parsed.has(verb)]
    if parsed.failed or parsed.has("help") or len(verbs) != 1:
        err.write(USAGE)
        return 1
    path = str(parsed.value(verbs[0]))
    try:
        if verbs[0] == "load":
            _load(path, err, kernel)
        elif verbs[0] == "read":
            _show(read(path, err.write), out, err)
        elif verbs[0] == "write":
            _write(path, parsed, out, kernel)
        else:
            _modify(path, parsed, out, err, kernel)
    except (BadKey, Refused) as error:
        err.write(str(error))
        return 1
    return 0


def _load(path: str, err: TextIO, kernel: Any) -> None:
    if os.geteuid() != 0:
        raise Refused("error: must be root to load keys\n")
    read(path, err.write).load(Keyring.of(kernel))


def _write(path: str, parsed: Parsed, out: TextIO, kernel: Any) -> None:
    key = SharedKey()
    _apply(key, parsed)
    if not key.fsname and not key.mgs_nids:
        raise Refused("error: missing --fsname or --mgsnids\n")
    if not key.types:
        raise Refused("error: missing --type\n")
    if key.types & MGS and not key.mgs_nids:
        raise Refused("error: missing --mgsnids for key of type mgs\n")
    key.key = _data(str(parsed.value("data") or "/dev/random"), key.key_bits // 8, out)
    if key.types & CLIENT:
        _prime(key, out, kernel)
    try:
        write(path, key)
    except OSError as error:
        raise Refused(f"error: opening '{path}': {error.strerror}\n") from error


def _modify(path: str, parsed: Parsed, out: TextIO, err: TextIO, kernel: Any) -> None:
    key = read(path, err.write)
    bits = key.key_bits
    _apply(key, parsed)
    if parsed.has("data") or key.key_bits != bits:
        key.key = _data(str(parsed.value("data") or "/dev/random"), key.key_bits // 8, out)
    if key.types & CLIENT and (parsed.has("type") or parsed.has("prime-bits") or not key.prime):
        _prime(key, out, kernel)
    if not key.types & CLIENT:
        key.prime = b""
    try:
        write(path, key, replace=True)
    except OSError as error:
        raise Refused(f"error: opening '{path}': {error.strerror}\n") from error


def _prime(key: SharedKey, out: TextIO, kernel: Any) -> None:
    out.write("Generating DH parameters, this can take a while...\n")
    out.flush()
    key.make_prime(settings.prime_seconds(kernel))


def _data(source: str, count: int, out: TextIO) -> bytes:
    if source in ("/dev/random", "/dev/urandom"):
        out.write(f"Reading random data for shared key from '{source}'\n")
        return secrets.token_bytes(count)
    try:
        with open(source, "rb") as stream:
            data = stream.read(count)
    except OSError as error:
        raise Refused(f"error: opening '{source}': {error.strerror}\n") from error
    if len(data) < count:
        raise Refused(f"error: '{source}' has only {len(data)} of {count} bytes\n")
    return data


def _apply(key: SharedKey, parsed: Parsed) -> None:
    if parsed.has("type"):
        key.types = 0
        for word in str(parsed.value("type")).split(","):
            if word not in TYPES:
                raise Refused(f"error: invalid type '{word}', must be mgs, server, or client\n")
            key.types |= TYPES[word]
    if parsed.has("crypt"):
        key.crypt = _choice(_CRYPTS, parsed, "crypt", "error: invalid crypt algorithm specified\n")
    if parsed.has("hmac"):
        key.hmac = _choice(_HMACS, parsed, "hmac", "error: invalid HMAC algorithm specified\n")
    key.fsname = _short(parsed, "fsname", key.fsname, 8)
    key.nodemap = _short(parsed, "nodemap", key.nodemap, 16)
    if parsed.has("mgsnids"):
        key.mgs_nids = tuple(nid for nid in str(parsed.value("mgsnids")).split(",") if nid)
        if not all("@" in nid for nid in key.mgs_nids):
            raise Refused(f"error: invalid MGS NIDs '{parsed.value('mgsnids')}'\n")
    key.expire = _number(parsed, "expire", key.expire, 60, 2**31)
    key.key_bits = _number(parsed, "key-bits", key.key_bits, 8, 1024)
    key.prime_bits = _number(parsed, "prime-bits", key.prime_bits, 64, 16384)


def _choice(known: dict[str, int], parsed: Parsed, name: str, text: str) -> int:
    if str(parsed.value(name)) not in known:
        raise Refused(text)
    return known[str(parsed.value(name))]


def _short(parsed: Parsed, name: str, otherwise: str, limit: int) -> str:
    text = str(parsed.value(name)) if parsed.has(name) else otherwise
    if len(text) > limit:
        raise Refused(f"error: {name} too long: '{text}'\n")
    return text


def _number(parsed: Parsed, name: str, otherwise: int, low: int, high: int) -> int:
    if not parsed.has(name):
        return otherwise
    text = str(parsed.value(name))
    if not text.isdigit() or not low <= int(text) <= high:
        raise Refused(f"error: invalid {name} '{text}'\n")
    return int(text)


def _show(key: SharedKey, out: TextIO, err: TextIO) -> None:
    types = " ".join(name for name, bit in TYPES.items() if key.types & bit)
    fields = {
        "Version:": "1",
        "Type:": types,
        "HMAC alg:": HMACS[key.hmac],
        "Crypto alg:": CRYPTS[key.crypt],
        "Ctx Expiration:": f"{key.expire} seconds",
        "Shared keylen:": f"{key.key_bits} bits",
        "Prime length:": f"{key.prime_bits} bits",
        "File system:": key.fsname,
        "MGS NIDs:": " ".join(key.mgs_nids),
        "Nodemap name:": key.nodemap,
    }
    for name, value in fields.items():
        out.write(
            f"{name + ' ':<16}{value}\n" if name != "MGS NIDs:" else f"{name + ' ':<15}{' ' if value else ''}{value}\n"
        )
    out.write("Shared key:\n")
    out.flush()
    _dump(key.key, err)
    if key.prime:
        out.write("Prime (p):\n")
        out.flush()
        _dump(key.prime, err)


def _dump(data: bytes, err: TextIO) -> None:
    """On standard error, as recorded."""
    for at in range(0, len(data), 16):
        line = data[at : at + 16]
        pairs = " ".join(line[i : i + 2].hex() for i in range(0, len(line), 2))
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        err.write(f"  {at:04x}: {pairs:<39}  {text}\n")
