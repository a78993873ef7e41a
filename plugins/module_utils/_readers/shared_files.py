# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Test files that one client writes and others read: does everybody see the same file system?"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import file_io, mounts
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError, Refused
from ansible_collections.lustre.core.plugins.module_utils._options import require_known
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import Check
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

ACTIONS = ("write", "read", "remove")
#: How long a client may take to see what another one has written.
PATIENCE, PAUSE = 10.0, 1.0


@dataclass(frozen=True)
class SharedFile:
    """A test file as this client sees it; ``writer`` is the client that writes it, ``owner`` (UID:GID) who does it here, else root."""

    path: str
    content: str
    writer: str = ""
    owner: str = ""

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str) -> SharedFile:
        require_known(options, ("path", "content", "writer", "owner"), path)
        for name in ("path", "content"):
            if not isinstance(options.get(name), str) or not options[name]:
                raise BadValue(f"{path}.{name}", "is missing", "Give it as text.")
        return cls(
            options["path"], options["content"], str(options.get("writer") or ""), str(options.get("owner") or "")
        )


@dataclass
class SharedFiles:
    run: Runner
    files: Sequence[SharedFile]
    read: Callable[[str], str] = text_or_empty
    sleep: Callable[[float], None] = time.sleep
    checks: list[Check] = field(default_factory=list, init=False)

    def act(self, action: str) -> dict[str, Any]:
        """Do one thing with every file; a failure is a check that is not ok, and does not end the others."""
        does = {"write": self._write, "read": self._read, "remove": self._remove}[action]
        for file in self.files:
            wanted, found, problem = (
                {"write": "written", "read": "the content that was written", "remove": "removed"}[action],
                "",
                "",
            )
            try:
                self._require_lustre(file.path)
                does(file)
            except LustreError as error:
                found, problem = "failed", str(error)
            self.checks.append(Check(f"shared {action}", file.path, wanted, found or wanted, problem))
        return {
            "healthy": all(check.ok for check in self.checks),
            "checks": [check.public() for check in self.checks],
            "problems": [check.problem for check in self.checks if not check.ok],
        }

    def _require_lustre(self, path: str) -> None:
        """Never beside the file system, in the empty mount point of one that is not mounted."""
        file_io.require_ours(path)
        table = mounts.parse_mounts(self.read(mounts.TABLE))
        above = [entry for entry in table if path.startswith(entry.path.rstrip("/") + "/")]
        longest = max((len(entry.path) for entry in above), default=0)
        if not any(entry.client for entry in above if len(entry.path) == longest):
            raise Refused(
                f"touch {path}", "no Lustre file system is mounted there", "Run the site playbook for this node."
            )

    def _write(self, file: SharedFile) -> None:
        file_io.write(file_io.as_owner(self.run, file.owner), file.path, file.content)

    def _read(self, file: SharedFile) -> None:
        left, run = PATIENCE, file_io.as_owner(self.run, file.owner)
        while True:
            try:
                found, error = file_io.read(run, file.path), None
            except LustreError as problem:
                found, error = "", problem
            if found == file.content:
                return
            if left <= 0:
                break
            self.sleep(PAUSE)
            left -= PAUSE
        by = f"what {file.writer} has written" if file.writer else "what another client has written"
        raise error or Refused(
            f"trust {file.path}",
            f"it does not hold {by}",
            "The clients do not see the same file system: compare their mounts.",
        )

    def _remove(self, file: SharedFile) -> None:
        file_io.remove(file_io.as_owner(self.run, file.owner), file.path)
