"""Encrypted directories in a node's whole state: a look needs no key, and counts all that only the role can do."""

from __future__ import annotations

import json

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.filter.encryption import FilterModule
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused
from ansible_collections.lustre.core.plugins.module_utils._node import converge_node, parts_of
from ansible_collections.lustre.core.plugins.module_utils._node_values import node_values
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_policy import EncryptionResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import wants_from_options
from tests.unit.hypotheses import examples
from tests.unit.models.encryption_model import EncryptionModel, Entry
from tests.unit.test_encryption_policy import FILE, KEY, NAME, POLICY, RECORD, VAULT

FILTERS = FilterModule().filters()
KEYS = {"vault": KEY["A"], "archive": KEY["B"]}
ENTRY = {"path": VAULT, "fsname": "fs1", "state": "unlocked", "key_name": "vault", "key_file": FILE}
OPEN = ("/mnt/fs1", NAME["A"])
UNIT = "lustre-unlock@mnt-fs1-vault.service"


def by_role(*entries):
    """What the role gives to the module."""
    return wants_from_options(FILTERS["encryption_directories"](list(entries), KEYS), "directories")


def looked(made, *entries, role=False):
    """The steps of the look, or (``role``) of the module with its keys, in check mode."""
    wants = by_role(*entries) if role else wants_from_options(list(entries), "encryption")
    outcome = converge(EncryptionResource(wants, made.local(), not role), made, check_mode=True, write=made.write)
    assert not made.changes
    return [f"{step.action} {step.object}" for step in outcome.plan.steps]


def converged():
    made = EncryptionModel(entries={VAULT: Entry()})
    converge(EncryptionResource(by_role(ENTRY), made.local()), made, write=made.write, sleep=lambda _s: None)
    made.changes.clear(), made.calls.clear()
    return made


def test_a_directory_as_described_costs_one_process_and_no_key():
    made = converged()
    assert looked(made, ENTRY) == []
    assert len(made.calls) == 1


def drifted(change):
    made = converged()
    change(made)
    return made


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        (lambda made: made.files.pop(FILE), [f"keep {FILE}"]),
        (lambda made: (made.files.pop(FILE), made.keys.clear()), [f"keep {FILE}", f"unlock {VAULT}"]),
        (
            lambda made: (made.files.clear(), made.keys.clear(), made.entries.clear()),
            [f"keep {FILE}", f"create {VAULT}", f"unlock {VAULT}", f"encrypt {VAULT}"],
        ),
    ],
)
def test_what_only_the_role_can_do_is_planned_without_the_key_and_refused_by_a_run_without_it(change, steps):
    assert looked(drifted(change), ENTRY) == steps
    made = drifted(change)
    with pytest.raises(Refused, match=r"its key vault was not given.*lustre_encryption_keys"):
        converge(EncryptionResource(wants_from_options([ENTRY], "encryption"), made.local()), made, write=made.write)
    assert not made.changes


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        (lambda made: made.keys.clear(), [f"unlock {VAULT}"]),
        (lambda made: made.files.pop(RECORD), [f"record {RECORD}"]),
    ],
)
def test_what_needs_no_key_or_only_the_key_file_a_node_does_by_itself(change, steps):
    assert looked(drifted(change), ENTRY) == steps
    made = drifted(change)
    wants = wants_from_options([ENTRY], "encryption")
    outcome = converge(EncryptionResource(wants, made.local()), made, write=made.write, sleep=lambda _s: None)
    assert [f"{step.action} {step.object}" for step in outcome.plan.steps] == steps and made.keys == {OPEN}


def test_two_keys_that_are_only_named_are_two():
    entries = [{"path": f"/mnt/fs1/{name}", "key_name": name, "identifier": NAME[letter]} for name, letter in
               (("vault", "A"), ("archive", "B"))]  # fmt: skip
    unnamed = [{key: value for key, value in entry.items() if key != "identifier"} for entry in entries]
    for wanted in (entries, unnamed):
        steps = looked(EncryptionModel(), *wanted)
        assert [step for step in steps if step.startswith("unlock")] == [
            "unlock /mnt/fs1/vault",
            "unlock /mnt/fs1/archive",
        ]


@given(
    st.lists(st.sampled_from(["file", "record", "key", "policy", "mode"]), unique=True),
    st.sampled_from(["unlocked", "encrypted", "locked"]),
    st.booleans(),
)
@examples(60)
def test_a_look_without_keys_finds_something_to_do_exactly_where_the_role_does(gone, state, kept):
    entry = {**ENTRY, "state": state, "mode": "0755"}
    if not kept:
        entry = {name: value for name, value in entry.items() if name != "key_file"} | {"identifier": NAME["A"]}
    made = converged()
    if "file" in gone:
        made.files.pop(FILE)
    if "record" in gone:
        made.files.pop(RECORD)
    if "key" in gone:
        made.keys.clear()
    if "mode" in gone:
        made.entries[VAULT].mode = 0o040700
    if "policy" in gone:
        made.entries[VAULT].policy = ""
        if state == "locked":
            return
    ours, theirs = looked(made, entry), looked(made, entry, role=True)
    assert bool(ours) == bool(theirs)
    # The record of a key that nobody here knows yet comes with the key.
    assert [step for step in theirs if not step.startswith("record ")] == [
        step for step in ours if not step.startswith("record ")
    ]


