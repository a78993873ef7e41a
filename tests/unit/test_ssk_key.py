"""Key files: what lgss_sk prints, their cases, and that no secret is seen anywhere."""

from __future__ import annotations

import base64
import json
import re

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import keyring, lgss_sk
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    LustreError,
    Refused,
    ToolError,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._module import result
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key import SskKeyResource
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key_local import Local, Seen, look, private
from tests.unit.fake_runner import load_cases
from tests.unit.models.ssk_model import KEYS, File, SskModel, content_of

PATH = f"{KEYS}/k"
#: The bytes of the recorded key, in the forms in which they could be seen.
RECORDED = ("9325", "e93cce2d", "e93c ce2d")


def test_a_recorded_key(transcript):
    recorded = transcript("security/lgss_sk-read")
    found = lgss_sk.parse_read(recorded.out, recorded.err)
    assert (found.types, found.fsname, found.nodemap, found.mgs_nids) == ({"server"}, "lustre", "default", ())
    assert (found.crypt, found.hmac, found.key_bits, found.prime_bits) == ("ctr(aes)", "sha256", 256, 2048)
    assert found.lifetime == 604800 and not found.prime


def test_the_same_key_as_a_clients(transcript):
    server = transcript("security/lgss_sk-read")
    client = transcript("security/keys-dir")
    out = client.out[client.out.index("Version:") :]
    one, other = lgss_sk.parse_read(server.out, server.err), lgss_sk.parse_read(out, client.err)
    assert other.types == {"client"} and other.prime
    assert one.digest == other.digest
    changed = server.err.replace("9325", "9326")
    assert lgss_sk.parse_read(server.out, changed).digest != one.digest


def test_a_key_for_an_mgs(transcript):
    recorded = transcript("security/lgss_sk-mgs")
    out = recorded.out[recorded.out.index("Version:") :]
    found = lgss_sk.parse_read(out, recorded.err)
    assert found.types == {"mgs", "server"} and found.mgs_nids == ("10.0.2.15@tcp",)


@pytest.mark.parametrize(
    ("change", "to"),
    [
        ("Version:        1", "Version:        2"),
        ("Type:           server", "Type:           backup"),
        ("Nodemap name:   default\n", ""),
        ("256 bits", "many bits"),
        ("256 bits", "512 bits"),
        ("Shared key:", "Shared key:\nColour: red"),
        ("Shared key:", "Shared key: 9325 e93c ce2d fb7a"),
    ],
)
def test_other_attributes_stop_and_show_no_key(transcript, change, to):
    recorded = transcript("security/lgss_sk-read")
    assert change in recorded.out
    with pytest.raises(UnknownOutput) as caught:
        lgss_sk.parse_read(recorded.out.replace(change, to), recorded.err)
        raise UnknownOutput("", "", "") if "9325" in to else AssertionError
    assert not any(form in str(caught.value) for form in RECORDED)


@pytest.mark.parametrize("err", ["", "  0000: 9325 e93c\n  0010: 6ad3\n", "  0010: 6ad3 cf64\n"])
def test_a_broken_dump_stops(transcript, err):
    with pytest.raises(UnknownOutput):
        lgss_sk.parse_read(transcript("security/lgss_sk-read").out, err)


def test_what_it_says_is_told_without_keys(transcript):
    recorded = transcript("security/lgss_sk-read")
    assert lgss_sk.redacted(recorded.err) == ""
    assert "(left out)" in lgss_sk.redacted("bad key 9325e93cce2dfb7a8f14a97a0eb256cf")
    bad = transcript("security/lgss_sk-read-bad").err
    assert lgss_sk.redacted(bad) == bad.rstrip("\n")


def test_the_digest_is_not_shown(transcript):
    recorded = transcript("security/lgss_sk-read")
    assert "digest" not in repr(lgss_sk.parse_read(recorded.out, recorded.err))


def test_loaded_keys(transcript):
    assert keyring.parse_show(transcript("security/load-keys").out) == ["lustre:lustre:default", "lustre:lustre"]
    shown = transcript("ssk-remote/cli-keys").out
    assert keyring.parse_show("".join(shown.splitlines(True)[:4])) == ["lustre:lustre"]
    assert keyring.parse_show("Keyring\n") == []
    with pytest.raises(UnknownOutput):
        keyring.parse_show("Keyring\nsomething new\n")


def test_a_root_without_keyring(fake):
    call = ("keyctl", "show", "@u")
    assert keyring.loaded(fake([(call, (1, "", "Unable to dump key: Required key not available\n"))])) == []
    with pytest.raises(ToolError):
        keyring.loaded(fake([(call, (1, "", "Unable to dump key: Operation not permitted\n"))]))


def test_names_of_loaded_keys():
    nids = ["10.0.0.1@tcp"]
    assert keyring.descriptions(["server", "client"], "fs1", [], "bio") == ["lustre:fs1:bio", "lustre:fs1"]
    assert keyring.descriptions(["mgs"], "", nids, "default") == ["lustre:MGS:default"]
    assert keyring.descriptions(["client"], "", nids, "default") == ["lustre:MGC10.0.0.1@tcp"]


@pytest.mark.parametrize("case", load_cases("ssk_key_bad"), ids=lambda case: f"{case['path']}: {case['says']}")
def test_unusable_entries_are_named(case):
    with pytest.raises(BadValue) as caught:
        SskKeyResource.from_options([case["key"]])
    assert caught.value.path == case["path"]
    assert case["says"] in str(caught.value)
    assert "secret" not in str(caught.value) and "c2VjcmV0" not in str(caught.value)


