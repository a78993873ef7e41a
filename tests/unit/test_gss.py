"""GSS of a node: the daemon by its unit with its arguments, read from the process; Kerberos really on, read from its words."""

from __future__ import annotations

import copy
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import krb5_conf, lsvcgssd
from ansible_collections.lustre.core.plugins.module_utils._cli.lsvcgssd import SYSCONFIG, Daemon
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    NotConverged,
    Refused,
    ToolMissing,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._resources import gss_want
from ansible_collections.lustre.core.plugins.module_utils._resources.gss import GssResource
from ansible_collections.lustre.core.plugins.module_utils._resources.gss_want import GssWant
from tests.unit.fake_runner import load_transcript
from tests.unit.hypotheses import examples
from tests.unit.models.gss_model import GssNode

SERVER = {
    "kerberos": True,
    "ssk": True,
    "services": ["mgs", "mds", "oss"],
    "realm": "LAB.EXAMPLE",
    "fqdn": "server.lab.example",
}
ARGUMENTS = ("-k", "-s", "-g", "-m", "-o", "-v")
RESTART = ("systemctl", "restart", "--", "lsvcgss.service")


def run(node, check_mode=False, coming=False, **options):
    made = GssResource(GssWant.from_options(options), node.local(), coming)
    return converge(made, node, check_mode=check_mode, write=node.write, sleep=lambda seconds: None, clock=_clock())


def _clock():
    ticks = iter(range(0, 10**6, 2))
    return lambda: next(ticks)


def converged(**more):
    node = GssNode(**more)
    run(node, **SERVER)
    node.calls.clear()
    return node


# ---- what the daemon says --------------------------------------------------------------------


def journal(name):
    out = load_transcript(f"krb5/lustre-{name}").out
    return "".join(line + "\n" for line in out.splitlines() if "lsvcgssd[" in line)


@pytest.mark.parametrize(
    ("name", "pid", "ready", "why"),
    [
        ("lsvc-start", 834, {"mgs", "mds", "oss"}, ""),
        ("lsvc-twice", 834, {"mgs", "mds", "oss"}, ""),
        ("lsvc-nooss-s", 809, set(), "no credentials for lustre_oss (No credentials were supplied, or"),
        ("lsvc-nokeytab", 786, set(), "no credentials for lustre_mgs (No credentials were supplied, or"),
        ("lsvc-0644", 819, {"mgs", "mds", "oss"}, ""),
        ("lsvc-nomodule", 584, {"mgs", "mds", "oss"}, ""),
    ],
)
def test_whether_kerberos_is_on_as_the_real_daemon_tells_it(name, pid, ready, why):
    start = lsvcgssd.parse_start(journal(name), pid)
    assert (start.ready, start.seen) == (frozenset(ready), True)
    assert start.why_not.startswith(why) and bool(start.why_not) == bool(why)


def test_the_start_of_the_running_daemon_counts_not_the_last_one():
    text = journal("lsvc-badrealm")
    assert lsvcgssd.parse_start(text, 827).realm == "OTHER.EXAMPLE"
    assert lsvcgssd.parse_start(text, 819).realm == "LAB.EXAMPLE"
    assert lsvcgssd.parse_start(text, 12).realm == "OTHER.EXAMPLE", "numbers began anew"
    assert not lsvcgssd.parse_start("", 834).seen
    assert not lsvcgssd.parse_start("Nov 22 19:58:33 h lsvcgssd[834]: will use default number of rounds\n", 834).seen


def test_the_wrapper_that_starts_it_reads_what_is_written():
    shown = load_transcript("krb5/lustre-srv-lsvcgss-service").out
    assert f". {SYSCONFIG}" in shown and "/usr/sbin/lsvcgssd ${LSVCGSSDARGS}" in shown
    assert 'LSVCGSSDARGS="-k -s -z"' in shown, "null security is the default"
    assert load_transcript("krb5/lustre-requestkey-conf").out.splitlines()[0] == gss_want.LGSSC_LINE
    listed = load_transcript("krb5/lustre-srv-gss-params").out
    assert "sptlrpc.gss.rsi_upcall=/usr/sbin/l_getauth\n" in listed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", None),
        ("# LSVCGSSDARGS=-k\nOTHER=1\n", None),
        ('LSVCGSSDARGS="-k -s -z"\n', ("-k", "-s", "-z")),
        ("LSVCGSSDARGS=-k # why\n export LSVCGSSDARGS='-s  -v'\n", ("-s", "-v")),
    ],
)
def test_arguments_in_the_configuration(text, words):
    assert lsvcgssd.configured(text) == words
    changed = lsvcgssd.with_arguments(text, ARGUMENTS)
    assert lsvcgssd.configured(changed) == ARGUMENTS and ("OTHER=1" in changed) == ("OTHER" in text)
    with pytest.raises(UnknownOutput):
        lsvcgssd.configured('LSVCGSSDARGS="-k\n')


