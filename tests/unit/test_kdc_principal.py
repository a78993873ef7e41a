"""Principals of a KDC: read as kadmin tells them, made in one process, and nothing believed that was not read back."""

from __future__ import annotations

import base64
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import krb5
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    NotConverged,
    Refused,
    ToolError,
    ToolMissing,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.kdc_principal import (
    PrincipalsResource,
    PrincipalsWant,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.kdc_principal_export import export
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.fake_runner import load_transcript
from tests.unit.keytab_support import REAL
from tests.unit.models.kdc_model import Database, line, missing

MDS, OSS = (f"lustre_{kind}/server.lab.example@LAB.EXAMPLE" for kind in ("mds", "oss"))
LOCAL = ("kadmin.local", "-r", "LAB.EXAMPLE")
SHA2, SHA1 = "aes256-cts-hmac-sha384-192", "aes256-cts-hmac-sha1-96"
SALTED = f"{SHA2}:normal,{SHA1}:normal"


def resource(*names, now=2000.0, **options):
    want = PrincipalsWant.from_options({"principals": list(names), "realm": "LAB.EXAMPLE", **options})
    return PrincipalsResource(want, now=lambda: now)


def reads(*names, out="", err=""):
    return (LOCAL, Result(0, out, err), "".join(f"getprinc -terse {name}\n" for name in names))


# ---- recordings ------------------------------------------------------------------------------


def test_principals_as_a_real_kadmin_tells_them():
    found = krb5.parse_terse(load_transcript("krb5/kadmin-cpw").out)
    assert found == {MDS: krb5.Principal(MDS, 1796072213, 36000, 2, ((2, 20), (1, 20), (1, 18)))}
    assert found[MDS].enctypes(2) == (SHA2,)
    assert krb5.parse_terse(load_transcript("krb5/kadmin-remote").out)["host/a@LAB.EXAMPLE"].kvno == 1
    krb5.parse_missing(load_transcript("krb5/kadmin-missing").err)


def test_an_answer_right_behind_the_prompt_is_read_too():
    assert set(krb5.parse_terse("kadmin.local:  " + line(MDS) + "kadmin:  " + line(OSS))) == {MDS, OSS}


@pytest.mark.parametrize("name", ["krb5/kadmin-limited", "krb5/kadmin-remote", "krb5/kadmin-ktadd", "krb5/kadmin-del"])
def test_real_complaints_are_seen_behind_exit_code_0(name):
    recorded = load_transcript(name)
    assert recorded.rc == 0 and krb5.complaints(recorded.err)


def test_real_words_that_are_no_complaint():
    assert krb5.complaints(load_transcript("krb5/kadmin-cpw").err) == ""
    policy = [text for text in load_transcript("krb5/kadmin-remote").err.splitlines() if "policy" in text]
    assert policy and krb5.complaints("\n".join(policy)) == ""


@pytest.mark.parametrize("name", ["krb5/kadmin-badkeytab", "krb5/kadmin-noserver", "krb5/kadmin-nodb"])
def test_a_database_that_cannot_be_reached(fake, name):
    with pytest.raises(ToolError, match="Could not reach the Kerberos database"):
        converge(resource(MDS), fake([(LOCAL, load_transcript(name))]))


def test_unknown_words_stop(fake):
    broken = line(MDS).replace("\t36000\t", "\tten hours\t")
    with pytest.raises(UnknownOutput):
        converge(resource(MDS), fake([reads(MDS, out=broken)]))
    with pytest.raises(ToolError, match="Insufficient access"):
        converge(resource(MDS), fake([reads(MDS, err="get_principal: Insufficient access to perform it\n")]))


def test_the_package_of_a_missing_program(fake):
    with pytest.raises(ToolMissing, match="krb5-admin-server"):
        converge(resource(MDS), fake([(LOCAL, ToolMissing("kadmin.local"))]))
    argv = ("kadmin", "-r", "LAB.EXAMPLE", "-s", "kdc1", "-p", "root/admin", "-k", "-t", "/root/a.keytab")
    away = resource(MDS, admin="root/admin", admin_keytab="/root/a.keytab", server="kdc1")
    with pytest.raises(ToolMissing, match="krb5-user"):
        converge(away, fake([(argv, ToolMissing("kadmin"))]))


# ---- plans -----------------------------------------------------------------------------------


def test_missing_ones_are_made_by_one_process_and_read_back(fake):
    made = f"addprinc -randkey -e {SALTED} {MDS}\naddprinc -randkey -e {SALTED} {OSS}\n"
    harmless = f"No policy specified for {MDS}; defaulting to no policy\n"
    calls = [
        reads(MDS, OSS, err=missing(MDS) + missing(OSS)),
        (LOCAL, Result(0, "", harmless), made),
        reads(MDS, OSS, out=line(MDS) + line(OSS)),
    ]
    outcome = converge(resource("lustre_mds/server.lab.example", OSS), fake(calls))
    assert [step.action for step in outcome.plan.steps] == ["create"]
    assert outcome.after["principals"][0] == {
        "name": MDS, "kvno": 1, "kvnos": [1], "enctypes": [SHA2, SHA1], "changed": 1000, "max_life": 36000
    }  # fmt: skip
    assert converge(resource(MDS, OSS), fake(calls[:1]), check_mode=True).plan == outcome.plan
    assert not converge(resource(MDS, OSS), fake(calls[2:])).changed


def test_what_kadmin_refuses_is_an_error_although_it_ends_well(fake):
    refusal = f"add_principal: Operation requires ``add'' privilege while creating \"{MDS}\".\n"
    with pytest.raises(ToolError, match=r"requires ``add'' privilege.*kadm5\.acl"):
        converge(resource(MDS), fake([reads(MDS, err=missing(MDS)), (LOCAL, Result(0, "", refusal))]))


def test_what_was_not_made_is_an_error(fake):
    calls = [reads(MDS, err=missing(MDS)), (LOCAL, ""), reads(MDS, err=missing(MDS))]
    with pytest.raises(NotConverged, match="create lustre_mds"):
        converge(resource(MDS), fake(calls))


def test_old_keys_get_new_ones_beside_them(fake):
    rotate = f"cpw -randkey -keepold -e {SALTED} {MDS}\n"
    both = line(MDS, 1990, 2, ((2, 20), (2, 18), (1, 20), (1, 18)))
    calls = [
        reads(MDS, OSS, out=line(MDS, 999) + line(OSS, 1500)),
        (LOCAL, "", rotate),
        reads(MDS, OSS, out=both + line(OSS, 1500)),
    ]
    # the clock of this KDC is 10 s behind: its new key is not older than wanted
    outcome = converge(resource(MDS, OSS, rotate_older_than=1000), fake(calls))
    (step,) = outcome.plan.steps
    assert (step.action, step.object, step.disruptive) == ("rotate", MDS, True)
    assert outcome.after["principals"][0]["kvnos"] == [1, 2]
    zero = converge(
        resource(MDS, rotate_older_than=0), fake([reads(MDS, out=line(MDS)), (LOCAL, ""), reads(MDS, out=both)])
    )
    assert zero.changed
    with pytest.raises(NotConverged, match="rotate"):
        converge(
            resource(MDS, rotate_older_than=0),
            fake([reads(MDS, out=line(MDS)), (LOCAL, ""), reads(MDS, out=line(MDS))]),
        )


def test_older_versions_go_on_demand_only(fake):
    both = line(MDS, 1000, 2, ((2, 20), (2, 18), (1, 20)))
    assert not converge(resource(MDS), fake([reads(MDS, out=both)])).changed
    calls = [
        reads(MDS, out=both),
        (LOCAL, "", f"purgekeys -keepkvno 2 {MDS}\n"),
        reads(MDS, out=line(MDS, 1000, 2, ((2, 20), (2, 18)))),
    ]
    assert converge(resource(MDS, purge_old=True), fake(calls)).changed


def test_other_encryption_types_are_told_and_left(fake):
    outcome = converge(resource(MDS), fake([reads(MDS, out=line(MDS, keys=((1, 18),)))]))
    assert not outcome.changed
    assert outcome.plan.drift[0].found == f"keys of {SHA1}"


def test_removing_needs_a_consent_that_names_the_principal(fake):
    with pytest.raises(Refused, match="cannot be had back"):
        converge(resource(MDS, state="absent", consent=[OSS]), fake([reads(MDS, out=line(MDS))]))
    calls = [reads(MDS, out=line(MDS)), (LOCAL, "", f"delprinc -force {MDS}\n"), reads(MDS, err=missing(MDS))]
    outcome = converge(resource(MDS, state="absent", consent=["lustre_mds/server.lab.example"]), fake(calls))
    assert outcome.plan.steps[0].destructive
    assert not converge(resource(MDS, state="absent"), fake([reads(MDS, err=missing(MDS))])).changed


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"principals": ["a b"]}, "principals[0]: 'a b' is not a principal"),
        ({"principals": ['x"\nquit']}, "is not a principal"),
        ({"principals": ["-force"]}, "principals[0]: '-force' is not a principal"),
        ({"principals": ["a@OTHER"]}, "a@OTHER is not of the realm LAB.EXAMPLE"),
        ({"realm": "a b"}, "realm: 'a b' is not the name of a realm"),
        ({"enctypes": ["aes512"]}, "enctypes[0]: 'aes512' is not an encryption type known here"),
        ({"state": "gone"}, "state: 'gone'"),
        ({"rotate_older_than": -1}, "rotate_older_than: -1"),
        ({"state": "absent", "rotate_older_than": 1}, "principals that are to go"),
        ({"purge_old": True, "rotate_older_than": 1}, "purge_old: new keys are of use only once"),
        ({"admin": "root/admin"}, "belong together"),
        ({"server": "kdc1"}, "kadmin.local knows no server"),
        ({"admin": "a", "admin_keytab": "/a b"}, "admin_keytab: '/a b' cannot be used"),
    ],
)
def test_unusable_options(options, says):
    with pytest.raises(BadValue) as bad:
        PrincipalsWant.from_options({"principals": [MDS], "realm": "LAB.EXAMPLE", **options})
    assert says in str(bad.value)
    with pytest.raises(BadValue, match="is not one of the principals"):
        PrincipalsWant.from_options({"principals": [MDS], "realm": "LAB.EXAMPLE"}, [OSS])


