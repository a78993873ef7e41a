# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of a site's description: every key with its type, default and meaning.

``docs/site_description.md`` is generated from here (docs/generate_site_reference.py),
so a key that is not here does not exist and a sentence that is here is what users read.
"""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_base import (
    FLAVOR,
    GROUP,
    HOST,
    HOSTS,
    MODE,
    NET,
    NID,
    OWNER,
    PATH,
    SETTINGS,
    SWITCHES,
    VALUE,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_changelogs import CHANGELOG_USER
from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_security import SECURITY
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import (
    Either,
    Index,
    Key,
    ListOf,
    MapOf,
    Number,
    Shape,
    Text,
    YesNo,
)

ZPOOL = Shape(
    "a zpool",
    {
        "name": Key(Text(), "Name of the pool. Default: the part of `device` before the first slash.", None),
        "vdevs": Key(
            ListOf(
                Shape(
                    "a vdev",
                    {
                        "type": Key(
                            Text(hint="stripe, mirror, raidz2, draid2:8d:1s, special, log mirror or the like"),
                            "Kind of vdev, as zpool(8) names it.",
                            "stripe",
                        ),
                        "devices": Key(ListOf(PATH, least=1), "Stable paths of its devices."),
                    },
                ),
            ),
            "The vdevs to create the pool from. Without any, the pool must exist.",
            [],
        ),
        "properties": Key(SWITCHES, "Pool properties (`-o`), such as `ashift: 12`.", {}),
        "filesystem_properties": Key(SWITCHES, "Properties of the pool's root dataset (`-O`).", {}),
    },
    doc="A pool is created only on devices proven blank, with `multihost=on` and `cachefile=none`, and only with `format: true`.",
)

LUKS = Shape(
    "a LUKS container",
    {
        "key_file": Key(
            Text(),
            "Where each server keeps the key of the container, and reads it at boot: root's alone, on the server's own disk. `{index}`, "
            "`{host}` and `{fsname}` are filled in. Several containers may share a key.",
            example="/etc/lustre/keys/luks/{fsname}-ost{index}",
        ),
        "key": Key(
            Text(),
            "Name of the key in `lustre_luks_keys`, a mapping in a vault; from there it is kept in `key_file`. Patterns are filled in. "
            "Without it the file is put there by other means.",
            None,
        ),
        "name": Key(
            Text(),
            "What it is opened as, below `/dev/mapper`. Patterns are filled in. Default: the target's label.",
            None,
        ),
    },
    doc="`device` is then the raw device, which must be proven blank when the container is made (with `format: true`); the target is on "
    "`/dev/mapper/NAME`. For new targets only, and for ldiskfs: ZFS encrypts by itself.",
)

_COMMON = {
    "device": Key(
        Text(),
        "ldiskfs: a stable absolute path such as `/dev/disk/by-id/...`; zfs: `pool/dataset`. "
        "`{index}` (also `{index:04x}`), `{host}` (the first server) and `{fsname}` are filled in.",
        None,
    ),
    "format": Key(
        YesNo(),
        "Consent to format exactly this device, if it is proven blank. Default: `format` of the file system.",
        None,
    ),
    "backend": Key(Text(choices=("ldiskfs", "zfs")), "Default: `backend` of the file system.", None),
    "mkfs_options": Key(Text(), "Passed to mke2fs or `zfs create` by mkfs.lustre (`--mkfsoptions`).", ""),
    "mount_fs_options": Key(Text(), "Replaces the backend's own persistent mount options (`--mountfsoptions`).", ""),
    "params": Key(SETTINGS, "Parameters stored on the target (`--param`).", {}),
    "tune": Key(
        YesNo(), "Consent to rewrite service nodes, MGS NIDs and parameters of this (unmounted) target.", False
    ),
    "path": Key(
        PATH,
        "Mount point. Default: `/lustre/FSNAME/ost0003` (index in hex as in the label), `/lustre/mgs` for a stand-alone MGT.",
        None,
    ),
    "mount_options": Key(ListOf(Text(), single=True), "Mount options beyond the defaults.", []),
    "managed_by": Key(
        Text(choices=("site", "ha")),
        "`ha`: a cluster manager mounts this target; this collection only formats it and keeps an fstab entry with noauto.",
        "site",
    ),
    "zpool": Key(ZPOOL, "The pool to create for this target (zfs only).", None),
    "luks": Key(
        LUKS, "The LUKS container to create for this target (ldiskfs only); see [Encryption](encryption.md).", None
    ),
}
_SERVERS = Key(
    ListOf(HOST, least=1),
    "Hosts that can serve the target, in order of preference. The first one formats and mounts it; with two or more, all are its service nodes.",
)

MGS_OWN = Shape(
    "an MGS",
    {
        "servers": Key(ListOf(HOST), "Servers of the MGS, in order of preference.", []),
        "combined": Key(
            YesNo(), "The MGS lives on MDT0000 and needs no device. Its servers are those of MDT0000.", False
        ),
        "of": Key(Text(), "Use the MGS of this other file system of the list.", None),
        "nids": Key(
            ListOf(ListOf(NID, least=1)),
            "The MGS is outside this inventory (client mounts only): per MGS node the list of its NIDs.",
            [],
        ),
        "flavor": Key(
            FLAVOR,
            "Security flavor of all connections to the MGS: the rule of `_mgs`, and `mgssec=` of every mount. File systems that share "
            "an MGS have the same.",
            None,
        ),
        **_COMMON,
    },
    doc="Exactly one of `device`, `combined: true`, `of` and `nids`.",
)

MGT_KEYS = {name: key for name, key in _COMMON.items() if name != "device"}

TARGET = Shape(
    "a target",
    {
        "index": Key(Index(), "Index of the target, or a range that stands for one target each.", example="0-3"),
        "servers": _SERVERS,
        **_COMMON,
        "device": Key(
            Text(hint="a stable path such as /dev/disk/by-id/..., for zfs POOL/DATASET"), _COMMON["device"].doc
        ),
        "networks": Key(ListOf(NET, single=True), "Restrict the target to these LNet networks (`--network`).", []),
        "replace": Key(
            YesNo(),
            "Consent to format this one target in the place of the one that the MGS knows by its index (`--replace`): its device was lost "
            "or wiped, and what it held is given up. Read only when a blank device is formatted; take it out afterwards.",
            False,
        ),
    },
)

PARAM_BODY = {
    "value": Key(VALUE, "The value, as lctl takes it. Not needed with `state: absent`.", None),
    "scope": Key(
        Text(choices=("persistent", "local", "mount")),
        "`persistent`: kept by the MGS for all nodes (`lctl set_param -P`); `local`: set on the named hosts now and at each run; "
        "`mount`: read by clients at their next mount (Lustre 2.17 and newer).",
        "persistent",
    ),
    "hosts": Key(
        HOSTS,
        "Hosts of a `local` parameter (required there); clients of a `mount` one (default: all of the file system).",
        [],
    ),
    "state": Key(Text(choices=("present", "absent")), "`absent` deletes a persistent or mount setting.", "present"),
    "allow_unknown": Key(YesNo(), "Store a parameter that no node knows at the time.", False),
}
PARAM = Shape(
    "a parameter",
    {
        "name": Key(
            Text(pattern=r"[A-Za-z0-9_][^\s=]*", hint="a parameter name without spaces or ="),
            "Name, wildcards allowed.",
        ),
        **PARAM_BODY,
    },
)

CLIENTS = Shape(
    "a client mount",
    {
        "hosts": Key(ListOf(HOSTS.item, least=1, single=True), "Hosts, groups or ranges that mount the file system."),
        "path": Key(PATH, "Mount point.", example="/mnt/fs1"),
        "subdir": Key(PATH, "Mount only this directory of the file system (absolute within it).", None),
        "options": Key(ListOf(Text(), single=True), "Mount options beyond the defaults.", []),
        "automount": Key(YesNo(), "Mount at first use, by a systemd automount unit.", False),
        "boot": Key(YesNo(), "Mount at boot.", True),
        "state": Key(
            Text(choices=("mounted", "unmounted", "present", "absent")),
            "`present`: only the fstab entry; `unmounted`: entry, but not mounted; `absent`: neither.",
            "mounted",
        ),
        "networks": Key(
            ListOf(NET, single=True),
            "Use this one network only (mount option `network=`; needs `discovery: false`).",
            [],
        ),
        "timeout": Key(Number(10, 86400), "Seconds a mount may take.", 300),
    },
)

DIRECTORY = Shape(
    "a directory",
    {
        "path": Key(PATH, "Absolute within the file system.", example="/projects"),
        "owner": Key(OWNER, "Owner, as the client that makes it knows them.", "root"),
        "group": Key(GROUP, "Group.", "root"),
        "mode": Key(MODE, "Permissions.", "0755"),
        "project": Key(
            Number(1), "Project id of the directory, inherited by what is made in it (`lfs project -p ID -s`).", None
        ),
    },
    doc="The first host of the first client mount of the whole file system makes it, before anybody mounts a `subdir`.",
)

FILESYSTEM = Shape(
    "a file system",
    {
        "name": Key(
            Text(pattern=r"[A-Za-z0-9_-]{1,8}", hint="1 to 8 letters, digits, _ or -"),
            "Name (fsname) of the file system.",
        ),
        "backend": Key(Text(choices=("ldiskfs", "zfs")), "Backend of its targets.", "ldiskfs"),
        "mgs": Key(
            MGS_OWN,
            "Where its management server is.",
            example="{servers: [mds1], device: /dev/disk/by-id/...}",
        ),
        "mdts": Key(ListOf(TARGET), "Metadata targets. MDT0000 is always needed.", []),
        "osts": Key(ListOf(TARGET), "Object storage targets.", []),
        "format": Key(YesNo(), "Consent for all targets of this file system; `format` of a target wins.", False),
        "params": Key(
            Either((ListOf(PARAM), MapOf(VALUE))),
            "Parameters; a mapping of names to values is short for persistent ones.",
            [],
        ),
        "purge_params": Key(
            ListOf(Text(pattern=r"\S+", hint="a prefix of parameter names")),
            "Persistent parameters that begin with one of these prefixes and are not declared are deleted.",
            [],
        ),
        "directories": Key(
            ListOf(DIRECTORY),
            "Directories that must exist before clients mount them as `subdir`. Needs a client that mounts the whole file system.",
            [],
        ),
        "clients": Key(ListOf(CLIENTS), "Who mounts the file system, and where.", []),
        "changelog_users": Key(
            ListOf(CHANGELOG_USER), "Who reads what happens to files, from the changelogs of all its MDTs.", []
        ),
        **SECURITY,
    },
)
FILESYSTEMS = ListOf(FILESYSTEM)

NETWORK = Shape(
    "an LNet network",
    {
        "net": Key(NET, "Name of the network; `tcp` and `tcp0` are the same."),
        "hosts": Key(
            HOSTS, "Hosts, groups or ranges on this network. Default: every host of the site.", ["lustre_all"]
        ),
        "interfaces": Key(
            ListOf(Text(), single=True),
            "Interfaces, several of them for multi-rail. `lustre_interfaces` of a host wins.",
            [],
        ),
        "tunables": Key(
            Shape(
                "the tunables of a network",
                {
                    "peer_timeout": Key(Number(0), "Seconds without an answer until a peer counts as dead.", None),
                    "peer_credits": Key(Number(1), "Messages in flight to one peer.", None),
                    "peer_buffer_credits": Key(Number(0), "Router buffers that one peer may use.", None),
                    "credits": Key(Number(1), "Messages in flight on the interface.", None),
                },
            ),
            "Tunables of all LNet drivers.",
            {},
        ),
        "lnd_tunables": Key(SETTINGS, "Tunables of the network's own driver, such as `conns_per_peer`.", {}),
        "cpts": Key(ListOf(Number(0)), "CPU partitions the interfaces are bound to.", []),
    },
)

ROUTE = Shape(
    "an LNet route",
    {
        "hosts": Key(HOSTS, "Hosts, groups or ranges that use the route."),
        "net": Key(NET, "The remote network."),
        "gateway": Key(NID, "NID of the router on a network of these hosts."),
        "hop": Key(Number(1, 255), "Number of hops.", None),
        "priority": Key(Number(0), "0 is preferred.", None),
    },
)

GLOBALS = Shape(
    "the global LNet settings",
    {
        name: Key(Number(0), f"`lnetctl set {name}`.", None)
        for name in (
            "transaction_timeout",
            "retry_count",
            "health_sensitivity",
            "recovery_interval",
            "max_recovery_ping_interval",
            "recovery_limit",
            "router_sensitivity",
            "response_tracking",
            "drop_asym_route",
            "numa_range",
            "max_interfaces",
        )
    },
)

LNET = Shape(
    "lustre_lnet",
    {
        "networks": Key(
            ListOf(NETWORK),
            "The LNet networks and who is on them. Routers need not be named here: their `lustre_nids` say it.",
            [],
        ),
        "routers": Key(HOSTS, "Hosts with NIDs on several networks, which forward between them.", []),
        "routes": Key(
            Either((Text(choices=("auto",)), ListOf(ROUTE))),
            "`auto`: every host gets the shortest routes to all networks it is not on, over the routers; or an explicit list.",
            "auto",
        ),
        "routing": Key(
            Shape(
                "the router buffers",
                {
                    "tiny": Key(Number(0), "Number of tiny buffers.", None),
                    "small": Key(Number(0), "Number of small (4 KiB) buffers.", None),
                    "large": Key(Number(0), "Number of large (1 MiB) buffers.", None),
                },
            ),
            "Buffers of the routers, in total over all CPU partitions.",
            {},
        ),
        "discovery": Key(YesNo(), "Peer discovery (multi-rail). Untouched when not given.", None),
        "global": Key(GLOBALS, "Settings of `lnetctl set`, the same on every host.", {}),
        "module_options": Key(
            MapOf(SETTINGS),
            "Options of kernel modules for `/etc/modprobe.d/lustre.conf`, by module name.",
            {},
            "{lnet: {accept_port: 988}}",
        ),
        "peers": Key(
            ListOf(
                Shape(
                    "a static peer",
                    {
                        "primary": Key(NID, "Primary NID of the peer."),
                        "nids": Key(ListOf(NID), "All its NIDs.", []),
                        "multi_rail": Key(YesNo(), "Whether it is a multi-rail peer.", True),
                        "hosts": Key(HOSTS, "Hosts that know this peer.", ["lustre_all"]),
                    },
                )
            ),
            "Peers that discovery does not find.",
            [],
        ),
        "udsp": Key(
            ListOf(
                Shape(
                    "a selection policy",
                    {
                        "src": Key(Text(), "Local network or NIDs.", None),
                        "dst": Key(Text(), "Remote network or NIDs.", None),
                        "rte": Key(Text(), "Gateway NIDs.", None),
                        "priority": Key(Number(0), "0 is preferred.", None),
                        "hosts": Key(HOSTS, "Hosts with this policy.", ["lustre_all"]),
                    },
                )
            ),
            "User defined selection policies, in order.",
            [],
        ),
        "purge": Key(
            ListOf(Text(choices=("networks", "routes", "peers", "udsp")), single=True),
            "What is removed from a host when it is not declared; nothing else ever is.",
            [],
        ),
    },
)