def test_daemons_are_found_by_their_command_lines(tmp_path):
    def process(pid, words, cgroup="/user.slice"):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")
        (folder / "cgroup").write_text(f"0::{cgroup}\n")
        (folder / "stat").write_text(f"{pid} (lsvc (gssd) S " + " ".join(["1"] * 18) + " 500 1 1\n")

    (tmp_path / "stat").write_text("cpu 1\nbtime 1000\n")
    process(10, ["/usr/sbin/lsvcgssd", "-k", "-g"], "/system.slice/lsvcgss.service")
    process(11, ["/usr/bin/python3", "/usr/sbin/lsvcgssd", "-k"])
    process(12, ["bash", "/usr/sbin/lsvcgssd"])
    process(13, ["vi", "/etc/sysconfig/lsvcgss"])
    process(14, [])
    ticks = os.sysconf("SC_CLK_TCK")
    assert lsvcgssd.daemons(str(tmp_path)) == [
        Daemon(10, ("-k", "-g"), True, 1000 + 500 / ticks),
        Daemon(11, ("-k",), False, 1000 + 500 / ticks),
    ]


# ---- plans -----------------------------------------------------------------------------------


def test_a_new_server_and_a_second_run():
    node = GssNode()
    planned = run(node, check_mode=True, **SERVER)
    assert not node.calls and not node.files
    outcome = run(node, **SERVER)
    assert outcome.plan.steps == planned.plan.steps
    assert [step.object for step in outcome.plan.steps if step.write] == [
        "/etc/request-key.d/lgssc.conf", gss_want.LNET_DROP_IN, gss_want.DAEMON_DROP_IN, SYSCONFIG
    ]  # fmt: skip
    assert node.calls[:-1] == [
        ("systemctl", "daemon-reload"),
        ("modprobe", "ptlrpc_gss"),
        ("lctl", "set_param", "sptlrpc.gss.rsi_upcall=/usr/sbin/l_getauth"),
        ("systemctl", "enable", "--", "lsvcgss.service"),
    ]
    assert node.calls[-1] == RESTART
    assert node.files[SYSCONFIG] == 'LSVCGSSDARGS="-k -s -g -m -o -v"\n'
    assert outcome.after["kerberos"]["ready"] == ["mds", "mgs", "oss"]
    assert not run(node, **SERVER).changed


def test_a_client_needs_no_daemon():
    node = GssNode(keys=())
    outcome = run(node, kerberos=True, realm="LAB.EXAMPLE")
    assert set(node.files) == {"/etc/request-key.d/lgssc.conf", gss_want.LNET_DROP_IN}
    assert node.calls == [("systemctl", "daemon-reload"), ("modprobe", "ptlrpc_gss")]
    assert set(outcome.after) == {"loaded", "contexts_made"}
    assert not run(node, kerberos=True, realm="LAB.EXAMPLE").changed


def test_exactly_these_programs_when_all_is_as_wanted(fake):
    node = converged()
    made = GssResource(GssWant.from_options(SERVER), node.local())
    (daemon,) = node.running
    show = "--property=Id,LoadState,UnitFileState,ActiveState,SubState,Result,DropInPaths,NeedDaemonReload"
    units = ("systemctl", "show", show, "--", "lnet.service", "lsvcgss.service")
    calls = [
        (("lctl", "list_param", "sptlrpc.gss.*"), "sptlrpc.gss.rsi_upcall\n"),
        (units, node(units).out),
        (("lctl", "get_param", "-n", "sptlrpc.gss.rsi_upcall"), "/usr/sbin/l_getauth\n"),
        (lsvcgssd.journal_argv(daemon), node.journal),
    ]
    assert not converge(made, fake(calls)).changed


def test_a_daemon_that_the_kernel_started_with_default_arguments_is_replaced():
    """Facts of 2.17.0: the upcall restarts the unit, and without a configuration that is with null security."""
    node = converged()
    del node.files[SYSCONFIG]
    node.running = [Daemon(5, ("-k", "-s", "-z"), True, node.clock)]
    outcome = run(node, **SERVER)
    assert "null security would be taken, too" in outcome.plan.steps[0].reason
    assert "lsvcgssd runs with `-k -s -z`, wanted `-k -s -g -m -o -v`" in outcome.plan.steps[-1].reason
    assert node.running[0].arguments == ARGUMENTS


