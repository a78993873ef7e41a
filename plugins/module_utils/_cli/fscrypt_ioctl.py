# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's fscrypt ioctls (version 2 policies), in a program that stands alone.

A Lustre mount whose servers are away holds whoever touches it where no signal reaches, so
no module does these calls itself: fscrypt.py sends this text to a Python of its own, by
standard input and with a bound. ``lustre.core.lustre_encryption`` installs the same file
for the unit that unlocks at boot. It imports nothing but the standard library.

Numbers and layouts are those of linux/fscrypt.h; Lustre takes the same (recorded on 2.17.0).
On Lustre every call answers EOPNOTSUPP where encryption is off (mounted with noencrypt, or
the MDT did not grant it), ENOTTY where the client was built without it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import fcntl
import hashlib
import hmac
import json
import os
import stat
import struct
import sys
from typing import Any, Callable, Iterator, Mapping

#: (descriptor, request, argument that the kernel may fill): fcntl.ioctl, or what a test puts there.
Ioctl = Callable[[int, int, bytearray], int]

SET_POLICY = 0x800C6613
GET_POLICY_EX = 0xC0096616
ADD_KEY = 0xC0506617
REMOVE_KEY = 0xC0406618
REMOVE_KEY_ALL_USERS = 0xC0406619
KEY_STATUS = 0xC080661A

KEY_SIZE = 64
IDENTIFIER_SIZE = 16
POLICY_V2 = 2
_V2 = struct.Struct("<BBBBB3s16s")
_SPEC_IDENTIFIER = 2
ABSENT, PRESENT, INCOMPLETE = 1, 2, 3
BUSY, OTHER_USERS = 1, 2
#: One record per key, kept by the module; see encryption_record.py.
RECORDS = "/etc/lustre/encryption"
#: More names of a directory or of open files than these say nothing new.
NAMES = 5
#: The kernel's answers that say something about encryption here, by one name each (Python has two for the first).
_ANSWERS = {
    errno.EOPNOTSUPP: "EOPNOTSUPP",
    errno.ENOTTY: "ENOTTY",
    errno.EINVAL: "EINVAL",
    errno.EOVERFLOW: "EOVERFLOW",
}
#: The largest text form of a key (hexadecimal) and some blanks.
_LONGEST_KEY_FILE = 160


class Unusable(Exception):
    """What a key or a key file is not; the sentence goes to the administrator."""


def key_of(content: bytes) -> bytes:
    """A key's 64 bytes: as they are, or written in base64 or hexadecimal. Never shows them in an error."""
    if len(content) == KEY_SIZE:
        return content
    text = b"".join(content.split())
    for read in (binascii.unhexlify, _base64):
        with contextlib.suppress(ValueError):
            key = read(text)
            if len(key) == KEY_SIZE:
                return key
    raise Unusable(f"it is not {KEY_SIZE} bytes, and not those in base64 or hexadecimal")


def _base64(text: bytes) -> bytes:
    return base64.b64decode(text, validate=True)


def identifier(key: bytes) -> str:
    """The name that the kernel gives a key of version 2: HKDF-SHA512 of it without salt, the info ``fscrypt`` NUL 1."""
    extracted = hmac.new(bytes(64), key, hashlib.sha512).digest()
    return hmac.new(extracted, b"fscrypt\0\x01\x01", hashlib.sha512).digest()[:IDENTIFIER_SIZE].hex()


def policy(contents: int, filenames: int, name: str, flags: int = 3) -> bytes:
    """A policy of version 2; flags 3: names are padded to 32 bytes, as the fscrypt program does it."""
    return _V2.pack(POLICY_V2, contents, filenames, flags, 0, b"", bytes.fromhex(name))


# The calls. ``fd``: the directory, or for keys anything on the same mount.


def add_key(ioctl: Ioctl, fd: int, key: bytes) -> str:
    """Give the mount a key; the kernel's identifier of it. A second time is no error."""
    argument = bytearray(struct.pack("<II32sII32x", _SPEC_IDENTIFIER, 0, b"", len(key), 0) + key)
    try:
        ioctl(fd, ADD_KEY, argument)
        return bytes(argument[8 : 8 + IDENTIFIER_SIZE]).hex()
    finally:
        argument[80:] = bytes(len(key))


def set_policy(ioctl: Ioctl, fd: int, wanted: bytes) -> None:
    ioctl(fd, SET_POLICY, bytearray(wanted))


def get_policy(ioctl: Ioctl, fd: int) -> bytes | None:
    """The directory's policy, of whatever version; None when it has none (ENODATA)."""
    room = 24
    argument = bytearray(struct.pack("<Q", room) + bytes(room))
    try:
        ioctl(fd, GET_POLICY_EX, argument)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        raise
    return bytes(argument[8 : 8 + struct.unpack_from("<Q", argument)[0]])


