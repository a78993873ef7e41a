# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is an encrypted directory what it is taken for? Without the key nothing can be read or written, with it everything can.

Proven by trying: a test file of ours is to be written, and a file that is there to be read, each in a process of its own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import file_io, fscrypt, mounts
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt import Seen
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import Check
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: Options, by what is expected of the directories that they list: "" stands for either.
EXPECTED = {"paths": "", "unlocked": "unlocked", "locked": "locked"}
#: What programs say where a key is missing (recorded: fscrypt/ioctl-remove).
NO_KEY = "Required key not available"


@dataclass
class Ciphertext:
    """``expected``: by path on this client whether it is to be "locked" there, "unlocked", or "" for either."""

    run: Runner
    expected: Mapping[str, str]
    read: Callable[[str], str] = text_or_empty
    token: Callable[[], str] = lambda: secrets.token_hex(8)
    checks: list[Check] = field(default_factory=list, init=False)
    usable: list[dict[str, str]] = field(default_factory=list, init=False)

    @classmethod
    def from_options(cls, run: Runner, options: Mapping[str, Sequence[str] | None], **more: Any) -> Ciphertext:
        """Check the lists of paths; BadValue names the entry."""
        expected: dict[str, str] = {}
        for name, state in EXPECTED.items():
            for number, path in enumerate(options.get(name) or ()):
                where = f"{name}[{number}]"
                if not path.startswith("/") or "\x00" in path:
                    raise BadValue(where, f"{path!r} is not an absolute path", "Give one such as /mnt/fs1/vault.")
                if path in expected:
                    raise BadValue(
                        where, f"{path} is there twice", "Name each directory once, with what is expected of it."
                    )
                expected[path] = state
        return cls(run, expected, **more)

    def inspect(self, try_out: bool = True) -> dict[str, Any]:
        """A failure is a check that is not ok, and does not end the others; ``try_out`` False looks at the options only."""
        look = fscrypt.look(self.run, list(self.expected), []) if self.expected and try_out else None
        for path in self.expected:
            if look is not None and self._encrypted(path, look.directories[path]):
                self._tried(path, look.directories[path].key == "present")
        return {
            "healthy": all(check.ok for check in self.checks),
            "checks": [check.public() for check in self.checks],
            "problems": [check.problem for check in self.checks if not check.ok],
            "usable": self.usable,
        }

    def _check(self, name: str, path: str, wanted: str, found: str = "", problem: str = "") -> None:
        self.checks.append(Check(name, path, wanted, found or wanted, problem))

    def _encrypted(self, path: str, seen: Seen) -> bool:
        """Its policy and its key; False where nothing may be tried."""
        table = mounts.parse_mounts(self.read(mounts.TABLE))
        entry = mounts.deepest(table, path)
        if entry is None or entry.client is None:
            problem = f"{path} lies in no mounted Lustre file system. Run the site playbook for this node."
            self._check("encrypted", path, "an encryption policy", "not mounted", problem)
            return False
        if seen.policy is None:
            found = "no policy" if seen.exists else "nothing"
            problem = (
                f"{path} is not encrypted: whatever is written there lies in clear on the servers. Move it into a directory that is."
                if seen.exists
                else f"{path} does not exist. The site playbook makes it, encrypted."
            )
            self._check("encrypted", path, "an encryption policy", found, problem)
            return False
        self._check("encrypted", path, "an encryption policy")
        there = seen.key == "present"
        wanted = self.expected[path]
        if wanted and there != (wanted == "unlocked"):
            problem = f"{path} is to be {wanted} on this node, and its key {seen.policy.identifier} is {seen.key}."
            self._check("key", path, wanted, f"key {seen.key}", problem)
        return True

    def _tried(self, path: str, there: bool) -> None:
        name, wanted = ("usable", "written and read") if there else ("closed", NO_KEY)
        try:
            (self._usable if there else self._closed)(path)
        except LustreError as error:
            self._check(name, path, wanted, "failed", str(error))
        else:
            self._check(name, path, wanted)
            if there:
                self.usable.append({"path": path, **self._inside(path)})

    def _inside(self, path: str) -> dict[str, str]:
        """The same directory as every client calls it, whatever it mounts where."""
        entry = mounts.deepest(mounts.parse_mounts(self.read(mounts.TABLE)), path)
        client = entry.client if entry else None
        if entry is None or client is None:
            return {"fsname": "", "inside": path}
        return {"fsname": client.fsname, "inside": client.subdir + path[len(entry.path.rstrip("/")) :]}

    def _usable(self, path: str) -> None:
        file, text = self._ours(path)
        try:
            file_io.write(self.run, file, text)
            if file_io.read(self.run, file) != text:
                raise Refused(f"trust {file}", "it does not hold what was written", "See the kernel log (dmesg).")
        finally:
            file_io.remove(self.run, file)

    def _closed(self, path: str) -> None:
        """Neither a new file nor a byte of an old one."""
        file, text = self._ours(path)
        try:
            file_io.write(self.run, file, text)
        except ToolError as error:
            if NO_KEY not in error.err:
                raise
        else:
            file_io.remove(self.run, file)
            raise Refused(f"trust {path}", "a file could be written there without the key", "Lock it, and look again.")
        for old in self._some_file(path):
            argv = ("dd", f"if={old}", "of=/dev/null", "bs=4096", "count=1", "status=none")
            rc, out, err = self.run(argv, None, file_io.TIMEOUT)
            if rc == 0:
                raise Refused(f"trust {old}", "it could be read without the key", "Lock it, and look again.")
            if NO_KEY not in err:
                raise ToolError(f"see whether {old} can be read without the key", argv, rc, out, err)

    def _some_file(self, path: str) -> list[str]:
        argv = ("find", path, "-mindepth", "1", "-maxdepth", "1", "-type", "f", "-print0", "-quit")
        rc, out, err = self.run(argv, None, file_io.TIMEOUT)
        if rc != 0:
            raise ToolError(f"find a file in {path}", argv, rc, out, err)
        return [name for name in out.split("\0") if name]

    def _ours(self, path: str) -> tuple[str, str]:
        token = self.token()
        return f"{path.rstrip('/')}/{file_io.PREFIX}{token}", f"a marker {token}\n"
