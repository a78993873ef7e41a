# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the connections of one node are protected, and what it would need to be: flavors in force, contexts, keys, keytab.

Observed on Lustre 2.17.0: a rule on the MGS reaches live connections 20 to 45 s later, one by one,
so all of them are asked until each has what is wanted.  ``get_param sptlrpc.gss.*`` always
fails as a whole: its parameters are asked for by name.  Connections inside a node (``0@lo``)
never use a flavor, and one that is idle is negotiated when it is used again.  What ``srpc_info``
shows is what a connection is to use: it says ``skpi`` with no context behind it, too, when the
keys of both ends differ.  So a flavor with keys is in force with a context of root that both agreed on.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Callable, Collection, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import keyring, keytab_file, lctl, lctl_params, srpc
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    LustreError,
    ToolError,
    ToolMissing,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._nid import nid_net
from ansible_collections.lustre.core.plugins.module_utils._readers.node_info import imports_of
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor_want import rules_from_options
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

SECTIONS = ("rules", "imports", "contexts", "server_contexts", "gss", "keys", "keytab")
#: Parameters of the kernel's GSS; others of its folder cannot be read.
GSS = tuple(
    f"sptlrpc.gss.{name}"
    for name in (
        "rsi_upcall",
        "rsi_entry_expire",
        "rsi_acquire_expire",
        "gss_check_upcall_ns",
        "krb5_allow_old_client_csum",
        "lgss_keyring.debug_level",
    )
)
KEYTAB = "/etc/krb5.keytab"
_RULES = ("mgs.MGS.filesystems", "mgs.MGS.srpc_rules", "mgs.MGS.live.*")
_TYPES = ("mdc", "osc", "osp", "mgc")
_INFO = tuple(f"{kind}.*.srpc_info" for kind in (*_TYPES, "lwp"))
_CONTEXTS = tuple(f"{kind}.*.srpc_contexts" for kind in _TYPES)
_SERVER = ("mgs.MGS.gss.srpc_serverctx", "mdt.*.gss.srpc_serverctx", "obdfilter.*.gss.srpc_serverctx")
_STATES = tuple(f"{kind}.*.import" for kind in _TYPES)
#: A connection nobody uses; what it will use is decided when it is.
_IDLE = ("IDLE", "NEW")
PAUSE = 2.0


