# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Encrypted directories of a client mount: keys, policies, ciphers, and the ioctls of linux/fscrypt.h.

A restricted FUSE ioctl carries only as many bytes as its number says, and these calls take and give more: the rest is
read from and written to the memory of the calling process, which the daemon, being root, may do.

The cipher is a keystream of SHAKE-256, not AES-XTS: what lies in the site's folder is ciphertext all the same.
What differs from Lustre stands in rehearsal/DIFFERENCES.md.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import hashlib
import hmac
import os
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

XATTR = "trusted.lustre_sim.encryption"
BLOCK = 4096
_PAD = 32
_POLICY = 24
_NAMES_OFF = 0

GET_FLAGS = 0x80086601
SET_POLICY = 0x800C6613
GET_POLICY_EX = 0xC0096616
ADD_KEY = 0xC0506617
REMOVE_KEY = 0xC0406618
REMOVE_KEY_ALL_USERS = 0xC0406619
KEY_STATUS = 0xC080661A
_ENCRYPTED_FLAG = 0x800
_BY_IDENTIFIER = 2
_ABSENT, _PRESENT, _INCOMPLETE = 1, 2, 3
_MODES = {1: 4, 5: 6, 9: 9}


class Memory:
    """The memory of the process that made a request."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def read(self, address: int, size: int) -> bytes:
        with self._opened(os.O_RDONLY) as fd:
            data = os.pread(fd, size, address)
        if len(data) != size:
            raise OSError(errno.EFAULT, "memory of the caller")
        return data

    def write(self, address: int, data: bytes) -> None:
        with self._opened(os.O_WRONLY) as fd:
            if os.pwrite(fd, data, address) != len(data):
                raise OSError(errno.EFAULT, "memory of the caller")

    @contextlib.contextmanager
    def _opened(self, flags: int) -> Any:
        fd = os.open(f"/proc/{self.pid}/mem", flags | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)


@dataclass(frozen=True)
class Context:
    """What an encrypted inode has: its policy, and a nonce of its own. Names mode 0: names are in clear."""

    policy: bytes
    nonce: bytes

    @property
    def identifier(self) -> bytes:
        return self.policy[8:24]

    @property
    def names(self) -> bool:
        return self.policy[2] != _NAMES_OFF

    def child(self) -> Context:
        return Context(self.policy, secrets.token_bytes(16))

    @property
    def shown(self) -> bytes:
        """As the real client answers: it does not say that names are in clear."""
        return self.policy[:2] + bytes([_MODES[self.policy[1]]]) + self.policy[3:]


def context_of(path: str, follow: bool = True) -> Context | None:
    """The context stored with a file of the site's folder; ``follow``: the path is one below /proc/self/fd."""
    try:
        raw = os.getxattr(path, XATTR, follow_symlinks=follow)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return None
        raise
    return Context(raw[:_POLICY], raw[_POLICY:])


def keep_context(path: str, context: Context, follow: bool = True) -> None:
    os.setxattr(path, XATTR, context.policy + context.nonce, follow_symlinks=follow)


def identifier(key: bytes) -> bytes:
    extracted = hmac.new(bytes(64), key, hashlib.sha512).digest()
    return hmac.new(extracted, b"fscrypt\0\x01\x01", hashlib.sha512).digest()[:16]


