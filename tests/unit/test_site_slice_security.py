# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one host gets of a site's security: flavors, keys, principals, and the options of its mounts."""

from __future__ import annotations

import json

import pytest

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._node import options_of, parts_of
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap_want import wanted_from_options
from ansible_collections.lustre.core.plugins.module_utils._resources.param_want import wants_from_options
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key import SskKeyResource
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import SiteError
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice import node_state
from tests.unit.site_support import BY_ID, DEMO_HOSTS, SiteFile, demo, small

REALM = {"realm": "LAB.EXAMPLE", "kdcs": "s1", "domain": "lab.example"}
KEYS = {"nodemaps", "flavors", "ssk_keys", "ssk_keys_gone", "gss", "kerberos", "encryption"}
SSK = {
    "crypt": "AES-256-CTR",
    "hmac": "SHA256",
    "key_bits": 256,
    "prime_bits": 2048,
    "lifetime": 604800,
    "state": "present",
}


def short(key):
    return key["path"].rpartition("/")[2], key["types"]


@pytest.mark.parametrize("host", DEMO_HOSTS)
def test_a_site_that_asks_for_no_security_gets_none(host) -> None:
    state = demo().node(host)
    assert not KEYS & set(state)
    assert not [m for m in state["mounts"] for option in m["options"] if option.startswith(("mgssec", "skpath"))]


@pytest.mark.parametrize("host", ["s1", "s2", "c1"])
def test_the_node_module_takes_the_state_of_a_secured_site(host) -> None:
    state = small(flavors={"cli2mdt": "krb5i", "cli2ost": "skpi"}, ssk={}, kerberos=REALM).node(host)
    assert {"gss", "kerberos", "ssk_keys"} <= set(state)
    assert parts_of(options_of({"want": state, "phases": None}))
    assert json.loads(json.dumps(state)) == state
    with pytest.raises(BadValue, match="there is no such part of a node"):
        options_of({"want": {**state, "keytabs": []}, "phases": None})


def test_rules_are_set_where_the_mgs_starts_and_nowhere_else() -> None:
    flavors = {"default": "krb5a", "cli2ost": "krb5p", "networks": {"tcp0": "krb5i"}, "allow_ineffective": True}
    mgs = {"servers": ["s1", "s2"], "device": BY_ID + "mgt", "flavor": "krb5i"}
    site = small(flavors=flavors, purge_flavors=True, mgs=mgs, kerberos=REALM)
    assert site.node("s1")["flavors"] == {
        "rules": [
            {"target": "fs1", "network": "default", "direction": "", "flavor": "krb5a"},
            {"target": "fs1", "network": "default", "direction": "cli2ost", "flavor": "krb5p"},
            {"target": "fs1", "network": "tcp", "direction": "", "flavor": "krb5i"},
            {"target": "_mgs", "network": "default", "direction": "", "flavor": "krb5i"},
        ],
        "purge": ["fs1", "_mgs"],
        "allow_ineffective": True,
    }
    assert "flavors" not in site.node("s2") and "flavors" not in site.node("c1")


def test_every_mount_of_an_mgs_says_its_flavor() -> None:
    site = small(mgs={"servers": ["s1"], "device": BY_ID + "mgt", "flavor": "krb5p"}, kerberos=REALM)
    options = [(m["path"], m["options"]) for host in ("s1", "s2", "c1") for m in site.node(host)["mounts"]]
    assert len(options) >= 6
    assert all(given == ["mgssec=krb5p"] for _path, given in options)


def test_who_takes_part_in_kerberos_and_under_which_names() -> None:
    hosts = {"c2": {"ansible_host": "10.0.0.10", "vars": {"lustre_fqdn": "login.lab.example"}}}
    clients = [{"hosts": ["c1", "c2"], "path": "/mnt/fs1"}]
    realm = {**REALM, "principals": {"c1": "lustre_root"}}
    site = small(flavors="krb5p", hosts=hosts, clients=clients, kerberos=realm)
    assert {host: site.node(host)["kerberos"] for host in ("s1", "c1", "c2")} == {
        "s1": {
            "realm": "LAB.EXAMPLE",
            "principals": [f"lustre_{kind}/s1.lab.example@LAB.EXAMPLE" for kind in ("mgs", "mds", "oss")],
            "fqdn": "s1.lab.example",
        },
        "c1": {"realm": "LAB.EXAMPLE", "principals": ["lustre_root@LAB.EXAMPLE"], "fqdn": "c1.lab.example"},
        "c2": {
            "realm": "LAB.EXAMPLE",
            "principals": ["lustre_root/login.lab.example@LAB.EXAMPLE"],
            "fqdn": "login.lab.example",
        },
    }
    assert {host: site.node(host)["gss"] for host in ("s1", "c1")} == {
        "s1": {"kerberos": True, "ssk": False, "services": ["mgs", "mds", "oss"], "realm": "LAB.EXAMPLE"},
        "c1": {"kerberos": True, "ssk": False, "services": [], "realm": "LAB.EXAMPLE"},
    }


