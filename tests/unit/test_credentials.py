# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys that a node must have before anything is mounted: a look counts what is missing, a real run without them is refused."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import FileState
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._node import converge_node, parts_of
from ansible_collections.lustre.core.plugins.module_utils._resources.credentials import KEYTAB, CredentialsResource
from tests.unit.keytab_support import keytab, record

KERBEROS = {
    "realm": "LAB.EXAMPLE",
    "fqdn": "mds1.lab.example",
    "principals": ["lustre_mgs/mds1.lab.example", "lustre_mds/mds1.lab.example"],
}
KEYS = [{"path": "/etc/lustre/keys/fs1.server.default.key", "types": ["server"], "fsname": "fs1"}]
CONF = "[libdefaults]\n default_realm = LAB.EXAMPLE\n"


def keytab_of(*principals):
    return keytab(*(record(principal) for principal in principals))


WHOLE = keytab_of(*(f"{name}@LAB.EXAMPLE" for name in KERBEROS["principals"]))


def plain(data=b"", mode=0o600, uid=0):
    return FileState("file", data, mode, uid, 0)


def resource(files, conf=CONF, tentative=False, kerberos=KERBEROS, keys=KEYS):
    made = CredentialsResource.from_options(kerberos, keys, tentative)
    made.look = lambda path: files.get(path, FileState("absent"))
    made.read = lambda path: conf
    return made


GOOD = {KEYTAB: plain(WHOLE), KEYS[0]["path"]: plain(b"x")}
BAD = {
    "no keytab": ({KEYS[0]["path"]: plain()}, CONF, ["lustre_mgs/mds1.lab.example: /etc/krb5.keytab has no key of it"]),
    "one principal missing": (
        {**GOOD, KEYTAB: plain(keytab_of("lustre_mgs/mds1.lab.example@LAB.EXAMPLE"))},
        CONF,
        ["lustre_mds/mds1.lab.example: /etc/krb5.keytab has no key of it"],
    ),
    "another host's": (
        {**GOOD, KEYTAB: plain(keytab_of("lustre_mgs/mds2.lab.example@LAB.EXAMPLE"))},
        CONF,
        ["lustre_mgs/mds1.lab.example: /etc/krb5.keytab has no key of it"],
    ),
    "readable by others": (
        {**GOOD, KEYTAB: plain(WHOLE, 0o644)},
        CONF,
        ["/etc/krb5.keytab: owner 0:0 and mode 0644, where it must be root's alone (0600)"],
    ),
    "somebody else's key": (
        {**GOOD, KEYS[0]["path"]: plain(uid=1000)},
        CONF,
        ["/etc/lustre/keys/fs1.server.default.key: owner 1000:0 and mode 0600, where it must be root's alone (0600)"],
    ),
    "no key": ({KEYTAB: plain(WHOLE)}, CONF, ["/etc/lustre/keys/fs1.server.default.key: there is no such file"]),
    "a folder": (
        {**GOOD, KEYS[0]["path"]: FileState("a directory")},
        CONF,
        ["/etc/lustre/keys/fs1.server.default.key: it is a directory"],
    ),
    "another realm": (
        GOOD,
        "[libdefaults]\n default_realm = OLD.EXAMPLE\n",
        ["realm LAB.EXAMPLE: default_realm of krb5.conf is OLD.EXAMPLE"],
    ),
    "no krb5.conf": (GOOD, "", ["realm LAB.EXAMPLE: default_realm of krb5.conf is not set"]),
}


def test_a_node_that_has_all_needs_nothing_and_no_program(fake):
    outcome = converge(resource(GOOD), fake([]))
    assert not outcome.changed
    assert outcome.after == {"principals": KERBEROS["principals"], "keys": [KEYS[0]["path"]]}


@pytest.mark.parametrize(("files", "conf", "said"), BAD.values(), ids=list(BAD))
def test_what_is_missing_is_planned_by_a_look_and_refused_by_a_run(fake, files, conf, said):
    look = converge(resource(files, conf, tentative=True), fake([]), check_mode=True)
    told = [f"{step.object}: {step.reason}" for step in look.plan.steps]
    assert set(said) <= set(told) and all(not step.argv and step.write is None for step in look.plan.steps)
    with pytest.raises(Refused) as refused:
        converge(resource(files, conf), fake([]))
    assert all(text in str(refused.value) for text in said) and "lustre.core.site" in str(refused.value)


def test_a_broken_keytab_stops_a_look_as_well(fake):
    with pytest.raises(UnknownOutput, match="keytab"):
        converge(resource({**GOOD, KEYTAB: plain(b"\x05\x01rest")}, tentative=True), fake([]), check_mode=True)


def test_bad_values_name_their_place():
    with pytest.raises(BadValue, match=r"ssk_keys\[0\].path"):
        CredentialsResource.from_options(None, [{"path": "keys/a"}])
    with pytest.raises(BadValue, match=r"kerberos.principals\[0\]"):
        CredentialsResource.from_options({"principals": ["a b"]}, None)


def test_the_node_looks_at_keys_before_pools_and_mounts(fake):
    parts = parts_of({"kerberos": KERBEROS, "ssk_keys": KEYS, "gss": {"kerberos": True, "services": ["mgs"]}})
    assert [(part.phase, part.resource.kind) for part in parts] == [("credentials", "credentials"), ("gss", "gss")]
    assert parts[0].tentative.tentative and not parts[0].resource.tentative
    assert parts[1].resource.want.fqdn == "mds1.lab.example" and parts[1].tentative.coming
    assert parts_of({"phases": ["client"], "kerberos": KERBEROS}) == []
    assert parts_of({"kerberos": {}, "ssk_keys": [], "gss": {}}) == []
    parts[0].tentative.look = parts[0].resource.look = lambda path: FileState("absent")
    parts[0].tentative.read = lambda path: ""
    (look,) = converge_node(parts[:1], fake([]), check_mode=True)
    assert look.changed and len(look.outcome.plan.steps) == 4
