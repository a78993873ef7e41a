# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the three firewalls of Linux print: firewall-cmd(1), ufw(8), nft(8).

LNet's socklnd listens on TCP 988 on every node, clients included: servers connect back.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.lustre.core.plugins.module_utils._errors import UnknownOutput


@dataclass(frozen=True)
class Chain:
    """An nftables base chain that sees incoming packets: does it block, and does it let the port in?"""

    family: str
    table: str
    name: str
    blocks: bool
    accepts: bool

    @property
    def words(self) -> tuple[str, str, str]:
        return self.family, self.table, self.name


def parse_firewalld_state(rc: int, out: str, err: str) -> bool:
    """Is firewalld running?  ``firewall-cmd --state`` says ``running`` (0) or ``not running`` (252)."""
    said = (out + err).strip()
    if rc == 0 and said == "running":
        return True
    if rc == 252 or said == "not running":
        return False
    raise UnknownOutput("firewall-cmd", "its state", said)


def parse_ufw(out: str, port: int) -> tuple[bool, bool]:
    """``ufw status`` → (is it active, does it let the port in from anywhere)."""
    match = re.search(r"^Status: (active|inactive)$", out, re.M)
    if match is None:
        raise UnknownOutput("ufw", "its status", out)
    rule = re.compile(rf"^{port}(/tcp)?\s+ALLOW( IN)?\s+Anywhere(\s|$)", re.M)
    return match[1] == "active", bool(rule.search(out))


def parse_nft(text: str, port: int) -> list[Chain]:
    """``nft -j list ruleset`` → the base chains of type filter that see incoming packets."""
    try:
        entries = json.loads(text)["nftables"]
        chains = [e["chain"] for e in entries if "chain" in e]
        rules = [e["rule"] for e in entries if "rule" in e]
        return [_chain(chain, rules, port) for chain in chains if chain.get("hook") == "input" and _filters(chain)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnknownOutput("nft", "its rules", text) from error


def _filters(chain: dict[str, Any]) -> bool:
    return chain.get("type") == "filter"


def _chain(chain: dict[str, Any], rules: list[dict[str, Any]], port: int) -> Chain:
    """Rules count in their order: an accept of the port behind a drop of it (or of everything) lets nothing in."""
    where = (chain["family"], chain["table"], chain["name"])
    blocks = chain.get("policy") == "drop"
    accepts = False
    for rule in rules:
        if (rule["family"], rule["table"], rule["chain"]) != where:
            continue
        expressions = rule["expr"]
        if any("drop" in e or "reject" in e for e in expressions):
            blocks = True
            if _speaks_of(expressions, port):
                break
        elif any("accept" in e for e in expressions) and _speaks_of(expressions, port):
            accepts = True
    return Chain(*where, blocks=blocks, accepts=accepts)


def _speaks_of(expressions: list[dict[str, Any]], port: int) -> bool:
    """Of every packet, or of ``tcp dport 988`` (alone, in a set or in a range) with no further condition."""
    matches = [e["match"] for e in expressions if "match" in e]
    if len(matches) > 1:
        return False
    if not matches:
        return True
    left, right = matches[0].get("left"), matches[0].get("right")
    if left != {"payload": {"protocol": "tcp", "field": "dport"}} or matches[0].get("op") not in ("==", "in"):
        return False
    values = right["set"] if isinstance(right, dict) and "set" in right else [right]
    return any(_covers(value, port) for value in values)


def _covers(value: Any, port: int) -> bool:
    if isinstance(value, dict) and "range" in value:
        low, high = value["range"]
        return int(low) <= port <= int(high)
    return bool(value == port)


def included_folder(text: str) -> str | None:
    """The folder whose files nftables' own configuration includes, or None: only there a rule outlives a reboot."""
    match = re.search(r'^[ \t]*include[ \t]+"(/[^"*\n]*)/\*(?:\.(?:conf|nft))?"', text, re.M)
    return match[1] if match else None
