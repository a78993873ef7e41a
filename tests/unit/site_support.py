# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""For tests of the site description: the demo's file, hostvars that count who was asked, and real Ansible programs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.lustre.core.plugins.plugin_utils._site import inventory, parse
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings
from ansible_collections.lustre.core.plugins.plugin_utils._site.slice import node_state

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "inventories" / "demo"
DEMO_HOSTS = ("mds1", "mds2", "oss1", "oss2", "router1", "client1", "client2", "client3")
BY_ID = "/dev/disk/by-id/"


class AskedHosts(Mapping[str, Any]):
    """``hostvars`` that notes whose variables were read, and refuses to be walked over."""

    def __init__(self, hosts: Mapping[str, Mapping[str, Any]], groups: Mapping[str, list[str]]) -> None:
        self.asked: set[str] = set()
        self._hosts, self._groups = hosts, {name: set(members) for name, members in groups.items() if name != "all"}

    def __getitem__(self, host: str) -> Any:
        self.asked.add(host)
        names = sorted(name for name, members in self._groups.items() if host in members)
        return {**self._hosts[host], "group_names": names, "inventory_hostname": host}

    def __contains__(self, host: object) -> bool:
        return host in self._hosts

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("somebody walks over all hosts")

    def __len__(self) -> int:
        return len(self._hosts)


class NoMembers(dict[str, list[str]]):
    """``groups`` whose members nobody may read; only the names of the groups are free."""

    def __getitem__(self, name: str) -> list[str]:
        raise AssertionError(f"somebody reads the members of {name}")

    def get(self, name: str, default: Any = None) -> Any:
        return self[name]


class SiteFile:
    """A site file as the inventory plugin would give it to a play."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        findings = Findings()
        declared = inventory.declared(config.get("hosts"), findings)
        self.filesystems, self.lnet = config.get("filesystems") or [], config.get("lnet") or {}
        self.kerberos = config.get("kerberos")
        site = parse.site(self.filesystems, self.lnet, findings, self.kerberos)
        assert not findings.problems, [str(problem) for problem in findings.problems]
        self.hosts, self.groups = inventory.overlay({}, {}, declared, site)

    def hostvars(self) -> AskedHosts:
        return AskedHosts(self.hosts, self.groups)

    def node(self, host: str, **options: Any) -> dict[str, Any]:
        return node_state(
            self.filesystems, host, self.hostvars(), self.groups, self.lnet, kerberos=self.kerberos, **options
        )


def demo() -> SiteFile:
    return SiteFile(yaml.safe_load((DEMO / "site.lustre.yml").read_text(encoding="utf-8")))


def small(**changes: Any) -> SiteFile:
    """Two servers, one file system, one client; ``changes`` replace keys of the file system, ``lnet`` those of LNet."""
    lnet = {"networks": [{"net": "tcp0", "interfaces": ["eth0"]}], **changes.pop("lnet", {})}
    hosts = {"s[1-2]": "10.0.0.[1-2]", "c1": "10.0.0.9", **changes.pop("hosts", {})}
    kerberos = changes.pop("kerberos", None)
    filesystem = {
        "name": "fs1",
        "mgs": {"servers": ["s1", "s2"], "device": BY_ID + "mgt"},
        "mdts": [{"index": 0, "servers": ["s1", "s2"], "device": BY_ID + "mdt{index}"}],
        "osts": [{"index": "0-1", "servers": ["s2", "s1"], "device": BY_ID + "ost{index:02d}"}],
        "clients": [{"hosts": "c1", "path": "/mnt/fs1"}],
        **changes,
    }
    return SiteFile({"hosts": hosts, "lnet": lnet, "filesystems": [filesystem], "kerberos": kerberos})


def ansible(program: str, *words: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run an Ansible program of this very environment, without settings of the machine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": os.environ.get("ANSIBLE_COLLECTIONS_PATH") or str(_collections()),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_DEVEL_WARNING": "0",
    }
    command = [str(Path(sys.executable).parent / program), *words]
    return subprocess.run(
        command, cwd=cwd, env={**kept, **settings, **environ}, text=True, capture_output=True, check=False, timeout=120
    )


def _collections() -> Path:
    import ansible_collections.lustre.core.plugins.plugin_utils._site as package

    return Path(next(iter(package.__path__))).parents[5]


def listed(*sources: Path | str) -> dict[str, Any]:
    done = ansible("ansible-inventory", *(word for source in sources for word in ("-i", str(source))), "--list")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def calls_of(does: Callable[[], Any]) -> tuple[Any, int]:
    """What it returns, and how many functions were called for it: the same on a busy machine as on a quiet one."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        return does(), calls
    finally:
        sys.setprofile(None)