def test_a_daemon_started_by_hand_is_ended_and_the_unit_s_own_runs():
    node = converged()
    node.running = [Daemon(5, ARGUMENTS, False, node.clock)]
    outcome = run(node, **SERVER)
    assert [step.action for step in outcome.plan.steps] == ["end", "restart"]
    assert node.calls == [("kill", "-TERM", "5"), RESTART]
    assert [daemon.of_unit for daemon in node.running] == [True]


def test_a_dead_daemon_of_an_active_unit_is_seen():
    node = converged()
    node.running = []
    assert [step.action for step in run(node, **SERVER).plan.steps] == ["restart"]


def test_a_missing_key_is_named_before_anything_is_started():
    node = GssNode(keys=("lustre_mgs", "lustre_mds", "host"))
    with pytest.raises(Refused) as refused:
        run(node, **SERVER)
    said = str(refused.value)
    assert "/etc/krb5.keytab has no key of lustre_oss/server.lab.example" in said
    assert "there is: host/server.lab.example@LAB.EXAMPLE, lustre_mds/server.lab.example@LAB.EXAMPLE" in said
    assert not node.calls and not node.files
    with pytest.raises(Refused, match=r"no key of lustre_mgs/other\.lab\.example, lustre_mds/other"):
        run(GssNode(), **{**SERVER, "fqdn": "other.lab.example"})
    assert run(node, check_mode=True, coming=True, **SERVER).changed, "a keytab that an earlier step brings"
    assert run(node, ssk=True, services=["oss"]).changed, "shared keys need no keytab"


def test_kerberos_that_is_silently_off_is_seen_and_repaired():
    """The daemon started while a key was missing, ended well, and the key came later."""
    node = GssNode(keys=("lustre_mgs", "lustre_mds"))
    run(node, coming=True, **{**SERVER, "services": ["mgs", "mds"]})
    node.files[SYSCONFIG] = 'LSVCGSSDARGS="-k -s -g -m -o -v"\n'
    node.running.clear()
    node.start(*ARGUMENTS, of_unit=True)
    assert node.running, "it runs on with shared keys alone"
    node.keys = ("lustre_mgs", "lustre_mds", "lustre_oss")
    outcome = run(node, **SERVER)
    assert outcome.plan.steps[-1].reason == "Kerberos is off in the running lsvcgssd: no credentials for lustre_oss"
    assert not run(node, **SERVER).changed


def test_kerberos_that_stays_off_is_an_error_that_says_why():
    node = converged()
    node.running.clear()
    local = node.local()
    node.keys = ("lustre_mgs", "lustre_oss")
    made = GssResource(GssWant.from_options(SERVER), local)
    with pytest.raises(NotConverged, match="Kerberos is off in the running lsvcgssd: no credentials for lustre_mds"):
        converge(made, node, write=node.write, sleep=lambda seconds: None, clock=_clock())


def test_a_journal_that_forgot_the_start_is_no_drift_unless_the_keytab_is_newer():
    node = converged()
    node.journal = ""
    assert not run(node, **SERVER).changed
    node.keytab_changed = node.clock + 5
    assert "the journal does not say" in run(node, **SERVER).plan.steps[0].reason


def test_the_upcall_where_the_release_has_one():
    node = converged()
    node.upcall = ""
    assert node.calls == [] and run(node, **SERVER).plan.steps[0].reason.startswith("it is 'empty'")
    assert node.calls == [("lctl", "set_param", "sptlrpc.gss.rsi_upcall=/usr/sbin/l_getauth")]
    old = GssNode(release="2.15")
    run(old, **SERVER)
    assert ("systemctl", "enable", "--", "lsvcgss.service") in old.calls, "a SysV script without its links"
    assert not run(old, **SERVER).changed


def test_an_lgssc_line_of_the_package_or_with_a_realm_stays():
    for line in (gss_want.LGSSC_LINE, gss_want.LGSSC_LINE.replace("lgss_keyring", "lgss_keyring -R LAB.EXAMPLE")):
        node = converged()
        node.files["/etc/request-key.d/lgssc.conf"] = f"# packaged\n{line}\n"
        assert not run(node, **SERVER).changed
    node.files["/etc/request-key.d/lgssc.conf"] = "create lgssc * * /usr/sbin/lgss_keyring %o %k %t\n"
    assert [step.object for step in run(node, **SERVER).plan.steps] == ["/etc/request-key.d/lgssc.conf"]


def test_without_lnet_the_module_is_not_loaded():
    node = GssNode(nids="")
    with pytest.raises(Refused, match="would configure a default network"):
        run(node, **SERVER)
    assert ("modprobe", "ptlrpc_gss") not in node.calls


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"unit": False}, "systemd knows no such unit"),
        ({"masked": True}, r"systemctl unmask lsvcgss\.service"),
        ({"realm": "OTHER.EXAMPLE"}, r"default_realm of this node's krb5\.conf is OTHER\.EXAMPLE"),
        ({"realm": ""}, "is not set"),
    ],
)
def test_what_makes_no_sense_is_refused(more, says):
    with pytest.raises(Refused, match=says):
        run(GssNode(**more), **SERVER)


