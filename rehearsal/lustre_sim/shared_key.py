# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Key files of SSK: 2407 bytes as on Lustre 2.17.0, who may use them, and the descriptions under which they are loaded."""

from __future__ import annotations

import dataclasses
import os
import secrets
import stat
import struct
import time
from collections.abc import Callable

from .keyring import Keyring

# version, hmac, crypt, expire, bits of the key, bits of the prime, type, 16 NIDs, file system, nodemap, key, prime
_SHAPE = struct.Struct("<IHHIIIB128s65s17s128s2048s")
SIZE = _SHAPE.size
CLIENT, SERVER, MGS = 1, 2, 4
TYPES = {"mgs": MGS, "server": SERVER, "client": CLIENT}  # in the order in which they are shown
HMACS = ["null", "sha256", "sha512"]
CRYPTS = ["null", "ctr(aes)"]
_NID_SLOTS = 16


class BadKey(Exception):
    """No usable key file; the text is what a tool prints."""


@dataclasses.dataclass
class SharedKey:
    types: int = 0
    fsname: str = ""
    mgs_nids: tuple[str, ...] = ()
    nodemap: str = "default"
    hmac: int = 1
    crypt: int = 1
    expire: int = 604800
    key_bits: int = 256
    prime_bits: int = 2048
    key: bytes = b""
    prime: bytes = b""

    def packed(self) -> bytes:
        nids = b"".join(_packed_nid(nid) for nid in self.mgs_nids[:_NID_SLOTS])
        return _SHAPE.pack(
            1, self.hmac, self.crypt, self.expire, self.key_bits, self.prime_bits, self.types, nids,
            self.fsname.encode(), self.nodemap.encode(), self.key, self.prime,
        )  # fmt: skip

    @classmethod
    def unpacked(cls, data: bytes) -> SharedKey:
        _, hmac, crypt, expire, bits, prime_bits, types, nids, fsname, nodemap, key, prime = _SHAPE.unpack(data)
        slots = [nids[at : at + 8] for at in range(0, 128, 8)]
        return cls(
            types=types, fsname=_text(fsname), mgs_nids=tuple(_unpacked_nid(slot) for slot in slots if any(slot)),
            nodemap=_text(nodemap), hmac=hmac, crypt=crypt, expire=expire, key_bits=bits, prime_bits=prime_bits,
            key=key[: bits // 8], prime=prime[: prime_bits // 8] if any(prime) else b"",
        )  # fmt: skip

    def descriptions(self) -> list[str]:
        """Under which the key is loaded, in the order of loading."""
        found = [f"lustre:{self.fsname}:{self.nodemap}"] if self.types & SERVER and self.fsname else []
        found += [f"lustre:MGS:{self.nodemap}"] if self.types & MGS else []
        if self.types & CLIENT:
            found += [f"lustre:{self.fsname}"] if self.fsname else []
            found += [f"lustre:MGC{nid}" for nid in self.mgs_nids]
        return found

    def make_prime(self, seconds: float) -> None:
        """A number of the wanted length; that it is prime nobody tests here. The real one takes its time, so do we."""
        time.sleep(seconds)
        number = secrets.randbits(self.prime_bits) | 1 << (self.prime_bits - 1) | 1
        self.prime = number.to_bytes(self.prime_bits // 8, "big")

    def load(self, keyring: Keyring) -> None:
        for description in self.descriptions():
            keyring.add(description, self.packed())


def read(path: str, warn: Callable[[str], object]) -> SharedKey:
    """A key file. Its mode is only warned of, as recorded."""
    try:
        with open(path, "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            data = stream.read(SIZE + 1)
    except OSError as error:
        raise BadKey(f"Error opening key file '{path}': {error.strerror}\n") from error
    if stat.S_IMODE(mode) & 0o077:
        warn(f"warning: secret key '{path}' has insecure file mode {mode:#07o}\n".replace("0o", "0"))
    if len(data) < SIZE:
        raise BadKey(f"File {path} does not have a complete key: got {len(data)} bytes, expected {SIZE} bytes\n")
    found = SharedKey.unpacked(data[:SIZE])
    if not found.types or not found.key or found.hmac >= len(HMACS) or found.crypt >= len(CRYPTS):
        raise BadKey(f"Error: '{path}' is not a valid key file\n")
    return found


def load_path(path: str, client: bool, keyring: Keyring, say: Callable[[str], object], prime_seconds: float) -> str:
    """What ``skpath=`` of a mount does: a file, or every file of a folder. "" or why it failed.

    Recorded for 2.17: a client that mounts with a key of type server turns the file into a client's key.
    """
    try:
        entries = [path] if not os.path.isdir(path) else sorted(os.path.join(path, name) for name in os.listdir(path))
        os.stat(path)
    except OSError as error:
        say(f"stat() failed for key {path}: {error.strerror}\n")
        return f"Unknown error -{error.errno}"
    for entry in entries:
        if not os.path.isfile(entry):
            continue
        try:
            key = read(entry, say)
            if client and key.types == SERVER:
                say(f"Generating DH parameters to turn {entry} into a client key\n")
                key.types = CLIENT
                key.make_prime(prime_seconds)
                write(entry, key, replace=True)
            key.load(keyring)
        except BadKey as error:
            say(str(error))
            return "Invalid argument"
    return ""


def write(path: str, key: SharedKey, replace: bool = False) -> None:
    """OSError(EEXIST) for a file that is there, unless it is to be replaced (in place: its mode stays)."""
    flags = os.O_WRONLY | (os.O_TRUNC if replace else os.O_CREAT | os.O_EXCL)
    handle = os.open(path, flags, 0o400)
    with open(handle, "wb") as stream:
        stream.write(key.packed())


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode(errors="replace")


_LNDS = {"tcp": 2, "o2ib": 5, "gni": 13, "kfi": 16}


def _packed_nid(nid: str) -> bytes:
    address, _, net = nid.partition("@")
    kind = net.rstrip("0123456789") or net
    number = int(net[len(kind) :] or 0)
    parts = [int(part) for part in address.split(".")]
    return bytes(reversed(parts)) + struct.pack("<HH", number, _LNDS.get(kind, 2))


def _unpacked_nid(slot: bytes) -> str:
    number, lnd = struct.unpack("<HH", slot[4:])
    net = next((name for name, value in _LNDS.items() if value == lnd), "tcp")
    return ".".join(str(part) for part in reversed(slot[:4])) + f"@{net}{number or ''}"
