"""Keytabs: read as klist reads them, merged without losing a foreign byte, root's alone, and no key ever told."""

from __future__ import annotations

import base64
import os
import re
import stat
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import ccache_file, keytab_file
from ansible_collections.lustre.core.plugins.module_utils._engine import converge, write_file
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.keytab import KeytabResource
from ansible_collections.lustre.core.plugins.module_utils._resources.keytab_want import KeytabWant
from tests.unit.fake_runner import load_transcript
from tests.unit.keytab_support import REAL, Node, content, entries, keytab, record

MDS, OSS, HOST = (f"{kind}/server.lab.example@LAB.EXAMPLE" for kind in ("lustre_mds", "lustre_oss", "host"))


def no_program(*args, **more):
    raise AssertionError(f"no program is needed: {args}")


def run(node, check_mode=False, **options):
    made = KeytabResource(KeytabWant.from_options(options), node.local())
    return converge(made, no_program, check_mode=check_mode, write=node.write)


def told(node):
    return [(entry.principal, entry.kvno) for entry in entries(node.file.data)]


# ---- the file --------------------------------------------------------------------------------


def test_a_real_keytab_is_read_as_klist_reads_it():
    listed = re.findall(r"^ *(\d+) \S+ \S+ (\S+) \((\S+)\) $", load_transcript("krb5/klist-ket").out, re.M)
    assert len(listed) == 5
    read = [(str(entry.kvno), entry.principal, entry.enctype_name) for entry in entries(REAL["servers"])]
    assert read == listed


@pytest.mark.parametrize("name", REAL)
def test_a_real_keytab_is_written_back_byte_for_byte(name):
    assert keytab_file.render(entries(REAL[name])) == REAL[name]


def test_holes_the_end_and_long_records():
    hole = struct.pack(">i", -7) + b"\xff" * 7
    raw = record(MDS, 300, tail=struct.pack(">II", 300, 7))
    data = b"\x05\x02" + hole + struct.pack(">i", len(raw)) + raw + b"\0" * 12
    (entry,) = entries(data)
    assert (entry.kvno, entry.raw) == (300, raw), "32 bits of the version count, what follows them is kept"
    assert entries(keytab(record(MDS, 7, tail=b"")))[0].kvno == 7
    assert entries(keytab(record(MDS, 7, tail=struct.pack(">I", 0))))[0].kvno == 7


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it begins with nothing"),
        (b"\x05\x01" + keytab(record(MDS))[2:], "it begins with 05 01"),
        (keytab(record(MDS))[:-3], "longer than the file"),
        (keytab(record(MDS)) + b"\0\0", "ends within the length"),
        (keytab(record(MDS)) + b"\0\0\0\0x", "something follows its end"),
        (keytab(record(MDS)[:30]), "ends too early"),
        (keytab(record(MDS, key=b"")), "has no key"),
        (keytab(struct.pack(">HH", 0, 1) + b"R" + struct.pack(">IIBHH", 1, 1, 1, 18, 1) + b"k"), "has no name"),
    ],
)
def test_anything_else_stops(data, why):
    with pytest.raises(UnknownOutput, match=why):
        entries(data)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: b"\x05\x02" + data))
def test_any_bytes_give_keys_or_the_typed_error(data):
    try:
        found = entries(data)
    except UnknownOutput as error:
        assert "keytab" in str(error)
    else:
        assert entries(keytab_file.render(found)) == found


def test_neither_key_nor_hash_shows_when_printed():
    (entry,) = entries(keytab(record(MDS, key=b"SECRETSECRET")))
    node = Node(keytab(record(MDS, key=b"SECRETSECRET")))
    for text in (repr(entry), repr(node.file), repr(FileWrite("/x", b"SECRET")), str(entry.public())):
        assert "SECRET" not in text and entry.key_hash not in text


def test_what_is_at_a_path(tmp_path):
    assert keytab_file.read_state(str(tmp_path / "none")).kind == "absent"
    path = tmp_path / "krb5.keytab"
    path.write_bytes(REAL["servers"])
    path.chmod(0o644)
    state = keytab_file.read_state(str(path))
    assert (state.kind, state.data, state.mode) == ("file", REAL["servers"], 0o644)
    (tmp_path / "link").symlink_to(path)
    assert keytab_file.read_state(str(tmp_path / "link")).kind == "a symbolic link"
    assert keytab_file.read_state(str(tmp_path)).kind == "something that is no file"


