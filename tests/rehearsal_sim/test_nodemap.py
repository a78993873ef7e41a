# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's nodemaps and the simulated ones together: applied in few processes, handed on, and in force for clients."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from lustre_sim.kernel.nodemap import new_map, to_client, to_fs
from lustre_sim.node import Node
from lustre_sim.tools import lctl

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import NotConverged, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._readers.nodemap_seen import seen
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap import NodemapResource
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.contract.host import Door
from tests.rehearsal_sim.support import REHEARSAL
from tests.rehearsal_sim.test_fuse import mounted
from tests.rehearsal_sim.test_storage import CLIENT, MDS1, MDS2, OSS1, Site
from tests.rehearsal_sim.test_storage import running as running
from tests.rehearsal_sim.test_storage import site as site

A, B = "10.77.1.1@tcp", "10.77.2.1@tcp"
SOURCE = f"{MDS1}:{MDS2}:/fs1"
SERVERS = {"name": "servers", "ranges": ["10.77.0.[1-40]@tcp", "0@lo"], "admin": True, "trusted": True}
TENANTS: list[dict[str, Any]] = [
    SERVERS,
    {
        "name": "tenant_a",
        "ranges": ["10.77.1.0/24@tcp"],
        "filesets": [{"path": "/tenants/a"}, {"path": "/shared", "alternate": True, "read_only": True}],
        "idmap": {"uid": ["500:1000", "600-610:2000"], "gid": ["500:1000"]},
        "deny_unknown": True,
        "rbac": ["quota_ops"],
        "map_mode": ["uid", "gid"],
        "capabilities": {"type": "mask", "caps": ["cap_fowner", "cap_chown"]},
        "sepol": "1:mls:31:40afb76d",
        "purge": ["ranges", "idmap", "filesets", "banlist"],
    },
    {
        "name": "tenant_b",
        "ranges": ["10.77.2.0/24@tcp"],
        "filesets": [{"path": "/tenants/b"}],
        "offset": {"offset": 200000, "limit": 65536},
        "banlist": ["10.77.2.9@tcp"],
        "child_raise_privileges": ["admin"],
    },
]
WANTED = {"nodemaps": TENANTS, "active": True, "protect": [MDS1, MDS2, OSS1]}


class Tools:
    """A runner whose lctl is the simulated one of a node; counts processes."""

    def __init__(self, node: Node) -> None:
        self.kernel, self.count = Door(node), 0

    def __call__(self, argv: Any, stdin: str | None = None, timeout: float = 120.0) -> Result:
        self.count += 1
        out, err = io.StringIO(), io.StringIO()
        rc = lctl.main(list(argv[1:]), io.StringIO(stdin or ""), out, err, self.kernel)
        return Result(rc, out.getvalue(), err.getvalue())


@pytest.fixture
def tenants(running: Site) -> Site:
    for folder in ("tenants/a", "tenants/b", "shared"):
        (running.folder / "site" / "fs" / "fs1" / folder).mkdir(parents=True)
    for nid in (A, B, "10.77.2.9@tcp", "10.77.3.1@tcp"):
        running.hosts[nid] = running.boot(nid)
    return running


def applied(site: Site, options: dict[str, Any], check: bool = False) -> tuple[Any, int]:
    tools = Tools(site.hosts[MDS1])
    clock = site.clock
    made = converge(NodemapResource.from_options(options), tools, check, sleep=clock.sleep, clock=clock.time)
    return made, tools.count


def test_applied_read_back_and_repaired(tenants: Site) -> None:
    planned, _count = applied(tenants, WANTED, check=True)
    outcome, count = applied(tenants, WANTED)
    assert outcome.plan == planned.plan and count == 3, "two reads and one batch"
    again, count = applied(tenants, WANTED)
    assert not again.changed and count == 1
    lctl_here = Tools(tenants.hosts[MDS1])
    for line in (
        "nodemap_del_range --name tenant_a --range 10.77.1.*@tcp",
        "nodemap_modify --name tenant_a --property rbac --value all",
        "nodemap_fileset_modify --name tenant_a --fileset /shared --rw",
        "nodemap_add_idmap --name tenant_a --idtype uid --idmap 500:0",
        "nodemap_banlist_del --name tenant_b --range 10.77.2.9@tcp",
    ):
        assert lctl_here(("lctl", *line.split())).rc == 0, line
    repaired, _count = applied(tenants, WANTED)
    assert repaired.changed
    assert repaired.after["nodemaps"] == outcome.after["nodemaps"]
    gone, _count = applied(
        tenants, {"nodemaps": [{"name": "tenant_a", "state": "absent"}], "consent": ["tenant_a"], "protect": [MDS1]}
    )
    assert gone.after["others"] == ["default", "servers", "tenant_b"]


