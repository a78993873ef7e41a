# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ZFS pools of one node under Lustre's targets: made of proven blank devices, imported, kept guarded.

A pool that is imported is compared; one that could be imported cleanly is imported; one
that another node used last is refused, since only ``-f`` would bring it in and that
corrupts it while the other node lives; one that is nowhere is made with consent
(``create: true``), after every device passed the guard of ``blank.py``, twice.

Processes of a converged run: four for all pools together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import zpool as cli
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Files, LocalFiles, Node
from ansible_collections.lustre.core.plugins.module_utils._cli.zpool import Importable
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, Plan, Step, plan_each
from ansible_collections.lustre.core.plugins.module_utils._resources import blank
from ansible_collections.lustre.core.plugins.module_utils._resources.blank import Evidence
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool_want import CREATE_ONLY, PoolWant
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

HOSTID = "/etc/hostid"
_SPL_HOSTID = "/sys/module/spl/parameters/spl_hostid"
_SIZE = re.compile(r"(\d+)([KMGTP]?)i?B?", re.I)


@dataclass(frozen=True)
class PoolHave:
    """All wanted pools as found.  ``importable`` and ``evidence`` are asked only for pools that are not imported."""

    health: Mapping[str, str]
    properties: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    importable: tuple[Importable, ...] = ()
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    hostid: int | None = None


class ZpoolResource:
    """See the Resource protocol."""

    kind = "zpool"
    settle = 0.0

    def __init__(self, wants: Sequence[PoolWant], files: Files | None = None) -> None:
        self.wants = tuple(wants)
        self.files: Files = files or LocalFiles()
        self._by_name = {want.name: want for want in self.wants}
        self._planned: Mapping[str, Evidence] = {}

    @classmethod
    def from_options(
        cls, pools: Sequence[Mapping[str, Any]], path: str = "pools", files: Files | None = None
    ) -> ZpoolResource:
        wants = [PoolWant.from_options(options, f"{path}[{number}]") for number, options in enumerate(pools)]
        owners: dict[str, str] = {}
        for number, want in enumerate(wants):
            for thing in (want.name, *want.devices):
                if thing in owners:
                    raise BadValue(
                        f"{path}[{number}]",
                        f"{thing} is in {owners[thing]}, too",
                        "Names and devices belong to one pool.",
                    )
            owners.update(dict.fromkeys((want.name, *want.devices), f"{path}[{number}]"))
        return cls(wants, files)

    @property
    def coming(self) -> frozenset[str]:
        """Pools that are there after a successful run: what the target resource's ``coming_pools`` wants."""
        return frozenset(want.name for want in self.wants)

    def have(self, run: Runner) -> PoolHave:
        if not self.wants:
            return PoolHave({})
        health = cli.imported(run)
        present = [want for want in self.wants if want.name in health]
        absent = [want for want in self.wants if want.name not in health]
        names = [want.name for want in present]
        folders = tuple(dict.fromkeys(folder for want in absent for folder in want.folders))
        if any(not want.folders for want in absent):
            folders = ()
        found = cli.importable(run, folders) if absent else []
        listed = {pool.name for pool in found}
        new = [device for want in absent if want.create and want.name not in listed for device in want.devices]
        evidence = blank.gather(new, run, self.files) if new else {}
        self._planned = evidence
        return PoolHave(
            {name: state for name, state in health.items() if name in self._by_name},
            cli.properties(run, "zpool", _keys(w.properties for w in present), names) if present else {},
            cli.properties(run, "zfs", _keys(w.options for w in present), names) if present else {},
            cli.members(run, names) if present else {},
            tuple(found),
            evidence,
            self._hostid(),
        )

    def _hostid(self) -> int | None:
        """The host id that ZFS uses: the module's parameter, else /etc/hostid; None when there is none yet."""
        try:
            given = int(self.files.text(_SPL_HOSTID))
        except (OSError, ValueError):
            given = 0
        if given:
            return given
        try:
            data = self.files.data(HOSTID)
        except FileNotFoundError:
            return None
        return int.from_bytes(data, "little") if len(data) == 4 else 0

    def plan(self, have: PoolHave) -> Plan:
        """The host id first, then every pool; one Refused tells every reason."""
        plan = plan_each(
            self.wants, lambda want: self._plan_one(want, have), "touch any pool of this node", "Nothing was changed."
        )
        return self._hostid_plan(have) + plan

    def _hostid_plan(self, have: PoolHave) -> Plan:
        if not any(want.guarded for want in self.wants) or have.hostid:
            return Plan()
        if have.hostid == 0:
            raise Refused(
                "guard the pools of this node",
                f"{HOSTID} exists and holds no usable host id (it must be 4 bytes, not all zero)",
                "Remove the file and run again; a pool that this node imported before must be exported first.",
            )
        reason = "no host id yet; with it ZFS tells this node from others (multihost)"
        return Plan((Step(self.kind, "hostid", HOSTID, reason, ("zgenhostid",)),))

    def _plan_one(self, want: PoolWant, have: PoolHave) -> Plan:
        if want.name in have.health:
            return _compare(want, have, self.files)
        found = [pool for pool in have.importable if pool.name == want.name]
        if found:
            return Plan(_import_steps(want, found))
        if not want.create:
            raise Refused(
                f"make the pool {want.name}",
                f"it is neither imported nor on any device in {', '.join(want.folders) or 'the usual places'}, and there is no consent to make it",
                _consent(want),
            )
        _require_blank(want, have.evidence)
        return Plan((_create_step(want),))

    def public(self, have: PoolHave) -> Mapping[str, Any]:
        return {
            "hostid": f"{have.hostid:08x}" if have.hostid else None,
            "pools": [_public(want, have) for want in self.wants],
        }

    def check_step(self, step: Step, run: Runner) -> None:
        """Right before a pool is made: every device is the same as when planned, and still proven blank."""
        want = self._by_name.get(step.object)
        if want is None or step.action != "create":
            return
        if want.name in cli.imported(run):
            raise Refused(f"make the pool {want.name}", "it was imported since the plan was made", "Run again.")
        evidence = blank.gather(want.devices, run, self.files)
        for device in want.devices:
            before, now = self._planned.get(device), evidence[device]
            if before is None or before.answers.get("path") != now.answers.get("path"):
                told = f"{device} leads to {_leads(now)} now and to {_leads(before)} when planned"
                raise Refused(
                    f"make the pool {want.name}", told, "Something renames devices on this node; find out what."
                )
        _require_blank(want, evidence)

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        remedy = ""
        if "hostid" in err:
            remedy = (
                "ZFS reads the host id when its modules load: reload them (no pool imported) or reboot, then run again."
            )
        elif step.action == "create":
            remedy = "zpool found a reason of its own against these devices; it is never forced here."
        return ToolError(f"{step.action} {step.object}", step.argv, rc, out, err, None, remedy)