def test_written_root_s_alone_from_the_first_byte_whatever_it_was(tmp_path, monkeypatch):
    path = tmp_path / "krb5.keytab"
    path.write_bytes(b"old")
    path.chmod(0o644)
    seen = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (seen.append(os.fstat(handle).st_mode), real(handle)))
    write_file(FileWrite(str(path), b"\x05\x02\xff", 0o600, exact=True))
    assert seen == [stat.S_IFREG | 0o600, tmp_path.stat().st_mode], "the file, then its name in the folder"
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"\x05\x02\xff", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["krb5.keytab"]


# ---- merging ---------------------------------------------------------------------------------


def test_a_fresh_node_gets_its_keys_and_a_second_run_does_nothing():
    node = Node()
    options = {
        "contents": [base64.b64encode(REAL["servers"]).decode()],
        "principals": [MDS, "lustre_oss/server.lab.example"],
    }
    planned = run(node, check_mode=True, **options)
    assert not node.writes
    outcome = run(node, **options)
    assert outcome.plan == planned.plan
    assert node.file.data == REAL["servers"] and node.file.mode == 0o600
    assert (
        "lustre_mds/server.lab.example@LAB.EXAMPLE (version 2, aes256-cts-hmac-sha384-192) is missing"
        in outcome.plan.steps[0].reason
    )
    assert not run(node, **options).changed


def test_foreign_keys_stay_byte_for_byte_and_old_versions_stay():
    foreign, old = record(HOST, 9, 23, tail=b"\0\0\0\x09weird"), record(OSS, 1)
    node = Node(keytab(foreign, old))
    run(node, contents=[content(record(OSS, 2))])
    assert told(node) == [(HOST, 9), (OSS, 1), (OSS, 2)]
    assert node.file.data.startswith(keytab(foreign, old))
    assert not run(node, contents=[content(record(OSS, 2, time=5555))]).changed, (
        "a later export of the same key is no other"
    )


def test_a_keytab_that_others_can_read_is_made_private_without_a_change_of_its_bytes():
    node = Node(REAL["servers"], mode=0o644)
    outcome = run(node)
    assert "mode 0644 of 0:0 is to be 0600 of 0:0" in outcome.plan.steps[0].reason
    assert (node.file.data, node.file.mode) == (REAL["servers"], 0o600)
    assert run(Node(REAL["servers"], uid=33)).changed
    assert not run(node).changed


def test_old_versions_go_when_the_newest_is_old_enough():
    data = keytab(
        record(OSS, 1), record(OSS, 2, time=5000), record(OSS, 2, 20, time=6000), record(HOST, 1), record(HOST, 2)
    )
    options = {"principals": [OSS], "keep_old": False, "old_keys_age": 100}
    node = Node(data, now=6099)
    assert not run(node, **options).changed
    node.now = 6100
    assert "(version 1, aes256-cts-hmac-sha1-96) is old" in run(node, **options).plan.steps[0].reason
    assert told(node) == [(OSS, 2), (OSS, 2), (HOST, 1), (HOST, 2)]
    assert not run(node, **options, contents=[content(record(OSS, 1))]).changed, "an old one is not brought back"


def test_a_lower_version_that_came_later_is_no_old_one():
    """After a KDC was made anew it counts from 1 again: the highest version is the dead one."""
    options = {"principals": [OSS], "keep_old": False, "old_keys_age": 0}
    node = Node(keytab(record(OSS, 4), record(OSS, 5, time=2000), record(OSS, 1, time=9000)), now=10000)
    assert run(node, **options).changed and told(node) == [(OSS, 5), (OSS, 1)]
    node = Node(keytab(record(OSS, 5, time=2000)), now=10000)
    run(node, **options, contents=[content(record(OSS, 1, time=9000))])
    assert told(node) == [(OSS, 5), (OSS, 1)], "the supplied key is not dropped on its way"
    node = Node(keytab(record(OSS, 2, time=2000)), now=10000)
    run(node, **options, contents=[content(record(OSS, 1, time=9000), record(OSS, 2, time=9000))])
    assert told(node) == [(OSS, 2)], "an export of all versions brings no old one back"


