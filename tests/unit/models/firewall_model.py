"""Three firewalls of one node, and whether a packet to a TCP port comes through them.

From firewall-cmd(1), ufw(8) and nft(8): rules of a chain count in their order, ``insert`` puts
one at the head, a base chain's policy counts last.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._run import Result

#: A rule as ``(port it speaks of, or None for every packet; verdict)``.
Rule = tuple[Any, str]


@dataclass
class Chain:
    name: str
    hook: str
    policy: str
    rules: list[Rule] = field(default_factory=list)

    def lets_in(self, port: int) -> bool:
        for about, verdict in self.rules:
            if about is None or about == port:
                return verdict == "accept"
        return self.policy == "accept"


@dataclass
class FirewallModel:
    """``firewalld`` None: not installed; ``running`` tells whether it runs.  The same for ufw and nft."""

    firewalld: set[int] | None = None
    firewalld_stored: set[int] = field(default_factory=set)
    running: bool = True
    ufw: set[int] | None = None
    active: bool = True
    chains: list[Chain] | None = None
    files: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def read(self, path: str) -> str:
        return self.files.get(path, "")

    def write(self, change: FileWrite) -> None:
        self.calls.append(("write", change.path))
        assert change.content is not None
        self.files[change.path] = change.content

    def deciding(self) -> str:
        if self.firewalld is not None and self.running:
            return "firewalld"
        return "ufw" if self.ufw is not None and self.active else "nft"

    def open_now(self, port: int) -> bool:
        kind = self.deciding()
        if kind == "firewalld":
            return port in (self.firewalld or ())
        if kind == "ufw":
            return port in (self.ufw or ())
        return all(chain.lets_in(port) for chain in self.chains or () if chain.hook == "input")

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        return {"firewall-cmd": self._firewalld, "ufw": self._ufw, "nft": self._nft}[argv[0]](list(argv))

    def _firewalld(self, argv: list[str]) -> Result:
        if self.firewalld is None:
            raise ToolMissing("firewall-cmd")
        if argv[1:] == ["--state"]:
            return Result(0, "running\n", "") if self.running else Result(252, "", "not running\n")
        ports = self.firewalld_stored if "--permanent" in argv else self.firewalld
        verb, _equals, port = argv[-1].partition("=")
        number = int(port.removesuffix("/tcp"))
        if verb == "--query-port":
            return Result(0, "yes\n", "") if number in ports else Result(1, "no\n", "")
        assert verb == "--add-port"
        self.calls.append(tuple(argv))
        ports.add(number)
        return Result(0, "success\n", "")

    def _ufw(self, argv: list[str]) -> Result:
        if self.ufw is None:
            raise ToolMissing("ufw")
        if argv[1:] == ["status"]:
            rows = [f"{port}/tcp                    ALLOW       Anywhere" for port in sorted(self.ufw)]
            head = (
                ["Status: active", "", "To   Action   From", "--   ------   ----"]
                if self.active
                else ["Status: inactive"]
            )
            return Result(0, "\n".join(head + rows * self.active) + "\n", "")
        assert argv[1:7] == ["allow", "proto", "tcp", "to", "any", "port"]
        self.calls.append(tuple(argv))
        self.ufw.add(int(argv[7]))
        return Result(0, "Rule added\n", "")

    def _nft(self, argv: list[str]) -> Result:
        if self.chains is None:
            raise ToolMissing("nft")
        if argv[1:] == ["-j", "list", "ruleset"]:
            return Result(0, json.dumps({"nftables": [{"metainfo": {}}, *self._entries()]}), "")
        assert argv[1:5] == ["insert", "rule", "inet", "filter"] and argv[6:8] == ["tcp", "dport"]
        self.calls.append(tuple(argv))
        chain = next(chain for chain in self.chains if chain.name == argv[5])
        chain.rules.insert(0, (int(argv[8]), argv[9]))
        return Result(0, "", "")

    def _entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for chain in self.chains or ():
            where = {"family": "inet", "table": "filter"}
            found.append(
                {"chain": {**where, "name": chain.name, "type": "filter", "hook": chain.hook, "policy": chain.policy}}
            )
            for about, verdict in chain.rules:
                left = {"payload": {"protocol": "tcp", "field": "dport"}}
                match = [] if about is None else [{"match": {"op": "==", "left": left, "right": about}}]
                found.append({"rule": {**where, "chain": chain.name, "expr": [*match, {verdict: None}]}})
        return found
