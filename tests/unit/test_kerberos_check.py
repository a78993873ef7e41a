"""What makes Lustre's Kerberos fail without a name for it: found beforehand, each with cause and remedy."""

from __future__ import annotations

import re
import struct

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import krb5, names
from ansible_collections.lustre.core.plugins.module_utils._cli.keytab_file import FileState
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolError, ToolMissing, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._readers.kerberos_check import Checker, Local
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.fake_runner import load_transcript
from tests.unit.keytab_support import REAL, keytab, record

ROOT, MDS, OSS = (
    "lustre_root/client.lab.example@LAB.EXAMPLE", "lustre_mds/server.lab.example@LAB.EXAMPLE", "lustre_oss/server.lab.example@LAB.EXAMPLE"
)  # fmt: skip
VERSION = (("lctl", "--version"), "lctl 2.17.0\n")
CACHE = re.compile(r"FILE:/.*/\.lustre-tickets-[^/]+/cc")


def local(tmp_path, data=b"", mode=0o600, settings=None, hosts="", now=5000.0, offset=0):
    head = (
        bytes.fromhex("0504000c00010008")
        + struct.pack(">ii", offset, 0)
        + bytes.fromhex("0000000100000001000000015200000001")
        + b"p"
    )
    return Local(
        keytab=lambda path: FileState("file", data, mode) if data else FileState("absent"),
        settings=lambda: settings or {},
        text=lambda path: hosts,
        now=lambda: now,
        head=lambda path: head,
        folder=str(tmp_path),
    )


def checked(run, here, **options):
    return Checker(run, options, here).check()


def kinit(name, answer="", path="/etc/krb5.keytab"):
    return (("kinit", "-c", CACHE, "-k", "-t", f"FILE:{path}", name), answer)


# ---- names -----------------------------------------------------------------------------------


def test_the_first_name_of_a_real_lookup_counts():
    text = "10.0.2.15       server.lab.example server lustre-lab\n10.9.0.2        client.lab.example client\n"
    assert names.parse_getent(text) == {"10.0.2.15": "server.lab.example", "10.9.0.2": "client.lab.example"}
    assert names.parse_getent("") == {}
    with pytest.raises(UnknownOutput):
        names.parse_getent("10.0.2.15\n")


def test_many_names_cost_few_processes(fake):
    many = [f"10.0.{n // 250}.{n % 250}" for n in range(450)]
    parts = [many[:200], many[200:400], many[400:]]
    calls = [(("getent", "hosts", *part), "".join(f"{one} h{one}\n" for one in part)) for part in parts]
    assert len(names.names_of(fake(calls), many)) == 450


def test_a_name_that_differs_is_told_with_the_line_it_comes_from(fake, tmp_path):
    """In the recording the mount retried until it was killed, and only the server's log had a word of it."""
    hosts = "127.0.0.1 localhost\n10.0.2.15 server server.lab.example # short first\n"
    run = fake([(("getent", "hosts", "10.0.2.15"), "10.0.2.15  server server.lab.example\n"), VERSION])
    found = checked(
        run, local(tmp_path, hosts=hosts), names=[{"address": "10.0.2.15@tcp", "fqdn": "server.lab.example"}]
    )
    (problem,) = found["problems"]
    assert problem.startswith(
        "On this node 10.0.2.15 is server (line 2 of /etc/hosts, of which the first name counts: '10.0.2.15 server server.lab.example'), "
        "and its principals are of server.lab.example"
    )
    assert not found["healthy"]