def test_a_daemon_has_a_principal_for_each_service_that_it_answers_for() -> None:
    """s2 serves OSTs of a file system with shared keys and an MDT of one with Kerberos: -o asks for lustre_oss, too."""
    config = {
        "hosts": {"s[1-3]": "10.0.0.[1-3]"},
        "lnet": {"networks": [{"net": "tcp", "interfaces": ["eth0"]}]},
        "kerberos": REALM,
        "filesystems": [
            {
                "name": "fs1",
                "mgs": {"servers": ["s1"], "device": BY_ID + "mgt"},
                "mdts": [{"index": 0, "servers": ["s2"], "device": BY_ID + "mdt"}],
                "osts": [{"index": 0, "servers": ["s3"], "device": BY_ID + "ost"}],
                "flavors": "krb5i",
            },
            {
                "name": "fs2",
                "mgs": {"of": "fs1"},
                "mdts": [{"index": 0, "servers": ["s3"], "device": BY_ID + "mdt2"}],
                "osts": [{"index": 0, "servers": ["s2"], "device": BY_ID + "ost2"}],
                "flavors": "ski",
                "ssk": {},
            },
        ],
    }
    for host in ("s2", "s3"):
        state = SiteFile(config).node(host)
        assert state["gss"] == {"kerberos": True, "ssk": True, "services": ["mds", "oss"], "realm": "LAB.EXAMPLE"}
        assert [name.partition("/")[0] for name in state["kerberos"]["principals"]] == ["lustre_mds", "lustre_oss"]


def test_a_host_without_a_full_name_is_told() -> None:
    with pytest.raises(SiteError, match="host c1: its full name is not known, and its principals are made of it"):
        small(flavors="krb5p", kerberos={"realm": "LAB.EXAMPLE", "kdcs": "s1"}).node("c1")
    with pytest.raises(
        SiteError, match="lustre_kerberos: a flavor of Kerberos is asked for, and the site has no realm"
    ):
        small(flavors="krb5p").node("c1")


def test_keys_of_servers_and_clients() -> None:
    site = small(flavors="skpi", ssk={})
    assert site.node("c1")["ssk_keys"] == [
        {
            "path": "/etc/lustre/keys/fs1.client.default.key",
            "types": ["client"],
            "fsname": "fs1",
            "nodemap": "default",
            **SSK,
        }
    ]
    assert [short(key) for key in site.node("s2")["ssk_keys"]] == [("fs1.server.default.key", ["server", "client"])]
    assert all(m["options"] == ["skpath=/etc/lustre/keys"] for host in ("s1", "c1") for m in site.node(host)["mounts"])
    assert site.node("c1")["gss"] == {"kerberos": False, "ssk": True, "services": []}


def test_keys_of_an_mgs_are_for_all_its_file_systems() -> None:
    mgs = {"servers": ["s1"], "device": BY_ID + "mgt", "flavor": "ska"}
    site = small(mgs=mgs, ssk={"directory": "/etc/ssk", "nodemap": "lab"})
    by_host = {host: [short(key) for key in site.node(host)["ssk_keys"]] for host in ("s1", "s2", "c1")}
    assert by_host == {
        "s1": [("fs1.server.lab.key", ["server", "client"]), ("fs1.mgs.server.lab.key", ["mgs", "client"])],
        "s2": [("fs1.server.lab.key", ["server", "client"]), ("fs1.mgs.client.lab.key", ["client"])],
        "c1": [("fs1.client.lab.key", ["client"]), ("fs1.mgs.client.lab.key", ["client"])],
    }
    key = site.node("c1")["ssk_keys"][1]
    assert (key["mgs_nids"], "fsname" in key) == (["10.0.0.1@tcp"], False)
    assert site.node("c1")["mounts"][0]["options"] == ["mgssec=ska", "skpath=/etc/ssk"]


def test_keys_without_a_flavor_are_made_and_not_used() -> None:
    """The first step of a roll-out: keys are everywhere before anybody asks for them."""
    state = small(ssk={}).node("c1")
    assert state["ssk_keys"] and "gss" not in state and state["mounts"][0]["options"] == []


# ---- nodemaps and tenants ------------------------------------------------------------------------------


