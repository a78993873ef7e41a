"""What ends and when: dates of a real KDC, real tickets, and keys of which only the least age is known."""

from __future__ import annotations

import base64
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import ccache_file, krb5
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import FileState
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._readers import verify_expiry
from ansible_collections.lustre.core.plugins.module_utils._readers.verify_expiry import Expiry, Local
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.fake_runner import load_cases, load_transcript
from tests.unit.keytab_support import keytab, record

MDS, OSS, MGS = (f"lustre_{kind}/server.lab.example@LAB.EXAMPLE" for kind in ("mds", "oss", "mgs"))
ROOT, FAR = "lustre_root/client.lab.example@LAB.EXAMPLE", "far@LAB.EXAMPLE"
LOCAL = ("kadmin.local", "-r", "LAB.EXAMPLE")
CACHE = base64.b64decode(load_cases("ticket_cache")["cache"].replace(" ", ""))
#: Of the recordings: when they were made, and what kadmin tells of five principals.
NOW, DAY = 1796082791.0, 86400
FIVE = load_transcript("krb5/kadmin-expiry")
#: The end of the tickets of the recorded cache.
ENDS = 1796118791
PRIVATE = re.compile(r"FILE:.*/\.lustre-tickets-[^/]+/cc")


def local(tmp_path, data=b"", cache=b"", files=None, now=NOW):
    return Local(
        keytab=lambda path: FileState("file", data, 0o600) if data else FileState("absent"),
        cache=lambda path: cache,
        written=lambda path: (files or {}).get(path),
        now=lambda: now,
        folder=str(tmp_path),
    )


def verified(run, here, **options):
    return Expiry.from_options(run, options, local=here).verify()


def asked(*names, answer=FIVE):
    return (LOCAL, answer, "".join(f"getprinc -terse {name}\n" for name in names))


def got(name, answer=""):
    return (("kinit", "-c", PRIVATE, "-k", "-t", "FILE:/etc/krb5.keytab", name), answer)


# ---- the database ----------------------------------------------------------------------------


def test_dates_as_a_real_kadmin_tells_them_even_beyond_2038():
    found = krb5.parse_terse(FIVE.out)
    dates = {name: (one.expires, one.key_expires) for name, one in found.items()}
    assert dates == {
        MDS: (1796000400, 0),
        ROOT: (0, 1796428800),
        OSS: (0, 0),
        MGS: (0, 1795910400),
        FAR: (2208988800, 0),
    }


def test_who_has_expired_is_named_with_date_effect_and_command(fake, tmp_path):
    names = (MDS, ROOT, OSS, MGS, FAR)
    found = verified(fake([asked(*names)]), local(tmp_path), realm="LAB.EXAMPLE", database=names)
    assert found["problems"] == [
        f"The principal {MDS} expired 1.0 days ago (2026-11-30 01:00 UTC): the KDC gives tickets neither to it nor for it, so nothing of it "
        f'connects anew. Let it live on: kadmin.local -r LAB.EXAMPLE -q "modprinc -expire never {MDS}"',
        f"The key of the principal {ROOT} (its password, as kadmin calls it) expires in 4.0 days (2026-12-05 00:00 UTC): then the KDC gives "
        "it no tickets, so it makes no connection anew. Give it a new one (the playbook lustre.core.rotate_keytabs), or let it live on: "
        f'kadmin.local -r LAB.EXAMPLE -q "modprinc -pwexpire never {ROOT}"',
        f"The key of the principal {MGS} (its password, as kadmin calls it) expired 2.0 days ago (2026-11-29 00:00 UTC): the KDC gives "
        "it no tickets, so it makes no connection anew. Give it a new one (the playbook lustre.core.rotate_keytabs), or let it live on: "
        f'kadmin.local -r LAB.EXAMPLE -q "modprinc -pwexpire never {MGS}"',
    ]
    assert not found["healthy"] and len(found["checks"]) == 10
    assert [(one["kind"], one["object"], one["days_left"]) for one in found["ends"]] == [
        ("principal", MDS, -1.0),
        ("key of a principal", ROOT, 4.0),
        ("key of a principal", MGS, -2.0),
        ("principal", FAR, 4779.0),
    ]