class Cipher:
    """Contents and names of one inode, with its key."""

    def __init__(self, key: bytes, nonce: bytes) -> None:
        self._seed = hashlib.sha512(key + nonce).digest()

    def block(self, number: int, data: bytes) -> bytes:
        """Encrypts and decrypts up to BLOCK bytes at the beginning of a block of the file."""
        return _xor(data, hashlib.shake_256(self._seed + struct.pack("<Q", number)).digest(len(data)))

    def name(self, name: bytes, decrypt: bool = False) -> bytes:
        """Four rounds over the two halves: equal names give equal text, and nothing of the name is seen."""
        half = len(name) // 2
        left, right = name[:half], name[half:]
        for number in (3, 2, 1, 0) if decrypt else (0, 1, 2, 3):
            if number % 2 == 0:
                right = _xor(right, hashlib.shake_256(self._seed + bytes([number]) + left).digest(len(right)))
            else:
                left = _xor(left, hashlib.shake_256(self._seed + bytes([number]) + right).digest(len(left)))
        return left + right

    def stored(self, name: bytes) -> bytes:
        """A name as it lies in the site's folder; ENAMETOOLONG where that would not fit."""
        padded = name + b"\0" * (-len(name) % _PAD)
        text = base64.urlsafe_b64encode(self.name(padded)).rstrip(b"=")
        if len(text) > 255:
            raise OSError(errno.ENAMETOOLONG, "name")
        return text

    def clear(self, stored: bytes) -> bytes:
        raw = base64.urlsafe_b64decode(stored + b"=" * (-len(stored) % 4))
        return self.name(raw, decrypt=True).rstrip(b"\0")


def without_key(stored: bytes) -> bytes:
    """What a listing shows without the key: long names as a digest of theirs."""
    if len(stored) <= 43:
        return stored
    return b"_" + base64.urlsafe_b64encode(hashlib.sha256(stored).digest()).rstrip(b"=")


