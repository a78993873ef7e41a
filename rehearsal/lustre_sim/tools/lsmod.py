# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lsmod: the host's own list, with the simulated modules before it."""

from __future__ import annotations

import io
from typing import Any, TextIO

from ..sim_error import SimError
from ._modules import SERVER, lsmod_lines
from ._real import run_real

HEADER = "Module                  Size  Used by\n"


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    listed = io.StringIO()
    complaint = io.StringIO()
    rc = run_real("lsmod", argv, listed, complaint)
    loaded = set(kernel.call("node.loaded"))
    if loaded & {"lnet"}:
        loaded.update(_by_use(kernel, loaded))
    out.write(HEADER)
    out.write("".join(line + "\n" for line in lsmod_lines(loaded)))
    out.write("".join(listed.getvalue().splitlines(keepends=True)[1:]))
    if rc and not loaded:  # a host without /proc/modules: its own tool's complaint
        err.write(complaint.getvalue())
        return rc
    return 0


def _by_use(kernel: Any, loaded: set[str]) -> set[str]:
    """Modules that come with use: the LND of a net, the server's with ldiskfs or a target."""
    found: set[str] = set()
    try:
        nids = kernel.call("lnet.nids")
    except SimError:
        nids = []
    if any("@tcp" in nid for nid in nids):
        found.add("ksocklnd")
    if loaded & {"osd_ldiskfs", "osd_zfs", *SERVER}:
        found.update(SERVER)
    return found
