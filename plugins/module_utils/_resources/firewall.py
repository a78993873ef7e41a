# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LNet's port through the firewall that runs on a node: firewalld, ufw or nftables; none is fine.

Only one of them decides: firewalld where it runs, else ufw where it is active, else the
bare nftables rules, and there only chains that block anything are touched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from ansible_collections.lustre.core.plugins.module_utils._cli import firewall as cli
from ansible_collections.lustre.core.plugins.module_utils._cli.text_files import text_or_empty
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolError, ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._options import require_known
from ansible_collections.lustre.core.plugins.module_utils._plan import Drift, FileWrite, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._run import Result, Runner

NFT_CONFIGS = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")
COMMENT = "LNet (lustre.core)"


@dataclass(frozen=True)
class Have:
    """Which firewall decides (``firewalld``, ``ufw``, ``nftables`` or ``none``) and what it lets in."""

    kind: str
    live: bool = True
    stored: bool = True
    chains: tuple[cli.Chain, ...] = ()
    folder: str | None = None
    #: This run itself opened a chain, for now only.
    opened: bool = False


@dataclass
class FirewallResource:
    """``port`` (TCP) open for incoming connections; ``zone`` is firewalld's, empty for its default zone."""

    port: int = 988
    zone: str = ""
    read: Callable[[str], str] = text_or_empty
    kind: str = field(default="firewall", init=False)
    settle: float = field(default=0.0, init=False)
    opened: bool = field(default=False, init=False)

    @classmethod
    def from_options(cls, port: int = 988, zone: str = "") -> FirewallResource:
        if not 1 <= port <= 65535:
            raise BadValue("port", f"{port} is not a TCP port", "Give a number from 1 to 65535; LNet's is 988.")
        return cls(port, zone)

    @classmethod
    def from_mapping(cls, options: Any, path: str) -> FirewallResource:
        """The same from a mapping of options; BadValue names an unusable one below ``path``."""
        if not isinstance(options, Mapping):
            raise BadValue(path, f"{options!r} is not a mapping", "Write {port: 988}.")
        require_known(options, ("port", "zone"), path)
        try:
            port = int(options.get("port") or 988)
        except (TypeError, ValueError):
            raise BadValue(f"{path}.port", f"{options['port']!r} is not a number", "LNet's port is 988.") from None
        try:
            return cls.from_options(port, str(options.get("zone") or ""))
        except BadValue as error:
            raise BadValue(f"{path}.{error.path}", error.problem, error.remedy) from None

    def have(self, run: Runner) -> Have:
        return self._firewalld(run) or self._ufw(run) or self._nftables(run) or Have("none")

    def _firewalld(self, run: Runner) -> Have | None:
        state = _try(run, ["firewall-cmd", "--state"])
        if state is None or not cli.parse_firewalld_state(*state):
            return None
        answers = [run(self._firewall_cmd(permanent, "query")) for permanent in (False, True)]
        for answer, permanent in zip(answers, (False, True)):
            if answer.rc not in (0, 1):
                raise ToolError("ask firewalld for its open ports", self._firewall_cmd(permanent, "query"), *answer)
        return Have("firewalld", live=answers[0].rc == 0, stored=answers[1].rc == 0)

    def _firewall_cmd(self, permanent: bool, verb: str) -> tuple[str, ...]:
        words = [
            "firewall-cmd",
            *(["--permanent"] if permanent else []),
            *([f"--zone={self.zone}"] if self.zone else []),
        ]
        return (*words, f"--{verb}-port={self.port}/tcp")

    def _ufw(self, run: Runner) -> Have | None:
        status = _try(run, ["ufw", "status"])
        if status is None:
            return None
        if status.rc != 0:
            raise ToolError("ask ufw for its status", ["ufw", "status"], *status)
        active, allowed = cli.parse_ufw(status.out, self.port)
        return Have("ufw", live=allowed, stored=allowed) if active else None

    def _nftables(self, run: Runner) -> Have | None:
        rules = _try(run, ["nft", "-j", "list", "ruleset"])
        if rules is None:
            return None
        if rules.rc != 0:
            raise ToolError("read the nftables rules", ["nft", "-j", "list", "ruleset"], *rules)
        blocking = tuple(chain for chain in cli.parse_nft(rules.out, self.port) if chain.blocks)
        if not blocking:
            return None
        folder = next((found for path in NFT_CONFIGS if (found := cli.included_folder(self.read(path)))), None)
        stored = folder is not None and self.read(self._rule_file(folder)) == self._rule_text(blocking)
        live = all(chain.accepts for chain in blocking)
        return Have("nftables", live, stored, blocking, folder, self.opened)

    @staticmethod
    def _rule_file(folder: str) -> str:
        return f"{folder}/lustre-lnet.conf"

    def _rule_words(self, chain: cli.Chain) -> tuple[str, ...]:
        return ("insert", "rule", *chain.words, "tcp", "dport", str(self.port), "accept")

    def _rule_text(self, chains: tuple[cli.Chain, ...]) -> str:
        lines = [" ".join(self._rule_words(chain)) for chain in chains]
        return "\n".join(["# Written by lustre.core: LNet's port must be open on every Lustre node.", *lines, ""])

    def plan(self, have: Have) -> Plan:
        name = f"TCP port {self.port} in {have.kind}"
        if have.kind == "firewalld":
            wanted = ((have.stored, True, "after a reboot"), (have.live, False, "now"))
            return Plan(
                tuple(
                    Step(
                        self.kind,
                        "open",
                        name,
                        f"LNet must be reachable {when}",
                        argv=self._firewall_cmd(permanent, "add"),
                    )
                    for there, permanent, when in wanted
                    if not there
                )
            )
        if have.kind == "ufw" and not have.live:
            argv = ("ufw", "allow", "proto", "tcp", "to", "any", "port", str(self.port), "comment", COMMENT)
            return Plan((Step(self.kind, "open", name, "LNet must be reachable now and after a reboot", argv=argv),))
        if have.kind == "nftables":
            return self._plan_nftables(have, name)
        return Plan()

    def _plan_nftables(self, have: Have, name: str) -> Plan:
        steps = [
            Step(
                self.kind,
                "open",
                f"{name}, chain {' '.join(chain.words)}",
                "the chain blocks LNet",
                argv=("nft", *self._rule_words(chain)),
            )
            for chain in have.chains
            if not chain.accepts
        ]
        if have.stored:
            return Plan(tuple(steps))
        if have.folder is not None:
            write = FileWrite(self._rule_file(have.folder), self._rule_text(have.chains))
            steps.append(
                Step(self.kind, "write", write.path, "LNet must be reachable after a reboot, too", write=write)
            )
            return Plan(tuple(steps))
        if not steps and not have.opened:
            # An accept that the site keeps in its own configuration: nothing to add, nothing to complain about.
            return Plan()
        lines = "; ".join(" ".join(self._rule_words(chain)) for chain in have.chains)
        remedy = f'Add `{lines}` to the node\'s nftables configuration, or let it include a folder such as "/etc/nftables.d/*.conf".'
        return Plan(tuple(steps), (Drift(self.kind, name, "open until the next reboot", "open for good", remedy),))

    def public(self, have: Have) -> Mapping[str, Any]:
        return {"firewall": have.kind, "port": self.port, "open_now": have.live, "open_after_reboot": have.stored}

    def check_step(self, step: Step, run: Runner) -> None:
        """Opening a port needs no last look: it takes nothing from anybody.  What was opened for now is told at the end."""
        self.opened |= step.argv[:1] == ("nft",)

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        return ToolError(
            f"{step.action} {step.object}",
            step.argv,
            rc,
            out,
            err,
            remedy="Open the port by hand, or stop the firewall from managing LNet's interface.",
        )


def _try(run: Runner, argv: list[str]) -> Result | None:
    """None when the program is not installed: then that firewall is not there."""
    try:
        return run(argv)
    except ToolMissing:
        return None
