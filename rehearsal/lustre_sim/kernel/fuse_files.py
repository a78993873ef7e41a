# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of an ordinary folder, served to the kernel: what each request of the FUSE protocol does and answers.

Numbers, flags and layouts are those of linux/fuse.h, protocol 7.31. Entries and attributes are never cached, so that hosts
that share a folder see each other's files at once.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import time
from collections.abc import Callable
from typing import Any, NamedTuple

_ATTR = struct.Struct("<6Q10I")
_ENTRY = struct.Struct("<4QII")
_SETATTR = struct.Struct("<IIQQQQQQ8I")
MAX_WRITE = 1 << 17
_MINOR = 31
# ASYNC_READ, ATOMIC_O_TRUNC, BIG_WRITES, HAS_IOCTL_DIR, AUTO_INVAL_DATA, PARALLEL_DIROPS, MAX_PAGES
_WANTED = 1 | 1 << 3 | 1 << 5 | 1 << 11 | 1 << 12 | 1 << 18 | 1 << 22
_ROOT = 1
# O_DIRECT needs aligned memory here, which reads have by chance; what it asks for is done by the client's kernel
_NOT_HERE = os.O_NOFOLLOW | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_DIRECT


class Request(NamedTuple):
    node: int
    uid: int
    gid: int
    body: bytes
    pid: int = 0

    def name(self, at: int = 0) -> bytes:
        """A NUL-terminated name in the body."""
        return self.body[at : self.body.index(b"\0", at)]


class _Inode:
    __slots__ = ("count", "fd", "key")

    def __init__(self, fd: int, key: tuple[int, int]) -> None:
        self.fd, self.key, self.count = fd, key, 1

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.fd}"