def test_missing_programs_name_their_package():
    with pytest.raises(ToolMissing, match=r"request-key was not found.*keyutils"):
        run(GssNode(programs=False), **SERVER)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "kerberos: neither Kerberos nor shared keys"),
        ({"kerberos": "yes"}, "'yes' is neither true nor false"),
        ({"ssk": True, "services": ["router"]}, "services: 'router' is no kind of server"),
        ({"kerberos": True, "realm": "a b"}, "realm: 'a b'"),
        ({"kerberos": True, "fqdn": "a b"}, "fqdn: 'host/a b'"),
        ({"krb5": True}, "krb5: there is no such option"),
    ],
)
def test_unusable_options(options, says):
    with pytest.raises(BadValue) as bad:
        GssWant.from_options(options)
    assert says in str(bad.value)


def test_unknown_words_stop(fake):
    made = GssResource(GssWant.from_options({"ssk": True}), GssNode().local())
    with pytest.raises(UnknownOutput):
        converge(made, fake([(("lctl", "list_param", "sptlrpc.gss.*"), "hello\n")]))


flags = st.lists(st.sampled_from(["-k", "-s", "-z", "-g", "-m", "-o", "-v"]), unique=True).map(tuple)
nodes = st.builds(
    GssNode,
    files=st.sampled_from([{}, {SYSCONFIG: "# site\nOTHER=1\n"}, {SYSCONFIG: 'LSVCGSSDARGS="-k"\n'}]).map(dict),
    loaded=st.booleans(),
    upcall=st.sampled_from(["NONE", "", "/usr/sbin/l_getauth", "/opt/x"]),
    release=st.sampled_from(["2.15", "2.17"]),
    enabled=st.booleans(),
    stale=st.booleans(),
)


@examples(60)
@given(
    node=nodes,
    hands=st.lists(st.tuples(flags, st.booleans()), max_size=2),
    kerberos=st.booleans(),
    services=st.lists(st.sampled_from(["mgs", "mds", "oss"]), unique=True),
)
def test_whatever_runs_the_wanted_daemon_runs_in_the_end(node, hands, kerberos, services):
    for number, (words, of_unit) in enumerate(hands):
        node.running.append(Daemon(50 + number, words, of_unit, 500.0))
    options = {"kerberos": kerberos, "ssk": True, "services": services, "realm": "LAB.EXAMPLE"}
    before = copy.deepcopy(node)
    planned = run(node, check_mode=True, **options)
    assert node.files == before.files and not node.calls
    outcome = run(node, **options)
    assert outcome.plan.steps == planned.plan.steps
    assert not run(node, **options).changed
    assert node.loaded and not node.stale
    if services:
        (daemon,) = node.running
        assert daemon.of_unit and daemon.arguments == lsvcgssd.arguments(kerberos, True, services)
        assert "-z" not in daemon.arguments and node.enabled
        assert ("OTHER=1" in node.files[SYSCONFIG]) == ("OTHER=1" in before.files.get(SYSCONFIG, ""))
    else:
        assert node.running == before.running


# ---- krb5.conf -------------------------------------------------------------------------------

CONF = """
# comment
includedir /etc/krb5.conf.d/
[libdefaults]
    default_realm = LAB.EXAMPLE
    permitted_enctypes = aes256-sha2 aes-sha1, -aes128-cts bogus
[realms]
  LAB.EXAMPLE = {
    kdc = kdc1
    default_realm = WRONG
  }
[libdefaults]
    default_realm = SECOND
"""


def test_the_settings_that_decide():
    files = {"/etc/krb5.conf": CONF, "/etc/krb5.conf.d/crypto-policies": "[libdefaults]\nrdns = false\n"}
    settings = krb5_conf.libdefaults(
        lambda path: files.get(path, ""), lambda folder: ["/etc/krb5.conf.d/crypto-policies"]
    )
    assert settings["default_realm"] == "LAB.EXAMPLE" and settings["rdns"] == "false"
    assert krb5_conf.permitted(settings) == (20, 18)
    assert krb5_conf.permitted({}) == (18, 17, 20, 19, 26, 25)
    assert krb5_conf.permitted({"permitted_enctypes": "DEFAULT -camellia rc4"}) == (18, 17, 20, 19, 23)


def test_an_endless_include_ends():
    assert krb5_conf.libdefaults(lambda path: "include /etc/krb5.conf\n[libdefaults]\na = b\n", lambda folder: []) == {
        "a": "b"
    }