def tenants(**changes):
    """Two tenants beside an administrator's node, which sees the whole file system."""
    hosts = {"b[1-3]": "10.0.1.[1-3]", "p1": "10.0.1.9", **changes.pop("hosts", {})}
    return small(
        hosts=hosts,
        clients=[{"hosts": "c1", "path": "/mnt/fs1"}],
        nodemaps={"active": True, "admins": ["c1"], "default": {"deny_mount": True}, **changes.pop("nodemaps", {})},
        tenants=[
            {
                "name": "bio",
                "hosts": "b[1-3]",
                "ranges": "10.8.0.0/24@tcp",
                "subdir": "/tenants/bio",
                "offset": {"offset": 100000},
                "project": 1001,
                "mount": {"path": "/mnt/bio", "options": "flock"},
            },
            {"name": "phys", "hosts": "p1", "trusted": True, "encryption": True, **changes.pop("phys", {})},
        ],
        **changes,
    )


TRUSTED = {"state": "present", "admin": True, "trusted": True}


def test_nodemaps_are_set_where_the_mgs_starts_and_follow_from_hosts_and_tenants() -> None:
    site = tenants()
    found = site.node("s1")["nodemaps"]
    purge = ["ranges", "idmap", "filesets", "banlist"]
    assert found == {
        "nodemaps": [
            {"name": "servers", "ranges": ["10.0.0.[1-2]@tcp"], **TRUSTED, "purge": ["ranges"]},
            {"name": "admins", "ranges": ["10.0.0.9@tcp"], "purge": ["ranges"], **TRUSTED},
            {
                "name": "bio",
                "state": "present",
                "ranges": ["10.0.1.[1-3]@tcp", "10.8.0.*@tcp"],
                "admin": False,
                "trusted": False,
                "readonly_mount": False,
                "forbid_encryption": True,
                "rbac": ["dne_ops", "file_perms"],
                "filesets": [{"path": "/tenants/bio", "alternate": False, "read_only": False}],
                "offset": {"offset": 100000, "limit": 65536},
                "purge": purge,
            },
            {
                "name": "phys",
                "state": "present",
                "ranges": ["10.0.1.9@tcp"],
                "admin": False,
                "trusted": True,
                "readonly_mount": False,
                "forbid_encryption": False,
                "rbac": ["dne_ops", "file_perms", "fscrypt_admin"],
                "filesets": [{"path": "/phys", "alternate": False, "read_only": False}],
                "purge": purge,
            },
            {"name": "default", "state": "present", "deny_mount": True},
        ],
        "active": True,
        "purge": False,
        "protect": ["10.0.0.1@tcp", "10.0.0.2@tcp", "10.0.0.9@tcp"],
        "consent": [],
    }
    assert wanted_from_options(found).active is True
    assert not any("nodemaps" in site.node(host) for host in ("s2", "c1", "b1", "p1"))


def test_a_tenant_mounts_its_directory_and_an_administrator_makes_it() -> None:
    site = tenants()
    mounts = site.node("b2")["mounts"]
    assert [(m["path"], m["subdir"], m["options"], m["state"], m["tenant"]) for m in mounts] == [
        ("/mnt/bio", "/tenants/bio", ["flock"], "mounted", "bio")
    ]
    assert all("tenant" not in mount for mount in site.node("c1")["mounts"])
    assert site.node("p1")["mounts"] == []
    assert site.node("b2")["apart"] == {"/mnt/bio": ["/phys"]}, "what it must not get at"
    assert not any("apart" in site.node(host) for host in ("s2", "c1", "p1"))
    assert site.node("c1")["directories"] == [
        {"fsname": "fs1", "path": "/mnt/fs1/phys", "owner": "root", "group": "root", "mode": "0770"},
        {
            "fsname": "fs1",
            "path": "/mnt/fs1/tenants/bio",
            "owner": "100000",
            "group": "100000",
            "mode": "0770",
            "project": 1001,
        },
    ]
    assert site.node("b1")["directories"] == []


def test_each_tenant_has_a_key_of_its_own_and_servers_have_all() -> None:
    site = tenants(flavors="skpi", ssk={}, phys={"mount": {"path": "/mnt/phys"}})
    keys = {host: [short(key) for key in site.node(host)["ssk_keys"]] for host in ("s2", "c1", "b1", "p1")}
    assert keys == {
        "s2": [
            ("fs1.server.servers.key", ["server", "client"]),
            ("fs1.server.admins.key", ["server"]),
            ("fs1.server.bio.key", ["server"]),
            ("fs1.server.phys.key", ["server"]),
        ],
        "c1": [("fs1.client.admins.key", ["client"])],
        "b1": [("fs1.client.bio.key", ["client"])],
        "p1": [("fs1.client.phys.key", ["client"])],
    }


