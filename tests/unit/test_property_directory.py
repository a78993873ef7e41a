"""Directories are as described, and none is ever made beside its file system."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.directory import (
    DirectoryResource,
    DirectoryWant,
    Local,
)
from tests.unit.hypotheses import examples
from tests.unit.models.directory_model import DIRECTORY, IDS, DirectoryModel, Entry

PATHS = ("/mnt/fs1/a", "/mnt/fs1/a/b", "/mnt/fs1/c", "/mnt/fs2/a", "/mnt/other/a")
owners = st.sampled_from(["root", "alice"])
wants = st.lists(
    st.fixed_dictionaries(
        {
            "path": st.sampled_from(PATHS),
            "owner": owners,
            "group": st.sampled_from(["root", "staff"]),
            "mode": st.sampled_from(["0755", "2770", "1777", "0700"]),
        }
    ).map(lambda want: {**want, "fsname": "fs2" if "fs2" in want["path"] else "fs1"}),
    min_size=1,
    unique_by=lambda want: want["path"],
).map(lambda wanted: sorted(wanted, key=lambda want: want["path"]))
entries = st.builds(
    Entry,
    st.sampled_from([0o755, 0o2755, 0o700, 0o1777]).map(lambda mode: DIRECTORY | mode) | st.just(0o100644),
    st.sampled_from([0, 1000]),
    st.sampled_from([0, 50]),
)


@examples(60)
@given(
    wanted=wants,
    mounts=st.fixed_dictionaries({}, optional={"/mnt/fs1": st.just("fs1"), "/mnt/fs2": st.just("fs2")}),
    found=st.dictionaries(st.sampled_from(PATHS), entries),
)
def test_directories_become_as_described(
    wanted: list[dict[str, Any]], mounts: dict[str, str], found: dict[str, Entry]
) -> None:
    model = DirectoryModel(
        mounts, {path: entry for path, entry in found.items() if "/mnt/fs1/a" in found or path != "/mnt/fs1/a/b"}
    )
    before = copy.deepcopy(model.entries)
    local = Local(model.table, lambda name: IDS[name], lambda name: IDS[name])
    made = DirectoryResource([DirectoryWant.from_options(want, "directories[0]") for want in wanted], local)
    try:
        planned = converge(made, model, check_mode=True)
        assert not model.calls
        outcome = converge(made, model)
    except Refused as refusal:
        event("refused")
        assert model.entries == before and refusal.remedy
        outside = any(model.inside(want["path"]) != want["fsname"] for want in wanted)
        file = any(entry.mode < DIRECTORY or not entry.mode & DIRECTORY for entry in before.values())
        assert outside or file
        return
    assert outcome.plan.steps == planned.plan.steps
    assert not converge(made, model).changed
    for want in wanted:
        entry = model.entries[want["path"]]
        assert entry.mode == DIRECTORY | int(want["mode"], 8)
        assert (entry.uid, entry.gid) == (IDS[want["owner"]], IDS[want["group"]])
        assert model.inside(want["path"]) == want["fsname"]
    named = {want["path"] for want in wanted}
    assert all(entry == model.entries[path] for path, entry in before.items() if path not in named)
