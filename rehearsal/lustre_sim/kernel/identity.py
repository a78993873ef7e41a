# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client under a nodemap or root squash: what its servers let it mount, and as whom it works in the file system.

Real servers map ids and check permissions themselves. Here the client's own kernel checks (``default_permissions``) with
the ids that it is shown, which are mapped; only a root that is squashed would pass there, so it is checked here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from collections.abc import Callable, Mapping
from typing import Any

from ..sim_error import SimError
from .fuse_files import FuseFiles, Request
from .nodemap import to_client, to_fs

Who = Callable[[], Mapping[str, Any] | None]
_UID_AT, _GID_AT = 68, 72  # in the attributes of an answer
_SET_UID_AT, _SET_GID_AT = 76, 80  # in a setattr request
_LOOKUP, _SETATTR, _LINK, _RENAME, _OPEN, _OPENDIR, _RENAME2 = 1, 4, 13, 12, 14, 27, 45
_IN_FOLDER = (6, 8, 9, 10, 11, _RENAME, _LINK, 35, _RENAME2)
_FREE = (2, 3, 17, 18, 20, 25, 26, 29, 42)  # forget, getattr, statfs, release, ...
#: Operations that change something: setattr, symlink, mknod, mkdir, unlink, rmdir, rename, link, write, xattrs, create.
_CHANGING = frozenset((4, 6, 8, 9, 10, 11, 12, 13, 16, 21, 24, 35, 45))


def changes(opcode: int, body: bytes) -> bool:
    """Whether a request would change the file system, or opens a file for it."""
    if opcode == _OPEN:
        return bool(struct.unpack_from("<I", body)[0] & (os.O_ACCMODE | os.O_TRUNC))
    return opcode in _CHANGING


def admit(mounts: Any, config: Mapping[str, Any], subdir: str, options: list[str], uuid: str) -> dict[str, Any]:
    """What MDT0000 says to this client; an error when its nodemap does not let it in."""
    label = f"{config['fsname']}-MDT0000"
    nid, _numbers = mounts._find(config["targets"][label])
    request = {"fsname": config["fsname"], "subdir": subdir, "options": options, "uuid": uuid, "target": label}
    answer: dict[str, Any] = mounts.node.rpc(nid, {"service": "nodemap.admit", **request})
    return answer


def check_remount(mounts: Any, mount: Any, words: list[str]) -> None:
    """A client that its nodemap lets only read does not become writable (seen: EROFS)."""
    if "ro" not in words and admit(mounts, mounts.configs[mount.fsname], mount.subdir, words, mount.uuid)["ro"]:
        raise SimError(errno.EROFS, f"{mount.path} is for reading")


def refresh(mounts: Any) -> None:
    """A client that works learns what it is now: nodemaps change under mounted file systems."""
    for mount in mounts.clients():
        label = f"{mount.fsname}-MDT0000"
        peer = mounts.peers.get(label, {})
        if peer.get("state") == "FULL":
            request = {"service": "nodemap.identity", "uuid": mount.uuid, "target": label}
            with contextlib.suppress(SimError):
                mount.identity = mounts.node.rpc(peer["nid"], request, 1.5)


class MappedFiles(FuseFiles):
    """The files of a client mount, seen and changed as the nodemap says."""

    def __init__(self, folder: str | None, capacity: Callable[[], dict[str, int]] | None, who: Who) -> None:
        super().__init__(folder, capacity)
        self._who = who
        self._now: Mapping[str, Any] | None = None

    def perform(self, opcode: int, request: Request) -> bytes | None:
        one = self._now = self._who()
        if one is None or opcode in _FREE:
            return super().perform(opcode, request)
        uid, gid = to_fs(one, "uid", request.uid), to_fs(one, "gid", request.gid)
        if one["deny_unknown"] and request.uid != uid == one["squash_uid"]:
            raise OSError(errno.EACCES, "unknown here")
        if uid == 0 and "root_squash" in one:
            uid, gid = one["root_squash"]
        mapped = request._replace(uid=uid, gid=gid, body=_owned(one, opcode, request.body))
        if request.uid == 0 and uid != 0:
            self._check(opcode, mapped)
        return super().perform(opcode, mapped)

    def _attr(self, number: int) -> bytes:
        shown = bytearray(super()._attr(number))
        if self._now is not None:
            for kind, at in (("uid", _UID_AT), ("gid", _GID_AT)):
                struct.pack_into("<I", shown, at, to_client(self._now, kind, struct.unpack_from("<I", shown, at)[0]))
        return bytes(shown)

    def _check(self, opcode: int, request: Request) -> None:
        if opcode == _LOOKUP:
            self._need(request, request.node, 1)
        elif opcode in _IN_FOLDER:
            self._need(request, request.node, 3)
            if opcode in (_RENAME, _RENAME2):
                self._need(request, struct.unpack_from("<Q", request.body)[0], 3)
        elif opcode in (_OPEN, _OPENDIR):
            kind = struct.unpack_from("<I", request.body)[0] & os.O_ACCMODE
            self._need(request, request.node, {os.O_RDONLY: 4, os.O_WRONLY: 2}.get(kind, 6))
        elif opcode == _SETATTR:
            valid = struct.unpack_from("<I", request.body)[0]
            if valid & 8:
                self._need(request, request.node, 2)
            if valid & (1 | 2 | 4) and (valid & 2 or os.fstat(self._inode(request.node).fd).st_uid != request.uid):
                raise OSError(errno.EPERM, "not the owner")

    def _need(self, request: Request, number: int, bits: int) -> None:
        info = os.fstat(self._inode(number).fd)
        mode = stat.S_IMODE(info.st_mode)
        if info.st_uid == request.uid:
            mode >>= 6
        elif info.st_gid == request.gid:
            mode >>= 3
        if mode & bits != bits:
            raise OSError(errno.EACCES, "not allowed")


def _owned(one: Mapping[str, Any], opcode: int, body: bytes) -> bytes:
    """A new owner is said in the client's ids."""
    if opcode != _SETATTR:
        return body
    valid = struct.unpack_from("<I", body)[0]
    changed = bytearray(body)
    for bit, kind, at in ((2, "uid", _SET_UID_AT), (4, "gid", _SET_GID_AT)):
        if valid & bit:
            struct.pack_into("<I", changed, at, to_fs(one, kind, struct.unpack_from("<I", body, at)[0]))
    return bytes(changed)