def test_the_command_that_the_mgs_refuses_is_named(tenants: Site) -> None:
    bad = {**TENANTS[1], "rbac": ["no_such_role"]}
    with pytest.raises(
        ToolError, match=r"^Could not run lctl nodemap_modify --name tenant_a --property rbac --value no_such_role:"
    ):
        applied(tenants, {**WANTED, "nodemaps": [SERVERS, bad]})
    assert not tenants.hosts[MDS1].nodemap.state["active"]
    assert tenants.hosts[MDS1].nodemap.state["maps"]["tenant_a"]["ranges"] == []


def test_nodemaps_lie_on_the_mgt_and_move_with_it(tenants: Site) -> None:
    applied(tenants, WANTED)
    tenants.later()
    for path in ("/mdt0", "/mgs"):
        tenants.umount(MDS1, path)
    assert tenants.mount(MDS2, tenants.device("mgt"), "/mgs") == 0
    assert sorted(tenants.hosts[MDS2].nodemap.maps) == ["default", "servers", "tenant_a", "tenant_b"]
    assert tenants.hosts[MDS2].nodemap.state["active"]


def test_other_servers_get_them_later(tenants: Site) -> None:
    digest = applied(tenants, WANTED)[0].after["digest"]
    oss = Tools(tenants.hosts[OSS1])
    before = seen(oss)
    assert not before["active"] and before["digest"] != digest
    waited = seen(oss, digest=[digest], sleep=lambda seconds: tenants.later(seconds), clock=tenants.clock.time)
    assert waited["active"] and 2.0 <= waited["waited"] <= 10.0
    with pytest.raises(NotConverged):
        seen(
            oss, digest=["0" * 64], timeout=5.0, sleep=lambda seconds: tenants.later(seconds), clock=tenants.clock.time
        )
    with pytest.raises(Refused, match="it shows none"):
        seen(Tools(tenants.hosts[B]))


def root_of(site: Site, nid: str, path: str = "/mnt/t") -> str:
    return os.path.relpath(site.hosts[nid].mounts.table[path].shown.folder, site.folder / "site" / "fs" / "fs1")


def test_each_tenant_gets_its_own_directory_and_no_other(tenants: Site) -> None:
    applied(tenants, WANTED)
    assert tenants.mount(A, SOURCE, "/mnt/t") == 0 and root_of(tenants, A) == "tenants/a"
    assert tenants.mount(B, SOURCE, "/mnt/t") == 0 and root_of(tenants, B) == "tenants/b"
    for asked in ("/tenants/b", "/tenants", "/tenants/a/../b"):
        assert tenants.mount(A, SOURCE + asked, "/mnt/other") == errno.ENOENT, asked
    assert tenants.mount(A, SOURCE + "/shared", "/mnt/shared") == 0
    assert root_of(tenants, A, "/mnt/shared") == "shared"
    assert tenants.mount("10.77.2.9@tcp", SOURCE, "/mnt/t") == errno.EPERM, "a banned NID"
    assert tenants.mount("10.77.3.1@tcp", SOURCE, "/mnt/t") == 0 and root_of(tenants, "10.77.3.1@tcp") == "."


def test_mounts_are_denied_read_only_or_without_their_directory(tenants: Site) -> None:
    more = [{"name": "default", "deny_mount": True}, {"name": "tenant_b", "filesets": [{"path": "/gone"}]}]
    applied(
        tenants,
        {
            **WANTED,
            "nodemaps": [
                *TENANTS[:2],
                *more,
            ],
        }
        | {"active": None},
    )
    tenants.umount(CLIENT, "/mnt/fs1")
    applied(tenants, {"nodemaps": [{**TENANTS[2], "filesets": [{"path": "/gone"}]}], "active": True, "protect": [MDS1]})
    assert tenants.mount(CLIENT, SOURCE, "/mnt/fs1") == errno.EPERM
    assert tenants.mount(B, SOURCE, "/mnt/t") == errno.ENOENT


