# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of a client mount, with encrypted directories among them.

Names in a request become those of the site's folder before the ordinary operation sees them, and contents become
ciphertext on the way to it. What lies in no encrypted directory takes the ordinary way.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Callable

from .fscrypt import BLOCK, Cipher, Context, Encryption, Inode, Memory, context_of, keep_context, without_key
from .fuse_files import Request
from .identity import MappedFiles, Who
from .nodemap import to_fs

_IOCTL = struct.Struct("<QIIQII")
_IOCTL_OUT = struct.Struct("<iIII")
_LOOKUP, _SETATTR, _SYMLINK, _MKNOD, _MKDIR, _UNLINK, _RMDIR, _RENAME, _LINK = 1, 4, 6, 8, 9, 10, 11, 12, 13
_CREATE, _RENAME2, _IOCTL_OP = 35, 45, 39
#: Where the names stand in the body of a request.
_NAME_AT = {
    _LOOKUP: 0,
    _SYMLINK: 0,
    _MKNOD: 16,
    _MKDIR: 8,
    _UNLINK: 0,
    _RMDIR: 0,
    _RENAME: 8,
    _LINK: 8,
    _CREATE: 16,
    _RENAME2: 16,
}
_MAKES = (_SYMLINK, _MKNOD, _MKDIR, _CREATE)
_SIZE_VALID, _HANDLE_VALID = 8, 64


