# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Is one node what its description says, and does it work?

Every check says what it wanted and what it found; one that fails does not end the
others.  Nothing is changed but a test file on client mounts, which is removed again.
Recovery and connections need time after a start: they are waited for, with a bound.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import file_io, mgs_probe, mounts
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, LustreError
from ansible_collections.lustre.core.plugins.module_utils._nid import normal_nid
from ansible_collections.lustre.core.plugins.module_utils._readers import verify_changelogs
from ansible_collections.lustre.core.plugins.module_utils._readers.node_info import CONNECTED, READY, Inspector
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user_want import UserWant
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user_want import (
    wants_from_options as users,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.mount_want import MountWant, wants_from_options
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

CHECKS = ("health", "targets", "recovery", "lnet", "imports", "changelogs", "mounts", "files")
_GATHER = {
    "targets": ("health", "targets", "recovery"),
    "lnet": ("lnet",),
    "imports": ("imports",),
    "mounts": ("mounts", "files"),
}
#: A NID that must not answer gets as long as a slow one that answers would need.
SILENT_SECONDS, SILENT_BOUND = 3, 20.0
_PAUSES = (2.0, 10.0)
#: A connection is made within some tens of seconds or waits for a target that does not run.
CONNECT_SECONDS = 60.0
_SQUASH = "If root is squashed for this client, name a directory that it may write to (directory)."
_BRINGS = {True: "The playbook lustre.core.tenants mounts it.", False: "The site playbook mounts it."}


@dataclass(frozen=True)
class Check:
    """One question and its answer; ``problem`` is the sentence about a wrong one."""

    name: str
    object: str
    wanted: str
    found: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem

    def public(self) -> dict[str, Any]:
        return {"name": self.name, "object": self.object, "ok": self.ok, "wanted": self.wanted, "found": self.found}


@dataclass(frozen=True)
class VerifyWant:
    """What of a node's wanted state is verified."""

    mounts: tuple[MountWant, ...] = ()
    nids: tuple[str, ...] = ()
    reachable: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    #: Labels of targets that a cluster manager places.
    cluster_managed: frozenset[str] = frozenset()
    changelogs: tuple[UserWant, ...] = ()

    @classmethod
    def from_want(cls, want: Mapping[str, Any], path: str = "want") -> VerifyWant:
        expected = want.get("expected") or {}
        return cls(
            mounts=wants_from_options(want.get("mounts") or (), f"{path}.mounts"),
            nids=_nids((want.get("lnet") or {}).get("nids"), f"{path}.lnet.nids"),
            reachable=_nids(expected.get("reachable"), f"{path}.expected.reachable"),
            unreachable=_nids(expected.get("unreachable"), f"{path}.expected.unreachable"),
            cluster_managed=frozenset(want.get("cluster_managed") or ()),
            changelogs=tuple(users(want.get("changelogs") or (), f"{path}.changelogs")),
        )

    @property
    def filesystems(self) -> frozenset[str]:
        return frozenset(want.fsname for want in self.mounts if want.fsname and want.state == "mounted")

    @property
    def serves(self) -> bool:
        """Whether Lustre itself (not only LNet) is expected to run."""
        return any(want.state == "mounted" for want in self.mounts)


def _nids(value: Any, path: str) -> tuple[str, ...]:
    try:
        return tuple(normal_nid(nid) for nid in value or ())
    except ValueError as error:
        raise BadValue(path, str(error), "Write NIDs as ADDRESS@NETWORK.") from None


def random_text(size: int) -> str:
    """Random bytes as text (two letters each): what is read back cannot come from anywhere else."""
    return os.urandom(size // 2).hex()


@dataclass
class Verifier:
    """Asks one node; the callables stand for the system, so that tests can say what is there."""

    run: Runner
    want: VerifyWant
    checks: Sequence[str] = CHECKS
    timeout: float = 300.0
    size: int = 1 << 20
    directory: str = ""
    write: bool = True
    read: Callable[[str], str] = text_or_empty
    random: Callable[[int], str] = random_text
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    waited: float = field(default=0.0, init=False)
    #: By path of a tenant's mount, ``UID:GID`` of its owner, who writes there: root may be squashed.
    owners: dict[str, str] = field(default_factory=dict, init=False)

    def verify(self) -> dict[str, Any]:
        """All checks, the problems among them as sentences, and what of the node others need to know."""
        node = self._settled()
        found = [Check("node", self._host(node), "an answer", "none", text) for text in node["problems"]]
        for name, ask in (
            ("health", self._health), ("targets", self._targets), ("recovery", self._recovery), ("imports", self._imports),
            ("lnet", self._lnet), ("changelogs", self._changelogs), ("mounts", self._mounts),
        ):  # fmt: skip
            if name in self.checks:
                found += ask(node)
        usable = self._usable(node)
        if "files" in self.checks and self.write:
            for want in usable:
                found += self._file(want)
        broken = {check.object for check in found if not check.ok}
        return {
            "healthy": all(check.ok for check in found),
            "checks": [check.public() for check in found],
            "problems": [check.problem for check in found if not check.ok],
            "targets": [
                {"label": t["label"], "state": t["state"], "path": t["path"]} for t in node.get("targets") or ()
            ],
            "mounts": [
                {
                    "fsname": w.fsname,
                    "subdir": w.subdir,
                    "path": w.path,
                    "writable": self.write and w.object not in broken,
                    "owner": self.owners.get(w.path, ""),
                }
                for w in usable
            ],
            "waited": round(self.waited, 1),
        }

    def _settled(self) -> dict[str, Any]:
        """The node once recovery is over and its connections stand, or as it is when the time is up."""
        gather = [section for section, names in _GATHER.items() if set(names) & set(self.checks)]
        start, pause = self.clock(), _PAUSES[0]
        while True:
            node = Inspector(self.run, gather, read=self.read).node()
            self.waited = self.clock() - start
            if not self._unsettled(node) or self.waited + pause > self.timeout:
                return node
            self.sleep(pause)
            pause = min(pause * 1.5, _PAUSES[1])

    def _unsettled(self, node: Mapping[str, Any]) -> bool:
        recovering = "recovery" in self.checks and not all(check.ok for check in self._recovery(node))
        connecting = (
            "imports" in self.checks
            and self.waited < CONNECT_SECONDS
            and not all(check.ok for check in self._imports(node))
        )
        return recovering or connecting

    @staticmethod
    def _host(node: Mapping[str, Any]) -> str:
        return str(node.get("hostname", ""))

    # What runs here

    def _health(self, node: Mapping[str, Any]) -> Iterator[Check]:
        found = str(node.get("health") or "")
        fine = found == "healthy" or (not found and not self.want.serves)
        problem = "" if fine else (
            f"health_check says {found}: the kernel log (dmesg) names the device and the cause." if found
            else "health_check gave no answer: Lustre's modules are not loaded, although mounts are declared."
        )  # fmt: skip
        yield Check("health", self._host(node), "healthy", found or "Lustre is not loaded", problem)

    def _targets(self, node: Mapping[str, Any]) -> Iterator[Check]:
        running = {target["label"]: target for target in node.get("targets") or ()}
        for want in self.want.mounts:
            if want.kind != "target":
                continue
            target = running.get(want.label)
            found = "not here" if target is None else f"{target['state']} at {target['path'] or 'no mount point'}"
            if want.label in self.want.cluster_managed and target is None:
                continue
            if want.state == "mounted" or want.label in self.want.cluster_managed:
                yield Check("target", want.label, f"UP at {want.path}", found, self._misplaced(want, target))
            else:
                problem = "" if target is None else (
                    f"{want.label} runs on this node ({found}), where the description has it {want.state}: it belongs on its first "
                    f"server. Move it back when nothing hinders (unmount it here, then run the site playbook)."
                )  # fmt: skip
                yield Check("target", want.label, "not here", found, problem)

    @staticmethod
    def _misplaced(want: MountWant, target: Mapping[str, Any] | None) -> str:
        if target is None:
            return (
                f"{want.label} is not mounted at {want.path}: the site playbook mounts it, if it does not run on its partner; "
                f"`journalctl -b -u '*.mount'` and dmesg say why it went."
            )
        if target["path"] != want.path:
            return f"{want.label} is mounted at {target['path'] or 'no path of this node'}, not at {want.path}: correct the description's path, or move it."
        if target["state"] != "UP":
            return f"{want.label} is mounted, but its device is not up ({target['state']}): dmesg says why."
        return ""

    def _recovery(self, node: Mapping[str, Any]) -> Iterator[Check]:
        for target in node.get("targets") or ():
            status = (target.get("recovery") or {}).get("status")
            if not status:
                continue
            details = target["recovery"]
            left = f" ({details['completed_clients']} clients done)" if "completed_clients" in details else ""
            problem = "" if status in READY else (
                f"{target['label']} is still in recovery after {self.waited:.0f} s: {status}{left}. It waits for clients that were "
                "connected before; `lctl get_param *.*.recovery_status` shows them, and how long it still waits."
            )  # fmt: skip
            yield Check("recovery", target["label"], " or ".join(READY), f"{status}{left}", problem)

    def _imports(self, node: Mapping[str, Any]) -> Iterator[Check]:
        for entry in node.get("imports") or ():
            if entry["fsname"] not in self.want.filesystems and not (entry["type"] == "mgc" and self.want.serves):
                continue
            state = entry["state"] or "no state"
            problem = "" if entry["connected"] else (
                f"The connection {entry['name']} to {entry['target'] or 'its server'} is {state} after {self.waited:.0f} s: check that "
                "this target runs, and LNet between the nodes."
            )  # fmt: skip
            yield Check("import", entry["name"], " or ".join(CONNECTED), state, problem)

    def _changelogs(self, node: Mapping[str, Any]) -> Iterator[Check]:
        for one in verify_changelogs.look(self.run, self.want.changelogs):
            yield Check("changelog user", *one)

    # The network

    def _lnet(self, node: Mapping[str, Any]) -> Iterator[Check]:
        own = [normal_nid(nid) for nid in (node.get("lnet") or {}).get("nids") or ()]
        for nid in self.want.nids:
            problem = "" if nid in own else (
                f"LNet does not have the NID {nid}; it has {', '.join(own) or 'none'}: run the site playbook for this node."
            )  # fmt: skip
            yield Check("nid", nid, "present", "present" if nid in own else ", ".join(own) or "none", problem)
        for nid in self.want.reachable:
            yield self._must_answer(nid)
        for nid in self.want.unreachable:
            yield self._must_be_silent(nid)

    def _must_answer(self, nid: str) -> Check:
        """The first message to a peer starts its discovery and may be lost: ask twice."""
        answer = mgs_probe.ping(self.run, nid)
        if not answer.ok:
            self.sleep(mgs_probe.ROUND_PAUSE)
            answer = mgs_probe.ping(self.run, nid)
        problem = "" if answer.ok else (
            f"{nid} does not answer this node ({answer.said}): check LNet there, TCP port 988 in both directions, and the routes "
            "(`lnetctl route show`)."
        )  # fmt: skip
        return Check("ping", nid, "an answer", answer.said or "an answer", problem)

    def _must_be_silent(self, nid: str) -> Check:
        answer = mgs_probe.ping(self.run, nid, SILENT_SECONDS, SILENT_BOUND)
        problem = "" if not answer.ok else (
            f"{nid} answers this node, although no network or route of the description leads there: a route, a router or a firewall "
            "lets through what it should not."
        )  # fmt: skip
        return Check("no ping", nid, "no answer", answer.said or "an answer", problem)

    # Client mounts

    def _clients(self) -> list[MountWant]:
        return [want for want in self.want.mounts if want.kind == "client"]

    def _mounts(self, node: Mapping[str, Any]) -> Iterator[Check]:
        self._wake()
        for want in self._clients():
            live = self._live(want.path)
            found = (
                live.source
                if live is not None and live.lustre
                else "not mounted"
                if live is None
                else f"another file system: {live.source}"
            )
            if want.state == "mounted":
                problem = (
                    ""
                    if self._is_there(want)
                    else f"{want.object} is wanted, and found is: {found}. {_BRINGS[bool(want.tenant)]}"
                )
                yield Check("mount", want.object, "mounted", found, problem)
            elif want.state in ("unmounted", "absent"):
                there = live is not None and live.lustre
                problem = (
                    f"{live.source} is mounted at {want.path}, where the description has it {want.state}."
                    if live and there
                    else ""
                )
                yield Check("mount", want.object, "not mounted", found, problem)

    def _wake(self) -> None:
        """A look into an automount point mounts it."""
        waiting = [want.path for want in self._clients() if want.automount and want.state == "mounted"]
        if waiting:
            try:
                self.run(("stat", "-f", "--", *waiting), None, file_io.TIMEOUT)
            except LustreError:
                return  # What did not come is found missing right after.

    def _live(self, path: str) -> mounts.MountEntry | None:
        table = mounts.parse_mounts(self.read(mounts.TABLE))
        found = [entry for entry in table if entry.path == path and entry.fstype != "autofs"]
        return found[-1] if found else None

    def _is_there(self, want: MountWant) -> bool:
        live = self._live(want.path)
        client = live.client if live is not None else None
        return client is not None and (client.fsname, client.subdir) == (want.fsname, want.subdir)

    def _usable(self, node: Mapping[str, Any]) -> list[MountWant]:
        """Client mounts that are there and not read-only."""
        if not {"mounts", "files"} & set(self.checks):
            return []
        there = [want for want in self._clients() if want.state == "mounted" and self._is_there(want)]
        return [want for want in there if "ro" not in getattr(self._live(want.path), "options", ())]

    def _file(self, want: MountWant) -> Iterator[Check]:
        """Write, read back and remove a file of random content; whatever was written is removed."""
        folder = f"{want.path}/{self.directory.strip('/')}".rstrip("/")
        path = f"{folder}/{file_io.PREFIX}{os.urandom(8).hex()}"
        text = self.random(self.size)
        wanted, problem, run = f"{self.size} bytes written, read back and removed", "", self.run
        try:
            if want.tenant:
                self.owners[want.path] = file_io.owner_of(run, folder)
                run = file_io.as_owner(run, self.owners[want.path])
            file_io.write(run, path, text)
            back = file_io.read(run, path)
            if back != text:
                problem = (
                    f"{want.object}: what was read back is not what was written ({_difference(text, back)}). Stop using this file "
                    "system until the cause is known."
                )
        except LustreError as error:
            problem = f"{want.object}: {error} {_SQUASH if 'denied' in str(error) else ''}".strip()
        try:
            file_io.remove(run, path)
        except LustreError as error:
            problem = f"{problem} {want.object}: {error}".strip()
        yield Check("file", want.object, wanted, "failed" if problem else wanted, problem)


def _difference(written: str, back: str) -> str:
    """Where two contents part, in words."""
    if len(written) != len(back):
        return f"{len(back)} bytes instead of {len(written)}"
    place = next((number for number, (one, other) in enumerate(zip(written, back)) if one != other), len(written))
    return f"they differ from byte {place} on"