@pytest.mark.parametrize(("days", "told"), [(0, False), (4, False), (4.1, True), (14, True)])
def test_the_threshold_is_for_what_has_not_ended(fake, tmp_path, days, told):
    found = verified(fake([asked(ROOT)]), local(tmp_path), realm="LAB.EXAMPLE", database=[ROOT], days=days)
    assert bool(found["problems"]) is told
    assert [one["days_left"] for one in found["ends"]] == [4.0]


def test_what_has_expired_is_a_problem_without_any_threshold(fake, tmp_path):
    found = verified(fake([asked(MDS)]), local(tmp_path), realm="LAB.EXAMPLE", database=[MDS], days=0)
    assert len(found["problems"]) == 1 and "expired 1.0 days ago" in found["problems"][0]


def test_a_principal_that_is_not_there(fake, tmp_path):
    name = "lustre_mds/new@LAB.EXAMPLE"
    gone = Result(0, "", f'get_principal: Principal does not exist while retrieving "{name}".\n')
    found = verified(
        fake([asked(name, answer=gone)]), local(tmp_path), realm="LAB.EXAMPLE", database=["lustre_mds/new"]
    )
    assert found["problems"] == [
        f"The Kerberos database of LAB.EXAMPLE has no principal {name}. Run the playbook lustre.core.site for its host."
    ]


def test_a_database_of_an_administrator_elsewhere(fake, tmp_path):
    argv = ("kadmin", "-r", "LAB.EXAMPLE", "-s", "kdc1", "-p", "root/admin", "-k", "-t", "/root/a.keytab")
    options = {"realm": "LAB.EXAMPLE", "admin": "root/admin", "admin_keytab": "/root/a.keytab", "server": "kdc1"}
    found = verified(fake([(argv, FIVE)]), local(tmp_path), database=[MDS], **options)
    assert f'{" ".join(argv)} -q "modprinc -expire never {MDS}"' in found["problems"][0]


@pytest.mark.parametrize(
    "answer", [ToolMissing("kadmin.local"), Result(1, "", "kadmin.local: no database"), '"a"\tnonsense\n']
)
def test_a_database_that_does_not_answer_is_a_problem_and_ends_nothing(fake, tmp_path, answer):
    here = local(tmp_path, keytab(record(MDS)))
    run = fake([got(MDS), asked(MDS, answer=answer)])
    found = verified(run, here, principals=[MDS], realm="LAB.EXAMPLE", database=[MDS])
    assert len(found["problems"]) == 1 and [check["ok"] for check in found["checks"]] == [True, True]


# ---- a node ----------------------------------------------------------------------------------


def test_a_node_tells_the_least_age_of_its_keys_and_the_end_of_its_ticket(fake, tmp_path):
    data = keytab(record(ROOT, 1, time=int(NOW) - 90 * DAY), record(ROOT, 2, time=int(NOW) - 12 * DAY))
    found = verified(fake([got(ROOT)]), local(tmp_path, data, CACHE), principals=[ROOT])
    assert found["healthy"] and found["principals"] == [ROOT]
    assert found["ends"] == [
        {"kind": "keytab", "object": ROOT, "ends": 0, "days_left": None, "days_old": 12.0},
        {"kind": "ticket", "object": ROOT, "ends": ENDS, "days_left": 0.4, "days_old": None},
    ]
    assert [check["found"] for check in found["checks"]] == [
        "version 2, at least 12.0 days old", "in 0.4 days (2026-12-01 09:53 UTC)", "a ticket"
    ]  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_ticket_that_has_ended_is_got_anew_and_no_problem(fake, tmp_path):
    here = local(tmp_path, keytab(record(ROOT)), CACHE, now=ENDS + 2.0 * DAY)
    found = verified(fake([got(ROOT)]), here, principals=[ROOT])
    assert found["healthy"] and found["ends"][1]["days_left"] == -2.0


