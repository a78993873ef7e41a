# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of nodemaps and tenants in the description of a site; names and meanings are those of the module nodemap."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_want import PRIVILEGES
from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_base import (
    FLAVOR,
    GROUP,
    HOSTS,
    MODE,
    OWNER,
    PATH,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import (
    Key,
    ListOf,
    Number,
    Shape,
    Text,
    YesNo,
)

#: Nodemap names in Lustre: 16 letters, digits and _ (LUSTRE_NODEMAP_NAME_LENGTH). The rule about names says more than a pattern.
NAME = Text(hint="1 to 16 letters, digits or _")
RANGE = Text(hint="NIDs such as 10.0.0.[1-20]@tcp or 10.0.0.0/24@tcp")
RANGES = ListOf(RANGE, single=True)
KINDS = ("uid", "gid", "projid")
ROLES = (
    "byfid_ops",
    "chlg_ops",
    "dne_ops",
    "file_perms",
    "foreign_ops",
    "fscrypt_admin",
    "hsm_ops",
    "ignore_root_prjquota",
    "immutable_flags",
    "local_admin",
    "lqa_quota_ops",
    "pool_quota_ops",
    "projid_set",
    "quota_ops",
    "server_upcall",
)
#: capabilities(7) of Linux.
CAPABILITIES = (
    "cap_chown", "cap_dac_override", "cap_dac_read_search", "cap_fowner", "cap_fsetid", "cap_kill", "cap_setgid", "cap_setuid",
    "cap_setpcap", "cap_linux_immutable", "cap_net_bind_service", "cap_net_broadcast", "cap_net_admin", "cap_net_raw",
    "cap_ipc_lock", "cap_ipc_owner", "cap_sys_module", "cap_sys_rawio", "cap_sys_chroot", "cap_sys_ptrace", "cap_sys_pacct",
    "cap_sys_admin", "cap_sys_boot", "cap_sys_nice", "cap_sys_resource", "cap_sys_time", "cap_sys_tty_config", "cap_mknod",
    "cap_lease", "cap_audit_write", "cap_audit_control", "cap_setfcap", "cap_mac_override", "cap_mac_admin", "cap_syslog",
    "cap_wake_alarm", "cap_block_suspend", "cap_audit_read", "cap_perfmon", "cap_bpf", "cap_checkpoint_restore",
)  # fmt: skip

_MAP = ListOf(Text(hint="CLIENT:FILESYSTEM, such as 500:1000 or 600-610:2000"), single=True)
IDMAP = Shape(
    "an identity map",
    {
        "uid": Key(_MAP, "Users, as `CLIENT:FILESYSTEM` or `FIRST-LAST:FIRST`.", []),
        "gid": Key(_MAP, "Groups.", []),
        "projid": Key(_MAP, "Projects.", []),
    },
)
OFFSET = Shape(
    "an offset",
    {
        "offset": Key(Number(1, 2**32 - 2), "Where the ids of these clients begin in the file system."),
        "limit": Key(Number(1, 2**32 - 2), "How many ids they have: 0 to `limit` - 1 on the client.", 65536),
    },
)
CAPS = Shape(
    "capabilities",
    {
        "type": Key(
            Text(choices=("mask", "set", "off")), "`mask`: at most these; `set`: exactly these; `off`: no limit."
        ),
        "caps": Key(ListOf(Text(choices=CAPABILITIES), single=True), "Capabilities by name.", []),
    },
)
FILESET = Shape(
    "a fileset",
    {
        "path": Key(PATH, "Directory, absolute within the file system.", example="/projects"),
        "alternate": Key(YesNo(), "Not the directory that is mounted by default, but one more.", False),
        "read_only": Key(YesNo(), "It can only be mounted read-only.", False),
    },
)


def _flag(doc: str) -> Key:
    return Key(YesNo(), doc, None)


def _number(doc: str) -> Key:
    return Key(Number(0, 2**32 - 2), doc, None)


_SHARED = {
    "deny_unknown": _flag("Refuse users without a mapping, instead of squashing them."),
    "audit_mode": _flag("Whether changelogs record what these clients do."),
    "squash_uid": _number("User of those without a mapping (Lustre's default: 65534)."),
    "squash_gid": _number("Group of those without a mapping."),
    "squash_projid": _number("Project of those without a mapping."),
    "map_mode": Key(
        ListOf(Text(choices=("uid", "gid", "projid", "both", "all")), single=True), "Which ids are mapped.", None
    ),
    "rbac": Key(
        ListOf(Text(choices=(*ROLES, "all", "none")), single=True),
        "What these clients may do beyond reading and writing files: roles, or `all`, or `none` (Lustre 2.16 and newer).",
        None,
    ),
    "sepol": Key(
        Text(pattern=r"[01]?:?\w+:\d+:[0-9a-fA-F]+", hint="MODE:NAME:VERSION:HASH, as l_getsepol prints it"),
        "SELinux policy that these clients must have.",
        None,
    ),
    "capabilities": Key(CAPS, "Limit of the capabilities of root on these clients (Lustre 2.17 and newer).", None),
    "banlist": Key(RANGES, "NIDs within the ranges that are shut out.", []),
}
PROPERTIES = {
    "admin": _flag("Root of these clients is root."),
    "trusted": _flag("Users of these clients are who they say, without mapping."),
    **_SHARED,
    "forbid_encryption": _flag("These clients cannot encrypt."),
    "readonly_mount": _flag("These clients mount read-only."),
    "deny_mount": _flag("These clients cannot mount (Lustre 2.17 and newer)."),
    "gssonly_identification": _flag("Clients are known by their key alone, not by their NID (Lustre 2.18 and newer)."),
    "child_raise_privileges": Key(
        ListOf(Text(choices=(*PRIVILEGES, *ROLES, "all", "none")), single=True),
        "What dynamic children of it, made at run time, may add.",
        None,
    ),
    "filesets": Key(ListOf(FILESET), "Directories that these clients can mount.", []),
}
_IDS = {
    "idmap": Key(IDMAP, "Mapping of single ids and ranges.", None),
    "offset": Key(OFFSET, "Mapping of all ids by an offset (Lustre 2.17 and newer).", None),
}

MAP = Shape(
    "a nodemap",
    {
        "name": Key(NAME, "Name.", example="compute"),
        "hosts": Key(HOSTS, "Hosts, groups or ranges whose NIDs are its ranges.", []),
        "ranges": Key(RANGES, "Further ranges of NIDs.", []),
        **_IDS,
        **PROPERTIES,
        "purge": Key(
            ListOf(Text(choices=("ranges", "idmap", "filesets", "banlist")), single=True),
            "Which of these are removed when they are not declared.",
            [],
        ),
        "state": Key(
            Text(choices=("present", "absent")),
            "`absent` removes it, if `lustre_consent_nodemaps` names it.",
            "present",
        ),
    },
)
NODEMAPS = Shape(
    "the nodemaps of an MGS",
    {
        "active": Key(YesNo(), "Whether nodemaps are in force. Untouched when not given.", None),
        "admins": Key(
            HOSTS,
            "Hosts whose root and users are trusted as they are: they become the nodemap `admins`. Administrators' nodes, backup, monitoring, "
            "gateways.",
            [],
        ),
        "protect": Key(
            HOSTS,
            "Further hosts that must never lose root's rights: checked to be in a nodemap with `admin` and `trusted`. Servers and `admins` "
            "always are.",
            [],
        ),
        "default": Key(
            Shape("the nodemap default", PROPERTIES),
            "What clients may that are in no other nodemap; needed with `active: true`. `{}` leaves it as it is.",
            None,
            "{deny_mount: true}",
        ),
        "maps": Key(ListOf(MAP), "Further nodemaps. Those of tenants follow from `tenants`.", []),
        "purge": Key(YesNo(), "Remove nodemaps that are not declared, if `lustre_consent_nodemaps` names them.", False),
    },
    doc="`servers` (every NID of a server of any file system of this MGS) and `admins` make themselves, with `admin` and `trusted`.",
)

TENANT = Shape(
    "a tenant",
    {
        "name": Key(NAME, "Name, also that of its nodemap.", example="bio"),
        "hosts": Key(HOSTS, "Its hosts: groups, ranges or single ones. Their NIDs must be known.", []),
        "ranges": Key(RANGES, "NIDs of hosts that are not in this inventory.", []),
        "subdir": Key(PATH, "Its directory, absolute within the file system. Default: `/NAME`.", None),
        "owner": Key(OWNER, "Owner of that directory. Default: the tenant's root with `offset`, else root.", None),
        "group": Key(GROUP, "Group of that directory. Default: the same.", None),
        "mode": Key(MODE, "Permissions of that directory.", "0770"),
        "project": Key(Number(1), "Project id of that directory, by which quota can limit the tenant.", None),
        "offset": _IDS["offset"],
        "idmap": _IDS["idmap"],
        "trusted": Key(YesNo(), "Its ids are those of the file system: no mapping.", False),
        **_SHARED,
        "rbac": Key(
            _SHARED["rbac"].type,
            "As above. Default: `[dne_ops, file_perms]`, and `fscrypt_admin` where `encryption` is allowed: no access by FID past the "
            "directory, no quota, no changelogs.",
            None,
        ),
        "read_only": Key(YesNo(), "It cannot write.", False),
        "encryption": Key(YesNo(), "Whether it may encrypt directories.", False),
        "flavor": Key(
            FLAVOR,
            "Flavor of its connections to MDTs and OSTs, if not that of the file system. Lustre has such rules by LNet network alone, so the "
            "networks of its NIDs must be its own; Lustre 2.17.0 never applies them.",
            None,
            "krb5p",
        ),
        "mount": Key(
            Shape(
                "the mount of a tenant",
                {
                    "path": Key(PATH, "Mount point on its `hosts`.", example="/mnt/bio"),
                    "options": Key(ListOf(Text(), single=True), "Mount options beyond the defaults.", []),
                    "automount": Key(YesNo(), "Mount at first use, by a systemd automount unit.", False),
                    "boot": Key(YesNo(), "Mount at boot.", True),
                    "timeout": Key(Number(10, 86400), "Seconds a mount may take.", 300),
                },
            ),
            "Where its hosts mount its directory. Without it nothing is mounted.",
            None,
        ),
        "state": Key(
            Text(choices=("present", "absent")),
            "`absent` takes away mounts, nodemap and key; its directory and data stay.",
            "present",
        ),
    },
    doc="It follows: a nodemap of the same name with these hosts and a fileset, the directory, a shared key of its own (with `ssk`), "
    "and the mounts.",
)
