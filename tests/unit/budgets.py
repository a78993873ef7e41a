# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nodes and what they shall become, for the budgets of started programs: one function per kind, ``count`` things each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user import ChangelogUserResource
from ansible_collections.lustre.core.plugins.module_utils._resources.directory import (
    DirectoryResource,
    DirectoryWant,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.directory import Local as DirectoryLocal
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_policy import EncryptionResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_program import ProgramResource
from ansible_collections.lustre.core.plugins.module_utils._resources.encryption_want import wants_from_options
from ansible_collections.lustre.core.plugins.module_utils._resources.firewall import FirewallResource
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor import FlavorResource
from ansible_collections.lustre.core.plugins.module_utils._resources.gss import GssResource
from ansible_collections.lustre.core.plugins.module_utils._resources.gss_want import GssWant
from ansible_collections.lustre.core.plugins.module_utils._resources.kdc_principal import PrincipalsResource
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet import LnetResource
from ansible_collections.lustre.core.plugins.module_utils._resources.luks import LuksResource
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_want import wants_from_options as containers
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import MountResource
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap import NodemapResource
from ansible_collections.lustre.core.plugins.module_utils._resources.param import ParamResource
from ansible_collections.lustre.core.plugins.module_utils._resources.service import ServiceResource
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key import SskKeyResource
from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool import ZpoolResource
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.lnet_model import LnetModel
from tests.unit.models.changelog_model import ChangelogModel, Mdt
from tests.unit.models.directory_model import IDS, DirectoryModel
from tests.unit.models.disk_model import Disk, DiskModel
from tests.unit.models.encryption_model import EncryptionModel
from tests.unit.models.firewall_model import Chain, FirewallModel
from tests.unit.models.gss_model import GssNode
from tests.unit.models.kdc_model import Database
from tests.unit.models.luks_model import LuksModel
from tests.unit.models.mount_node import MountModel
from tests.unit.models.nodemap_model import NodemapModel
from tests.unit.models.param_model import ParamModel
from tests.unit.models.pool_model import PoolModel
from tests.unit.models.program_model import ProgramModel
from tests.unit.models.srpc_model import SrpcModel
from tests.unit.models.ssk_model import KEYS, SskModel
from tests.unit.models.unit_model import Unit, UnitModel

MGS = [["10.77.0.11@tcp"], ["10.77.0.12@tcp"]]
BY_ID = "/dev/disk/by-id/scsi-"


@dataclass
class Counting:
    """A runner around a model of a node, which refuses what it does not know; every start of a program counts."""

    model: Any
    programs: Counter[str] = field(default_factory=Counter)

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        self.programs["python" if argv[1:3] == ("-I", "-") else argv[0]] += 1
        return self.model(argv, stdin, timeout)


@dataclass
class Node:
    """A node whose state is not the wanted one yet; ``make`` gives the resource, new for each run as a module's is."""

    model: Any
    make: Callable[[], Any]
    write: Callable[[FileWrite], None] | None = None

    def run(self) -> tuple[bool, dict[str, int]]:
        """One module call: whether it changed anything, and the programs that it started."""
        run = Counting(self.model)
        outcome = converge(self.make(), run, sleep=lambda _seconds: None, write=self.write)
        return outcome.changed, dict(run.programs)


def param_local(count: int) -> Node:
    return _params(count, "local")


def param_persistent(count: int) -> Node:
    return _params(count, "persistent")


def _params(count: int, scope: str) -> Node:
    names = [f"osc.fs1-OST{number:04x}-osc-MDT0000.max_dirty_mb" for number in range(count)]
    model = ParamModel(live=dict.fromkeys(names, "32"))
    wants = [{"name": name, "value": 64, "scope": scope} for name in names]

    def make() -> ParamResource:
        made = ParamResource.from_options(wants)
        made.read = model.read
        return made

    return Node(model, make, model.write)


def mount(count: int) -> Node:
    model = MountModel()
    wants = [
        {"kind": "client", "path": f"/mnt/fs{number}", "fsname": f"fs{number}", "mgs_nids": MGS}
        for number in range(count)
    ]
    return Node(model, lambda: MountResource.from_options(wants, local=model.local()), model.write)


def target(count: int) -> Node:
    model = DiskModel()
    for number in range(count):
        model.disks[f"{BY_ID}ost{number}"] = Disk(f"sd{'abcdefghijkl'[number]}", f"8:{16 * number}", "")
    wants = [
        {
            "kind": "ost",
            "fsname": "fs1",
            "index": number,
            "device": f"{BY_ID}ost{number}",
            "mgs_nids": MGS,
            "format": True,
        }
        for number in range(count)
    ]
    return Node(model, lambda: TargetResource.from_options(wants, files=model))


def zpool(count: int) -> Node:
    model = PoolModel()
    for number in range(count):
        model.disks[f"{BY_ID}z{number}"] = Disk(f"sd{'abcdefghijkl'[number]}", f"8:{16 * number}", "")
    wants = [
        {"name": f"pool{number}", "vdevs": [{"type": "stripe", "devices": [f"{BY_ID}z{number}"]}], "create": True}
        for number in range(count)
    ]
    return Node(model, lambda: ZpoolResource.from_options(wants, files=model))


def lnet(count: int) -> Node:
    """One network and ``count`` routes over it."""
    model = LnetModel(links={"lo": ["127.0.0.1"], "eth0": ["10.77.0.41"]})
    routes = [{"net": f"tcp{number + 1}", "gateway": "10.77.0.30@tcp"} for number in range(count)]
    want = {"networks": [{"net": "tcp", "interfaces": ["eth0"]}], "nids": ["10.77.0.41@tcp"], "routes": routes}
    return Node(model, lambda: LnetResource.from_options(want, reader=model.reader()), model.write)


def firewall_firewalld(count: int) -> Node:
    return _firewall(FirewallModel(firewalld=set()))


def firewall_ufw(count: int) -> Node:
    return _firewall(FirewallModel(ufw=set()))


def firewall_nftables(count: int) -> Node:
    return _firewall(FirewallModel(chains=[Chain("input", "input", "drop")]))


def _firewall(model: FirewallModel) -> Node:
    return Node(model, lambda: FirewallResource(988, "", model.read), model.write)


def service(count: int) -> Node:
    names = [f"unit{number}.service" for number in range(count)]
    model = UnitModel({name: Unit() for name in names})
    wants = [{"name": name} for name in names]
    return Node(model, lambda: ServiceResource.from_options(wants, exists=lambda path: False))


def directory(count: int) -> Node:
    model = DirectoryModel(mounts={"/mnt/fs1": "fs1"})
    wants = [
        DirectoryWant.from_options({"fsname": "fs1", "path": f"/mnt/fs1/d{number}"}, f"directories[{number}]")
        for number in range(count)
    ]
    local = DirectoryLocal(model.table, lambda name: IDS[name], lambda name: IDS[name])
    return Node(model, lambda: DirectoryResource(wants, local))


def flavor(count: int) -> Node:
    """``count`` rules: of file systems, and in each direction."""
    model = SrpcModel()
    ways = ["", "cli2mdt", "cli2ost", "mdt2mdt", "mdt2ost"]
    wants = [
        {"target": f"fs{number // 5 % 2 + 1}", "direction": ways[number % 5], "flavor": "skpi"}
        for number in range(count)
    ]
    return Node(model, lambda: FlavorResource.from_options(wants, ["fs1", "fs2"]))


def changelog_user(count: int) -> Node:
    """``count`` MDTs with one user each."""
    mdts = [f"fs1-MDT{number:04x}" for number in range(count)]
    model = ChangelogModel({mdt: Mdt() for mdt in mdts})
    wants = [{"mdt": mdt, "name": "audit", "mask": ["DEFAULT", "OPEN"]} for mdt in mdts]
    return Node(model, lambda: ChangelogUserResource.from_options(wants))


def ssk_key(count: int) -> Node:
    model = SskModel()
    wants = [
        {"path": f"{KEYS}/fs{number}.key", "types": ["server"], "fsname": f"fs{number}", "state": "loaded"}
        for number in range(count)
    ]
    return Node(model, lambda: SskKeyResource.from_options(wants, local=model.local()), model.write)


def encryption(count: int) -> Node:
    """``count`` new directories with one key, which is given to the kernel once."""
    model = EncryptionModel(files={"/etc/lustre/keys/k": bytes(range(64)).hex()})
    wants = [{"path": f"/mnt/fs1/d{number}", "key_file": "/etc/lustre/keys/k"} for number in range(count)]
    return Node(model, lambda: EncryptionResource(wants_from_options(wants, "directories"), model.local()), model.write)


def encryption_program(count: int) -> Node:
    """``count`` new directories with one protector, on a node where the program was never used."""
    model = ProgramModel.temporary(files={"/etc/lustre/keys/k": bytes(range(32))})
    wants = [
        {"path": f"/mnt/fs1/d{number}", "key_file": "/etc/lustre/keys/k", "protector": "raw_key", "state": "unlocked"}
        for number in range(count)
    ]
    made = wants_from_options(wants, "directories")
    return Node(model, lambda: ProgramResource(made, model.local()), model.write)


def luks(count: int) -> Node:
    """``count`` new containers with one key."""
    disks = {f"{BY_ID}ost{number}": Disk(f"sd{number}", f"65:{number}") for number in range(count)}
    model = LuksModel(disks=dict(disks), keys={"/etc/lustre/keys/k": bytes(range(64))})
    wants = [
        {"label": f"fs1-OST{number:04x}", "device": path, "key_file": "/etc/lustre/keys/k", "format": True}
        for number, path in enumerate(disks)
    ]
    return Node(model, lambda: LuksResource(containers(wants, "containers"), model, model.local()), model.write)


def nodemap(count: int) -> Node:
    """Each with a range, id maps, a file set, and a property."""
    maps = [
        {
            "name": f"t{number}",
            "ranges": [f"10.1.{number}.[1-99]@tcp"],
            "idmap": {"uid": ["500:1000", "502:1002"], "gid": ["500:1000"]},
            "filesets": [{"path": f"/t{number}"}],
            "deny_unknown": True,
        }
        for number in range(count)
    ]
    return Node(NodemapModel(), lambda: NodemapResource.from_options({"nodemaps": maps, "active": True}))


def gss(count: int) -> Node:
    """A server with as many kinds of targets, at most three."""
    model = GssNode()
    want = GssWant.from_options({"kerberos": True, "services": ["mgs", "mds", "oss"][:count]})
    return Node(model, lambda: GssResource(want, model.local()), model.write)


def kdc_principal(count: int) -> Node:
    names = [f"lustre_root/c{number}.lab.example" for number in range(count)]
    options = {"principals": names, "realm": "LAB.EXAMPLE"}
    return Node(Database(), lambda: PrincipalsResource.from_options(options))


NODES: dict[str, Callable[[int], Node]] = {
    made.__name__: made
    for made in (
        param_local,
        param_persistent,
        mount,
        target,
        zpool,
        luks,
        lnet,
        firewall_firewalld,
        firewall_ufw,
        firewall_nftables,
        service,
        directory,
        nodemap,
        flavor,
        changelog_user,
        ssk_key,
        gss,
        kdc_principal,
        encryption,
        encryption_program,
    )
}