def test_a_ticket_hides_that_the_key_is_away(fake, tmp_path):
    found = verified(fake([]), local(tmp_path, b"", CACHE), principals=[ROOT])
    assert found["problems"] == [
        f"/etc/krb5.keytab has no key of {ROOT}, so that this node can prove its name to nobody. What works now lives of a ticket that ends "
        "in 0.4 days (2026-12-01 09:53 UTC). Run the playbook lustre.core.site for this node."
    ]
    later = verified(fake([]), local(tmp_path, b"", CACHE, now=ENDS + 1.0), principals=[ROOT])
    assert "What works now" not in later["problems"][0]


@pytest.mark.parametrize(
    ("recorded", "says"),
    [
        ("kinit-expired", "modprinc -expire never"),
        ("kinit-keyexpired", "Give it a new key (lustre.core.rotate_keytabs)"),
        ("kinit-oldkvno", "The KDC has another key for it"),
    ],
)
def test_who_cannot_ask_the_database_learns_it_by_a_ticket(fake, tmp_path, recorded, says):
    answer = load_transcript(f"krb5/{recorded}")
    found = verified(fake([got(MDS, answer)]), local(tmp_path, keytab(record(MDS))), principals=[MDS])
    (problem,) = found["problems"]
    assert problem.startswith(f"/etc/krb5.keytab gives no ticket for {MDS} (kinit: ") and says in problem


def test_a_kdc_that_is_down_is_waited_for_once(fake, tmp_path):
    down = load_transcript("krb5/kinit-nokdc")
    data = keytab(record(MDS), record(OSS))
    found = verified(fake([got(MDS, down)]), local(tmp_path, data), principals=[MDS, OSS])
    assert len(found["problems"]) == 1 and "Check that the KDC runs" in found["problems"][0]


def test_no_ticket_is_asked_for_on_demand(fake, tmp_path):
    assert verified(fake([]), local(tmp_path, keytab(record(MDS))), principals=[MDS], tickets=False)["healthy"]


def test_unreadable_files_are_problems(fake, tmp_path):
    found = verified(fake([]), local(tmp_path, b"nonsense"), principals=[MDS])
    assert len(found["problems"]) == 1 and "The keytab file" in found["problems"][0]
    found = verified(fake([got(ROOT)]), local(tmp_path, keytab(record(ROOT)), b"\x05\x03"), principals=[ROOT])
    assert len(found["problems"]) == 1 and "The ticket cache" in found["problems"][0] and len(found["checks"]) == 2


# ---- ages ------------------------------------------------------------------------------------


def test_shared_keys_have_an_age_and_no_end(fake, tmp_path):
    files = {"/k/a.key": NOW - 100 * DAY, "/k/b.key": NOW + 5}
    found = verified(fake([]), local(tmp_path, files=files), shared_keys=["/k/a.key", "/k/b.key"])
    assert found["healthy"]
    assert [(one["ends"], one["days_left"], one["days_old"]) for one in found["ends"]] == [
        (0, None, 100.0),
        (0, None, 0.0),
    ]
    found = verified(
        fake([]), local(tmp_path, files=files), shared_keys=["/k/a.key", "/k/b.key", "/k/c.key"], max_age=90
    )
    assert found["problems"] == [
        "The key /k/a.key is at least 100.0 days old (it was written 2026-08-22 23:53 UTC), and 90 are allowed. Exchange it: the playbook "
        "lustre.core.rotate_ssk.",
        "The shared key /k/c.key is not there: after a boot this node connects to nobody. Run the playbook lustre.core.site for this node.",
    ]
    assert [one["days_left"] for one in found["ends"]] == [-10.0, 90.0]