def _xor(data: bytes, stream: bytes) -> bytes:
    return (int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")).to_bytes(len(data), "little")


@dataclass
class Encryption:
    """One client mount. ``enabled``: not mounted with noencrypt, and granted by the MDT. ``names``: the switch for names."""

    enabled: bool = True
    names: Callable[[], bool] = lambda: False
    keys: dict[bytes, bytes] = field(default_factory=dict)
    users: dict[bytes, set[int]] = field(default_factory=dict)
    #: Open files by the identifier of their key: while some are, a removed key is not quite gone.
    in_use: Callable[[bytes], int] = lambda _identifier: 0

    def cipher(self, context: Context) -> Cipher | None:
        key = self.keys.get(context.identifier) if self.enabled else None
        return Cipher(key, context.nonce) if key is not None else None

    # -- the ioctls: each gets the bytes that came along, and returns those that go back -----------------------

    def ioctl(self, number: int, uid: int, address: int, data: bytes, memory: Memory, inode: Inode) -> bytes:
        if number == GET_FLAGS:
            return struct.pack("<I", _ENCRYPTED_FLAG if inode.context else 0)
        call = _CALLS.get(number)
        if call is None:
            raise OSError(errno.ENOTTY, "no such ioctl")
        if not self.enabled:
            raise OSError(errno.EOPNOTSUPP, "encryption is off")
        return call(self, uid, address, data, memory, inode)

    def _add(self, uid: int, address: int, data: bytes, memory: Memory, _inode: Inode) -> bytes:
        kind, reserved = struct.unpack_from("<II", data)
        size, key_id = struct.unpack_from("<II", data, 40)
        if kind != _BY_IDENTIFIER or reserved or key_id or any(data[48:80]) or not 16 <= size <= 64:
            raise OSError(errno.EINVAL, "key")
        key = memory.read(address + 80, size)
        name = identifier(key)
        self.keys[name] = key
        self.users.setdefault(name, set()).add(uid)
        return data[:8] + name + data[24:]

    def _remove(self, uid: int, _address: int, data: bytes, _memory: Memory, _inode: Inode) -> bytes:
        name = _named(data)
        if name not in self.keys and not self.in_use(name):
            raise OSError(errno.ENOKEY, "no such key")
        users = self.users.get(name, set())
        users.discard(uid)
        if users:
            return data[:40] + struct.pack("<I", 2) + data[44:]
        return self._gone(name, data)

    def _remove_all(self, uid: int, _address: int, data: bytes, _memory: Memory, _inode: Inode) -> bytes:
        if uid != 0:
            raise OSError(errno.EACCES, "for root")
        name = _named(data)
        if name not in self.keys and not self.in_use(name):
            raise OSError(errno.ENOKEY, "no such key")
        return self._gone(name, data)

    def _gone(self, name: bytes, data: bytes) -> bytes:
        self.keys.pop(name, None)
        self.users.pop(name, None)
        return data[:40] + struct.pack("<I", 1 if self.in_use(name) else 0) + data[44:]

    def _status(self, uid: int, _address: int, data: bytes, _memory: Memory, _inode: Inode) -> bytes:
        name = _named(data)
        users = self.users.get(name, set())
        state = _PRESENT if name in self.keys else _INCOMPLETE if self.in_use(name) else _ABSENT
        return data[:64] + struct.pack("<III", state, int(uid in users), len(users)) + data[76:]

    def _set_policy(self, uid: int, address: int, _data: bytes, memory: Memory, inode: Inode) -> bytes:
        if memory.read(address, 1) != b"\x02":
            raise OSError(errno.EINVAL, "only version 2")
        policy = memory.read(address, _POLICY)
        if uid not in (0, inode.owner):
            raise OSError(errno.EACCES, "owner")
        if inode.context is not None:
            if inode.context.shown != policy:
                raise OSError(errno.EEXIST, "another policy")
            return b""
        if not inode.directory:
            raise OSError(errno.ENOTDIR, "no directory")
        if inode.root:
            raise OSError(errno.EPERM, "root of the mount")
        if _MODES.get(policy[1]) != policy[2] or policy[3] & ~7 or any(policy[4:8]):
            raise OSError(errno.EINVAL, "policy")
        # root may name a key that nobody gave, as the real kernel lets it (CAP_FOWNER)
        if uid != 0 and uid not in self.users.get(policy[8:24], set()):
            raise OSError(errno.ENOKEY, "no such key")
        if os.listdir(inode.path):
            raise OSError(errno.ENOTEMPTY, "not empty")
        if not self.names():
            policy = policy[:2] + bytes([_NAMES_OFF]) + policy[3:]
        keep_context(inode.path, Context(policy, secrets.token_bytes(16)))
        return b""

    def _get_policy(self, _uid: int, address: int, data: bytes, memory: Memory, inode: Inode) -> bytes:
        if inode.context is None:
            raise OSError(errno.ENODATA, "no policy")
        if struct.unpack_from("<Q", data)[0] < _POLICY:
            raise OSError(errno.EOVERFLOW, "no room")
        memory.write(address + 8, inode.context.shown)
        # the first nine bytes go back with the answer: the size, and the first of the policy
        return struct.pack("<Q", _POLICY) + inode.context.shown[:1]


@dataclass(frozen=True)
class Inode:
    """What an ioctl is made on."""

    path: str
    owner: int
    directory: bool
    root: bool
    context: Context | None


_CALLS: dict[int, Callable[[Encryption, int, int, bytes, Memory, Inode], bytes]] = {
    SET_POLICY: Encryption._set_policy,
    GET_POLICY_EX: Encryption._get_policy,
    ADD_KEY: Encryption._add,
    REMOVE_KEY: Encryption._remove,
    REMOVE_KEY_ALL_USERS: Encryption._remove_all,
    KEY_STATUS: Encryption._status,
}


def _named(data: bytes) -> bytes:
    if struct.unpack_from("<II", data) != (_BY_IDENTIFIER, 0):
        raise OSError(errno.EINVAL, "key")
    return data[8:24]


def for_mount(node: Any, mount: Any, forbidden: bool) -> Encryption:
    """The encryption of a client mount that is just being made; ``forbidden``: its nodemap has forbid_encryption."""
    name = f"llite.{mount.fsname}-{mount.instance}.enable_filename_encryption"
    return Encryption("noencrypt" not in mount.options and not forbidden, lambda: node.params.value(name) == "1")
