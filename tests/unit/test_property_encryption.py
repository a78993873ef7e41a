"""Whatever a node has: what is encrypted has a key that is kept, no key file is written over, and no key is shown."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused
from ansible_collections.lustre.core.plugins.module_utils._module import result
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_policy import EncryptionResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import wants_from_options
from tests.unit.hypotheses import examples
from tests.unit.models.encryption_model import DIRECTORY, EncryptionModel, Entry
from tests.unit.test_encryption_policy import KEY, NAME, POLICY, RAW

PATHS = ("/mnt/fs1/a", "/mnt/fs1/b", "/mnt/fs2/a", "/mnt/other/a")
FILES = {"/etc/lustre/keys/A": "A", "/etc/lustre/keys/B": "B", "/run/keys/A": "A"}
keys = st.sampled_from(["A", "B"])


@st.composite
def one_want(draw: st.DrawFn) -> dict[str, Any]:
    """Mostly one that could be carried out: key, file and identifier belong together but for one in eight."""
    letter = draw(keys)
    mixed = draw(st.integers(0, 7)) == 0
    want = {"path": draw(st.sampled_from(PATHS[:3] * 3 + PATHS)), "state": draw(st.sampled_from(STATES))}
    if draw(st.booleans()):
        want["key"] = KEY[letter]
    if draw(st.booleans()):
        want["key_file"] = draw(st.sampled_from([path for path, name in FILES.items() if mixed or name == letter]))
    if draw(st.booleans()):
        want["identifier"] = NAME[draw(keys) if mixed else letter]
    if draw(st.booleans()):
        want.update(owner=draw(st.sampled_from(["root", "alice"])), mode=draw(st.sampled_from(["0755", "2770"])))
    return want


STATES = ("encrypted", "unlocked", "locked")
wants = st.lists(one_want(), min_size=1, max_size=3, unique_by=lambda want: want["path"])
entries = st.builds(
    Entry,
    mode=st.sampled_from([DIRECTORY | 0o755, DIRECTORY | 0o2770] * 4 + [0o100644]),
    uid=st.sampled_from([0, 1000]),
    policy=st.just("") | keys.map(POLICY.__getitem__),
    names=st.sampled_from([[], [], [], ["data"]]),
    busy=st.sampled_from([[], [], [], ["/mnt/fs1/a/f (process 1, x)"]]),
)
kept = st.fixed_dictionaries(
    {},
    optional={
        path: st.sampled_from([KEY[name], KEY[name], RAW[name].hex(), "damaged", KEY["A"]])
        for path, name in FILES.items()
    },
)


@examples(300)
@given(
    wanted=wants,
    mounts=st.sampled_from([{"/mnt/fs1": "fs1"}, *[{"/mnt/fs1": "fs1", "/mnt/fs2": "fs2"}] * 4]),
    found=st.dictionaries(st.sampled_from(PATHS), entries),
    files=kept,
    open_=st.sets(st.tuples(st.sampled_from(["/mnt/fs1", "/mnt/fs2"]), keys.map(NAME.__getitem__))),
    granted=st.sampled_from([True, True, True, False]),
)
def test_directories_become_as_described_and_nothing_is_lost(
    wanted: list[dict[str, Any]],
    mounts: dict[str, str],
    found: dict[str, Entry],
    files: dict[str, str],
    open_: set[tuple[str, str]],
    granted: bool,
) -> None:
    model = EncryptionModel(mounts, copy.deepcopy(found), dict(files), keys=set(open_), granted={"fs1": granted})
    before = copy.deepcopy(model)
    try:
        made = EncryptionResource(wants_from_options(wanted, "directories"), model.local())
        planned = converge(made, model, check_mode=True)
        assert not model.changes
        outcome = converge(made, model, write=model.write)
    except (BadValue, Refused) as refusal:
        event(type(refusal).__name__)
        assert refusal.remedy and (model.entries, model.files, model.keys) == (
            before.entries,
            before.files,
            before.keys,
        )
        assert not any(key in str(refusal) for key in KEY.values())
        return
    event("done" if outcome.changed else "nothing to do")
    assert outcome.plan.steps == planned.plan.steps
    assert not converge(made, model).changed
    for want in wanted:
        entry = model.entries[want["path"]]
        assert entry.policy and (before.entries.get(want["path"], Entry()).policy in ("", entry.policy))
        there = (model.mount(want["path"]), entry.policy[-32:]) in model.keys
        assert {"unlocked": there, "locked": not there}.get(want["state"], True)
    _nothing_is_lost(model, before, wanted)
    shown = json.dumps([result(planned, True), result(outcome, True)])
    assert not any(secret in shown for name in RAW for secret in (KEY[name], RAW[name].hex()))


def _nothing_is_lost(model: EncryptionModel, before: EncryptionModel, wanted: list[dict[str, Any]]) -> None:
    assert all(model.files[path] == text for path, text in before.files.items() if path in FILES)
    for path, name in model.policies:
        want = next(want for want in wanted if want["path"] == path)
        kept = want.get("identifier") == name or (
            want.get("key_file", "/run").startswith("/etc") and model.key_in(want["key_file"]) == name
        )
        assert kept, "encrypted with a key that nothing proves to be kept"
        assert json.loads(model.files[f"/etc/lustre/encryption/{name}.json"])["directories"]
        written = model.changes.index(("write", f"/etc/lustre/encryption/{name}.json"))
        assert written < model.changes.index(("encrypt", path))
        assert not before.entries.get(path, Entry()).names
    touched = {want["path"] for want in wanted}
    assert all(model.entries[path] == entry for path, entry in before.entries.items() if path not in touched)