def test_another_key_of_the_same_version_needs_a_consent_that_names_the_principal():
    node = Node(keytab(record(OSS, 1, key=b"a" * 32)))
    options = {"contents": [content(record(OSS, 1, key=b"b" * 32))]}
    with pytest.raises(
        Refused, match=r"Refused to replace a key in /etc/krb5\.keytab: lustre_oss.*another key.*name lustre_oss"
    ):
        run(node, **options)
    with pytest.raises(Refused):
        run(node, **options, replace=[MDS])
    run(node, **options, replace=[OSS])
    assert node.file.data == keytab(record(OSS, 1, key=b"b" * 32))


def test_removing_names_the_principal():
    node = Node(keytab(record(OSS, 1), record(HOST, 1)))
    assert "is to go" in run(node, remove=[OSS]).plan.steps[0].reason
    assert told(node) == [(HOST, 1)]
    assert not run(node, remove=[OSS], contents=[content(record(OSS, 1))]).changed


def test_a_missing_principal_says_what_there_is_instead():
    node = Node()
    with pytest.raises(Refused) as refused:
        run(node, contents=[content(record(OSS, 1))], principals=["lustre_oss/other.lab.example"])
    assert "without lustre_oss/other.lab.example: neither it nor what was supplied" in str(refused.value)
    assert f"there are keys of {OSS}" in str(refused.value)
    assert not node.writes


def test_somebody_else_s_change_is_not_lost():
    node = Node(keytab(record(HOST, 1)))
    local = node.local()
    made = KeytabResource(KeytabWant.from_options({"contents": [content(record(OSS, 1))]}), local)
    step = made.plan(made.have(no_program)).steps[0]
    node.write(FileWrite("/etc/krb5.keytab", keytab(record(HOST, 1), record(HOST, 2)), 0o600, exact=True))
    with pytest.raises(Refused, match="somebody else changed it"):
        made.check_step(step, no_program)


@pytest.mark.parametrize("kind", ["a symbolic link", "something that is no file"])
def test_only_a_plain_file_is_written(kind):
    node = Node()
    node.file = keytab_file.FileState(kind)
    with pytest.raises(Refused, match=kind):
        run(node, contents=[content(record(OSS, 1))])


def test_selinux_labels_a_new_file(fake):
    node = Node()
    local = node.local()
    labelled = type(local)(local.read, local.cache_owner, local.now, lambda: True)
    made = KeytabResource(KeytabWant.from_options({"contents": [content(record(OSS, 1))]}), labelled)
    outcome = converge(made, fake([(("restorecon", "-F", "--", "/etc/krb5.keytab"), "")]), write=node.write)
    assert [step.action for step in outcome.plan.steps] == ["write", "label"]


# ---- the ticket cache that hides a keytab ----------------------------------------------------

ROOT = "lustre_root/client.lab.example@LAB.EXAMPLE"


def test_an_old_ticket_cache_is_told_when_keys_change():
    node = Node(keytab(record(ROOT, 1)), cache=ROOT)
    assert not run(node, contents=[content(record(ROOT, 1))]).plan.drift
    outcome = run(node, contents=[content(record(ROOT, 2))])
    assert outcome.plan.drift[0].found == f"tickets of {ROOT}" and node.cache == ROOT


def test_an_old_ticket_cache_is_removed_on_demand_and_only_one_of_ours():
    node = Node(keytab(record(ROOT, 1)), cache=ROOT)
    outcome = run(node, contents=[content(record(ROOT, 2))], remove_ticket_cache=True)
    assert [step.action for step in outcome.plan.steps] == ["write", "remove"] and not node.cache
    other = Node(keytab(record(ROOT, 1)), cache="root/admin@LAB.EXAMPLE")
    run(other, contents=[content(record(ROOT, 2))], remove_ticket_cache=True)
    assert other.cache == "root/admin@LAB.EXAMPLE"


def test_a_cache_whose_principal_has_no_key_hides_a_missing_keytab():
    node = Node(cache=ROOT)
    assert run(node).plan.drift
    assert run(node, remove_ticket_cache=True).changed and not node.cache


def test_the_head_of_a_cache():
    head = bytes.fromhex("0504000c00010008fffffda80000000000000001000000020000000b4c41422e4558414d504c45")
    data = head + struct.pack(">I", 10) + b"lustre_oss" + struct.pack(">I", 18) + b"server.lab.example"
    read = ccache_file.parse_cache(data, "/tmp/x")
    assert (read.principal, read.offset) == ("lustre_oss/server.lab.example@LAB.EXAMPLE", -600.0)
    for end in range(len(data)):
        with pytest.raises(UnknownOutput, match="ticket cache"):
            ccache_file.parse_cache(data[:end], "/tmp/x")


