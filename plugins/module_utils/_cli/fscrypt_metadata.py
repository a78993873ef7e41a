# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files in which the program fscrypt keeps wrapped keys, and a second copy of them, in a program that stands alone.

``MOUNT/.fscrypt/policies/POLICY`` has the key of a directory, wrapped once for each protector, and ``protectors/PROTECTOR``
what opens one. Who loses either has lost the data. So they are copied to the node (``backup``), root's alone, and put
back where they are missing (``restore``). Neither ever writes over anything: a copy that is no longer the same is kept
beside the new one, and a file on the mount that is there stays.

fscrypt_files.py sends this text to a Python of its own, for the same reasons as fscrypt.py does. It imports nothing but the
standard library. What is in the files never leaves that process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import struct
import sys
import tempfile
from typing import Any, Callable, Iterator, Mapping

BASE = ".fscrypt"
REPLACED = "replaced"
#: The program itself takes no larger file for metadata.
LARGEST = 16384
_NAME = re.compile(r"policies/[0-9a-f]{32}\Z|protectors/[0-9a-f]{16}\Z")
_GET_POLICY_EX = 0xC0096616


class Unusable(Exception):
    """What metadata are not; the sentence goes to the administrator."""


def policy_of(path: str) -> str:
    """The descriptor of a directory's policy of version 2; "" when it has none."""
    argument = bytearray(struct.pack("<Q", 24) + bytes(24))
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.ioctl(fd, _GET_POLICY_EX, argument, True)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        return ""
    finally:
        os.close(fd)
    return argument[16:32].hex() if argument[8] == 2 else ""


# The files: messages of protocol buffers, of which only names matter here


def fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """``(number, bytes)`` of each field; a number's own value is not needed, so it comes without. Unusable when torn."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            _value, at = _varint(data, at)
            yield number, b""
            continue
        if kind != 2:
            raise Unusable("it is no metadata file of fscrypt")
        length, at = _varint(data, at)
        if at + length > len(data):
            raise Unusable("it is cut off")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
        shift += 7
    raise Unusable("it is cut off")


def opened_by(name: str, data: bytes) -> list[str]:
    """The protectors of a policy's file, none of a protector's; Unusable when it is not the whole file of this name."""
    folder, _slash, descriptor = name.partition("/")
    parts = list(fields(data))
    if [part for number, part in parts if number == 1] != [descriptor.encode()]:
        raise Unusable("it is the file of another name")
    wrapped = [part for number, part in parts if number == (3 if folder == "policies" else 7)]
    if not wrapped:
        raise Unusable("there is no key in it")
    if folder != "policies":
        return []
    found = [part.decode("ascii", "replace") for each in wrapped for number, part in fields(each) if number == 1]
    if len(found) != len(wrapped) or not all(_NAME.match(f"protectors/{one}") for one in found):
        raise Unusable("its protectors have no names")
    return found


def read(folder: str, name: str) -> bytes:
    """A whole metadata file below ``folder``; FileNotFoundError, or Unusable when it is not one."""
    if not _NAME.match(name):
        raise Unusable(f"{name!r} is no name of metadata")
    fd = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as stream:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Unusable("it is not a regular file")
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Unusable("it is larger than metadata are")
    opened_by(name, data)
    return data


def _sound(folder: str, name: str) -> tuple[str, bytes]:
    """``sound`` with what is in it, ``missing``, or what is wrong with it."""
    try:
        return "sound", read(folder, name)
    except FileNotFoundError:
        return "missing", b""
    except NotADirectoryError:
        return "missing", b""
    except Unusable as error:
        return str(error), b""


# What is asked for by name: each takes a request and gives plain data


def look(request: Mapping[str, Any], policy: Callable[[str], str] = policy_of) -> dict[str, Any]:
    """By mount: the policies of its directories (``paths``), and how their files are there and in the backup (``folder``)."""
    return {
        mount: {
            "policies": {path: policy(path) for path in asked["paths"]},
            "files": _files(mount, asked["folder"], [policy(path) for path in asked["paths"]]),
        }
        for mount, asked in request["mounts"].items()
    }


def _files(mount: str, folder: str, policies: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    names = [f"policies/{policy}" for policy in dict.fromkeys(policies) if policy]
    while names:
        name = names.pop(0)
        if name in found:
            continue
        live, data = _sound(f"{mount}/{BASE}", name)
        copy, copied = _sound(folder, name)
        opens = opened_by(name, data or copied) if data or copied else []
        found[name] = {"live": live, "copy": copy, "same": bool(data) and data == copied, "protectors": opens}
        names += [f"protectors/{one}" for one in opens]
    return found


def backup(request: Mapping[str, Any], policy: Callable[[str], str] = policy_of) -> dict[str, Any]:
    """Copy the metadata of all ``paths`` of a ``mount`` into ``folder``; what was there with another content is kept."""
    mount, folder, copied = request["mount"], request["folder"], []
    for path in request["paths"]:
        descriptor = policy(path)
        if not descriptor:
            raise Unusable(f"{path} has no policy of version 2")
        opens = opened_by(name := f"policies/{descriptor}", _needed(mount, name))
        there = [one for one in opens if os.path.lexists(f"{mount}/{BASE}/protectors/{one}")]
        if not there:
            raise Unusable(f"no protector of {path} is in {mount}/{BASE}")
        copied += [name, *(f"protectors/{one}" for one in there)]
    for name in dict.fromkeys(copied):
        _keep(folder, name, _needed(mount, name))
    return {"copied": list(dict.fromkeys(copied))}


def _needed(mount: str, name: str) -> bytes:
    try:
        return read(f"{mount}/{BASE}", name)
    except (OSError, Unusable) as error:
        raise Unusable(f"{mount}/{BASE}/{name} cannot be used: {error}") from None


def _keep(folder: str, name: str, data: bytes) -> None:
    state, before = _sound(folder, name)
    if state == "sound" and before == data:
        return
    for part in (folder, os.path.dirname(f"{folder}/{name}"), f"{folder}/{REPLACED}"):
        os.makedirs(part, mode=0o700, exist_ok=True)
    if state != "missing":
        with open(f"{folder}/{name}", "rb") as stream:
            mark = hashlib.sha256(stream.read()).hexdigest()[:12]
        os.rename(f"{folder}/{name}", f"{folder}/{REPLACED}/{name.replace('/', '-')}-{mark}")
    _put(folder, os.path.dirname(f"{folder}/{name}"), f"{folder}/{name}", data)
    if read(folder, name) != data:
        raise Unusable(f"{folder}/{name} does not hold what was written")


def restore(request: Mapping[str, Any], policy: Callable[[str], str] = policy_of) -> dict[str, Any]:
    """Put ``names`` from the backup in ``folder`` to where they are missing on ``mount``; what is there stays as it is."""
    base = f"{request['mount']}/{BASE}"
    for name in request["names"]:
        data = read(request["folder"], name)
        _put(base, os.path.dirname(f"{base}/{name}"), f"{base}/{name}", data)
    return {"restored": list(request["names"])}


def _put(scratch: str, folder: str, path: str, data: bytes) -> None:
    """A new file, whole or not at all, root's alone; FileExistsError where there is one. ``scratch``: where it is written first."""
    handle, temporary = tempfile.mkstemp(prefix=".lustre-", dir=scratch)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, path)
    finally:
        os.unlink(temporary)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # not every file system takes it, and the link is there
        os.fsync(fd)
    os.close(fd)


_OPERATIONS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "look": look,
    "backup": backup,
    "restore": restore,
}


def run(request: Mapping[str, Any]) -> int:
    """Exit code for one request; a JSON object on one line says the rest, as fscrypt_ioctl.py does it."""
    try:
        code, told = 0, _OPERATIONS[request["do"]](request)
    except OSError as error:
        number = error.errno or errno.EIO
        code, told = 1, {"errno": number, "error": f"{os.strerror(number)}: {error.filename}"}
    except Unusable as error:
        code, told = 1, {"errno": None, "error": str(error)}
    sys.stdout.write(json.dumps(told) + "\n")
    return code
