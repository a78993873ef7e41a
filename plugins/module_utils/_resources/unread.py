# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A Lustre target that Lustre's own tool does not see: what else speaks of one, and what nobody is to be told then.

``tunefs.lustre`` calls an MDT "not formatted" when its libext2fs does not know Lustre's
features (see ``_cli/ext4.py``).  Whoever is then told to wipe the device loses a file
system, so that advice depends on what is found here.
"""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.lustre.core.plugins.module_utils._cli import ext4, mountdata
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Files
from ansible_collections.lustre.core.plugins.module_utils._cli.ext4 import Inside, Superblock
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

WIPE = (
    "Find out first whose data this is: the device path in the site description may be the wrong one. Only if nothing on it is "
    "needed by anybody, wipe it by hand (blkdiscard, or wipefs -a and zeros over its first and last MiB) and run again."
)
#: Told alone wherever a device may carry a target: beside it nobody is to read how to wipe.
KEEP = (
    "Do NOT wipe it. Where tunefs.lustre calls such a device not formatted, it loads a libext2fs that does not know Lustre's features "
    "(`ldd /usr/lib*/lustre/mount_osd_ldiskfs.so` shows which): install the e2fsprogs that the Lustre project publishes, with its "
    "libraries, and run again. If the target is the wrong one for this description, correct the device path."
)
HALF_MADE = (
    "If that was a format of this description, have it wiped (the module lustre.core.wipe, with a consent that names the device) and run again; "
    "if not, leave it alone and correct the device path."
)


class Objection(NamedTuple):
    """Why a device is not proven blank: which probe, what it found, what to do."""

    probe: str
    found: str
    remedy: str


class Trace(NamedTuple):
    """What of a Lustre target is to be seen without Lustre's tools; both None where there is no ext4."""

    superblock: Superblock | None
    inside: Inside | None


def trace(run: Runner, path: str, files: Files) -> Trace:
    """Read the superblock, and ask debugfs only where there is one."""
    found = ext4.superblock(files.head(path, ext4.HEAD))
    return Trace(found, ext4.inside(run, path) if found is not None else None)


def objection_of(found: Trace) -> Objection | None:
    """What an ext4 has of a target: it is one, it may be one, a format left it half-made, or it is somebody else's."""
    if found.superblock is None or found.inside is None:
        return None
    label = mountdata.parse_label(found.superblock.label)
    called = f" labelled {found.superblock.label!r}" if found.superblock.label else ""
    dirdata = ", with the feature dirdata that only an MDT has" if found.superblock.dirdata else ""
    if found.inside.kind == ext4.TARGET:
        return Objection("lustre", f"it carries a Lustre target{called} (CONFIGS/mountdata is there{dirdata})", KEEP)
    if found.inside.kind == ext4.NO_TARGET:
        if half_made(found):
            left = "without Lustre's own data, as a mkfs.lustre leaves it that was killed half-way"
            return Objection("lustre", f"it holds ext4{called} {left}", HALF_MADE)
        if label is not None or dirdata:
            lost = "although its CONFIGS/mountdata is gone: it may be wanted for a repair"
            return Objection("lustre", f"it looks like a Lustre target{called}{dirdata}, {lost}", KEEP)
        return Objection("lustre", f"it holds ext4{called}", WIPE)
    if label is not None or dirdata:
        what = f"it looks like a Lustre target{called}{dirdata} that this node's e2fsprogs cannot read"
    else:
        what = f"it holds ext4{called} that this node's e2fsprogs cannot read, which may be a Lustre target"
    return Objection("lustre", f"{what} ({found.inside.said.rstrip('.')})", KEEP)


def half_made(found: Trace) -> bool:
    """What a mkfs.lustre leaves that was killed: the ext4 under the label of a target that never started, and nothing in it.

    A label without a colon belongs to a target that ran (or to an MGT: its label never changes, so it is never taken for one).
    """
    if found.superblock is None or found.inside is None or found.inside.kind != ext4.NO_TARGET:
        return False
    label = mountdata.parse_label(found.superblock.label)
    return label is not None and f":{label.kind.upper()}" in found.superblock.label
