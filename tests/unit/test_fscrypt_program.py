"""The program fscrypt, by what 0.3.5 and 0.3.3 really said: typed values, or an end."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import fscrypt_program as program
from ansible_collections.lustre.core.plugins.module_utils._cli.fscrypt_program import Protector
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, ToolMissing, UnknownOutput
from tests.recordings import recording
from tests.unit.fake_runner import load_transcript

MOUNT = "/mnt/lustre"
STATUS = ("env", "FSCRYPT_CONF=/dev/stdin", "fscrypt", "status", MOUNT)
PROBE = (*STATUS[:3], "encrypt", "--quiet", "--source=raw_key", "--name=none", "--key=/dev/null/none", MOUNT)
RAW, PHRASE = "8c3cc6a6d6378c39", "8cdc791d968ef44a"
VAULT, ARCHIVE, THIRD = (
    "03c28545d2f8f900caf390d8439aa30e",
    "716923d74c6713b7146a7b4eb02de929",
    "4859abad3e8d3b5338beaba2b3b2aef7",
)
BOTH = {RAW: Protector("raw_key", "/vault"), PHRASE: Protector("custom_passphrase", "/archive")}


def said(name):
    return load_transcript(f"fscrypt_program/{name}")


def parsed(name):
    return program.parse_status(said(name).out, MOUNT)


def test_nothing_yet():
    found = parsed("status-empty")
    assert (found.protectors, found.policies, found.broken, found.owner) == ({}, {}, (), "root")


@pytest.mark.parametrize(
    ("name", "policies"),
    [
        ("status-mount", {ARCHIVE: (PHRASE,), VAULT: (RAW,)}),
        ("status-unlocked", {ARCHIVE: (PHRASE,), VAULT: (RAW,)}),
        ("status-busy", {ARCHIVE: (PHRASE,), THIRD: (RAW,), VAULT: (RAW,)}),
    ],
)
def test_protectors_and_policies(name, policies):
    found = parsed(name)
    assert found.protectors == BOTH and found.policies == policies and not found.broken
    assert found.named("/vault") == (RAW, BOTH[RAW]) and found.named("/none") is None


def test_what_is_lost_or_torn_is_told():
    assert parsed("policy-lost-status").policies == {ARCHIVE: (PHRASE,), THIRD: (RAW,)}
    assert parsed("protector-lost-status").protectors == {PHRASE: BOTH[PHRASE]}
    torn = parsed("policy-torn-status")
    assert VAULT not in torn.policies and f"policies/{VAULT}" in torn.broken[0] and "is corrupt" in torn.broken[0]
    torn = parsed("protector-torn-status")
    assert RAW not in torn.protectors and f"protectors/{RAW}" in torn.broken[0]
    junk = parsed("junk-status")
    assert junk.protectors == BOTH and len(junk.broken) == 2 and set(junk.policies) == {ARCHIVE, THIRD, VAULT}


def test_other_words_of_the_table():
    text = said("status-mount").out
    linked = text.replace(f'{RAW}  No      raw key protector "/vault"', f"{RAW}  No      login protector for alice")
    assert program.parse_status(linked, MOUNT).protectors[RAW] == Protector("login", "alice")
    assert program.parse_status(linked, MOUNT).named("alice") is None
    everybody = text.replace("Only root can", "All users can")
    assert program.parse_status(everybody, MOUNT).owner == ""
    quoted = text.replace('"/archive"', r'"a \"b\" \u00e9"')
    assert program.parse_status(quoted, MOUNT).protectors[PHRASE].name == 'a "b" é'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/mnt/lustre", "/mnt/other"),
        ("2 protectors", "3 protectors"),
        ("2 policies", "1 policy"),
        ("raw key protector", "new kind of protector"),
        ("LINKED", "CHAINED"),
        (RAW + "  No ", "8c3cc6a6d6378c3   No "),
        (VAULT + "  No ", VAULT + "  Op "),
        (f"No        {PHRASE}", "No        anything"),
        ('"/vault"', "/vault"),
        ("lustre filesystem", "a lustre filesystem"),
    ],
)
def test_a_line_that_nobody_knows_stops(old, new):
    text = said("status-mount").out
    assert old in text
    with pytest.raises(UnknownOutput):
        program.parse_status(text.replace(old, new), MOUNT)


def test_status_is_asked_without_a_configuration_of_the_node(fake):
    runner = fake([(STATUS, said("status-empty")), (STATUS, said("status-not-set-up"))])
    assert program.status(runner, MOUNT).protectors == {}
    assert program.status(runner, MOUNT) is None


@pytest.mark.parametrize("name", ["status-no-config", "probe-refuses"])
def test_another_error_of_status_is_an_error(fake, name):
    with pytest.raises(ToolError, match="see what fscrypt knows of /mnt/lustre"):
        program.status(fake([(STATUS, said(name))]), MOUNT)


@pytest.mark.parametrize(
    ("name", "takes"),
    [("probe-not-set-up", True), ("probe-empty-root", True), ("probe-set-up", True), ("probe-refuses", False)],
)
def test_whether_a_release_takes_lustre(fake, name, takes):
    assert program.accepts(fake([(PROBE, said(name))]), MOUNT) is takes


def test_a_type_of_any_name_and_a_mount_without_encryption(fake):
    other = said("probe-refuses").err.replace("lustre", "fuse.lustre")
    assert program.accepts(fake([(PROBE, (1, "", other))]), MOUNT) is False
    off = "[ERROR] fscrypt encrypt: encryption not enabled on filesystem\n                         /mnt/lustre ().\n"
    assert program.accepts(fake([(PROBE, (1, "", off))]), MOUNT) is True


def test_a_probe_that_does_something_else_stops(fake):
    with pytest.raises(UnknownOutput):
        program.accepts(fake([(PROBE, "")]), MOUNT)
    with pytest.raises(ToolError, match="root is squashed"):
        program.accepts(
            fake([(PROBE, (1, "", "[ERROR] fscrypt encrypt: open /mnt/lustre: permission denied\n"))]), MOUNT
        )


def test_a_program_that_is_not_there(fake):
    gone = (127, "", "env: 'fscrypt': No such file or directory\n")
    with pytest.raises(ToolMissing, match="Install the package fscrypt"):
        program.status(fake([(STATUS, gone)]), MOUNT)


@pytest.mark.parametrize(
    ("text", "release"), [("v0.3.3", "0.3.3"), ("0.3.5-1", "0.3.5-1"), ("(none)", "of unknown release")]
)
def test_release(fake, text, release):
    assert program.release(fake([(("fscrypt", "--version"), f"fscrypt version {text}\n")])) == release


def test_words():
    assert program.setup_host() == ("fscrypt", "setup", "--quiet")
    assert program.setup(MOUNT) == ("fscrypt", "setup", "--quiet", MOUNT)
    new = program.encrypt("/mnt/lustre/vault", program.new("raw_key", "/vault"), "/root/fskey")
    assert f"$ {' '.join(new)}" == _command("encrypt-raw-key")
    shared = program.encrypt("/mnt/lustre/b", program.existing(MOUNT, RAW), "/root/fskey")
    assert f"$ {' '.join(shared)}" == _command("encrypt-shared")
    opened = program.unlock("/mnt/lustre/vault", MOUNT, RAW, "/root/fskey")
    assert f"$ {' '.join(opened)}" == _command("unlock-raw-key")
    told = program.unlock("/mnt/lustre/archive", MOUNT, PHRASE)
    assert f"$ echo secret words | {' '.join(told)}" == _command("unlock-passphrase")
    assert program.unlock("/mnt/lustre/archive", MOUNT) == ("fscrypt", "unlock", "--quiet", "/mnt/lustre/archive")


def _command(name):
    return "$ " + recording(f"fscrypt_program/{name}").command


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("unlock-wrong-passphrase", "not the secret of this protector"),
        ("unlock-wrong-raw-key", "not the secret of this protector"),
        ("encrypt-shared-wrong", "not the secret of this protector"),
        ("setup-mount-again", "Another node was faster"),
        ("encrypt-again", "Another node was faster"),
        ("encrypt-name-taken", "Another node was faster"),
        ("setup-refuses", "Lustre needs fscrypt 0.3.4 or newer"),
        ("probe-refuses", "Lustre needs fscrypt 0.3.4 or newer"),
        ("policy-lost-unlock", "where this node has a backup of it"),
        ("protector-lost-unlock", "where this node has a backup of them"),
    ],
)
def test_what_to_do_about_its_errors(name, remedy):
    rc, out, err = said(name)
    error = program.failed("do it", ("fscrypt",), rc, out, err)
    assert rc == 1 and remedy in str(error) and "  " not in str(error)


def test_configuration():
    assert program.parse_config(CONFIG) == program.Config("2", "AES-256-XTS", "AES-256-CTS")
    old = CONFIG.replace('"policy_version": "2"', '"policy_version": "1"')
    assert program.parse_config(old).version == "1"
    assert program.with_version_2(old) == CONFIG
    for bad in ("", "{}", "[]", "bad", '{"options": []}'):
        with pytest.raises(ValueError, match="not the JSON"):
            program.parse_config(bad)
    with pytest.raises(ValueError, match="padding 16"):
        program.parse_config(CONFIG.replace('"padding": "32"', '"padding": "16"'))


#: What `fscrypt setup` of 0.3.5 wrote.
CONFIG = """{
\t"source": "custom_passphrase",
\t"hash_costs": {
\t\t"time": "1",
\t\t"memory": "29711",
\t\t"parallelism": "2",
\t\t"truncation_fixed": true
\t},
\t"options": {
\t\t"padding": "32",
\t\t"contents": "AES_256_XTS",
\t\t"filenames": "AES_256_CTS",
\t\t"policy_version": "2"
\t},
\t"use_fs_keyring_for_v1_policies": false,
\t"allow_cross_user_metadata": false
}
"""
