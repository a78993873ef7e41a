"""For any files and wants: as described, no other key lost without consent, no key ever seen, interrupted runs end well."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError, Refused
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key import SskKeyResource
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key_local import Seen
from tests.unit.hypotheses import examples
from tests.unit.models.ssk_model import KEYS, File, SskModel, content_of

types = st.sets(st.sampled_from(["server", "client"]), min_size=1).map(lambda found: ",".join(sorted(found)))
contents = st.builds(
    content_of,
    st.integers(1, 3),
    types,
    lifetime=st.sampled_from([604800, 3600]),
    fsname=st.sampled_from(["fs1", "fs1", "fs1", "fs2"]),
)
files = st.builds(
    File,
    contents | st.just(b"no key"),
    st.sampled_from([0o600, 0o600, 0o400, 0o644, 0o660]),
    st.sampled_from([0, 0, 7]),
)
wants = st.fixed_dictionaries(
    {"state": st.sampled_from(["present", "loaded", "staged", "unloaded", "absent"]), "types": types},
    optional={
        "lifetime": st.sampled_from([604800, 3600]),
        "fsname": st.just("fs1"),
        "content": contents,
        "consent": st.just(True),
    },
)


def options(want: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    key = {name: value for name, value in want.items() if name != "consent"}
    key.update(path=f"{KEYS}/k", types=want["types"].split(","))
    if want["state"] in ("unloaded", "absent"):
        key.pop("content", None)
    elif "content" in key:
        key["content"] = base64.b64encode(key["content"]).decode()
    else:
        key["fsname"] = "fs1"
    return key, [f"{KEYS}/k"] if want.get("consent") else []


def secret(content: bytes) -> str | None:
    return json.loads(content)["key"] if content.startswith(b"{") else None


@examples(300)
@given(
    want=wants,
    there=st.none() | files,
    staged=st.none() | contents,
    loaded=st.booleans(),
    ends=st.none() | st.integers(0, 6),
)
def test_keys_become_as_described(
    want: dict[str, Any], there: File | None, staged: bytes | None, loaded: bool, ends: int | None
) -> None:
    model = SskModel()
    model.folders[KEYS] = Seen("folder", 0o700, 0)
    if there is not None:
        model.files[f"{KEYS}/k"] = File(there.content, there.mode, there.uid)
        model.keyring = {"lustre:fs1": b"old", "lustre:fs1:default": b"old"} if loaded else {}
    if staged is not None:
        model.folders[f"{KEYS}/.lustre-next"] = Seen("folder", 0o700, 0)
        model.files[f"{KEYS}/.lustre-next/k"] = File(staged)
    key, consent = options(want)
    # What was readable before is no leak of ours.
    loose = there is not None and bool(there.mode & 0o077)

    def run() -> Any:
        return converge(SskKeyResource.from_options([key], consent, local=model.local()), model, write=model.write)

    before = {path: file.content for path, file in model.files.items()}
    try:
        if ends is not None:
            model.ends_after = ends
            try:
                run()
            except KeyboardInterrupt:
                event("ended")
            model.ends_after = None
        run()
    except (Refused, BadValue) as refusal:
        event("refused")
        assert str(refusal)
        assert ends is not None or {path: file.content for path, file in model.files.items()} == before
        return
    except LustreError as error:
        raise AssertionError("only refusals are expected") from error
    assert not run().changed
    assert f"{KEYS}/.lustre-new" not in model.folders
    assert loose or not model.leaks
    found = model.files.get(f"{KEYS}/k")
    if want["state"] in ("absent",):
        assert found is None
    elif want["state"] in ("present", "loaded"):
        assert found is not None and not found.mode & 0o077 and found.uid == 0
        held = json.loads(found.content)
        assert held["types"] == sorted(key["types"]) and (held["prime"] or "client" not in key["types"])
        assert held["lifetime"] == want.get("lifetime", held["lifetime"])
        if "content" in key:
            assert held["key"] == secret(want["content"])
        if want["state"] == "loaded":
            names = (["lustre:fs1:default"] if "server" in key["types"] else []) + (
                ["lustre:fs1"] if "client" in key["types"] else []
            )
            assert set(names) <= set(model.keyring) or held["fsname"] != "fs1"
    if there is not None and not consent and secret(there.content) and found is not None:
        assert secret(found.content) == secret(there.content), "another key took its place without consent"