def test_another_host_of_the_description_may_be_faster():
    """Both saw an empty directory; the policy that the other one has just set is the same."""
    made = EncryptionModel(entries={VAULT: Entry()})
    want = EncryptionResource(by_role(ENTRY), made.local())
    want.have(made)
    made.files[FILE] = KEY["A"]
    made.entries[VAULT].policy = POLICY["A"]
    step = next(step for step in want.plan(want._planned).steps if step.action == "encrypt")
    want.check_step(step, made)
    made.entries[VAULT].policy = POLICY["B"]
    with pytest.raises(Refused, match="no longer the empty directory of the plan"):
        want.check_step(step, made)


# Keys by name


def test_names_become_keys_and_what_is_the_roles_alone_is_taken_out():
    given = [
        {**ENTRY, "at_boot": False},
        {"path": "/b", "key": "mine", "key_name": "vault"},
        {"path": "/c", "key_file": "/k"},
    ]
    assert FILTERS["encryption_directories"](given, KEYS) == [
        {"path": VAULT, "fsname": "fs1", "state": "unlocked", "key_file": FILE, "key": KEY["A"]},
        {"path": "/b", "key": "mine"},
        {"path": "/c", "key_file": "/k"},
    ]
    assert "at_boot" in given[0] and "key_name" in given[0], "what was given is left as it is"


@pytest.mark.parametrize("keys", [{}, {"vault": ""}, {"archive": KEY["B"]}])
def test_a_name_without_a_key_is_told_and_no_key_shown(keys):
    with pytest.raises(AnsibleFilterError) as told:
        FILTERS["encryption_directories"]([ENTRY], keys)
    assert str(told.value).startswith(f"lustre_encryption_keys: it has no key vault, which {VAULT} is to have.")
    assert KEY["B"] not in str(told.value)


# Units


@pytest.mark.parametrize(
    ("entry", "unit"),
    [
        ({"state": "unlocked", "key_file": FILE}, (True, True)),
        ({"state": "unlocked", "key_name": "vault"}, (False, None)),
        ({"state": "unlocked", "at_boot": "yes"}, (True, True)),
        ({"state": "unlocked", "key_file": FILE, "at_boot": False}, (False, None)),
        ({"key_file": FILE}, (False, None)),
        ({"at_boot": True}, (True, None)),
        ({"state": "locked", "key_file": FILE}, (False, False)),
    ],
)
def test_the_unit_of_a_directory(entry, unit):
    enabled, started = unit
    assert FILTERS["encryption_units"]([{"path": VAULT, **entry}]) == [
        {"name": UNIT, "enabled": enabled, "started": started}
    ]


def test_at_boot_is_yes_or_no():
    with pytest.raises(AnsibleFilterError, match=r"lustre_encryption_directories\[0\].at_boot: 'maybe' is neither"):
        FILTERS["encryption_units"]([{"path": VAULT, "at_boot": "maybe"}])


# In the node


def test_the_node_looks_at_directories_and_units_after_all_mounts(fake):
    parts = parts_of(
        {"encryption": [ENTRY], "params": [{"name": "llite.*.statahead_max", "value": 1, "scope": "local"}]}
    )
    assert [(part.phase, part.resource.kind) for part in parts] == [
        ("encryption", "encryption"),
        ("encryption", "service"),
        ("params", "param"),
    ]
    assert parts[0].tentative.provisional and not parts[0].resource.provisional
    assert parts_of({"encryption": [], "phases": ["encryption"]}) == []
    with pytest.raises(BadValue, match=r"encryption\[0\].path"):
        parts_of({"encryption": [{"path": "vault"}]})


def test_a_look_at_a_new_client_plans_directory_and_unit_and_shows_both():
    made = EncryptionModel(mounts={})
    parts = parts_of({"encryption": [ENTRY]})[:2]
    for part in parts[:1]:
        part.tentative.local = made.local()

    def run(argv, stdin=None, timeout=120.0):
        if argv[0] == "systemctl":
            shown = {
                "Id": UNIT,
                "LoadState": "not-found",
                "ActiveState": "inactive",
                "UnitFileState": "",
                "DropInPaths": "",
                "Result": "success",
            }
            return 0, "\n".join(f"{name}={value}" for name, value in shown.items()) + "\n", ""
        return made(argv, stdin, timeout)

    results = converge_node(parts, run, check_mode=True)
    values = node_values(results, 0, False)
    assert [f"{step['action']} {step['object']}" for step in values["plan"]] == [
        f"keep {FILE}", f"create {VAULT}", f"unlock {VAULT}", f"encrypt {VAULT}", f"enable {UNIT}", f"start {UNIT}",
    ]  # fmt: skip
    assert values["changed"] and values["state"]["encryption"]["directories"][0]["encrypted"] is False
    assert KEY["A"] not in json.dumps(values)


def test_directories_below_the_mount_of_a_tenant_have_a_phase_of_their_own():
    other = {**ENTRY, "path": "/mnt/bio/vault", "tenant": "bio"}
    parts = parts_of({"encryption": [ENTRY, other]})
    found = [(part.phase, [getattr(want, "path", "") or want.name for want in part.resource.wants]) for part in parts]
    assert found == [
        ("encryption", [VAULT]),
        ("encryption", [UNIT]),
        ("encryption_tenant", ["/mnt/bio/vault"]),
        ("encryption_tenant", ["lustre-unlock@mnt-bio-vault.service"]),
    ]
    assert [part.phase for part in parts_of({"encryption": [other], "phases": ["encryption"]})] == []
    with pytest.raises(BadValue, match=r"encryption\[1\].path"):
        parts_of({"encryption": [ENTRY, {**other, "path": VAULT + "/in"}]})