class FuseFiles:
    """The files of one mount. ``folder`` None = an empty root folder.

    ``capacity`` gives what statfs shows, in the names and units of Lustre's parameters: ``kbytestotal``, ``filesfree``, ...
    """

    def __init__(self, folder: str | None, capacity: Callable[[], dict[str, int]] | None = None) -> None:
        self.folder = folder
        self._capacity = capacity
        self._inodes: dict[int, _Inode] = {}
        self._by_key: dict[tuple[int, int], int] = {}
        self._next = _ROOT
        self._handles: dict[int, Any] = {}
        self._next_handle = 1
        if folder is not None:
            self._remember(os.open(folder, os.O_PATH | os.O_CLOEXEC))

    def perform(self, opcode: int, request: Request) -> bytes | None:
        """The answer's data; None where the kernel expects no answer. Raises OSError with the errno to answer."""
        operation = _OPERATIONS.get(opcode)
        if operation is None:
            raise OSError(errno.ENOSYS, "no such operation")
        answer: bytes | None = getattr(self, operation)(request)
        return answer

    def close(self) -> None:
        for inode in self._inodes.values():
            os.close(inode.fd)
        for handle in self._handles.values():
            if isinstance(handle, int):
                os.close(handle)
        self._inodes.clear()
        self._handles.clear()

    # -- inodes ------------------------------------------------------------------------------------------------

    def _remember(self, fd: int) -> int:
        """Node id of what an O_PATH descriptor stands for; known ones are counted up."""
        info = os.fstat(fd)
        key = (info.st_dev, info.st_ino)
        known = self._by_key.get(key)
        if known is not None:
            os.close(fd)
            self._inodes[known].count += 1
            return known
        number, self._next = self._next, self._next + 1
        self._inodes[number] = _Inode(fd, key)
        self._by_key[key] = number
        return number

    def _inode(self, number: int) -> _Inode:
        try:
            return self._inodes[number]
        except KeyError:
            raise OSError(errno.ESTALE, "stale") from None

    def _forget(self, number: int, count: int) -> None:
        inode = self._inodes.get(number)
        if inode is None or number == _ROOT:
            return
        inode.count -= count
        if inode.count <= 0:
            os.close(inode.fd)
            del self._inodes[number], self._by_key[inode.key]

    def _entry(self, parent: int, name: bytes) -> bytes:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._inode(parent).fd)
        number = self._remember(fd)
        return _ENTRY.pack(number, 0, 0, 0, 0, 0) + self._attr(number)

    def _attr(self, number: int) -> bytes:
        return _attributes(os.fstat(self._inode(number).fd))

    # -- operations: each returns the answer's data, None for no answer, or raises OSError --------------------

    def _init(self, request: Request) -> bytes:
        _major, minor, readahead, flags = struct.unpack_from("<4I", request.body)
        return struct.pack(
            "<4IHHIIHHI7I",
            7,
            min(minor, _MINOR),
            readahead,
            flags & _WANTED,
            16,
            12,
            MAX_WRITE,
            1,
            MAX_WRITE // 4096,
            0,
            0,
            *([0] * 7),
        )

    def _lookup(self, request: Request) -> bytes:
        if self.folder is None:
            raise OSError(errno.ENOENT, "no entry")
        return self._entry(request.node, request.name())

    def _forget_one(self, request: Request) -> None:
        self._forget(request.node, struct.unpack_from("<Q", request.body)[0])

    def _forget_many(self, request: Request) -> None:
        count = struct.unpack_from("<I", request.body)[0]
        for at in range(count):
            self._forget(*struct.unpack_from("<QQ", request.body, 8 + 16 * at))

    def _getattr(self, request: Request) -> bytes:
        if self.folder is None:
            attributes = _ATTR.pack(1, 4096, 8, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o755, 2, 0, 0, 0, 4096, 0)
        else:
            attributes = self._attr(request.node)
        return struct.pack("<QII", 0, 0, 0) + attributes

    def _setattr(self, request: Request) -> bytes:
        valid, _, handle, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = _SETATTR.unpack_from(
            request.body
        )
        path = self._inode(request.node).path
        if valid & (2 | 4):
            os.chown(path, uid if valid & 2 else -1, gid if valid & 4 else -1)
        if valid & 1:
            os.chmod(path, stat.S_IMODE(mode))
        if valid & 8:
            os.truncate(self._handles[handle] if valid & 64 else path, size)
        if valid & (16 | 32):
            now = os.fstat(self._inode(request.node).fd)
            clock = time.time_ns()
            access = clock if valid & 128 else atime * 10**9 + atime_ns if valid & 16 else now.st_atime_ns
            change = clock if valid & 256 else mtime * 10**9 + mtime_ns if valid & 32 else now.st_mtime_ns
            os.utime(path, ns=(access, change))
        return struct.pack("<QII", 0, 0, 0) + self._attr(request.node)

    def _readlink(self, request: Request) -> bytes:
        return os.fsencode(os.readlink("", dir_fd=self._inode(request.node).fd))

    def _own(self, request: Request, name: bytes) -> None:
        """What root made here belongs to who asked for it; a set-group-id folder gives its group."""
        parent = self._inode(request.node).fd
        group = -1 if os.fstat(parent).st_mode & stat.S_ISGID else request.gid
        if request.uid or group > 0:
            os.chown(name, request.uid, group, dir_fd=parent, follow_symlinks=False)

    def _made(self, request: Request, name: bytes) -> bytes:
        self._own(request, name)
        return self._entry(request.node, name)

    def _symlink(self, request: Request) -> bytes:
        name = request.name()
        os.symlink(request.name(len(name) + 1), name, dir_fd=self._inode(request.node).fd)
        return self._made(request, name)

    def _mknod(self, request: Request) -> bytes:
        mode, device = struct.unpack_from("<II", request.body)
        name = request.name(16)
        os.mknod(name, mode, device, dir_fd=self._inode(request.node).fd)
        return self._made(request, name)

    def _mkdir(self, request: Request) -> bytes:
        mode = struct.unpack_from("<I", request.body)[0]
        name = request.name(8)
        os.mkdir(name, stat.S_IMODE(mode), dir_fd=self._inode(request.node).fd)
        return self._made(request, name)

    def _unlink(self, request: Request) -> bytes:
        os.unlink(request.name(), dir_fd=self._inode(request.node).fd)
        return b""

    def _rmdir(self, request: Request) -> bytes:
        os.rmdir(request.name(), dir_fd=self._inode(request.node).fd)
        return b""

    def _rename_at(self, request: Request, at: int) -> bytes:
        target = struct.unpack_from("<Q", request.body)[0]
        old = request.name(at)
        new = request.name(at + len(old) + 1)
        os.rename(old, new, src_dir_fd=self._inode(request.node).fd, dst_dir_fd=self._inode(target).fd)
        return b""

    def _rename(self, request: Request) -> bytes:
        return self._rename_at(request, 8)

    def _rename2(self, request: Request) -> bytes:
        if struct.unpack_from("<I", request.body, 8)[0]:
            raise OSError(errno.EINVAL, "no flags")
        return self._rename_at(request, 16)

    def _link(self, request: Request) -> bytes:
        old = struct.unpack_from("<Q", request.body)[0]
        name = request.name(8)
        os.link(self._inode(old).path, name, dst_dir_fd=self._inode(request.node).fd, follow_symlinks=True)
        return self._entry(request.node, name)

    def _keep(self, handle: Any) -> bytes:
        number, self._next_handle = self._next_handle, self._next_handle + 1
        self._handles[number] = handle
        return struct.pack("<QII", number, 0, 0)

    def _open(self, request: Request) -> bytes:
        flags = struct.unpack_from("<I", request.body)[0] & ~_NOT_HERE
        return self._keep(os.open(self._inode(request.node).path, flags | os.O_CLOEXEC))

    def _create(self, request: Request) -> bytes:
        flags, mode = struct.unpack_from("<II", request.body)
        name = request.name(16)
        parent = self._inode(request.node).fd
        flags = (flags & ~(os.O_APPEND | os.O_DIRECT)) | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            handle = os.open(name, flags | os.O_EXCL, stat.S_IMODE(mode), dir_fd=parent)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            handle = os.open(name, flags, dir_fd=parent)
        else:
            os.fchmod(handle, stat.S_IMODE(mode))
            self._own(request, name)
        return self._entry(request.node, name) + self._keep(handle)

    def _read(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        return os.pread(self._handles[handle], size, offset)

    def _write(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        return struct.pack("<II", os.pwrite(self._handles[handle], memoryview(request.body)[40 : 40 + size], offset), 0)

    def _statfs(self, _request: Request) -> bytes:
        size = self._capacity() if self._capacity else {}
        blocks = [size.get(key, 0) // 4 for key in ("kbytestotal", "kbytesfree", "kbytesavail")]
        files = [size.get(key, 0) for key in ("filestotal", "filesfree")]
        return struct.pack("<5Q4I6I", *blocks, *files, 4096, 255, 4096, 0, *([0] * 6))

    def _release(self, request: Request) -> bytes:
        handle = self._handles.pop(struct.unpack_from("<Q", request.body)[0])
        if isinstance(handle, int):
            os.close(handle)
        return b""

    def _flush(self, _request: Request) -> bytes:
        return b""

    def _fsync(self, request: Request) -> bytes:
        os.fsync(self._handles[struct.unpack_from("<Q", request.body)[0]])
        return b""

    def _setxattr(self, request: Request) -> bytes:
        size, flags = struct.unpack_from("<II", request.body)
        name = request.name(8)
        start = 8 + len(name) + 1
        os.setxattr(self._inode(request.node).path, name, request.body[start : start + size], flags)
        return b""

    def _getxattr(self, request: Request) -> bytes:
        return _sized(request, os.getxattr(self._path(request), request.name(8)))

    def _listxattr(self, request: Request) -> bytes:
        return _sized(request, b"".join(os.fsencode(name) + b"\0" for name in os.listxattr(self._path(request))))

    def _removexattr(self, request: Request) -> bytes:
        os.removexattr(self._inode(request.node).path, request.name())
        return b""

    def _path(self, request: Request) -> str:
        if self.folder is None:
            raise OSError(errno.ENOTSUP, "no attributes")
        return self._inode(request.node).path

    def _opendir(self, request: Request) -> bytes:
        entries: list[tuple[bytes, int, int]] = [(b".", 4, request.node), (b"..", 4, 1)]
        if self.folder is not None:
            with os.scandir(self._inode(request.node).path) as found:
                entries += [(os.fsencode(e.name), _type(e), e.inode()) for e in found]
        return self._keep(entries)

    def _readdir(self, request: Request) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", request.body)
        answer = b""
        for at, (name, kind, inode) in enumerate(self._handles[handle][offset:], offset + 1):
            entry = struct.pack("<QQII", inode, at, len(name), kind) + name
            entry += b"\0" * (-len(entry) % 8)
            if len(answer) + len(entry) > size:
                break
            answer += entry
        return answer


#: By number, so that a class with more to do may have its own.
_OPERATIONS: dict[int, str] = {
    1: "_lookup",
    2: "_forget_one",
    3: "_getattr",
    4: "_setattr",
    5: "_readlink",
    6: "_symlink",
    8: "_mknod",
    9: "_mkdir",
    10: "_unlink",
    11: "_rmdir",
    12: "_rename",
    13: "_link",
    14: "_open",
    15: "_read",
    16: "_write",
    17: "_statfs",
    18: "_release",
    20: "_fsync",
    21: "_setxattr",
    22: "_getxattr",
    23: "_listxattr",
    24: "_removexattr",
    25: "_flush",
    26: "_init",
    27: "_opendir",
    28: "_readdir",
    29: "_release",
    35: "_create",
    42: "_forget_many",
    45: "_rename2",
}


def _attributes(info: os.stat_result) -> bytes:
    seconds = [ns // 10**9 for ns in (info.st_atime_ns, info.st_mtime_ns, info.st_ctime_ns)]
    rest = [ns % 10**9 for ns in (info.st_atime_ns, info.st_mtime_ns, info.st_ctime_ns)]
    return _ATTR.pack(
        info.st_ino,
        info.st_size,
        info.st_blocks,
        *seconds,
        *rest,
        info.st_mode,
        info.st_nlink,
        info.st_uid,
        info.st_gid,
        info.st_rdev & 0xFFFFFFFF,
        4096,
        0,
    )


def _type(entry: os.DirEntry[str]) -> int:
    return 10 if entry.is_symlink() else 4 if entry.is_dir(follow_symlinks=False) else 8


def _sized(request: Request, value: bytes) -> bytes:
    size = struct.unpack_from("<I", request.body)[0]
    if size == 0:
        return struct.pack("<II", len(value), 0)
    if len(value) > size:
        raise OSError(errno.ERANGE, "too small")
    return value
