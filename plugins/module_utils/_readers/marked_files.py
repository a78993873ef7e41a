# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ciphertext on the servers' devices, the client's part: files of a known random marker, and where their bytes lie.

Of each encrypted directory two files are made, each with one object, both on the same OST: one inside, and one in the first
unencrypted directory above, which proves that a look at the device would find what lies there in clear.
"""

from __future__ import annotations

import posixpath
import secrets
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import file_io, fscrypt, lfs, mounts
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError, Refused
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import Check
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: A whole number of blocks, so that the object is as large as the file.
SIZE = 1 << 20


def marker() -> str:
    """64 letters and digits: nothing else on a disk is equal to it."""
    return secrets.token_hex(32)


@dataclass
class MarkedFiles:
    """``directories``: absolute paths on this client.  Every file that is made is in ``files``, whatever happened then."""

    run: Runner
    directories: Sequence[str] = ()
    read: Callable[[str], str] = text_or_empty
    token: Callable[[], str] = lambda: secrets.token_hex(8)
    marker: Callable[[], str] = marker
    checks: list[Check] = field(default_factory=list, init=False)
    notes: list[str] = field(default_factory=list, init=False)
    files: list[str] = field(default_factory=list, init=False)
    objects: list[dict[str, Any]] = field(default_factory=list, init=False)

    @classmethod
    def from_options(cls, run: Runner, options: Mapping[str, Any], **more: Any) -> MarkedFiles:
        """BadValue names the entry."""
        for number, path in enumerate(options.get("directories") or ()):
            if not path.startswith("/") or "\x00" in path:
                raise BadValue(
                    f"directories[{number}]", f"{path!r} is not an absolute path", "Give one such as /mnt/fs1/vault."
                )
        return cls(run, options.get("directories") or (), **more)

    def write(self) -> dict[str, Any]:
        """What one directory has of problems does not end the others."""
        table = mounts.parse_mounts(self.read(mounts.TABLE)) if self.directories else ()
        for path in self.directories:
            try:
                self._directory(table, path.rstrip("/"))
            except LustreError as error:
                self.checks.append(Check("marker", path, "written", "failed", str(error)))
        return self._told()

    def remove(self, files: Sequence[str]) -> dict[str, Any]:
        """Files that ``write`` named."""
        for file in files:
            try:
                file_io.remove(self.run, file)
            except LustreError as error:
                self.checks.append(Check("marker", file, "removed", "failed", str(error)))
            else:
                self.checks.append(Check("marker", file, "removed", "removed"))
        return self._told()

    def _told(self) -> dict[str, Any]:
        return {
            "healthy": all(check.ok for check in self.checks),
            "checks": [check.public() for check in self.checks],
            "problems": [check.problem for check in self.checks if check.problem],
            "notes": self.notes,
            "files": self.files,
            "objects": self.objects,
            "looked": [],
        }

    def _directory(self, table: Sequence[mounts.MountEntry], path: str) -> None:
        entry = mounts.deepest(table, path)
        if entry is None or entry.client is None:
            raise Refused(f"write a marker into {path}", "it lies in no mounted Lustre file system", "Mount it first.")
        above = list(_above(path, entry.path))
        seen = fscrypt.look(self.run, [path, *above], []).directories
        if seen[path].policy is None or seen[path].key != "present":
            found = "it is not encrypted" if seen[path].policy is None else "its key is not here"
            raise Refused(f"write a marker into {path}", found, "Encrypt or unlock it, and look again.")
        plain = next(
            (one for one in above if seen[one].exists and seen[one].policy is None and not seen[one].foreign), ""
        )
        if not plain:
            self.notes.append(
                f"{path}: there is no unencrypted directory above it in this mount, which a look at a device could be proven by."
            )
            return
        stripe, secret = self._made(path, None)
        control_stripe, control = self._made(plain, stripe.ost)
        if control_stripe.ost != stripe.ost:
            what = f"{self.files[-1]} was made on OST {control_stripe.ost}, not {stripe.ost}"
            raise Refused(f"prove {path}", what, "See `lfs df`: is that OST full or inactive?")
        self.objects.append(
            {
                "directory": path,
                "fsname": entry.client.fsname,
                "ost": stripe.ost,
                "size": SIZE,
                "fid": stripe.fid,
                "marker": secret,
                "control_fid": control_stripe.fid,
                "control_marker": control,
            }
        )  # fmt: skip
        self.checks.append(Check("marker", path, "written", "written"))

    def _made(self, folder: str, ost: int | None) -> tuple[lfs.Stripe, str]:
        file, text = f"{folder.rstrip('/')}/{file_io.PREFIX}{self.token()}", self.marker()
        file_io.require_ours(file)
        self.files.append(file)
        lfs.make_striped(self.run, file, ost)
        file_io.fill(self.run, file, (f"{text}\n" * (SIZE // len(text)))[:SIZE])
        found = lfs.stripes(self.run, file)
        if len(found) != 1:
            raise Refused(f"look for {file} on one OST", f"it has {len(found)} objects", "See `lfs getstripe` of it.")
        return found[0], text


def _above(path: str, top: str) -> Iterator[str]:
    """The directories above a path, up to the mount point."""
    while path != top and len(path) > 1:
        path = posixpath.dirname(path)
        yield path
