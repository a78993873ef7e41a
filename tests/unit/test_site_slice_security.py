# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one host gets of a site's security: flavors, keys, principals, and the options of its mounts."""

from __future__ import annotations

import json

import pytest

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._node import options_of, parts_of
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import SiteError
from tests.unit.site_support import BY_ID, DEMO_HOSTS, SiteFile, demo, small

REALM = {"realm": "LAB.EXAMPLE", "kdcs": "s1", "domain": "lab.example"}
KEYS = {"nodemaps", "flavors", "ssk_keys", "gss", "kerberos", "encryption"}
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
