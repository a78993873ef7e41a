# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules that DKMS builds on the node, and why a build failed.

The package manager succeeds although the build failed (the Debian package's script ignores
it), so the state must be asked for.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TREE = "/var/lib/dkms"
TAIL = 30
#: dkms 3 prints ``name/version, kernel, arch: state``, dkms 2 ``name, version, kernel, arch: state``; both ``name/version: added``.
_LINE = re.compile(
    r"(?P<name>[^,/\s]+)(?:/|, )(?P<version>[^,:\s]+)(?:, (?P<kernel>[^,:\s]+), (?P<arch>[^,:\s]+))?: (?P<state>[a-z]+)(?P<rest>.*)"
)
_NOISE = re.compile(r"(?:Deprecated feature|Warning|Error!)")


@dataclass(frozen=True)
class Build:
    """One module for one kernel; without a kernel it is known to DKMS (``added``) and built for none."""

    name: str
    version: str
    kernel: str
    state: str


def status(run: Runner) -> list[Build]:
    """All builds of modules whose names begin with ``lustre``."""
    argv = ("dkms", "status")
    rc, out, err = run(argv, None, 60.0)
    if rc != 0:
        raise ToolError("ask DKMS for its modules", argv, rc, out, err)
    return [build for build in parse(out) if build.name.startswith("lustre")]


def parse(out: str) -> list[Build]:
    found = []
    for line in out.splitlines():
        if not line.strip() or _NOISE.match(line):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise UnknownOutput("dkms", "the state of its modules", line)
        found.append(Build(match["name"], match["version"], match["kernel"] or "", match["state"]))
    return found


def log_of(name: str, version: str, tree: str = TREE) -> tuple[str, list[str]]:
    """The newest make.log of a module and its last lines; an empty name when there is none."""
    places = [os.path.join(tree, name, version, "build", "make.log")]
    places += glob.glob(os.path.join(glob.escape(os.path.join(tree, name, version)), "*", "*", "log", "make.log"))
    logs = sorted((path for path in places if os.path.isfile(path)), key=os.path.getmtime)
    if not logs:
        return "", []
    with open(logs[-1], encoding="utf-8", errors="replace") as stream:
        return logs[-1], stream.read().splitlines()[-TAIL:]
