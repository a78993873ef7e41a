# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever is lost of a directory by the program fscrypt, and wherever a run ends: nothing opens without a copy of what opens it."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, Refused
from tests.unit.hypotheses import examples
from tests.unit.test_encryption_program import CONFIG, DROP_IN, FILE, WANT, model, resource, run, there


@given(
    st.lists(
        st.sampled_from(["policies", "protectors", "copies", "config", "file", "open", "drop-in", "setup"]), unique=True
    ),
    st.sampled_from(["unlocked", "encrypted", "locked"]),
    st.integers(0, 12),
)
@examples(60)
def test_whatever_is_lost_and_wherever_a_run_ends_nothing_opens_without_a_copy(tmp_path_factory, gone, state, ends):
    made = model(tmp_path_factory.mktemp("node"))
    run(made, WANT)
    before = {**there(made.meta())}
    for name in gone:
        for path in {"policies": [made.meta() / "policies"], "protectors": [made.meta() / "protectors"]}.get(name, []):
            for one in path.glob("*"):
                one.unlink()
        if name in ("setup", "copies"):
            shutil.rmtree(made.meta() if name == "setup" else made.copies(), ignore_errors=True)
        made.files.pop({"config": CONFIG, "file": FILE, "drop-in": DROP_IN}.get(name, ""), None)
    if "open" not in gone:
        made.keys.clear()
    left, at = {**there(made.meta())}, [0]

    def dies(change_or_words):
        at[0] += 1
        if at[0] > ends:
            raise OSError("the node went away")

    def call(argv, stdin=None, timeout=120.0):
        if argv[0] in ("fscrypt", "install", "chmod", "systemctl") or (
            argv[-2:-1] and argv[3].startswith(("backup", "restore"))
        ):
            dies(argv)
        return made(argv, stdin, timeout)

    def write(change):
        dies(change)
        made.write(change)

    want = {**WANT, "state": state}
    try:
        converge(resource(made, want), call, write=write, sleep=lambda _s: None)
    except (OSError, LustreError):
        assert {name: data for name, data in there(made.meta()).items() if name in left} == left
    else:
        assert not run(made, want, check_mode=True).changed
    assert not made.bare and all(there(made.meta())[name] == before[name] for name in there(made.meta()))
    lost = ("policies" in gone or "protectors" in gone or "setup" in gone) and "copies" in gone
    if lost:
        with pytest.raises(Refused):
            run(made, want)
    else:
        run(made, want)
        assert there(made.meta()) == before == there(made.copies()) and not made.bare