def own_flavor(**changes):
    """Servers and an administrator on tcp; bio alone on tcp1 and, by a range, on tcp2; a router between them is not told."""
    lnet = {"networks": [{"net": net, "interfaces": ["eth0"], "hosts": names} for net, names in NETWORKS.items()]}
    hosts = {"b[1-3]": {"ansible_host": "10.1.0.[1-3]"}}
    site = tenants(lnet=lnet, hosts=hosts, phys={"state": "absent", "flavor": "skpi"}, **changes)
    site.filesystems[0]["tenants"][0].update(ranges="10.2.0.0/24@tcp2", flavor="skpi")
    return site


NETWORKS = {"tcp": ["s1", "s2", "c1"], "tcp1": ["b[1-3]"], "tcp3": ["p1"]}


def by_network(flavors):
    return [(rule["network"], rule["direction"], rule["flavor"]) for rule in flavors]


def test_the_flavor_of_a_tenant_is_a_rule_for_each_of_its_networks() -> None:
    site = own_flavor(flavors={"cli2ost": "skpi", "mdt2ost": "ska"}, ssk={})
    described = [("default", "cli2ost", "skpi"), ("default", "mdt2ost", "ska")]
    own = [("tcp1", "cli2mdt", "skpi"), ("tcp2", "cli2mdt", "skpi")]
    flavors = site.node("s1")["flavors"]
    assert by_network(flavors["rules"]) == [*described, *own], "what the file system says of OSTs is the same anyway"
    assert flavors["purge"] == ["fs1.srpc.flavor.tcp3.cli2mdt"], "a tenant that is gone leaves no rule"
    assert by_network(site.node("s2")["secured"]) == [*described, *own]
    assert by_network(site.node("b1")["secured"]) == [*described, *own]
    assert by_network(site.node("c1")["secured"]) == described, "it is no rule for others"


def test_only_servers_and_the_tenants_own_hosts_get_ready_for_its_flavor() -> None:
    site = own_flavor(ssk={})
    ready = {host for host in ("s1", "s2", "c1", "b1") if site.node(host).get("gss", {}).get("ssk")}
    assert ready == {"s1", "s2", "b1"}
    options = {host: {word for m in site.node(host)["mounts"] for word in m["options"]} for host in ("s2", "c1", "b1")}
    assert options == {"s2": {"skpath=/etc/lustre/keys"}, "c1": set(), "b1": {"flock", "skpath=/etc/lustre/keys"}}
    kerberos = own_flavor(kerberos=REALM)
    kerberos.filesystems[0]["tenants"][0]["flavor"] = "krb5p"
    assert {host for host in ("s1", "s2", "c1", "b1") if "kerberos" in kerberos.node(host)} == {"s1", "s2", "b1"}


def test_a_tenant_that_goes_keeps_its_data() -> None:
    site = tenants(phys={"state": "absent", "mount": {"path": "/mnt/phys"}}, flavors="ski", ssk={})
    on_mgs = site.node("s1", consent={"nodemaps": ["phys"]})["nodemaps"]
    assert {"name": "phys", "state": "absent"} in on_mgs["nodemaps"] and on_mgs["consent"] == ["phys"]
    assert [(m["path"], m["state"]) for m in site.node("p1")["mounts"]] == [("/mnt/phys", "absent")]
    assert [d["path"] for d in site.node("c1")["directories"]] == ["/mnt/fs1/tenants/bio"]
    assert [key["nodemap"] for key in site.node("s2")["ssk_keys"]] == ["servers", "admins", "bio"]
    gone = {"nodemap": "phys", "state": "absent"}
    assert site.node("s2")["ssk_keys_gone"] == [{"path": "/etc/lustre/keys/fs1.server.phys.key", **gone}]
    assert "ssk_keys" not in site.node("p1")
    assert site.node("p1")["ssk_keys_gone"] == [{"path": "/etc/lustre/keys/fs1.client.phys.key", **gone}]
    SskKeyResource.from_options(site.node("p1")["ssk_keys_gone"], ["/etc/lustre/keys/fs1.client.phys.key"])
    assert "ssk_keys_gone" not in site.node("b1") and "ssk_keys_gone" not in site.node("c1")


def test_a_client_knows_its_nodemap_without_reading_anybody_else() -> None:
    site = tenants(flavors="skpi", ssk={}, phys={"mount": {"path": "/mnt/phys"}})
    vars_of = site.hostvars()
    node_state(site.filesystems, "p1", vars_of, site.groups, site.lnet)
    assert vars_of.asked == {"p1", "s1", "s2"}