def test_a_mounted_client_is_another_one_from_the_next_look_on(tenants: Site) -> None:
    assert tenants.mount(A, SOURCE, "/mnt/t") == 0
    mount = tenants.hosts[A].mounts.table["/mnt/t"]
    assert mount.identity is None
    applied(tenants, WANTED)
    tenants.later()
    assert mount.identity["deny_unknown"] and mount.identity["idmap"]["uid"]["500"] == 1000
    clients = seen(Tools(tenants.hosts[MDS1]))["nodemaps"]["tenant_a"]["clients"]
    assert clients == [A]


@pytest.mark.parametrize(
    ("changes", "kind", "client", "fs"),
    [
        ({}, "uid", 500, 65534),
        ({"idmap": {"uid": {"500": 1000}, "gid": {}, "projid": {}}}, "uid", 500, 1000),
        ({"admin": True}, "uid", 0, 0),
        ({"trusted": True}, "uid", 500, 500),
        ({"trusted": True}, "uid", 0, 65534),
        ({"map_mode": ["gid"]}, "uid", 500, 500),
        ({"offset": [100000, 65536]}, "gid", 5, 100005),
        ({"offset": [100000, 65536]}, "uid", 0, 100000),
    ],
)
def test_ids(changes: dict[str, Any], kind: str, client: int, fs: int) -> None:
    one = {**new_map(1), **changes}
    assert to_fs(one, kind, client) == fs
    if fs != 65534:
        assert to_client(one, kind, fs) == client


# The files of a client mount, by ordinary programs (root only)

SERVER = f"""
import json, sys, threading
sys.path.insert(0, {str(REHEARSAL)!r})
from lustre_sim.kernel.fuse import FuseMount
path, folder, identity = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
ended = threading.Event()
FuseMount("10.0.0.1@tcp:/fs1", path, folder, ended=lambda mount: ended.set(), who=lambda: identity)
print("mounted", flush=True)
ended.wait()
"""


@contextmanager
def served(path: Path, folder: Path, one: dict[str, Any]) -> Iterator[None]:
    words = [sys.executable, "-c", SERVER, str(path), str(folder), json.dumps(one)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stdout.readline() == "mounted\n"
        try:
            yield
        finally:
            if mounted(path):
                subprocess.run(["umount", str(path)], check=True)
            server.wait(10)


def as_user(number: int, *words: str) -> int:
    setpriv = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"] if number else []
    return subprocess.run([*setpriv, *words], capture_output=True, check=False).returncode


def test_users_are_mapped_and_root_is_squashed(tmp_path: Path) -> None:
    shared, client = tmp_path / "shared", tmp_path / "client"
    shared.mkdir()
    client.mkdir()
    tmp_path.chmod(0o755)
    for path in tmp_path.parents:
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    (shared / "secret").write_text("x", encoding="utf-8")
    (shared / "secret").chmod(0o600)
    (shared / "mine").mkdir()
    os.chown(shared / "mine", 1000, 1000)
    one = {**new_map(1), "idmap": {"uid": {"500": 1000}, "gid": {"500": 1000}, "projid": {}}}
    with served(client, shared, one):
        assert (client / "mine").stat().st_uid == 500 and (client / "secret").stat().st_uid == 65534
        assert as_user(500, "touch", str(client / "mine/file")) == 0
        assert ((shared / "mine/file").stat().st_uid, (client / "mine/file").stat().st_uid) == (1000, 500)
        assert as_user(0, "touch", str(client / "rootfile")) != 0, "root is nobody here (recorded: Permission denied)"
        assert as_user(0, "cat", str(client / "secret")) != 0
        assert as_user(0, "chown", "0", str(client / "mine/file")) != 0
        assert as_user(0, "ls", str(client / "mine")) == 0
    assert not (shared / "rootfile").exists()
    with served(client, shared, {**one, "deny_unknown": True}):
        assert as_user(500, "touch", str(client / "mine/other")) == 0
        assert as_user(501, "cat", str(client / "mine/file")) != 0
    with served(client, shared, {**one, "admin": True}):
        assert as_user(0, "touch", str(client / "rootfile")) == 0 and (shared / "rootfile").stat().st_uid == 0
