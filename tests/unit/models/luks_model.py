"""LUKS containers on a server's disks, as cryptsetup makes, opens and marks them.

From the recordings ``luks/*``.  What must never happen asserts: a format over anything but zeros or with a key that is in no
lasting file, zeros over the ends of a container that was ever used, a copy of a header that still says ``lustre-new``.
"""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_state import KeyFile, Local, digest
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_want import key_problem
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.models.disk_model import SPAN, Disk, DiskModel

OFFSET = 16 << 20
GENERATOR = "/lib/systemd/system-generators/systemd-cryptsetup-generator"


def header(label: str, subsystem: str = "lustre", uuid: str = "0", version: int = 2) -> bytes:
    """The header of a container with its checksum, 16 KiB."""
    made = bytearray(16384)
    made[:8] = b"LUKS\xba\xbe" + version.to_bytes(2, "big")
    made[8:16] = len(made).to_bytes(8, "big")
    for at, text in ((24, label), (72, "sha256"), (168, uuid), (208, subsystem)):
        made[at : at + len(text)] = text.encode()
    made[448:480] = hashlib.sha256(made).digest()
    return bytes(made)


@dataclass
class Container:
    """``inner``: what is seen when it is open; a new one shows noise. ``used``: somebody has written into it."""

    label: str
    subsystem: str
    uuid: str
    key: bytes
    inner: Disk
    version: int = 2
    damaged: bool = False
    used: bool = False
    tail: bool = False

    def bytes(self) -> bytes:
        made = header(self.label, self.subsystem, self.uuid, self.version)
        return made[:-1] + b"!" if self.damaged else made