def key_status(ioctl: Ioctl, fd: int, name: str) -> tuple[int, bool, int]:
    """``(ABSENT|PRESENT|INCOMPLETE, added by this user, users who added it)``."""
    argument = bytearray(struct.pack("<II16s104x", _SPEC_IDENTIFIER, 0, bytes.fromhex(name)))
    ioctl(fd, KEY_STATUS, argument)
    status, flags, users = struct.unpack_from("<III", argument, 64)
    return status, bool(flags & 1), users


def remove_key(ioctl: Ioctl, fd: int, name: str, all_users: bool = True) -> int:
    """Take a key away; the kernel's flags: BUSY when open files keep using it, OTHER_USERS when others keep it."""
    argument = bytearray(struct.pack("<II16s40x", _SPEC_IDENTIFIER, 0, bytes.fromhex(name)))
    ioctl(fd, REMOVE_KEY_ALL_USERS if all_users else REMOVE_KEY, argument)
    return int(struct.unpack_from("<I", argument, 40)[0])


# What is asked for by name: each takes a request and gives plain data.


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def mount_opened(path: str) -> Iterator[int]:
    """The root of the mount that ``path`` lies in. Keys belong to the mount, and an open directory would keep its own."""
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    with opened(path) as fd:
        yield fd


def look(request: Mapping[str, Any], ioctl: Ioctl) -> dict[str, Any]:
    """Directories and key files as they are. ``busy``: those of which open files are wanted."""
    directories = {path: _look_at(path, ioctl) for path in request["paths"]}
    for path in request.get("busy", []):
        if directories[path].get("key") in (PRESENT, INCOMPLETE):
            directories[path]["busy"] = open_files(path)
    return {"directories": directories, "key_files": {path: look_at_key(path) for path in request["key_files"]}}


def _look_at(path: str, ioctl: Ioctl) -> dict[str, Any]:
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"exists": False}
    shown: dict[str, Any] = {"exists": True, "mode": found.st_mode, "uid": found.st_uid, "gid": found.st_gid}
    if not stat.S_ISDIR(found.st_mode):
        return shown
    shown["real"] = os.path.realpath(path)
    with opened(path) as fd:
        try:
            policy_now = get_policy(ioctl, fd)
        except OSError as error:
            if error.errno not in _ANSWERS:
                raise
            shown["refused"] = _ANSWERS[error.errno]
            return shown
        if policy_now is None:
            shown["names"] = _names(fd)
            return shown
        shown["policy"] = policy_now.hex()
        if policy_now[0] == POLICY_V2:
            shown["key"], shown["own"], shown["users"] = key_status(ioctl, fd, policy_now[-IDENTIFIER_SIZE:].hex())
    return shown


def _names(fd: int) -> list[str]:
    """Some names in the directory; none when it is empty."""
    found = []
    with os.scandir(fd) as entries:
        for entry in entries:
            found.append(entry.name.encode("utf-8", "backslashreplace").decode())
            if len(found) == NAMES:
                break
    return sorted(found)


def look_at_key(path: str) -> dict[str, Any]:
    """A key file without what is in it: its key's identifier, or what is wrong with it."""
    try:
        return {"exists": True, "identifier": identifier(read_key(path))}
    except FileNotFoundError:
        return {"exists": False}
    except (Unusable, OSError) as error:
        return {"exists": True, "problem": str(error)}


def read_key(path: str) -> bytes:
    """The key in a regular file that belongs to root alone; Unusable says what is wrong with it."""
    return key_of(read_private(path, _LONGEST_KEY_FILE))


