# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Do the installed kernel modules fit the kernel that runs?

``modinfo`` looks only among the modules of the running kernel.  So one that it does not
find was built for another kernel (or is not installed), and one that it finds fits when
its vermagic names that kernel, or when the distribution linked it there as compatible
(``weak-updates`` of EL).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

#: A client has the first two; what a server has beside depends on its backend.
CLIENT = ("lnet", "lustre")
SERVER = ("ldiskfs", "osd_ldiskfs", "osd_zfs", "mgs", "mdt", "ofd")


@dataclass(frozen=True)
class ModuleFile:
    """A kernel module on disk, among the modules of the running kernel."""

    name: str
    file: str
    version: str
    vermagic: str

    def fits(self, kernel: str) -> bool:
        return self.vermagic.split(" ", 1)[0] == kernel or f"/{kernel}/weak-updates/" in self.file


def parse(text: str) -> list[ModuleFile]:
    """Blocks of ``modinfo NAME...``, each beginning with ``filename:``."""
    blocks: list[dict[str, str]] = []
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if not colon:
            continue
        if key == "filename":
            blocks.append({})
        if not blocks:
            raise UnknownOutput("modinfo", "kernel modules", line)
        blocks[-1].setdefault(key.strip(), value.strip())
    return [
        ModuleFile(
            block.get("name", ""), block.get("filename", ""), block.get("version", ""), block.get("vermagic", "")
        )
        for block in blocks
    ]


def installed(run: Runner, names: Sequence[str] = CLIENT + SERVER) -> list[ModuleFile]:
    """Those of ``names`` that modinfo finds for the running kernel; a builtin or missing one is left out."""
    argv = ("modinfo", *names)
    rc, out, err = run(argv, None, 30.0)
    complaints = [line for line in err.splitlines() if line.strip() and "not found" not in line]
    if complaints and rc != 0:
        raise ToolError("look up Lustre's kernel modules", argv, rc, out, err)
    return parse(out)