@dataclass
class LuksModel(DiskModel):
    """``opened``: names below /dev/mapper and the disks they are on; ``keys``: key files."""

    containers: dict[str, Container] = field(default_factory=dict)
    opened: dict[str, str] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    copies: dict[str, bytes] = field(default_factory=dict)
    crypttab: str = ""
    folder: bool = False
    systemd: bool = True
    generator: bool = True
    key_in: str = "ext4"
    writes: list[str] = field(default_factory=list)
    die_at: int = 0

    def local(self) -> Local:
        return Local(self._key, self._exists, lambda path: len(self.copies[path]), lambda _path: self.crypttab)

    def _key(self, path: str) -> KeyFile:
        if path in self.problems:
            return KeyFile(True, problem=self.problems[path])
        raw = self.keys.get(path)
        if raw is None:
            return KeyFile(False)
        problem = key_problem(raw)
        return KeyFile(True, "" if problem else digest(raw), problem)

    def _exists(self, path: str) -> bool:
        known = {"/etc/lustre/luks": self.folder, "/run/systemd/system": self.systemd, GENERATOR: self.generator}
        return known.get(path, path in self.keys or path in self.copies)

    def write(self, change: FileWrite) -> None:
        self._live()
        self.writes.append(change.path)
        if change.path == "/etc/crypttab":
            self.crypttab = str(change.content)
            return
        assert change.path not in self.keys and change.mode == 0o600 and change.exact
        assert isinstance(change.content, bytes)
        self.keys[change.path] = change.content

    def _live(self) -> None:
        """The node loses power right before the N-th change."""
        if self.die_at:
            self.die_at -= 1
            if not self.die_at:
                raise KeyboardInterrupt

    # ---- the kernel's files ----

    def text(self, path: str) -> str:
        text = super().text(path)
        if path == "/proc/self/mountinfo":
            text += f"91 29 0:90 / /etc rw - {self.key_in} x rw\n"
        return text

    def names(self, path: str) -> list[str]:
        if path.endswith("/holders"):
            number = path.split("/")[-2]
            return [self.containers[d].inner.kname for d in self.opened.values() if self.disks[d].number == number]
        return super().names(path)

    def head(self, path: str, length: int) -> bytes:
        if path in self.containers:
            return self.containers[path].bytes()[:length]
        if path in self.copies:
            return self.copies[path][:length]
        if path.startswith("/etc/lustre/luks/"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return super().head(path, length)

    def ends(self, path: str) -> Ends:
        if path in self.opened.values():
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        return Ends(self.disks[path].size, 0) if path in self.containers else super().ends(path)

    # ---- programs ----

    def _blkid(self, argv: list[str]) -> Result:
        if argv[-1] in self.containers:
            return Result(0, f"DEVNAME={argv[-1]}\nVERSION=2\nTYPE=crypto_LUKS\nUSAGE=crypto\n", "")
        return super()._blkid(argv)

    def _cryptsetup(self, argv: list[str]) -> Result:
        verb = argv[1]
        if verb != "status":
            self._live()
            self.calls.append(tuple(argv))
        return getattr(self, f"_crypt_{verb}")(argv)

    def _crypt_status(self, argv: list[str]) -> Result:
        device = self.opened.get(argv[2])
        if device is None:
            return Result(4, f"/dev/mapper/{argv[2]} is inactive.\n", "")
        kname = self.disks[device].kname
        said = f"/dev/mapper/{argv[2]} is active.\n  type:    LUKS2\n  cipher:  aes-xts-plain64\n  device:  /dev/{kname}\n  mode:    read/write\n"
        return Result(0, said, "")

    def _crypt_luksFormat(self, argv: list[str]) -> Result:
        device, given = argv[-1], dict(zip(argv, argv[1:]))
        disk, key = self.disks[device], self.keys[given["--key-file"]]
        assert disk.holds == "" and device not in self.containers, f"luksFormat over {disk}"
        assert not key_problem(key) and self.key_in not in ("tmpfs", "lustre")
        number = len(self.containers) + 1
        inner = Disk(f"dm-{number}", f"253:{number}", "noise", size=disk.size - OFFSET)
        uuid = f"{number:08d}-made"
        self.containers[device] = Container(given["--label"], given["--subsystem"], uuid, key, inner)
        return Result(0, "", "")

    def _crypt_open(self, argv: list[str]) -> Result:
        if "--test-passphrase" in argv:
            fits = self.containers[argv[-1]].key == self.keys[argv[argv.index("--key-file") + 1]]
            return Result(0, "", "") if fits else Result(2, "", "No key available with this passphrase.\n")
        device, name, key = argv[-2], argv[-1], self.keys[argv[argv.index("--key-file") + 1]]
        if self.containers[device].key != key:
            return Result(2, "", "No key available with this passphrase.\n")
        assert name not in self.opened and device not in self.opened.values()
        self.opened[name] = device
        self.disks[f"/dev/mapper/{name}"] = self.containers[device].inner
        return Result(0, "", "")

    def _crypt_config(self, argv: list[str]) -> Result:
        given = dict(zip(argv, argv[1:]))
        container = self.containers[argv[-1]]
        container.label, container.subsystem = given.get("--label", ""), given.get("--subsystem", "")
        return Result(0, "", "")

    def _crypt_luksHeaderBackup(self, argv: list[str]) -> Result:
        path = argv[argv.index("--header-backup-file") + 1]
        if path in self.copies:
            return Result(1, "", f"Requested header backup file {path} already exists.\n")
        assert self.folder and self.containers[argv[-1]].subsystem != "lustre-new"
        self.copies[path] = self.containers[argv[-1]].bytes()
        return Result(0, "", "")

    def _install(self, argv: list[str]) -> Result:
        self._live()
        assert argv == "install -d -m 0700 -o root -g root -- /etc/lustre/luks".split()
        self.folder = True
        return Result(0, "", "")

    def _systemctl(self, argv: list[str]) -> Result:
        assert argv == ["systemctl", "daemon-reload"]
        return Result(0, "", "")

    def _dd(self, argv: list[str]) -> Result:
        self._live()
        self.calls.append(tuple(argv))
        words = dict(word.split("=", 1) for word in argv[1:])
        container = self.containers[self.opened[words["of"].rpartition("/")[2]]]
        assert not container.used and container.subsystem == "lustre-new", f"zeros over {container}"
        assert "nocreat" in words["conv"] and int(words["bs"]) == SPAN and words["count"] == "1"
        if "seek" in words:
            assert int(words["seek"]) == container.inner.size - SPAN
            container.tail = True
        elif container.tail:
            container.inner.holds = ""
        return Result(0, "", "")