def test_an_unknown_nid_of_a_nodemap_is_told_by_the_host_that_needs_it() -> None:
    site = tenants(hosts={"p1": "p1.lab.example"})
    with pytest.raises(SiteError, match=r"tenants\[1\]\.hosts: the NIDs of p1 are not known"):
        site.node("s1")
    assert site.node("c1")


def test_where_encrypted_directories_are() -> None:
    encrypted = [
        {"path": "/phys/vault", "hosts": ["p1", "c1"], "key": "phys", "state": "locked"},
        {"path": "/data", "hosts": "c1", "key_file": "/etc/lustre/data.key", "identifier": "0" * 32},
        {"path": "/open", "hosts": "c1", "key": "open", "key_file": "/etc/lustre/k", "protector": "custom_passphrase"},
    ]
    site = tenants(encrypted=encrypted, phys={"mount": {"path": "/mnt/phys"}})
    modes = {"owner": "root", "group": "root", "mode": "0700", "contents": "AES-256-XTS", "filenames": "AES-256-CTS"}
    assert site.node("p1")["encryption"] == [
        {"path": "/mnt/phys/vault", "fsname": "fs1", "state": "locked", "key_name": "phys", "tenant": "phys", **modes}
    ]
    assert [one["path"] for one in site.node("c1")["encryption"]] == [
        "/mnt/fs1/phys/vault",
        "/mnt/fs1/data",
        "/mnt/fs1/open",
    ]
    assert [one.get("protector") for one in site.node("c1")["encryption"]] == [None, None, "custom_passphrase"]
    assert "encryption" not in site.node("b1")


# ---- root squash -----------------------------------------------------------------------------------------


def squash_of(site, host="s1"):
    return [(p["name"], p["value"]) for p in site.node(host)["params"] if "squash" in p["name"]]


def test_root_squash_is_stored_by_the_mgs_the_list_of_who_is_not_squashed_first() -> None:
    hosts = {
        "d[1-9]": "10.0.1.[1-9]",
        "x1": {"nids": ["10.0.0.19@tcp", "10.9.0.9@o2ib"], "interfaces": {"o2ib": ["ib0"]}},
    }
    squash = {"nosquash": ["d[1-3]", "x1"], "nosquash_nids": "10.8.0.0/24@tcp"}
    site = small(root_squash=squash, hosts=hosts, params={"at_max": 600})
    nids = "0@lo 10.9.0.9@o2ib 10.0.0.[1-2]@tcp 10.0.0.19@tcp 10.0.1.[1-3]@tcp 10.8.0.*@tcp"
    assert [(p["name"], p["value"]) for p in site.node("s1")["params"]] == [
        ("at_max", "600"),
        ("mdt.fs1-*.nosquash_nids", nids),
        ("mdt.fs1-*.root_squash", "65534:65534"),
    ]
    assert not any(squash_of(site, host) for host in ("s2", "c1", "d1", "x1"))
    wanted = wants_from_options(site.node("s1")["params"])
    assert [(want.kind.name, want.scope, want.fsname) for want in wanted[1:]] == [
        ("nids", "persistent", "fs1"),
        ("text", "persistent", "fs1"),
    ]


def test_root_squash_is_taken_back_by_a_zero_and_left_alone_without_a_word() -> None:
    assert squash_of(small()) == []
    site = small(root_squash={"uid": 0, "gid": 0})
    # the list last: shortened first, it would squash for a moment who was spared until now
    assert squash_of(site) == [("mdt.fs1-*.root_squash", "0:0"), ("mdt.fs1-*.nosquash_nids", "0@lo 10.0.0.[1-2]@tcp")]


def test_root_squash_reads_the_variables_of_those_whom_it_spares_on_the_mgs_alone() -> None:
    site = small(root_squash={"nosquash": "d1"}, hosts={"d[1-9]": "10.0.1.[1-9]"})
    for host, reads in (("s1", {"s1", "s2", "d1"}), ("c1", {"c1", "s1", "s2"})):
        vars_of = site.hostvars()
        node_state(site.filesystems, host, vars_of, site.groups, site.lnet)
        assert vars_of.asked <= reads, host


def test_a_host_without_a_nid_is_told_by_the_mgs() -> None:
    site = small(root_squash={"nosquash": "p1"}, hosts={"c1": "10.0.0.9", "p1": "p1.lab.example"})
    with pytest.raises(SiteError, match=r"root_squash\.nosquash: the NIDs of p1 are not known"):
        site.node("s1")