def _consent(want: PoolWant) -> str:
    if not want.vdevs:
        return "List its vdevs and write `create: true`, or make or export it by hand where it is."
    devices = ", ".join(want.devices)
    return f"Write `create: true` for exactly this pool ({want.name}, of {devices}); its devices must be proven blank."


def _keys(mappings: Any) -> list[str]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))


def _leads(evidence: Evidence | None) -> str:
    node = evidence.answers.get("path") if evidence else None
    return f"{node.real} ({node.number})" if isinstance(node, Node) else "nothing"


def _require_blank(want: PoolWant, evidence: Mapping[str, Evidence]) -> None:
    numbers: dict[str, str] = {}
    for device in want.devices:
        proof = evidence.get(device, Evidence(device))
        blank.require_blank(proof, f"make the pool {want.name}")
        other = numbers.setdefault(proof.number, device)
        if other != device:
            raise Refused(
                f"make the pool {want.name}",
                f"{device} and {other} are one and the same device",
                "List each device once.",
            )


def _import_steps(want: PoolWant, found: Sequence[Importable]) -> tuple[Step, ...]:
    """The import with the pool's properties; those of its root dataset can be neither read before nor given to it."""
    if len(found) > 1:
        raise Refused(
            f"import the pool {want.name}",
            f"{len(found)} pools of this name are on the devices in {', '.join(want.folders) or 'the usual places'}",
            "Import the right one by its number by hand, or wipe the labels of the stale one.",
        )
    pool = found[0]
    if not pool.clean:
        raise Refused(
            f"import the pool {want.name}",
            f"zpool says: {' '.join(part for part in (pool.state, pool.status, pool.action) if part)}",
            "Export it on the node that uses it (or make sure by fencing that it is down) and import it by hand; it is never forced here.",
        )
    if not want.bring_in:
        raise Refused(
            f"import the pool {want.name}", "`import: false` forbids it", "Allow it, or import it by what manages it."
        )
    reason = f"it is on the devices ({pool.state}), not in use elsewhere, and not imported"
    given = {key: value for key, value in want.properties.items() if key not in CREATE_ONLY}
    argv = tuple(cli.import_argv(want.name, want.folders, given))
    settings = tuple(f"{key}={value}" for key, value in want.options.items() if key not in CREATE_ONLY)
    after = "once it is imported, whatever it has"
    return (
        Step("zpool", "import", want.name, reason, argv, timeout=cli.IMPORT_TIMEOUT),
        Step("zpool", "set", f"{want.name} {', '.join(want.options)}", after, ("zfs", "set", *settings, want.name)),
    )


