"""Who is called what in Kerberos, and which keys a host lacks."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.lustre.core.plugins.filter.kerberos import FilterModule

FILTERS = FilterModule().filters()
HOSTVARS = {
    "mds1": {"lustre_nids": ["10.0.0.1@tcp", "10.1.0.1@tcp1", "0x12@gni"], "ansible_host": "192.0.2.1"},
    "oss1.lab.example": {"ansible_host": "10.0.0.2"},
    "c1": {"lustre_fqdn": "client1.other.example", "lustre_nids": "10.0.0.3@tcp"},
    "c2": {"ansible_host": "c2.example"},
}
MDS = "lustre_mds/mds1.lab.example@LAB.EXAMPLE"


def test_each_address_of_a_nid_with_the_full_name():
    assert FILTERS["kerberos_names"](
        ["mds1", "oss1.lab.example", "c1", "c2", "gone", "mds1"], HOSTVARS, {"domain": "lab.example"}
    ) == [
        {"address": "10.0.0.1", "fqdn": "mds1.lab.example"},
        {"address": "10.1.0.1", "fqdn": "mds1.lab.example"},
        {"address": "10.0.0.2", "fqdn": "oss1.lab.example"},
        {"address": "10.0.0.3", "fqdn": "client1.other.example"},
    ]
    assert FILTERS["kerberos_names"](["mds1", "10.0.0.9"], {"mds1": HOSTVARS["mds1"], "10.0.0.9": {}}, {}) == []


def test_kdcs_by_address_where_the_inventory_knows_one():
    assert FILTERS["kerberos_kdcs"](["mds1", "kdc.example.com"], HOSTVARS) == ["192.0.2.1", "kdc.example.com"]
    assert FILTERS["kerberos_kdcs"]("mds1", HOSTVARS) == ["192.0.2.1"]


def kdc(kvno=2, enctypes=("a", "b")):
    return {"principals": [{"name": MDS, "kvno": kvno, "enctypes": list(enctypes)}]}


def entries(*keys):
    return {"entries": [{"principal": MDS, "kvno": kvno, "enctype": kind} for kvno, kind in keys]}


@pytest.mark.parametrize(
    ("keytab", "lacks"),
    [
        (entries(), True),
        (entries((2, "a"), (2, "b")), False),
        (entries((1, "a"), (1, "b"), (2, "a"), (2, "b")), False),
        (entries((1, "a"), (1, "b")), True),
        (entries((2, "a"), (1, "b")), True),
        ({}, True),
    ],
)
def test_the_version_and_every_type_that_the_kdc_uses_must_be_there(keytab, lacks):
    assert FILTERS["keys_lacking"]([MDS], kdc(), keytab) == ([MDS] if lacks else [])


def test_a_principal_that_the_kdc_does_not_have():
    with pytest.raises(AnsibleFilterError, match="the KDC has no such principal"):
        FILTERS["keys_lacking"](["lustre_oss/x@LAB.EXAMPLE"], kdc(), {})


@pytest.mark.parametrize(
    ("keytab", "alone"),
    [
        (entries((2, "a"), (2, "b")), True),
        (entries((1, "a"), (2, "a"), (2, "b")), False),
        (entries(), False),
        ({}, False),
    ],
)
def test_older_keys_are_of_no_use_where_a_keytab_has_one_version(keytab, alone):
    other = [{"principal": "host/mds1@LAB.EXAMPLE", "kvno": kvno, "enctype": "a"} for kvno in (1, 2)]
    keytab = {"entries": [*keytab.get("entries", ()), *other]}
    assert FILTERS["keys_alone"]([MDS, "lustre_oss/x@LAB.EXAMPLE"], keytab) == ([MDS] if alone else [])
