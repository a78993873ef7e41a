# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mounts that stand in the mount table with any source and the type fuse.lustre, served by the daemon itself.

The protocol of /dev/fuse is spoken directly: a ready-made pass-through program (bindfs was tried) names its own
source folder in the mount table, and here the NIDs of an MGS or a device must stand there. Serving it inside the
daemon has two more merits: an unmount is known at once, and a dead "kernel" takes its mounts along.
What the requests do stands in fuse_files.py.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import struct
import threading
from collections.abc import Callable

from ..sim_error import SimError, Unanswered
from .fscrypt import Encryption
from .fuse_encrypted import EncryptedFiles
from .fuse_files import MAX_WRITE, FuseFiles, Request
from .identity import MappedFiles, Who, changes

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME, MS_RELATIME, MS_STRICTATIME = 1, 2, 4, 8, 1024, 1 << 21, 1 << 24
FLAGS = {
    "ro": MS_RDONLY,
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
    "noexec": MS_NOEXEC,
    "noatime": MS_NOATIME,
    "relatime": MS_RELATIME,
    "strictatime": MS_STRICTATIME,
}

_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_BUFFER = MAX_WRITE + (1 << 13)
_FAREWELL = 2.0
_INTERRUPT = 36
# forget, statfs, release, flush, releasedir, batch_forget: what the kernel sends whoever asked for it
_WITHOUT_USER = (2, 17, 18, 25, 29, 42)


class FuseMount:
    """One mount. ``folder`` None = an empty root folder (what a server target shows); ``encryption``: a client's."""

    def __init__(
        self,
        source: str,
        path: str,
        folder: str | None,
        *,
        subtype: str = "lustre",
        options: tuple[str, ...] = (),
        capacity: Callable[[], dict[str, int]] | None = None,
        ended: Callable[[FuseMount], None] | None = None,
        who: Who | None = None,
        encryption: Encryption | None = None,
        gate: Callable[[int], None] | None = None,
        readonly: bool = False,
    ) -> None:
        self.source, self.path = source, path
        self._ended = ended
        self._gate, self._readonly = gate, readonly
        self._files = _files(folder, capacity, who, encryption)
        _allow_many_files()
        self._fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        data = f"fd={self._fuse},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
        flags = 0
        for word in options:
            flags |= FLAGS.get(word, 0)
        try:
            _mount(source, path, f"fuse.{subtype}", flags, data)
        except SimError:
            self._close()
            raise
        self._waiting: set[int] = set()  # requests that are not answered
        self._thread = threading.Thread(target=self._serve, name=f"fuse-{path}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it is still mounted. umount(8) may come back before the server thread has heard of it."""
        if self._thread.is_alive() and not self._in_table():
            self._thread.join(_FAREWELL)  # a lazy unmount of a busy mount lives on, as in reality
        return self._thread.is_alive()

    def _in_table(self) -> bool:
        with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as stream:
            rows = [line.split(" ", 3) for line in stream]
        return any(row[0] == _escaped(self.source) and row[1] == _escaped(self.path) for row in rows)

    def _serve(self) -> None:
        while True:
            try:
                raw = os.read(self._fuse, _BUFFER)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                break  # ENODEV: unmounted
            if len(raw) >= _IN.size:
                self._handle(raw)
        self._close()
        if self._ended is not None:
            self._ended(self)

    def _handle(self, raw: bytes) -> None:
        _, opcode, unique, node, uid, gid, pid, *_ = _IN.unpack_from(raw)
        if opcode == _INTERRUPT:
            self._interrupt(struct.unpack_from("<Q", raw, _IN.size)[0])
            return
        try:
            if uid and self._gate is not None and opcode not in _WITHOUT_USER:
                self._gate(uid)
            if self._readonly and changes(opcode, raw[_IN.size :]):
                raise OSError(errno.EROFS, "this client only reads")
            answer = self._files.perform(opcode, Request(node, uid, gid, raw[_IN.size :], pid))
        except Unanswered:
            self._waiting.add(unique)
        except OSError as error:
            self._answer(unique, error.errno or errno.EIO, b"")
        except (KeyError, ValueError, struct.error):
            self._answer(unique, errno.EIO, b"")
        else:
            if answer is not None:
                self._answer(unique, 0, answer)

    def _interrupt(self, unique: int) -> None:
        """Somebody who waits got a signal. The others were answered before it came."""
        if unique in self._waiting:
            self._waiting.remove(unique)
            self._answer(unique, errno.EINTR, b"")

    def _answer(self, unique: int, number: int, data: bytes) -> None:
        try:
            os.write(self._fuse, _OUT.pack(_OUT.size + len(data), -number, unique) + data)
        except OSError:
            return  # the request was interrupted, or the mount is gone

    def _close(self) -> None:
        self._files.close()
        os.close(self._fuse)


def _files(
    folder: str | None,
    capacity: Callable[[], dict[str, int]] | None,
    who: Who | None,
    encryption: Encryption | None,
) -> FuseFiles:
    if folder is not None and encryption is not None:
        return EncryptedFiles(folder, capacity, who or (lambda: None), encryption)
    return FuseFiles(folder, capacity) if who is None else MappedFiles(folder, capacity, who)


def _allow_many_files() -> None:
    """A descriptor per file that the kernel remembers, and it forgets only when memory is short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _escaped(text: str) -> str:
    """As the mount table writes it."""
    return "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\#" else letter for letter in text)


def _mount(source: str, path: str, kind: str, flags: int, data: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(source), os.fsencode(path), kind.encode(), ctypes.c_ulong(flags), data.encode()) != 0:
        number = ctypes.get_errno()
        raise SimError(number, f"mount of {source} on {path}")