# ---- export ----------------------------------------------------------------------------------


class Exporting:
    """kadmin that writes each asked keytab; the folder must be root's alone."""

    def __init__(self, data, err=""):
        self.data, self.err, self.paths = data, err, []

    def __call__(self, argv, stdin=None, timeout=0.0):
        assert argv == LOCAL
        for request in stdin.splitlines():
            verb, quiet, key, path, _name = request.split()
            assert (verb, quiet, key) == ("ktadd", "-norandkey", "-k"), "an export must not change a key"
            assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700
            self.paths.append(path)
            if self.data:
                with open(path, "wb") as stream:
                    stream.write(self.data)
        return Result(0, "", self.err)


def test_keys_pass_a_private_folder_that_is_gone_afterwards(tmp_path):
    run = Exporting(REAL["servers"])
    found = export(run, krb5.Kadmin("LAB.EXAMPLE"), [MDS, OSS], str(tmp_path))
    assert {name: base64.b64decode(text) for name, text in found.items()} == {
        MDS: REAL["servers"],
        OSS: REAL["servers"],
    }
    assert len(set(run.paths)) == 2 and not list(tmp_path.iterdir())


def test_keys_that_are_not_given_are_an_error_with_the_reason(tmp_path):
    refusal = load_transcript("krb5/kadmin-limited").err.splitlines()[0]
    run = Exporting(b"", refusal + "\n")
    with pytest.raises(ToolError, match=r"extract-keys'' privilege.*the privilege e"):
        export(run, krb5.Kadmin("LAB.EXAMPLE"), [MDS], str(tmp_path))
    with pytest.raises(ToolError):
        export(Exporting(REAL["admin"]), krb5.Kadmin("LAB.EXAMPLE"), [MDS], str(tmp_path))
    assert not list(tmp_path.iterdir())