@dataclass
class SecurityInspector:
    """Asks one node.

    ``wait``: rules that must be in force on every connection that they speak of, within ``timeout`` seconds.
    """

    run: Runner
    gather: Sequence[str] = SECTIONS
    wait: Sequence[srpc.Rule] = ()
    timeout: float = 120.0
    keytab: str = KEYTAB
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    keytab_state: Callable[[str], keytab_file.FileState] = keytab_file.read_state
    problems: list[str] = field(default_factory=list, init=False)
    _own: frozenset[str] | None = field(default=None, init=False)

    @classmethod
    def from_options(
        cls,
        run: Runner,
        gather: Sequence[str],
        wait: Sequence[Mapping[str, Any]],
        timeout: float,
        keytab: str = KEYTAB,
        **system: Any,
    ) -> SecurityInspector:
        unknown = [section for section in gather if section not in SECTIONS]
        if unknown:
            raise BadValue("gather", f"{unknown[0]!r} is not known", f"Known are: {', '.join(SECTIONS)}.")
        if timeout < 0:
            raise BadValue("timeout", f"{timeout:g} is negative", "Give seconds, 0 for one look.")
        return cls(run, gather, rules_from_options(wait, "wait"), timeout, keytab, **system)

    def inspect(self) -> dict[str, Any]:
        """All sections that were asked for; when something is waited for, as they are at the end."""
        waited = self._waited() if self.wait else 0.0
        answer = self._ask()
        entries = self._connections(answer)
        ask: dict[str, Callable[[], dict[str, Any]]] = {
            "rules": lambda: {"rules": self._rules(answer.values)},
            "imports": lambda: {"imports": entries},
            "contexts": lambda: {"contexts": self._contexts(answer.values, ".srpc_contexts")},
            "server_contexts": lambda: {"server_contexts": self._contexts(answer.values, ".gss.srpc_serverctx")},
            "gss": lambda: {"gss": {name: answer.values[name].strip() for name in GSS if name in answer.values}},
            "keys": lambda: {"loaded_keys": self._keys()},
            "keytab": lambda: {"keytab": self._keytab()},
        }
        found: dict[str, Any] = {}
        for section, answered in ask.items():
            if section in self.gather:
                found.update(answered())
        missing = [sentence(entry, waited) for entry in entries if entry["in_force"] is False]
        return {
            **found,
            "release": _release(answer.values),
            "in_force": not missing,
            "missing": missing,
            "waited": round(waited, 1),
            "problems": list(dict.fromkeys(self.problems)),
        }

    def _waited(self) -> float:
        """Ask until all have their flavor, or the bound is over."""
        began = self.clock()
        while True:
            entries = self._connections(self._ask(("version", *_INFO, *_STATES, *_CONTEXTS)))
            now = self.clock() - began
            if not any(entry["in_force"] is False for entry in entries) or now >= self.timeout:
                return now
            self.sleep(PAUSE)

    def _connections(self, answer: lctl_params.Answer) -> list[dict[str, Any]]:
        """Where rules of single networks count, this node's own networks decide, and are asked for once."""
        matter = any(rule.network != srpc.ANY_NETWORK for rule in self.wait)
        if self._own is None and matter and not srpc.ignores_networks(_release(answer.values)):
            self._own = frozenset(map(nid_net, lctl.nids(self.run)))
        # A flavor that cannot be read is none that is in force.
        silent = {name: "" for name in answer.unreadable if name.endswith(".srpc_info")}
        return connections({**answer.values, **silent}, self.wait, self._own or ())

    def _ask(self, names: Sequence[str] = ()) -> lctl_params.Answer:
        asked = list(names) or ["version", *_RULES, *_INFO, *_STATES, *_CONTEXTS, *_SERVER, *GSS]
        result = lctl.run_batch(self.run, lctl.chunked(("get_param",), asked))
        answer = lctl_params.parse(result.out, result.err, asked)
        if not (answer.values or answer.missing):
            raise UnknownOutput("lctl", "the security of this node's connections", result.out + result.err)
        return answer

    def _tried(self, ask: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return ask()
        except LustreError as error:
            self.problems.append(str(error))
            return otherwise

    def _rules(self, values: Mapping[str, str]) -> list[dict[str, str]]:
        def ask() -> list[srpc.Rule]:
            rules = srpc.parse_self_rules(values.get("mgs.MGS.srpc_rules", ""))
            for name, text in values.items():
                rules += srpc.parse_rules(text) if name.startswith("mgs.MGS.live.") else []
            return list(dict.fromkeys(rules))

        found: list[srpc.Rule] = self._tried(ask, [])
        return [asdict(rule) for rule in found]

    def _contexts(self, values: Mapping[str, str], ending: str) -> list[dict[str, Any]]:
        shown = []
        for name, text in values.items():
            if name.endswith(ending):
                contexts: list[srpc.Context] = self._tried(partial(srpc.parse_contexts, text), [])
                shown += [
                    {"name": name[: -len(ending)], **asdict(context), "days": round(context.left / 86400, 1)}
                    for context in contexts
                ]
        return shown

    def _keys(self) -> list[str]:
        try:
            return keyring.loaded(self.run)
        except ToolMissing:
            return []  # without keyutils nothing can be loaded
        except LustreError as error:
            self.problems.append(str(error))
            return []

    def _keytab(self) -> list[dict[str, Any]]:
        def ask() -> list[dict[str, Any]]:
            try:
                state = self.keytab_state(self.keytab)
            except OSError as error:
                raise ToolError("read the keytab", (self.keytab,), 1, "", str(error)) from None
            entries = keytab_file.parse_keytab(state.data, self.keytab) if state.data else []
            return [
                {"principal": entry.principal, "kvno": entry.kvno, "enctype": entry.enctype, "time": entry.time}
                for entry in entries
            ]

        found: list[dict[str, Any]] = self._tried(ask, [])
        return found


def connections(
    values: Mapping[str, str], wanted: Sequence[srpc.Rule], own: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Each connection once, with what it uses and what it should; ``in_force`` None where nothing is wanted of it.

    ``own``: networks of this node, on one of which each of its connections begins.
    """
    states = {f"{entry['type']}.{entry['name']}": entry for entry in imports_of(values)}
    release = _release(values)
    found: dict[str, dict[str, Any]] = {}
    for full, text in values.items():
        connection = srpc.connection(full.removesuffix(".srpc_info")) if full.endswith(".srpc_info") else None
        if connection is None or connection.name in found:
            continue
        info = srpc.parse_info(text) if text else srpc.Info("", "", (), 0)
        state = states.get(connection.name, {})
        nid = state.get("nid")
        want = chosen(wanted, connection, nid or "", release, own)
        local, idle = nid is not None and nid.endswith("@lo"), state.get("state") in _IDLE
        agreed = (
            _agreed(values.get(f"{full[: -len('srpc_info')]}srpc_contexts", ""))
            if needs_context(info.rpc, want)
            else None
        )
        in_force = None if want is None or local or idle else info.rpc == want and agreed is not False
        found[connection.name] = {
            "name": connection.name,
            "type": connection.type,
            "target": connection.target,
            "fsname": None if connection.fsname == srpc.MGS else connection.fsname,
            "owner": connection.owner,
            "direction": connection.direction,
            "state": state.get("state", ""),
            "nid": nid,
            "local": local,
            "flavor": info.rpc,
            "bulk": info.bulk,
            "wanted": want,
            "context": agreed,
            "in_force": in_force,
        }
    return list(found.values())


def needs_context(flavor: str, wanted: str | None) -> bool:
    """Is the flavor wanted, and one for which both ends must have agreed on a context?"""
    return flavor == wanted and srpc.mechanism(flavor) != ""


def _agreed(text: str) -> bool:
    return any(context.uid == 0 and context.valid for context in srpc.parse_contexts(text))


def chosen(
    rules: Sequence[srpc.Rule], connection: srpc.Connection, nid: str, release: str, own: Collection[str] = ()
) -> str | None:
    """The flavor that these rules give a connection to the peer ``nid``; rules of single networks never match on 2.17.

    Such a rule speaks of the network on which the connection begins.  That is the peer's, unless a router is between them:
    then one of this node's ``own``, and where these have different flavors, the one that protects most is asked for.
    """
    net = nid.rpartition("@")[2]
    begins = [net] if net in own or not own else sorted(own)
    flavors = [flavor for one in begins if (flavor := _on(rules, connection, one, release)) is not None]
    return max(flavors, key=srpc.strength) if flavors else None


def _on(rules: Sequence[srpc.Rule], connection: srpc.Connection, net: str, release: str) -> str | None:
    fitting = [
        rule
        for rule in rules
        if rule.target in (connection.target, connection.fsname)
        and (rule.direction in ("", connection.direction) and bool(connection.direction or connection.type == "mgc"))
        and on_network(rule, net, release)
    ]
    return max(fitting, key=lambda rule: rule.specific).flavor if fitting else None


def on_network(rule: srpc.Rule, net: str, release: str) -> bool:
    """Does a rule speak of connections that begin on a network?"""
    return rule.network == srpc.ANY_NETWORK or (rule.network == net and not srpc.ignores_networks(release))


def _release(values: Mapping[str, str]) -> str:
    return values.get("version", "").partition("\n")[0].strip()


def sentence(entry: Mapping[str, Any], waited: float) -> str:
    state = entry["state"] or "in an unknown state"
    if entry["context"] is False:
        return (
            f"{entry['name']} is to use {entry['wanted']} and has no security context after {waited:.0f} s: nothing was agreed with "
            f"{entry['nid'] or 'its server'} (it is {state}). The keys of both ends differ, or its daemon lsvcgssd does not answer."
        )
    if not entry["flavor"]:
        return f"{entry['name']} is to use {entry['wanted']}, and its flavor cannot be read: see `lctl get_param {entry['name']}.srpc_info`."
    return (
        f"{entry['name']} uses {entry['flavor']}, not {entry['wanted']}, after {waited:.0f} s (it is {state}, connected to "
        f"{entry['nid'] or 'nobody'})."
    )
