# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of what a site says about security: flavors, shared keys, encrypted directories, Kerberos."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_base import (
    FLAVOR,
    GROUP,
    HOSTS,
    MODE,
    OWNER,
    PATH,
)
from ansible_collections.lustre.core.plugins.plugin_utils._site.schema_nodemaps import NODEMAPS, RANGES, TENANT
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import (
    Either,
    Key,
    ListOf,
    MapOf,
    Number,
    Shape,
    Text,
    YesNo,
)

#: From whom to whom a connection is made.
DIRECTIONS = {
    "cli2mdt": "From clients to MDTs.",
    "cli2ost": "From clients to OSTs.",
    "mdt2mdt": "Between MDTs.",
    "mdt2ost": "From MDTs to OSTs.",
}
_BY_DIRECTION = {
    "default": Key(FLAVOR, "For every direction that has none of its own.", None),
    **{name: Key(FLAVOR, doc, None) for name, doc in DIRECTIONS.items()},
}

FLAVORS = Shape(
    "the flavors of a file system",
    {
        **_BY_DIRECTION,
        "networks": Key(
            MapOf(Either((Text(hint=FLAVOR.hint), Shape("the flavors on a network", _BY_DIRECTION)))),
            "Flavors of connections that begin on one LNet network, in the same form. Lustre 2.17.0 stores such rules and never applies "
            "them.",
            {},
            "{tcp1: {cli2mdt: krb5i}}",
        ),
        "allow_ineffective": Key(
            YesNo(), "Set rules of a network also on releases where they are known to have no effect.", False
        ),
    },
    doc="One flavor for all, or a mapping. The more special rule wins: a network before `default`, a direction before all.",
)

SSK = Shape(
    "shared keys",
    {
        "directory": Key(
            PATH,
            "Where a node keeps its keys (`skpath=` of its mounts, so nothing else may lie there). The same for all file systems of an MGS.",
            "/etc/lustre/keys",
        ),
        "nodemap": Key(
            Text(pattern=r"\w{1,16}", hint="the name of a nodemap"),
            "Nodemap of the hosts that no nodemap of this description names.",
            "default",
        ),
        "crypt": Key(Text(choices=("AES-256-CTR",)), "Encryption algorithm, as lgss_sk(8) names it.", "AES-256-CTR"),
        "hmac": Key(Text(choices=("SHA256", "SHA512")), "Hash of messages.", "SHA256"),
        "key_bits": Key(Number(128, 512), "Length of the shared key.", 256),
        "prime_bits": Key(Number(1024, 8192), "Length of the prime that each client generates.", 2048),
        "lifetime": Key(
            Number(60, 31536000),
            "Seconds until contexts are made anew. A key that was taken away works for as long.",
            604800,
        ),
    },
    doc="One key per nodemap: servers hold all of them, a client only its own. The keys themselves never stand in the description.",
)

ENCRYPTED = Shape(
    "an encrypted directory",
    {
        "path": Key(PATH, "Absolute within the file system.", example="/secret"),
        "hosts": Key(
            ListOf(HOSTS.item, least=1, single=True),
            "Clients where it is set up. The first one encrypts it; each one needs the key to see what is in it.",
        ),
        "state": Key(
            Text(choices=("encrypted", "unlocked", "locked")),
            "`encrypted`: it has its policy, the key comes and goes by itself; `unlocked` and `locked`: with and without the key.",
            "unlocked",
        ),
        "key": Key(
            # No pattern: its message would show what may be the key itself.
            Text(hint="the name of an entry of the variable lustre_encryption_keys"),
            "Name of its key in the variable `lustre_encryption_keys` (of a vault). Never the key itself.",
            None,
        ),
        "key_file": Key(
            PATH,
            "Path of a file on the node that holds the key. Beside `key`: it is kept there, for the unlock at boot.",
            None,
        ),
        "identifier": Key(
            Text(pattern=r"[0-9a-f]{32}", hint="32 hexadecimal digits, as encryption_policy returns them"),
            "Identifier of the key: another one is refused. Needed beside a `key` that no `key_file` keeps.",
            None,
        ),
        "protector": Key(
            Text(choices=("raw_key", "custom_passphrase")),
            "Encrypted by the program fscrypt, with a protector of this kind; `key` is then its secret: 32 bytes, or a passphrase.",
            None,
        ),
        "owner": Key(OWNER, "Owner.", "root"),
        "group": Key(GROUP, "Group.", "root"),
        "mode": Key(MODE, "Permissions.", "0700"),
        "contents": Key(
            Text(choices=("AES-256-XTS", "AES-128-CBC", "Adiantum")), "How contents are encrypted.", "AES-256-XTS"
        ),
        "filenames": Key(
            Text(choices=("AES-256-CTS", "AES-128-CTS", "Adiantum")), "How names are encrypted.", "AES-256-CTS"
        ),
    },
)

