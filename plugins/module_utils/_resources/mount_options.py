# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Mount options: which may be declared, what fstab gets, and what a live mount can tell about them.

A running mount shows little: 2.17.0 prints ``flock`` or ``noencrypt``, older releases
print an option only where it is set, and ``retry=`` or ``skpath=`` are never shown.  So
only the members of the groups below are compared, and only where the table tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli.systemctl import unit_of_path
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue

if TYPE_CHECKING:
    from ansible_collections.lustre.core.plugins.module_utils._resources.mount_want import MountWant

LNET_UNIT = "lnet.service"
#: At boot mount.lustre itself tries again (32 s and more between two attempts), so that a node
#: that boots before its MGS gets its mounts without anybody's help.
BOOT_RETRIES = 12
#: systemd ends the attempts after this many seconds; its default of 90 s is shorter than one attempt without an MGS.
BOOT_TIMEOUT = 1800


@dataclass(frozen=True)
class Group:
    """Options that exclude each other; ``default`` is what the kernel does when none is given (empty: it depends)."""

    members: tuple[str, ...]
    default: str = ""
    #: The VFS keeps these per mount: a remount changes them.  All others are fixed at mount time:
    #: the client's remount handles read-only and ignores the rest of its options.
    vfs: bool = False
    #: Asked of the servers, which may say no: another value live is no mistake that mounting again repairs.
    negotiated: bool = False
    #: Only ``members[0]`` of the group is ever shown by old releases, when it is set.
    silent_off: bool = False


GROUPS = (
    Group(("ro", "rw"), "rw", vfs=True),
    Group(("nosuid", "suid"), vfs=True),
    Group(("nodev", "dev"), vfs=True),
    Group(("noexec", "exec"), vfs=True),
    Group(("noatime", "relatime", "strictatime"), vfs=True),
    Group(("flock", "localflock", "noflock"), silent_off=True),
    Group(("lazystatfs", "nolazystatfs"), silent_off=True),
    Group(("user_fid2path", "nouser_fid2path"), silent_off=True),
    Group(("user_xattr", "nouser_xattr"), negotiated=True, silent_off=True),
    Group(("checksum", "nochecksum")),
    Group(("lruresize", "nolruresize")),
    Group(("statfs_project", "nostatfs_project")),
    Group(("verbose", "noverbose")),
    Group(("encrypt", "noencrypt"), negotiated=True),
)
_GROUP = {member: group for group in GROUPS for member in group.members}
_KERNEL_WORDS = frozenset(member for group in GROUPS if not group.vfs for member in group.members)
_MANAGED = {
    "noauto": "boot: false",
    "auto": "boot: true",
    "x-systemd.automount": "automount: true",
    "x-systemd.requires": "nothing: LNet is always required",
}
_UNFIT = {
    "remount": "an action, not an option of a mount",
    "bind": "not for Lustre",
    "loop": "not for a device that carries data",
    "abort_recov": "it would throw clients out at every boot; mount once by hand with it",
    "abort_recovery": "it would throw clients out at every boot; mount once by hand with it",
    "nosvc": "it starts no service; mount once by hand with it",
}
_IMPLIED = ("_netdev", "nofail")
_OPTION = re.compile(r"[^\s,]+\Z")


def checked(value: Any, kind: str, path: str) -> tuple[str, ...]:
    """The declared options, each once, in their order; BadValue for what cannot be declared."""
    if isinstance(value, str):
        value = value.split(",")
    found: dict[str, None] = {}
    for number, option in enumerate(value or ()):
        where = f"{path}[{number}]"
        if not isinstance(option, str) or not _OPTION.match(option):
            raise BadValue(
                where, f"{option!r} is not one mount option", "Write one option per entry, without blanks and commas."
            )
        name = option.partition("=")[0]
        if name in _MANAGED:
            raise BadValue(where, f"{option} is decided by another option", f"Say {_MANAGED[name]}.")
        if name in _UNFIT:
            raise BadValue(
                where, f"{option} is {_UNFIT[name]}" if " " in _UNFIT[name] else _UNFIT[name], "Leave it out here."
            )
        group = _GROUP.get(option)
        other = (
            next((member for member in group.members if member in found and member != option), None) if group else None
        )
        if other is not None:
            raise BadValue(where, f"{option} contradicts {other}", "Keep one of them.")
        if option != "defaults" and option not in _IMPLIED:
            found[option] = None
    return tuple(found)


def for_mount(options: Iterable[str]) -> tuple[str, ...]:
    """What a mount by hand gets: without that which only systemd reads, and tried once."""
    return tuple(option for option in options if not option.startswith(("x-", "retry=")))


def for_fstab(want: MountWant, after: Sequence[str]) -> tuple[str, ...]:
    """The options in fstab; ``after`` are paths on this node whose mounts must be tried first.

    ``nofail`` for targets, too: a server whose disk or MGS is away must come up, be reachable
    by SSH and serve its other targets.  It also takes the mount out of what the boot waits for.
    ``requires`` of LNet means both "start it" and "after it", and at shutdown the other way round.
    Other mounts are only ordered (``after``), never required: their target may run on the partner.
    """
    own = {option.partition("=")[0] for option in want.options}
    given = ["_netdev", "nofail", f"x-systemd.requires={LNET_UNIT}"]
    if not want.boot:
        given.append("noauto")
    if want.automount:
        given += ["x-systemd.automount", f"x-systemd.mount-timeout={want.timeout:g}"]
    else:
        given += [f"retry={BOOT_RETRIES}", f"x-systemd.mount-timeout={BOOT_TIMEOUT}"]
    given = [option for option in given if option.partition("=")[0] not in own]
    if want.kind == "target" and not want.device.startswith("/"):
        given.append("x-systemd.after=zfs-import.target")
    given += [after_option(path) for path in after]
    return (*want.options, *given)


def after_option(path: str) -> str:
    """The option that puts a mount after the one at ``path``."""
    return f"x-systemd.after={unit_of_path(path, 'mount')}"


@dataclass(frozen=True)
class Difference:
    """One group in which a live mount is not as declared."""

    found: str
    wanted: str
    group: Group


def differences(declared: Sequence[str], live: Sequence[str]) -> list[Difference]:
    """Where a live mount is seen not to be as declared; silence of the table is no difference."""
    kernel_tells = bool(_KERNEL_WORDS & set(live))
    found = []
    for group in GROUPS:
        wanted = next((member for member in group.members if member in declared), group.default)
        shown = next((member for member in group.members if member in live), "")
        if not shown and group.silent_off and kernel_tells:
            # 2.15 prints these only where they are on.
            shown = group.members[-1]
        if not shown and group.vfs and group.default == "":
            # The kernel prints nosuid and the like, and never their opposite.
            shown = group.members[-1] if len(group.members) == 2 else ""
        if wanted and shown and wanted != shown:
            found.append(Difference(shown, wanted, group))
    return found


def remountable(found: Sequence[Difference]) -> bool:
    """Whether `mount -o remount` is enough."""
    return all(difference.group.vfs for difference in found)