def test_only_root_s_own_file_is_a_cache_of_root(tmp_path):
    head = bytes.fromhex("0504000000000001000000010000000152") + struct.pack(">I", 1) + b"p"
    path = tmp_path / "krb5cc_0"
    path.write_bytes(head)
    assert ccache_file.owner_of(str(path)) == ("p@R" if os.getuid() == 0 else "")
    (tmp_path / "link").symlink_to(path)
    assert ccache_file.owner_of(str(tmp_path / "link")) == ""
    path.write_bytes(b"nonsense")
    assert ccache_file.owner_of(str(path)) == ""
    os.mkfifo(tmp_path / "fifo")
    assert ccache_file.owner_of(str(tmp_path / "fifo")) == ""


# ---- options, and whatever there is ----------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"path": "krb5.keytab"}, "path: 'krb5.keytab' is not a plain absolute path"),
        ({"contents": ["!!"]}, "contents[0]: it is not base64"),
        (
            {"contents": [base64.b64encode(b"\x05\x01").decode()]},
            "contents[0]: it is no keytab of the format 0x0502 (it begins with 05 01",
        ),
        (
            {"contents": [content(record(OSS)), content(record(OSS, key=b"x"))]},
            "contents[1]: another content has a different key",
        ),
        ({"principals": ["a b"]}, "principals[0]: 'a b' is not a principal"),
        ({"principals": [OSS], "remove": [OSS]}, "is wanted by principals, too"),
        ({"keep_old": "no"}, "'no' is neither true nor false"),
        ({"old_keys_age": -1}, "old_keys_age: -1 is no number of seconds"),
        ({"ticket_cache": "KCM:"}, "ticket_cache: 'KCM:' is not a plain absolute path"),
        ({"merge": True}, "merge: there is no such option"),
    ],
)
def test_unusable_options(options, says):
    with pytest.raises(BadValue) as bad:
        KeytabWant.from_options(options)
    assert says in str(bad.value)


principals = st.sampled_from([MDS, OSS, HOST])
records = st.lists(
    st.builds(record, principals, st.integers(1, 4), st.sampled_from([18, 20]), time=st.integers(0, 50)),
    max_size=8, unique_by=lambda raw: entries(keytab(raw))[0].identity,
)  # fmt: skip


@given(
    before=records | st.none(),
    supplied=records,
    mode=st.sampled_from([0o600, 0o644, 0o640]),
    keep_old=st.booleans(),
    age=st.integers(0, 50),
    remove=st.lists(principals, max_size=1),
    cache=st.sampled_from(["", ROOT, OSS, "root/admin@LAB.EXAMPLE"]),
    drop_cache=st.booleans(),
)
def test_whatever_is_there_becomes_what_is_wanted(before, supplied, mode, keep_old, age, remove, cache, drop_cache):
    node = Node(None if before is None else keytab(*before), mode=mode, cache=cache, now=60)
    options = {
        "contents": [content(*supplied)], "keep_old": keep_old, "old_keys_age": age, "remove": remove,
        "remove_ticket_cache": drop_cache,
    }  # fmt: skip
    old = list(before or [])
    planned = run(node, check_mode=True, **options)
    outcome = run(node, **options)
    assert outcome.plan.steps == planned.plan.steps
    again = run(node, **options)
    assert not again.changed
    have = entries(node.file.data) if node.file.data else []
    ours = {entry.principal for entry in entries(keytab(*supplied))}
    raws = [entry.raw for entry in have]
    assert all(raw in raws for raw in old if (p := entries(keytab(raw))[0].principal) not in ours and p not in remove)
    assert not {entry.principal for entry in have} & set(remove)
    for principal in ours - set(remove):
        newest = max(e.kvno for e in entries(keytab(*old, *supplied)) if e.principal == principal)
        assert any(entry.kvno == newest for entry in have if entry.principal == principal), (
            "the newest key is never lost"
        )
        if keep_old:
            assert {e.identity for e in entries(keytab(*old, *supplied)) if e.principal == principal} <= {
                e.identity for e in have
            }
    if node.file.kind == "file":
        assert node.file.mode == 0o600
    if cache == "root/admin@LAB.EXAMPLE":
        assert node.cache == cache