def _create_step(want: PoolWant) -> Step:
    vdevs = [(vdev.words, vdev.devices) for vdev in sorted(want.vdevs, key=lambda vdev: vdev.rank)]
    argv = tuple(cli.create_argv(want.name, want.properties, want.options, vdevs))
    reason = f"there is no such pool, its {len(want.devices)} devices are proven blank, and the description consents"
    return Step("zpool", "create", want.name, reason, argv, destructive=True, timeout=cli.IMPORT_TIMEOUT)


def _compare(want: PoolWant, have: PoolHave, files: Files) -> Plan:
    """Properties are set (they harm nobody while the pool is in use); health and members are only shown."""
    steps, drift = [], []
    for tool, wanted, found in (("zpool", want.properties, have.properties), ("zfs", want.options, have.options)):
        for key, value in wanted.items():
            old = found[want.name][key]
            if _plain(old) == _plain(value):
                continue
            if key in CREATE_ONLY:
                drift.append(Drift("zpool", f"{want.name}: {key}", old, value, "It is fixed when a pool is made."))
            else:
                argv = (tool, "set", f"{key}={value}", want.name)
                steps.append(Step("zpool", "set", f"{want.name} {key}", f"it is {old}, wanted {value}", argv))
    health = have.health[want.name]
    if health != "ONLINE":
        drift.append(Drift("zpool", f"{want.name}: health", health, "ONLINE", f"See `zpool status -x {want.name}`."))
    left, extra = _members(want, have.members[want.name], files) if want.vdevs else ([], [])
    if left or extra:
        told = " and ".join(
            part
            for part in (f"without {', '.join(left)}" if left else "", f"with {', '.join(extra)}" if extra else "")
            if part
        )
        remedy = "Members are never changed here: use zpool add, attach, replace or remove by hand, or correct the description."
        drift.append(Drift("zpool", f"{want.name}: members", told, ", ".join(want.devices), remedy))
    return Plan(tuple(steps), tuple(drift))


def _plain(value: str) -> str:
    """``1M`` and ``1048576`` are the same value."""
    match = _SIZE.fullmatch(value)
    return str(int(match[1]) << 10 * " KMGTP".index(match[2].upper() or " ")) if match else value


def _members(want: PoolWant, found: Sequence[str], files: Files) -> tuple[list[str], list[str]]:
    """Declared devices that are no members, and members that are not declared; by name, then by what the names lead to."""
    extra, left = list(found), []
    for device in want.devices:
        match = next((path for path in extra if _same(device, path)), None)
        match = match or next((path for path in extra if _same(_real(device, files), _real(path, files))), None)
        if match is None:
            left.append(device)
        else:
            extra.remove(match)
    return left, extra


def _same(device: str, member: str) -> bool:
    """ZFS puts a table on a whole disk and shows its first partition as the member."""
    return member in (device, f"{device}-part1", f"{device}p1", f"{device}1")


def _real(path: str, files: Files) -> str:
    try:
        return files.node(path).real
    except OSError:
        return path


def _public(want: PoolWant, have: PoolHave) -> dict[str, Any]:
    """One pool as modules return it."""
    listed = next((pool for pool in have.importable if pool.name == want.name), None)
    return {
        "name": want.name,
        "imported": want.name in have.health,
        "importable": bool(listed and listed.clean),
        "health": have.health.get(want.name) or (listed.state if listed else None),
        "properties": dict(have.properties.get(want.name, {})),
        "filesystem_properties": dict(have.options.get(want.name, {})),
        "devices": list(have.members.get(want.name, ())),
    }