def read_private(path: str, longest: int) -> bytes:
    """What is in such a file, of any kind: at most ``longest`` bytes."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as stream:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise Unusable("it is not a regular file")
        if info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) & 0o077:
            raise Unusable(f"it belongs to user {info.st_uid} and has mode {stat.S_IMODE(info.st_mode):04o}")
        return stream.read(longest)


def open_files(path: str, proc: str = "/proc") -> list[str]:
    """Files below ``path`` that processes of this node have open or stand in, as ``PATH (process 4711, bash)``."""
    inside = path.rstrip("/") + "/"
    found: dict[str, None] = {}
    for pid in sorted((name for name in os.listdir(proc) if name.isdigit()), key=int):
        for link in _links(f"{proc}/{pid}"):
            if (link + "/").startswith(inside):
                found[f"{link} (process {pid}, {_program(f'{proc}/{pid}')})"] = None
                if len(found) == NAMES:
                    return list(found)
    return list(found)


def _links(process: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for name in ["cwd", "root", *(f"fd/{number}" for number in os.listdir(f"{process}/fd"))]:
            with contextlib.suppress(OSError):
                yield os.readlink(f"{process}/{name}")
    # a file that is only mapped has no descriptor any more
    with contextlib.suppress(OSError), open(f"{process}/maps", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            fields = line.rstrip("\n").split(None, 5)
            if len(fields) == 6 and fields[5].startswith("/"):
                yield fields[5]


def _program(process: str) -> str:
    with contextlib.suppress(OSError), open(f"{process}/comm", encoding="utf-8", errors="replace") as stream:
        return stream.read().strip()
    return "gone"


def unlock(request: Mapping[str, Any], ioctl: Ioctl) -> dict[str, Any]:
    """Add the key of ``identifier``, from ``key`` (base64) or ``key_file``; never another one than the wanted."""
    key = key_of(request["key"].encode()) if "key" in request else read_key(request["key_file"])
    if identifier(key) != request["identifier"]:
        raise Unusable(f"the key is {identifier(key)}, wanted is {request['identifier']}")
    with mount_opened(request["path"]) as fd:
        added = add_key(ioctl, fd, key)
    if added != request["identifier"]:
        raise Unusable(f"the kernel calls the key {added}, wanted is {request['identifier']}")
    return {"identifier": added}


def encrypt(request: Mapping[str, Any], ioctl: Ioctl) -> dict[str, Any]:
    """Set the policy of a directory that is empty and has none, and read it back."""
    wanted = bytes.fromhex(request["policy"])
    with opened(request["path"]) as fd:
        if get_policy(ioctl, fd) != wanted and _names(fd):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), request["path"])
        set_policy(ioctl, fd, wanted)
        found = get_policy(ioctl, fd)
    if found != wanted:
        raise Unusable(f"the policy read back is {found.hex() if found else 'none'}, set was {wanted.hex()}")
    return {"policy": wanted.hex()}


def lock(request: Mapping[str, Any], ioctl: Ioctl) -> dict[str, Any]:
    """Take the key away from the mount that the directory lies in."""
    with mount_opened(request["path"]) as fd:
        flags = remove_key(ioctl, fd, request["identifier"])
    return {"busy": bool(flags & BUSY), "other_users": bool(flags & OTHER_USERS)}


_OPERATIONS: Mapping[str, Callable[[Mapping[str, Any], Ioctl], dict[str, Any]]] = {
    "look": look,
    "unlock": unlock,
    "encrypt": encrypt,
    "lock": lock,
}


def _kernel(fd: int, request: int, argument: bytearray) -> int:
    return int(fcntl.ioctl(fd, request, argument, True))


def answer(request: Mapping[str, Any], ioctl: Ioctl = _kernel) -> tuple[int, str]:
    """Exit code and standard output for one request: a JSON object on one line."""
    try:
        return 0, json.dumps(_OPERATIONS[request["do"]](request, ioctl))
    except OSError as error:
        number = error.errno or errno.EIO
        return 1, json.dumps({"errno": number, "error": os.strerror(number)})
    except Unusable as error:
        return 1, json.dumps({"errno": None, "error": str(error)})


def run(request: Mapping[str, Any]) -> int:
    code, text = answer(request)
    sys.stdout.write(text + "\n")
    return code


def key_file_of(path: str, name: str, folder: str = RECORDS) -> str:
    """The file that has the key ``name``: a credential of this unit, or the one that the record of the key tells."""
    credential = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", ""), name)
    if os.environ.get("CREDENTIALS_DIRECTORY") and os.path.exists(credential):
        return credential
    record = f"{folder}/{name}.json"
    try:
        with open(record, encoding="utf-8") as stream:
            entries = json.load(stream)["directories"].values()
        told = [(entry["mounted_at"] != path, entry["key_file"]) for entry in entries if entry["key_file"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"the record {record} tells no key file ({error})") from None
    if not told:
        raise Unusable(f"the record {record} tells no key file: this node was never given one")
    return str(min(told)[1])


def main(words: list[str]) -> int:
    """``unlock DIRECTORY [KEY_FILE]``, ``lock DIRECTORY``, ``status DIRECTORY``: what the unit at boot needs."""
    usage = "usage: fscrypt_ioctl.py unlock DIRECTORY [KEY_FILE] | lock DIRECTORY | status DIRECTORY\n"
    if len(words) not in {"unlock": (2, 3), "lock": (2,), "status": (2,)}.get(words[0] if words else "", ()):
        sys.stderr.write(usage)
        return 2
    try:
        _act(words[0], words[1], *words[2:])
    except (OSError, Unusable) as error:
        sys.stderr.write(f"{words[1]}: {error}\n")
        return 1
    return 0


def _act(action: str, path: str, key_file: str = "") -> None:
    found = _look_at(path, _kernel)
    if action == "status":
        sys.stdout.write(json.dumps(found) + "\n")
        return
    if len(found.get("policy", "")) != 2 * _V2.size:
        raise Unusable(f"has no encryption policy of version 2 ({found.get('refused') or 'none at all'})")
    name = found["policy"][-2 * IDENTIFIER_SIZE :]
    request = {"path": path, "identifier": name}
    if action == "unlock" and found["key"] != PRESENT:
        unlock({**request, "key_file": key_file or key_file_of(path, name)}, _kernel)
    if action == "lock" and found["key"] != ABSENT and lock(request, _kernel)["busy"]:
        raise Unusable(f"is locked for new opens only, these are open: {', '.join(open_files(path))}")


# sent to a Python by standard input, it is called "-", and the request follows this text
if __name__ == "__main__" and sys.argv[0] != "-":
    raise SystemExit(main(sys.argv[1:]))
