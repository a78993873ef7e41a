# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security of a node's connections: which flavor each import uses, the contexts behind it, and those that it serves.

A new mount negotiates before it is there: what fails on this side (no key, no ticket) ends it with ENOKEY, what the
server rejects is tried again until the mount is killed. A connection that lives follows a changed rule some seconds
later, each one at a moment of its own; one that cannot shows the new flavor with a context that never came up.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..faults import Faults
from ..node import Node, Operation, Subsystem
from ..sim_error import SimError, Unanswered
from . import gss_context, gss_upcall, srpc
from .gss_context import Context, Import

REJECTED = 0xD0000  # GSS_S_FAILURE, what a client sees of everything that the server did not like
_KINDS = ("mdc", "osc", "osp")
_ANSWER = 60.0  # a server may restart its daemon before it answers
_MAX_SPREAD = 12

Row = Mapping[str, Any]


class Rejected(Exception):
    """The server did not accept."""


class Gss(Subsystem):
    name = "gss"

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.imports: dict[str, Import] = {}
        self.served: dict[str, dict[tuple[str, int], Context]] = {}  # by target, of each peer and user
        self.request_key: Callable[[str, str, str], None] = gss_upcall.request_key
        self.ask_daemon: Callable[[str, dict[str, Any]], dict[str, Any] | None] = gss_upcall.ask_daemon
        self.upcall = "/usr/sbin/l_getauth"
        self.background = False  # the daemon's clock must not stand still while programs run
        self._pending: dict[str, dict[str, Any]] = {}
        self._mounting = 0
        self._mounts_made = 0
        self._last_identity = 1
        self._lock = threading.RLock()
        self._worker: threading.Thread | None = None

    def ops(self) -> Mapping[str, Operation]:
        return {
            "negotiate": self.negotiate,
            "instantiate": self.instantiate,
            "revoke": self.revoke,
            "flush": self.flush,
        }

    def services(self) -> Mapping[str, Operation]:
        return {"accept": self.accept, "admit": self.admit}

    def unload(self) -> None:
        self.imports.clear()
        self.served.clear()
        self._pending.clear()

    # -- new mounts --------------------------------------------------------------------------------------------

    def connect_mgs(self, nids: Sequence[str], flavor: str) -> None:
        """Before anything is asked of an MGS: it must want the flavor of ``mgssec=``, and a context must come up."""
        if not nids or "0@lo" in nids or set(nids) & set(self.node.lnet.nids()):
            return
        name = f"MGS {nids[0]}"
        with self._lock:
            known = self.imports.get(name) if self._mgs_in_use(nids[0]) else None
        if known is not None and known.flavor == flavor and known.usable():
            return
        if known is not None and known.flavor != flavor:
            raise SimError(errno.EINVAL, f"the connection to the MGS uses the flavor {known.flavor}")
        own = self.node.mounts.ask_mgs(nids, {"service": "gss.admit", "flavor": flavor})
        nid = next((nid for nid in nids if nid in own), nids[0])
        self._enter(name, flavor, {"target": "MGS", "nid": nid, "service": "lustre_mgs", "kind": "mgc", "fsname": ""})

    def _mgs_in_use(self, nid: str) -> bool:
        return any(mount.all_nids[:1] == [nid] for mount in list(self.node.mounts.table.values()))

    def connect_fs(self, fsname: str, instance: str, config: Mapping[str, Any]) -> None:
        """A new client's connections, those to MDTs first: without them there is no mount."""
        rules = config.get("srpc", {}).get("rules", [])
        for target in sorted(config["targets"].values(), key=lambda one: (one["kind"], one["index"])):
            kind = "mdc" if target["kind"] == "MDT" else "osc"
            flavor = srpc.choose(rules, target["name"], f"cli2{target['kind'].lower()}")
            try:
                nid, _ = self.node.mounts.locate(target)
            except SimError:
                continue
            if nid == "0@lo" or not srpc.mechanism(flavor):
                continue
            where = {**_server(target["name"], kind), "nid": nid}
            self._enter(f"{kind}.{target['name']}-{kind}-{instance}", flavor, where)

    @contextlib.contextmanager
    def mounting(self) -> Iterator[None]:
        """Until the mount stands in the table, its connections belong to no device and must be kept nevertheless."""
        with self._lock:
            self._mounting += 1
        try:
            yield
        finally:
            with self._lock:
                self._mounting -= 1
                self._mounts_made += 1

    def _enter(self, name: str, flavor: str, where: dict[str, Any]) -> None:
        with self._lock:
            one = self.imports[name] = Import()
        try:
            self._change(one, flavor)
            while srpc.mechanism(flavor):
                try:
                    one.put(self._context(flavor, where))
                    return
                except (SimError, Rejected) as failure:
                    if where["kind"] == "osc":
                        self._failed(one)
                        return
                    if isinstance(failure, SimError):
                        raise
                if self.node.asker_gone():
                    raise SimError(errno.EINTR, "the mount was killed")
                self.node.clock.sleep(float(self.node.settings["gss_retry"]))
        except SimError:
            with self._lock:
                self.imports.pop(name, None)
            raise

    # -- connections that live ---------------------------------------------------------------------------------

    def tick(self) -> None:
        """Follow the rules. The programs behind a negotiation take their time, so it runs beside the kernel's clock."""
        running = set(self._running())
        with self._lock:
            self.served = {target: peers for target, peers in self.served.items() if target in running}
            if not self.node.mounts.table and not self._mounting:
                self.imports.clear()
        if not self.node.mounts.table:
            return
        if not self.background:
            self.follow()
        elif self._worker is None or not self._worker.is_alive():
            self._worker = threading.Thread(target=self.follow, name="gss", daemon=True)
            self._worker.start()

    def follow(self) -> None:
        made = self._mounts_made
        rows = self._rows()
        with self._lock:
            if not self._mounting and made == self._mounts_made:
                names = {_key(row) for row in rows}
                self.imports = {name: one for name, one in self.imports.items() if name in names}
        for at, row in enumerate(row for row in rows if row["type"] in _KINDS):
            with self._lock:
                one = self.imports.setdefault(_key(row), Import())
            self._follow_one(at, row, one)

    def _follow_one(self, at: int, row: Row, one: Import) -> None:
        now, state = self.node.clock.time(), self.node.mounts.peers.get(row["peer"], {"state": "NEW", "nid": ""})
        if state["state"] != "FULL":
            one.stale = one.stale or bool(one.contexts)
            return
        flavor, changed = self._wanted(row, state["nid"])
        if flavor != one.flavor:
            delay = float(self.node.settings["flavor_delay"])
            due = changed + delay + min(at, _MAX_SPREAD) * float(self.node.settings["flavor_spread"])
            if now >= due:
                self._change(one, flavor)
                self._renew(row, one, state["nid"])
            return
        if not srpc.mechanism(flavor):
            return
        root = one.root
        if one.stale or root is None or now >= root.expire or not root.up:
            if one.due is None:
                one.due = now + (0.0 if one.stale else float(self.node.settings["flush_delay"]))
            if now >= one.due:
                self._renew(row, one, state["nid"])

    def _renew(self, row: Row, one: Import, nid: str) -> None:
        one.due, one.stale = None, False
        if not srpc.mechanism(one.flavor):
            return
        try:
            one.put(self._context(one.flavor, {**_server(row["peer"], row["type"]), "nid": nid}))
        except (SimError, Rejected):
            self._failed(one)

    def _change(self, one: Import, flavor: str) -> None:
        with self._lock:
            self._last_identity += 1
            secure = bool(srpc.mechanism(flavor))
            one.identity = self._last_identity if secure else -1
            one.flavor, one.contexts, one.due, one.since = flavor, [], None, self.node.clock.time()

    def _failed(self, one: Import) -> None:
        now = self.node.clock.time()
        one.put(gss_context.broken(0, now, f"{secrets.randbits(30):08x}"))
        one.due = now + float(self.node.settings["gss_retry"])

    def _wanted(self, row: Row, nid: str) -> tuple[str, float]:
        """The flavor that the rules give a connection, and when they changed last; peers on this node have none."""
        config = self.node.mounts.configs.get(srpc.fs_of(row["peer"]), {}).get("srpc", {})
        if nid == "0@lo" or nid in self.node.lnet.nids():
            return srpc.NULL, 0.0
        source = "mdt" if row["type"] == "osp" else "cli"
        direction = f"{source}2{'mdt' if '-MDT' in row['peer'] else 'ost'}"
        return srpc.choose(config.get("rules", []), row["peer"], direction), float(config.get("changed", 0.0))

    def _rows(self) -> list[dict[str, Any]]:
        order = {kind: at for at, kind in enumerate(_KINDS)}
        rows = [row for row in self.node.obd.devices() if row["peer"]]
        return sorted(rows, key=lambda row: order.get(row["type"], len(order)))

    def _running(self) -> Iterator[str]:
        for target in list(self.node.targets.running.values()):
            yield target.name
        if self.node.mgs.running:
            yield "MGS"

    def state(self, row: Row, state: str) -> str:
        """What an import's state becomes when its security did not come up."""
        one = self.imports.get(_key(row))
        return "DISCONN" if one is not None and state == "FULL" and not one.usable() else state

    # -- the client's side of a negotiation --------------------------------------------------------------------

    def _context(self, flavor: str, where: Mapping[str, Any], uid: int = 0) -> Context:
        """A new context with a server, made by the program behind request-key; ENOKEY, or Rejected."""
        self._need_module()
        key = f"{secrets.randbits(30):08x}"
        pending = {**where, "flavor": flavor, "uid": uid, "result": None, "rejected": False}
        self._pending[key] = pending
        callout = ":".join(
            [
                srpc.mechanism(flavor),
                where["service"],
                where["nid"],
                where["target"],
                str(uid),
                ",".join(self.node.lnet.nids()),
            ]
        )
        try:
            self.request_key(key, f"{uid}@{self._last_identity}", callout)
        except SimError as error:
            self.node.log(f"LustreError: {where['target']}: request key failed for uid {uid}: rc = -{error.errno}")
            raise
        finally:
            self._pending.pop(key, None)
        if pending["rejected"]:
            self.node.log(f"LustreError: negotiation: rpc err 0, gss err {REJECTED:x}")
            raise Rejected()
        if pending["result"] is None:
            self.node.log(f"LustreError: {where['target']}: request key failed for uid {uid}: rc = -{errno.ENOKEY}")
            raise SimError(errno.ENOKEY, "Required key not available")
        return Context(uid=uid, **pending["result"])

    def _need_module(self) -> None:
        """The kernel loads ptlrpc_gss by itself with the first flavor that needs it, where it is installed."""
        if "ptlrpc_gss" not in self.node.loaded():
            if Faults.of(self.node).on("no-gss-module"):
                raise SimError(errno.ENOKEY, "no module ptlrpc_gss")
            self.node.load("ptlrpc_gss")

    def negotiate(self, key: str, token: str) -> dict[str, Any]:
        """lgss_keyring has a token for the server of a key: the answer, or ``{"major": error}``."""
        pending = self._pending.get(key)
        if pending is None:
            raise SimError(errno.ENOKEY, key)
        request = {
            "service": "gss.accept", "target": pending["target"], "principal": pending["service"],
            "flavor": pending["flavor"], "uid": pending["uid"], "token": token, "handle": gss_context.handle(),
        }  # fmt: skip
        try:
            answer: dict[str, Any] = self.node.rpc(pending["nid"], request, _ANSWER)
        except SimError:
            answer = {"major": REJECTED}
        if answer["major"]:
            pending["rejected"] = True
        else:
            pending["answer"] = {"ours": answer["handle"], "theirs": request["handle"]}
        return answer

    def instantiate(self, key: str, expire: int, mech: str) -> None:
        """lgss_keyring is satisfied with what the server answered."""
        pending = self._pending.get(key)
        if pending is None or "answer" not in pending:
            raise SimError(errno.ENOKEY, key)
        pending["result"] = {"expire": expire, "mech": mech, **pending["answer"]}

    def revoke(self, key: str) -> None:
        if key not in self._pending:
            raise SimError(errno.ENOKEY, key)

    def user(self, instance: str, uid: int) -> None:
        """A request of a user goes to the MDT under that user's own ticket.

        Without one the first gets EPERM, as recorded, and whoever asks again waits for ever (recorded: most of the second and third calls),
        while the context that never came up is kept. A ticket helps those who ask after it came, and nobody who waits.
        """
        found = [(name, one) for name, one in list(self.imports.items()) if name.endswith(instance)]
        own = [(name, one) for name, one in found if name.startswith("mdc.") and srpc.mechanism(one.flavor) == "krb5"]
        if not own:
            return
        name, one = own[0]
        now = self.node.clock.time()
        mine = [context for context in one.contexts if context.uid == uid and now < context.expire]
        if any(context.up for context in mine):
            return
        target = name.removeprefix("mdc.").rpartition("-mdc-")[0]
        where = {**_server(target, "mdc"), "nid": self.node.mounts.peers.get(target, {}).get("nid", "0@lo")}
        try:
            one.put(self._context(one.flavor, where, uid))
        except (SimError, Rejected):
            if mine:
                raise Unanswered(f"user {uid} has no security context") from None
            one.put(gss_context.broken(uid, now, f"{secrets.randbits(30):08x}"))
            raise OSError(errno.EPERM, f"user {uid} has no security context") from None

    def flush(self, instance: str, uid: int) -> None:
        """``lfs flushctx``: the contexts of a user on one mount; they come again with the next request."""
        for name, one in list(self.imports.items()):
            if name.endswith(instance):
                one.contexts = [context for context in one.contexts if context.uid != uid or not context.up]

    # -- the server's side -------------------------------------------------------------------------------------

    def admit(self, from_nid: str, flavor: str) -> list[str]:
        """The MGS looks at the flavor of a new connection; EACCES when its own rule wants another one.

        Without a rule it takes any (tgt_connect_check_sptlrpc of 2.17): so mounts can have ``mgssec=`` before there is one.
        """
        if not self.node.mgs.running or Faults.of(self.node).on("mgs-down"):
            raise SimError(errno.ENOTCONN, "no MGS here")
        wanted = self.node.mgs.srpc.needed_by_mgs()
        if flavor != wanted != srpc.NULL:
            self.node.log(f"LustreError: MGS: unauthorized rpc flavor {flavor} from {from_nid}, expect {wanted}")
            raise SimError(errno.EACCES, f"the MGS wants the flavor {wanted}")
        nids: list[str] = self.node.lnet.nids()
        return nids

    def accept(
        self, from_nid: str, target: str, principal: str, flavor: str, uid: int, token: str, handle: str
    ) -> dict[str, Any]:
        """A client wants a context: lsvcgssd decides."""
        if target not in set(self._running()):
            raise SimError(errno.ENOTCONN, f"{target} does not run here")
        self._need_module()
        request = {
            "mech": srpc.mechanism(flavor), "service": principal, "target": target, "nid": from_nid, "uid": uid,
            "token": token, "fsname": srpc.fs_of(target), "nodemap": self._nodemap_of(from_nid),
        }  # fmt: skip
        answer = self.ask_daemon(self.upcall, request) if self.upcall.startswith("/") else None
        if answer is None or answer.get("major", 1):
            return {"major": REJECTED}
        context = Context(uid, int(answer["expire"]), answer["mech"], handle, gss_context.handle(), peer_nid=from_nid)
        with self._lock:
            self.served.setdefault(target, {})[from_nid, uid] = context
        return {"major": 0, "token": answer.get("token", ""), "handle": context.theirs, "expire": context.expire}

    def _nodemap_of(self, nid: str) -> str:
        found = getattr(self.node.parts.get("nodemap"), "test_nid", None)
        return str(found(nid)) if found is not None else "default"

    # -- parameters --------------------------------------------------------------------------------------------

    def params(self) -> Mapping[str, Any]:
        from . import gss_params

        return gss_params.params(self)


def _key(row: Row) -> str:
    """An MGS has one connection whatever names it; others are told apart by their device."""
    return str(row["peer"]) if row["type"] == "mgc" else f"{row['type']}.{row['name']}"


def _server(target: str, kind: str) -> dict[str, Any]:
    service = "lustre_mds" if "-MDT" in target else "lustre_oss"
    return {"target": target, "service": service, "kind": kind}
