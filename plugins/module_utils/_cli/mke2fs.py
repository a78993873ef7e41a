# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is this node's e2fsprogs one that knows Lustre's features?

Debian's own mke2fs (1.47.0, recorded) refuses ``dirdata``, without which no MDT can be
formatted; an OST could be, so the failure would come late.  The tool is asked in a dry
run on a scratch file, never on a device.
"""

from __future__ import annotations

import os
import re
import tempfile

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Result, Runner

FEATURE = "dirdata"
_SIZE = 8 * 1024 * 1024
_VERSION = re.compile(r"^mke2fs (?P<version>\S+) \(", re.M)


def lustre_aware(run: Runner, folder: str | None = None) -> tuple[bool, str]:
    """Whether mke2fs accepts ``dirdata``, and its version; UnknownOutput when it says anything else."""
    with tempfile.TemporaryDirectory(prefix="lustre-mke2fs-", dir=folder) as scratch:
        path = os.path.join(scratch, "file")
        with open(path, "wb") as stream:
            stream.truncate(_SIZE)
        return parse(run(("mke2fs", "-n", "-t", "ext4", "-O", FEATURE, path), None, 30.0))


def parse(result: Result) -> tuple[bool, str]:
    """The answer of the dry run; mke2fs names its version and its complaints on standard error."""
    said = result.out + "\n" + result.err
    version = _VERSION.search(said)
    if version is not None and result.rc == 0:
        return True, version["version"]
    if version is not None and re.search(rf"^Invalid filesystem option set: .*\b{FEATURE}\b", said, re.M):
        return False, version["version"]
    raise UnknownOutput("mke2fs", f"a dry run with the feature {FEATURE}", said)
