# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root squash as the collection stores it and as the simulated metadata servers apply it to the clients' root."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lustre_sim.kernel.nodemap import new_map
from lustre_sim.kernel.param_values import nosquash
from lustre_sim.kernel.root_squash import AS_IT_SAYS

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError
from ansible_collections.lustre.core.plugins.module_utils._nid_range import Span, merged, written
from ansible_collections.lustre.core.plugins.module_utils._resources.param import ParamResource
from ansible_collections.lustre.core.plugins.module_utils._units import Kind, same
from ansible_collections.lustre.core.plugins.plugin_utils._site.model_security import RootSquash
from ansible_collections.lustre.core.plugins.plugin_utils._site.root_squash import params
from tests.rehearsal_sim.test_nodemap import SERVERS, SOURCE, A, B, Tools, applied, as_user, served
from tests.rehearsal_sim.test_nodemap import tenants as tenants
from tests.rehearsal_sim.test_storage import MDS1, OSS1, Site
from tests.rehearsal_sim.test_storage import running as running
from tests.rehearsal_sim.test_storage import site as site

SQUASH = RootSquash("root_squash", 99, 98, ranges=("10.77.1.0/24@tcp", "10.99.0.1@tcp1"))


def stored(site: Site, squash: RootSquash, check: bool = False) -> tuple[Any, int]:
    """Bring what the description means to the MGS, as the module ``param`` does."""
    tools, clock = Tools(site.hosts[MDS1]), site.clock
    resource = ParamResource.from_options(params("fs1", squash, [MDS1, OSS1]))
    return converge(resource, tools, check, sleep=clock.sleep, clock=clock.time), tools.count


def root_of(site: Site, nid: str) -> Any:
    return (site.hosts[nid].mounts.table["/mnt/t"].identity or {}).get("root_squash")


def test_stored_read_back_in_other_words_and_repaired(tenants: Site) -> None:
    planned, _count = stored(tenants, SQUASH, check=True)
    done, _count = stored(tenants, SQUASH)
    assert done.plan == planned.plan
    assert [(step.action, step.object) for step in done.plan.steps] == [
        (action, f"mdt.fs1-*.{key}") for action in ("set", "store") for key in ("nosquash_nids", "root_squash")
    ]
    tenants.later(30)
    shown = tenants.hosts[MDS1].params.value("mdt.fs1-MDT0000.nosquash_nids")
    assert shown == "0@lo 10.77.0.11@tcp 10.77.0.21@tcp 10.77.1.[0-255]@tcp 10.99.0.1@tcp1"
    again, count = stored(tenants, SQUASH)
    assert not again.changed and count == 1
    Tools(tenants.hosts[MDS1])(("lctl", "set_param", "mdt.fs1-MDT0000.nosquash_nids=NONE"))
    repaired, _count = stored(tenants, SQUASH)
    assert [(step.action, step.object) for step in repaired.plan.steps] == [("set", "mdt.fs1-*.nosquash_nids")]


SPANS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**17), st.sampled_from(["tcp", "tcp1", "o2ib"]))


@given(st.lists(SPANS, max_size=8), st.lists(SPANS, max_size=2))
def test_what_reads_back_means_what_was_written_and_nothing_else(spans: Any, others: Any) -> None:
    def value(some: Any) -> tuple[str, list[Span]]:
        made = merged(Span(net, 4, low, min(low + more, 2**32 - 1)) for low, more, net in some)
        return " ".join(written(made)) or "NONE", made

    (wanted, means), (foreign, other) = value(spans), value(spans + others)
    if max(len(wanted), len(foreign)) < 4096:
        assert same(Kind("nids"), wanted, nosquash(wanted))
        assert same(Kind("nids"), wanted, nosquash(foreign)) == (means == other)


def test_root_of_a_client_is_somebody_else_unless_it_is_spared(tenants: Site) -> None:
    stored(tenants, SQUASH)
    for nid in (A, B):
        assert tenants.mount(nid, SOURCE, "/mnt/t") == 0
    assert root_of(tenants, A) is None and root_of(tenants, B) == [99, 98]
    stored(tenants, RootSquash("root_squash", 0, 0))
    tenants.later()
    assert root_of(tenants, B) is None, "a mounted client notices"


def test_with_active_nodemaps_root_needs_both(tenants: Site) -> None:
    maps = [SERVERS, {"name": "all", "ranges": ["10.77.1.*@tcp", "10.77.2.*@tcp"], "admin": True, "trusted": True}]
    applied(tenants, {"nodemaps": maps, "active": True, "protect": [MDS1]})
    stored(tenants, SQUASH)
    for nid in (A, B):
        assert tenants.mount(nid, SOURCE, "/mnt/t") == 0
    assert root_of(tenants, A) is None
    assert root_of(tenants, B) == [99, 98], "root of the nodemap, and squashed all the same"
    applied(
        tenants, {"nodemaps": [{"name": "all", "admin": False, "trusted": True}], "active": True, "protect": [MDS1]}
    )
    tenants.later()
    one = tenants.hosts[A].mounts.table["/mnt/t"].identity
    assert not one["admin"] and "root_squash" not in one, "spared here, and squashed by its nodemap"


@pytest.mark.parametrize(
    "setting", ["root_squash=abc", "root_squash=1", "nosquash_nids=10.0.0.1", "nosquash_nids=x@tcp"]
)
def test_what_the_kernel_refuses(tenants: Site, setting: str) -> None:
    name = setting.partition("=")[0]
    done = Tools(tenants.hosts[MDS1])(("lctl", "set_param", f"mdt.*.{setting}"))
    assert done.rc == 22 and f"/sys/kernel/debug/lustre/mdt/fs1-MDT0000/{name}" in done.err
    with pytest.raises(ToolError, match="Nothing of it was stored"):
        refused = [{"name": "mdt.fs1-*.root_squash", "value": "abc", "scope": "persistent"}]
        converge(ParamResource.from_options(refused), Tools(tenants.hosts[MDS1]), False)


def test_a_file_of_root_alone(tmp_path: Path) -> None:
    """By ordinary programs on a mount (root only): the one that is squashed cannot read it, the other one can."""
    shared, client = tmp_path / "shared", tmp_path / "client"
    shared.mkdir()
    client.mkdir()
    shared.chmod(0o755)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    (shared / "secret").write_text("x", encoding="utf-8")
    (shared / "secret").chmod(0o600)
    (shared / "open").mkdir()
    (shared / "open").chmod(0o777)
    squashed = {**AS_IT_SAYS, "root_squash": [99, 98]}
    with served(client, shared, squashed):
        assert as_user(0, "cat", str(client / "secret")) != 0
        assert as_user(0, "touch", str(client / "file")) != 0
        assert as_user(0, "chown", "0", str(client / "open")) != 0
        assert as_user(0, "touch", str(client / "open/file")) == 0
        assert ((shared / "open/file").stat().st_uid, (shared / "open/file").stat().st_gid) == (99, 98)
        os.chown(shared / "open", 500, 500)
        assert as_user(500, "touch", str(client / "open/users")) == 0, "others are who they are"
        assert (shared / "open/users").stat().st_uid == 500
    with served(client, shared, {**new_map(1), **AS_IT_SAYS}):
        assert as_user(0, "cat", str(client / "secret")) == 0
        assert as_user(0, "touch", str(client / "file")) == 0 and (shared / "file").stat().st_uid == 0