_ID = Number(0, 2**32 - 2)
ROOT_SQUASH = Shape(
    "root squash",
    {
        "uid": Key(_ID, "The user that root of other clients works as. 0 switches root squash off.", 65534),
        "gid": Key(_ID, "The group of that user.", 65534),
        "nosquash": Key(
            HOSTS,
            "Hosts whose root stays root. Their NIDs must be known. The servers of the file system are added by themselves.",
            [],
        ),
        "nosquash_nids": Key(RANGES, "NIDs whose root stays root, of hosts that are not in this inventory.", []),
    },
    doc="Kept by the MGS as `mdt.FSNAME-*.root_squash` and `mdt.FSNAME-*.nosquash_nids`. Left out, nothing of it is changed: write "
    "`{uid: 0, gid: 0}` to take it back. See [Security](security.md).",
)

SECURITY = {
    "flavors": Key(
        Either((Text(hint=FLAVOR.hint), FLAVORS)),
        "Security flavors of its connections. With an MGS outside this inventory, what its clients get ready for.",
        {},
        "krb5p",
    ),
    "purge_flavors": Key(YesNo(), "Remove flavor rules of the file system that are not declared.", False),
    "ssk": Key(SSK, "Shared keys; needed by the flavors skn, ska, ski and skpi.", None),
    "nodemaps": Key(
        NODEMAPS,
        "Nodemaps of the MGS, described under the file system that has it. Those of servers and administrators make themselves and "
        "hold nobody else: a range that was added by hand is taken out, from active nodemaps with `lustre_consent_nodemaps`.",
        None,
    ),
    "tenants": Key(
        ListOf(TENANT), "Tenants, each with a directory, identities and hosts of its own. They need `nodemaps`.", []
    ),
    "encrypted": Key(ListOf(ENCRYPTED), "Directories that clients encrypt.", []),
    "root_squash": Key(
        ROOT_SQUASH, "Root of clients is somebody else on its metadata servers, except for named hosts.", None
    ),
}
#: What makes a file system cost a look at its security at all.
ASKS = ("flavors", "purge_flavors", "ssk", "nodemaps", "tenants", "encrypted", "root_squash")

KERBEROS = Shape(
    "lustre_kerberos",
    {
        "realm": Key(
            Text(pattern=r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", hint="the name of a realm such as LAB.EXAMPLE"),
            "The realm of all nodes.",
        ),
        "kdcs": Key(
            ListOf(Text(hint="a host, or the full name of a machine"), least=1, single=True),
            "Key distribution centers. With `source: own` hosts of the inventory, the primary first; else their names or addresses.",
        ),
        "admin_server": Key(Text(), "Where kadmind runs. Default: the first of `kdcs`.", None),
        "source": Key(
            Text(choices=("own", "kadmin", "files")),
            "Where keytabs come from: KDCs of our own (`lustre_kdc`), an existing realm through kadmin, or files.",
            "own",
        ),
        "files": Key(
            Text(pattern=r"/.*", hint="an absolute path"),
            "`source: files`: directory on the controller with one keytab per host, called HOST.keytab.",
            None,
        ),
        "enctypes": Key(
            ListOf(Text(hint="an encryption type such as aes256-cts-hmac-sha1-96"), single=True),
            "Encryption types of keytabs and tickets. Default: what node, KDC and Lustre have in common.",
            [],
        ),
        "domain": Key(
            Text(),
            "Domain behind the names of hosts that have no dot and no variable `lustre_fqdn`.",
            None,
        ),
        "principals": Key(
            MapOf(ListOf(Text(hint="a principal such as host/client1.lab.example"), least=1, single=True)),
            "Principals of a host instead of those that follow from its roles (`lustre_mgs`, `lustre_mds`, `lustre_oss`, `lustre_root`).",
            {},
        ),
    },
    doc="Needed by the flavors krb5n, krb5a, krb5i and krb5p. In a site file the key is `kerberos`.",
)