def test_a_name_from_the_dns_and_none_at_all(fake, tmp_path):
    argv = ("getent", "hosts", "10.9.0.2", "10.9.0.3", "10.9.0.4")
    calls = [(argv, Result(2, "10.9.0.2 cl.other.example\n10.9.0.4 c4.lab.example c4\n", "")), VERSION]
    wanted = [{"address": f"10.9.0.{n}", "fqdn": f"c{n}.lab.example"} for n in (2, 3, 4)]
    found = checked(fake(calls), local(tmp_path), names=wanted)
    assert "10.9.0.2 is cl.other.example (the name service, as /etc/hosts has no line for it)" in found["problems"][0]
    assert "10.9.0.3 is without a name, and" in found["problems"][1]
    assert [check["ok"] for check in found["checks"]] == [False, False, True]
    with pytest.raises(ToolError):
        checked(fake([(argv, Result(1, "", "broken"))]), local(tmp_path), names=wanted)


# ---- clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "told"), [(5149.0, ""), (5600.0, "600 s ahead of"), (4400.0, "600 s behind")])
def test_the_clock_of_the_controller(fake, tmp_path, now, told):
    found = checked(fake([VERSION]), local(tmp_path, now=now), controller_time=5000.0)
    assert bool(found["problems"]) == bool(told)
    assert told in " ".join(found["problems"])


def test_a_wrong_clock_that_the_library_took_over_is_read_from_the_ticket_cache(fake, tmp_path):
    """With kdc_timesync (the default) kinit succeeds with a clock ten minutes off: recordings krb5/kinit-skew."""
    assert load_transcript("krb5/kinit-skew").rc == 0
    calls = [VERSION, kinit(ROOT), (("kvno", "-c", CACHE, ROOT), f"{ROOT}: kvno = 1\n")]
    found = checked(fake(calls), local(tmp_path, keytab(record(ROOT)), offset=-600), principals=[ROOT], tickets=True)
    (problem,) = found["problems"]
    assert "600 s ahead of that of the KDC" in problem and found["kdc_offset"] == -600.0


# ---- keys ------------------------------------------------------------------------------------


def test_a_keytab_without_the_key_says_which_there_are(fake, tmp_path):
    found = checked(fake([VERSION]), local(tmp_path, REAL["servers"]), principals=[ROOT], tickets=False)
    (problem,) = found["problems"]
    assert problem.startswith(f"/etc/krb5.keytab has no key of {ROOT}; there are keys of {MDS}, {OSS}.")


def test_a_keytab_that_others_can_read(fake, tmp_path):
    found = checked(fake([VERSION]), local(tmp_path, REAL["servers"], mode=0o644), principals=[MDS], tickets=False)
    assert "mode 0644 and owner 0, so others can read its keys" in found["problems"][0]


@pytest.mark.parametrize(
    ("release", "settings", "kind", "ok"),
    [
        ("lctl 2.17.0\n", {}, 20, True),
        ("lctl 2.15.5\n", {}, 20, False),
        ("lctl 2.15.5\n", {}, 18, True),
        ("lctl 2.17.0\n", {"permitted_enctypes": "aes256-cts-hmac-sha384-192"}, 18, False),
        ("lctl 2.18.0_RC1\n", {"permitted_enctypes": "aes-sha2"}, 19, True),
    ],
)
def test_a_type_that_node_keytab_and_release_have_in_common(fake, tmp_path, release, settings, kind, ok):
    run = fake([(("lctl", "--version"), release)])
    found = checked(
        run, local(tmp_path, keytab(record(MDS, 1, kind)), settings=settings), principals=[MDS], tickets=False
    )
    assert found["healthy"] is ok
    if not ok:
        assert "No encryption type of" in found["problems"][0] and "this Lustre knows" in found["problems"][0]


def test_without_lustre_all_types_count(fake, tmp_path):
    run = fake([(("lctl", "--version"), ToolMissing("lctl"))])
    assert checked(run, local(tmp_path, keytab(record(MDS, 1, 20))), principals=[MDS], tickets=False)["healthy"]