# ---- whatever the database holds -------------------------------------------------------------


names = st.sampled_from([MDS, OSS, "host/a@LAB.EXAMPLE"])


@given(
    before=st.dictionaries(
        names, st.tuples(st.integers(0, 1999), st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True))
    ),
    wanted=st.lists(names, unique=True),
    older=st.none() | st.integers(0, 2000),
    purge=st.booleans(),
)
def test_whatever_is_there_becomes_what_is_wanted(before, wanted, older, purge):
    database = Database(dict(before))
    options = {"rotate_older_than": older, "purge_old": purge and older is None}
    planned = converge(resource(*wanted, **options), database, check_mode=True)
    assert database.principals == before
    outcome = converge(resource(*wanted, **options), database)
    assert outcome.plan.steps == planned.plan.steps
    assert {name: database.principals[name] for name in before if name not in wanted} == {
        name: value for name, value in before.items() if name not in wanted
    }
    assert set(wanted) <= set(database.principals)
    for name in set(wanted) & set(before):
        newest = max(before[name][1])
        rotated = older is not None and before[name][0] < 2000 - older
        assert max(database.principals[name][1]) == newest + rotated
        assert newest in database.principals[name][1], "whoever has the present key can go on"
    assert not converge(resource(*wanted, **options), database).changed