def test_a_path_twice_is_refused():
    key = {"path": PATH, "types": ["server"], "fsname": "fs1"}
    with pytest.raises(BadValue, match=r"keys\[1\]\.path"):
        SskKeyResource.from_options([key, key])


def made(options):
    options = dict(options)
    return content_of(options.pop("secret"), options.pop("types", "server"), **options)


def node(have):
    model = SskModel(keyring=dict.fromkeys(have.get("loaded", []), b""))
    if have.get("folder", "0700") is not None:
        model.folders[KEYS] = Seen("folder", int(have.get("folder", "0700"), 8), 0)
    if "file" in have or "garbage" in have:
        content = made(have["file"]) if "file" in have else b"no key"
        model.files[PATH] = File(content, int(have.get("mode", "0600"), 8), have.get("uid", 0))
    if "staged" in have:
        model.folders[f"{KEYS}/.lustre-next"] = Seen("folder", 0o700, 0)
        model.files[f"{KEYS}/.lustre-next/k"] = File(b"" if have["staged"] == "garbage" else made(have["staged"]))
    if have.get("left"):
        model.folders[f"{KEYS}/.lustre-new"] = Seen("folder", 0o700, 0)
        model.files[f"{KEYS}/.lustre-new/k"] = File(b"half a key")
    return model


@pytest.mark.parametrize("case", load_cases("ssk_key_plan"), ids=lambda case: case["name"])
def test_plans(case):
    key = {"path": PATH, **case["key"]}
    if "given" in case:
        key["content"] = base64.b64encode(made(case["given"])).decode()
    model = node(case.get("have", {}))

    def make():
        return SskKeyResource.from_options([key], case.get("consent", []), local=model.local())

    if "error" in case:
        with pytest.raises(LustreError) as caught:
            converge(make(), model, write=model.write)
        assert case["error"] in str(caught.value) and not model.calls
        assert case.get("remedy", "") in str(caught.value)
        return
    planned = converge(make(), model, check_mode=True)
    assert not model.calls and not model.writes
    steps = planned.plan.steps
    assert [step.action for step in steps] == [row[0] for row in case.get("steps", [])]
    assert all(row[1] in step.reason for step, row in zip(steps, case.get("steps", []), strict=True))
    if "commands" in case:
        assert [step.public()["command"] for step in steps] == case["commands"]
    notes = planned.before["notes"]
    assert len(notes) == len(case.get("notes", []))
    assert all(words in note for words, note in zip(case.get("notes", []), notes, strict=True))
    outcome = converge(make(), model, write=model.write)
    assert outcome.plan.steps == steps
    assert not converge(make(), model, write=model.write).changed
    assert not [path for path in model.folders if path.endswith("/.lustre-new")]


def test_nothing_secret_is_returned():
    model = node({"file": {"secret": 0xABCDEF0123456789}})
    content = base64.b64encode(content_of(0xFEDCBA9876543210)).decode()
    key = {"path": PATH, "types": ["client"], "content": content, "state": "loaded"}
    resource = SskKeyResource.from_options([key], [PATH], local=model.local())
    outcome = converge(resource, model, write=model.write)
    told = (
        json.dumps(result(outcome, show_diff=True)) + repr(outcome) + repr(resource.have(model)) + repr(resource.wants)
    )
    told += " ".join(word for call in model.calls for word in call)
    assert outcome.changed and "fs1" in told
    for secret in ("abcdef0123456789", "fedcba9876543210", content[40:60]):
        assert secret not in told.lower() and secret not in told
    assert not re.search(r"[0-9a-f]{32}", told), "a digest is shown"


def test_a_failed_command_shows_no_key(fake):
    dump = "  0000: 9325 e93c ce2d fb7a 8f14 a97a 0eb2 56cf  .%.<.-.z...z..V.\n"
    seen = {KEYS: Seen("folder", 0o700, 0)}
    resource = SskKeyResource.from_options(
        [{"path": PATH, "types": ["server"], "fsname": "fs1"}], local=Local(seen.get)
    )
    run = fake(
        [
            (("install", "-d", "-m", "0700", "--", f"{KEYS}/.lustre-new"), ""),
            (
                (*"lgss_sk -t server -f fs1 -n default -c AES-256-CTR -i SHA256 -k 256 -p 2048 -e 604800 -w".split(), f"{KEYS}/.lustre-new/k"),
                (1, dump, f"{dump}error: no space\n"),
            ),
        ]
    )  # fmt: skip
    with pytest.raises(ToolError, match=r"no space\. The key in use was not touched") as caught:
        converge(resource, run)
    assert not any(form in f"{caught.value}{caught.value.facts()}" for form in RECORDED)


def test_a_key_that_appears_meanwhile_is_kept():
    model = node({})
    resource = SskKeyResource.from_options([{"path": PATH, "types": ["server"], "fsname": "fs1"}], local=model.local())
    chmod = model._chmod

    def meanwhile(words):
        chmod(words)
        model.files[PATH] = File(content_of(5))

    model._chmod = meanwhile
    with pytest.raises(Refused, match="one has appeared there meanwhile"):
        converge(resource, model, write=model.write)
    assert model.files[PATH].content == content_of(5)


def test_files_of_a_real_node(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(0o640)
    assert look(str(path)) == Seen("file", 0o640, path.stat().st_uid)
    assert look(str(tmp_path / "none")) is None and look(str(path / "below")) is None
    link = tmp_path / "link"
    link.symlink_to(path)
    assert look(str(link)).kind == "other"
    with private(b"\x00key\xff", str(tmp_path)) as made_at:
        found = look(made_at)
        assert found.mode == 0o600 and look(made_at.rpartition("/")[0]).mode == 0o700
        with open(made_at, "rb") as stream:
            assert stream.read() == b"\x00key\xff"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "link"]