# ---- the KDC ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("kinit-ok", ""),
        ("kinit-skew", ""),
        ("kinit-oldkvno", "wrong key"),
        ("kinit-unknown", "unknown principal"),
        ("kinit-deleted", "unknown principal"),
        ("kinit-nosuitable", "no entry"),
        ("kinit-nokdc", "no KDC"),
        ("kinit-skew0", "clock"),
    ],
)
def test_what_a_real_kinit_means(fake, tmp_path, name, problem):
    recorded = load_transcript(f"krb5/{name}")
    assert krb5.parse_kinit(recorded.rc, recorded.err).problem == problem
    if problem:
        here = local(tmp_path, keytab(record(ROOT)))
        found = checked(fake([VERSION, kinit(ROOT, recorded)]), here, principals=[ROOT], services=[MDS], tickets=True)
        (told,) = found["problems"]
        assert told.startswith(f"/etc/krb5.keytab gives no ticket for {ROOT} (kinit: ") and told.endswith(".")


def test_unknown_words_of_kinit_stop(fake, tmp_path):
    run = fake([VERSION, kinit(ROOT, Result(1, "", "kinit: the moon is full\n"))])
    with pytest.raises(UnknownOutput):
        checked(run, local(tmp_path, keytab(record(ROOT))), principals=[ROOT], tickets=True)


def test_tickets_for_servers_and_the_version_of_the_own_key(fake, tmp_path):
    missing = load_transcript("krb5/kvno-ok").err.replace("nosuch", "lustre_oss/x")
    answer = Result(1, f"{ROOT}: kvno = 3\n{MDS}: kvno = 2\n", missing)
    run = fake([VERSION, kinit(ROOT), (("kvno", "-c", CACHE, ROOT, MDS, "lustre_oss/x@LAB.EXAMPLE"), answer)])
    here = local(tmp_path, keytab(record(ROOT, 1), record(ROOT, 2)))
    found = checked(run, here, principals=[ROOT], services=[MDS, "lustre_oss/x@LAB.EXAMPLE"], tickets=True)
    assert len(found["problems"]) == 2
    assert f"The KDC makes tickets for version 3 of {ROOT}, and the keytab has 1, 2." in found["problems"][0]
    assert (
        "The KDC gives no ticket for lustre_oss/x@LAB.EXAMPLE: Server lustre_oss/x@LAB.EXAMPLE not found in Kerberos database"
        in found["problems"][1]
    )
    assert not list(tmp_path.iterdir()), "tickets are gone afterwards"


def test_real_words_of_kvno():
    recorded = load_transcript("krb5/kvno-ok")
    assert krb5.parse_kvno(recorded.out) == {MDS: 2}
    assert krb5.parse_kvno_errors(recorded.err) == {
        "nosuch@LAB.EXAMPLE": "Server nosuch@LAB.EXAMPLE not found in Kerberos database"
    }
    for text in ("MIT: kvno\n", "kvno: something else\n"):
        with pytest.raises(UnknownOutput):
            krb5.parse_kvno(text)
        with pytest.raises(UnknownOutput):
            krb5.parse_kvno_errors(text)


def test_what_is_returned_holds_no_key(fake, tmp_path):
    data = keytab(record(MDS, 1, key=b"SECRETSECRET"))
    found = checked(fake([VERSION]), local(tmp_path, data), principals=[MDS], tickets=False)
    assert "SECRET" not in repr(found) and found["entries"][0]["principal"] == MDS


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"names": [{"address": "server", "fqdn": "x"}]}, "names[0].address: 'server' is no IP address"),
        (
            {"names": [{"address": "10.0.0.1", "fqdn": "Server.Lab"}]},
            "names[0].fqdn: 'Server.Lab' is no host name in lower case",
        ),
        ({"principals": ["a b"]}, "principals[0]: 'a b'"),
        ({"services": ["-x"]}, "services[0]: '-x'"),
    ],
)
def test_unusable_options(fake, tmp_path, options, says):
    with pytest.raises(BadValue) as bad:
        checked(fake([]), local(tmp_path), **options)
    assert says in str(bad.value)