def test_old_keys_of_the_keytab_are_told_on_demand(fake, tmp_path):
    here = local(tmp_path, keytab(record(MDS, time=int(NOW) - 100 * DAY)))
    assert verified(fake([got(MDS)]), here, principals=[MDS])["healthy"]
    found = verified(fake([got(MDS)]), here, principals=[MDS], max_age=99.9)
    assert "at least 100.0 days old (it was written into /etc/krb5.keytab 2026-08-22" in found["problems"][0]
    assert "lustre.core.rotate_keytabs" in found["problems"][0]


def test_a_key_without_a_time_has_no_age(fake, tmp_path):
    found = verified(fake([got(MDS)]), local(tmp_path, keytab(record(MDS, time=0))), principals=[MDS], max_age=1)
    assert found["healthy"] and found["ends"][0]["days_old"] is None


def test_when_a_file_was_written(tmp_path):
    (tmp_path / "a.key").write_bytes(b"x")
    os.utime(tmp_path / "a.key", (5.0, 7.0))
    assert verify_expiry.written(str(tmp_path / "a.key")) == 7.0
    assert verify_expiry.written(str(tmp_path)) is None and verify_expiry.written(str(tmp_path / "b.key")) is None


# ---- the ticket cache ------------------------------------------------------------------------


def test_tickets_as_a_real_cache_has_them_and_no_settings_among_them():
    owner, tickets = ccache_file.parse_tickets(CACHE, "a test")
    assert owner == ROOT
    assert [(one.server, one.ends, one.granting) for one in tickets] == [
        ("krbtgt/LAB.EXAMPLE@LAB.EXAMPLE", ENDS, True), (MGS, ENDS, False), (OSS, ENDS, False)
    ]  # fmt: skip


@given(size=st.integers(0, len(CACHE) - 1))
def test_a_cache_that_is_cut_off_is_never_half_believed(size):
    try:
        owner, tickets = ccache_file.parse_tickets(CACHE[:size], "a test")
    except UnknownOutput:
        return
    assert owner == ROOT and len(tickets) < 3, "cut between two tickets"


@given(data=st.binary(max_size=200))
def test_whatever_lies_there_is_a_cache_or_an_error(data):
    for content in (data, b"\x05\x04" + data, CACHE[:200] + data):
        try:
            ccache_file.parse_tickets(content, "a test")
        except UnknownOutput as error:
            assert "The ticket cache" in str(error)


def test_only_root_s_own_file_is_read(tmp_path):
    (tmp_path / "cc").write_bytes(CACHE)
    os.symlink(tmp_path / "cc", tmp_path / "link")
    mine = os.getuid() == 0
    assert (ccache_file.own_cache(str(tmp_path / "cc")) == CACHE) is mine
    assert ccache_file.own_cache(str(tmp_path / "link")) == b"" == ccache_file.own_cache(str(tmp_path / "none"))


# ---- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"principals": ["a b"]}, "principals[0]: 'a b' is not a principal"),
        ({"database": ["a"]}, "realm: '' is not the name of a realm"),
        ({"database": ["a@B"], "realm": "A"}, "database[0]: a@B is not of the realm A"),
        ({"database": ["a"], "realm": "A", "admin": "x"}, "belong together"),
        ({"days": -1.0}, "days: -1 is negative"),
        ({"max_age": -2.0}, "max_age: -2 is negative"),
        ({"shared_keys": ["a.key"]}, "shared_keys[0]: 'a.key' is not an absolute path"),
    ],
)
def test_unusable_options(options, says):
    with pytest.raises(BadValue) as bad:
        Expiry.from_options(None, options)
    assert says in str(bad.value)


def test_nothing_asked_is_nothing_done(fake, tmp_path):
    found = verified(fake([]), local(tmp_path))
    assert found == {"checks": [], "problems": [], "healthy": True, "ends": [], "principals": []}