class EncryptedFiles(MappedFiles):
    """See FuseFiles; ``encryption`` has the mount's keys. Names are translated before ids are mapped and checked."""

    def __init__(
        self, folder: str, capacity: Callable[[], dict[str, int]] | None, who: Who, encryption: Encryption
    ) -> None:
        self._encryption = encryption
        self._ciphers: dict[int, tuple[bytes, Cipher]] = {}
        encryption.in_use = lambda name: sum(1 for used, _ in self._ciphers.values() if used == name)
        super().__init__(folder, capacity, who)

    def perform(self, opcode: int, request: Request) -> bytes | None:
        if opcode == _IOCTL_OP:
            return self._ioctl(request)
        if opcode == _SETATTR:
            self._prepare_size(request)
        if opcode in (_RENAME, _RENAME2):
            return super().perform(opcode, self._renamed(opcode, request))
        if opcode in _NAME_AT:
            return self._with_name(opcode, request)
        return super().perform(opcode, request)

    # -- ioctl -------------------------------------------------------------------------------------------------

    def _ioctl(self, request: Request) -> bytes:
        _handle, _flags, number, address, size, _room = _IOCTL.unpack_from(request.body)
        inode = self._inode(request.node)
        info = os.fstat(inode.fd)
        about = Inode(
            inode.path, info.st_uid, stat.S_ISDIR(info.st_mode), request.node == 1, self._context(request.node)
        )
        data = request.body[_IOCTL.size : _IOCTL.size + size]
        one = self._who()
        uid = request.uid if one is None else to_fs(one, "uid", request.uid)
        back = self._encryption.ioctl(number, uid, address, data, Memory(request.pid), about)
        return _IOCTL_OUT.pack(0, 0, 0, 0) + back

    # -- names -------------------------------------------------------------------------------------------------

    def _context(self, node: int) -> Context | None:
        return context_of(self._inode(node).path)

    def _cipher(self, context: Context) -> Cipher:
        cipher = self._encryption.cipher(context)
        if cipher is None:
            raise OSError(errno.ENOKEY, "no key")
        return cipher

    def _on_disk(self, parent: int, context: Context, name: bytes) -> bytes:
        """The name in the site's folder of one in an encrypted directory."""
        if not context.names:
            return name
        cipher = self._encryption.cipher(context)
        if cipher is not None:
            return cipher.stored(name)
        for stored in os.listdir(os.fsencode(self._inode(parent).path)):
            if without_key(stored) == name:
                return stored
        raise OSError(errno.ENOENT, "no entry")

    def _with_name(self, opcode: int, request: Request) -> bytes | None:
        """Everything that names an entry of the request's directory."""
        context = self._context(request.node)
        if context is None:
            return super().perform(opcode, request)
        at = _NAME_AT[opcode]
        name = request.name(at)
        if opcode in _MAKES or opcode == _LINK:
            self._cipher(context)
        if opcode == _LINK:
            self._require_same(context, struct.unpack_from("<Q", request.body)[0])
        rest = request.body[at + len(name) :]
        child = context.child()
        if opcode == _SYMLINK:
            rest = b"\0" + self._cipher(child).stored(request.name(at + len(name) + 1)) + b"\0"
        stored = self._on_disk(request.node, context, name)
        changed = request._replace(body=request.body[:at] + stored + rest)
        there = opcode in _MAKES and os.path.lexists(os.path.join(os.fsencode(self._inode(request.node).path), stored))
        if opcode == _CREATE:
            return self._create_encrypted(changed, request.node, stored, child, there)
        answer = super().perform(opcode, changed)
        if opcode in _MAKES and not there:
            keep_context(self._entry_path(request.node, stored), child, follow=False)
        return answer

    def _entry_path(self, parent: int, stored: bytes) -> str:
        """A path of an entry that nothing follows when it is a symbolic link."""
        return f"{self._inode(parent).path}/{os.fsdecode(stored)}"

    def _create_encrypted(self, request: Request, parent: int, stored: bytes, child: Context, there: bool) -> bytes:
        flags, mode = struct.unpack_from("<II", request.body)
        if flags & os.O_ACCMODE == os.O_WRONLY:  # a block is read before a part of it is written
            flags = flags & ~os.O_ACCMODE | os.O_RDWR
        changed = request._replace(body=struct.pack("<II", flags, mode) + request.body[8:])
        answer = super().perform(_CREATE, changed)
        assert answer is not None
        path = self._entry_path(parent, stored)
        if not there:
            keep_context(path, child, follow=False)
        self._use(answer[-16:], context_of(path, follow=False))
        return answer

    def _require_same(self, context: Context, node: int) -> None:
        """What lies in an encrypted directory has its policy: nothing else comes in by another way than a copy."""
        other = self._context(node)
        if other is None or other.policy != context.policy:
            raise OSError(errno.EXDEV, "another policy")

    def _renamed(self, opcode: int, request: Request) -> Request:
        at = _NAME_AT[opcode]
        target = struct.unpack_from("<Q", request.body)[0]
        old, new = request.name(at), request.name(at + len(request.name(at)) + 1)
        here, there = self._context(request.node), self._context(target)
        for context in (here, there):
            if context is not None:
                self._cipher(context)
        stored = self._on_disk(request.node, here, old) if here else old
        if there is not None and target != request.node:
            moved = context_of(self._entry_path(request.node, stored), follow=False)
            if moved is None or moved.policy != there.policy:
                raise OSError(errno.EXDEV, "another policy")
        wanted = self._on_disk(target, there, new) if there else new
        return request._replace(body=request.body[:at] + stored + b"\0" + wanted + b"\0")

    def _opendir(self, request: Request) -> bytes:
        answer = super()._opendir(request)
        context = self._context(request.node)
        if context is None or not context.names:
            return answer
        cipher = self._encryption.cipher(context)
        shown = cipher.clear if cipher is not None else without_key
        number = struct.unpack_from("<Q", answer)[0]
        self._handles[number] = [
            (name if name in (b".", b"..") else shown(name), kind, inode) for name, kind, inode in self._handles[number]
        ]
        return answer

    def _readlink(self, request: Request) -> bytes:
        target = super()._readlink(request)
        context = self._context(request.node)
        if context is None:
            return target
        cipher = self._encryption.cipher(context)
        return cipher.clear(target) if cipher is not None else without_key(target)

    def _listxattr(self, request: Request) -> bytes:
        size = struct.unpack_from("<I", request.body)[0]
        whole = super()._listxattr(request._replace(body=struct.pack("<II", 1 << 20, 0)))
        names = b"".join(n + b"\0" for n in whole.split(b"\0") if n and not n.startswith(b"trusted.lustre_sim."))
        if size == 0:
            return struct.pack("<II", len(names), 0)
        if len(names) > size:
            raise OSError(errno.ERANGE, "too small")
        return names

    # -- contents ----------------------------------------------------------------------------------------------

    def _attr(self, number: int) -> bytes:
        """Without the key a file is as long as its blocks."""
        attributes = super()._attr(number)
        info = os.fstat(self._inode(number).fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size % BLOCK == 0:
            return attributes
        context = self._context(number)
        if context is None or self._encryption.cipher(context) is not None:
            return attributes
        return attributes[:8] + struct.pack("<Q", -(-info.st_size // BLOCK) * BLOCK) + attributes[16:]

    def _use(self, opened: bytes, context: Context | None) -> None:
        """Remember the cipher of an open file: it keeps it, whatever becomes of the key."""
        if context is not None:
            self._ciphers[struct.unpack_from("<Q", opened)[0]] = (context.identifier, self._cipher(context))

    def _open(self, request: Request) -> bytes:
        context = self._context(request.node)
        if context is None:
            return super()._open(request)
        self._cipher(context)
        flags = struct.unpack_from("<I", request.body)[0]
        if flags & os.O_ACCMODE == os.O_WRONLY:
            flags = flags & ~os.O_ACCMODE | os.O_RDWR
        answer = super()._open(request._replace(body=struct.pack("<I", flags) + request.body[4:]))
        self._use(answer, context)
        return answer

    def _release(self, request: Request) -> bytes:
        self._ciphers.pop(struct.unpack_from("<Q", request.body)[0], None)
        return super()._release(request)

    def _read(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        if handle not in self._ciphers:
            return super()._read(request)
        return _plain(self._handles[handle], self._ciphers[handle][1], offset, size)

    def _write(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        if handle not in self._ciphers:
            return super()._write(request)
        _store(self._handles[handle], self._ciphers[handle][1], offset, request.body[40 : 40 + size])
        return struct.pack("<II", size, 0)

    def _prepare_size(self, request: Request) -> None:
        """A file that grows has zeros in the rest of its last block, encrypted ones."""
        valid, _, handle, size = struct.unpack_from("<IIQQ", request.body)
        context = self._context(request.node) if valid & _SIZE_VALID else None
        if context is None:
            return
        held = self._ciphers.get(handle) if valid & _HANDLE_VALID else None
        cipher = held[1] if held is not None else self._cipher(context)
        with open(self._inode(request.node).path, "r+b", buffering=0) as stream:
            length = os.fstat(stream.fileno()).st_size
            zeros = min(size, -(-length // BLOCK) * BLOCK) - length
            if zeros > 0:
                _store(stream.fileno(), cipher, length, bytes(zeros))


def _plain(fd: int, cipher: Cipher, offset: int, size: int) -> bytes:
    """Bytes in clear; a block of zeros is a hole, and stays one."""
    first = offset // BLOCK
    raw = os.pread(fd, offset + size - first * BLOCK, first * BLOCK)
    clear = b""
    for at in range(0, len(raw), BLOCK):
        block = raw[at : at + BLOCK]
        clear += cipher.block(first + at // BLOCK, block) if any(block) else block
    return clear[offset - first * BLOCK :]


def _store(fd: int, cipher: Cipher, offset: int, data: bytes) -> None:
    """Whole blocks are read, changed and written again: a block is encrypted as a whole or is a hole."""
    first, end = offset // BLOCK, offset + len(data)
    last = max(end, min(os.fstat(fd).st_size, -(-end // BLOCK) * BLOCK))
    clear = bytearray(_plain(fd, cipher, first * BLOCK, last - first * BLOCK).ljust(last - first * BLOCK, b"\0"))
    clear[offset - first * BLOCK : end - first * BLOCK] = data
    raw = b"".join(
        cipher.block(first + at // BLOCK, bytes(clear[at : at + BLOCK])) for at in range(0, len(clear), BLOCK)
    )
    os.pwrite(fd, raw, first * BLOCK)
