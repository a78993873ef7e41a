"""An MGS and its security rules, as Lustre takes, keeps and shows them, with what connections get of them.

Written from the recordings and the rules of precedence, not from the code under test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._run import Result

FLAVORS = "null gssnull plain krb5n krb5a krb5i krb5p skn ska ski skpi".split()
#: Where a connection goes to, by which network, in which direction.
Connection = tuple[str, str, str]
CONNECTIONS: list[Connection] = [
    *[(f"{fs}-MDT000{n}", net, way) for fs in ("fs1", "fs2") for n in (0, 1) for net in ("tcp", "tcp1") for way in ("cli2mdt", "mdt2mdt")],
    *[(f"{fs}-OST0000", net, way) for fs in ("fs1", "fs2") for net in ("tcp", "tcp1") for way in ("cli2ost", "mdt2ost")],
    *[("_mgs", net, "") for net in ("tcp", "tcp1")],
]  # fmt: skip


@dataclass
class SrpcModel:
    """``rules`` by name; ``history``: the flavors of all connections, at first and after each change."""

    rules: dict[str, str] = field(default_factory=dict)
    filesystems: dict[str, list[str]] = field(
        default_factory=lambda: {fs: [f"{fs}-MDT0000", f"{fs}-MDT0001", f"{fs}-OST0000"] for fs in ("fs1", "fs2")}
    )
    release: str = "2.15.6"
    mgs: bool = True
    history: list[dict[Connection, str]] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.history.append(self.in_force())

    def in_force(self) -> dict[Connection, str]:
        return {connection: self.chosen(connection) for connection in CONNECTIONS}

    def chosen(self, connection: Connection) -> str:
        """The rule of the target if one fits, else that of the file system; in each, network before direction."""
        target, net, way = connection
        for owner in (target, target.partition("-")[0]):
            for place in (f"{net}.{way}", net, f"default.{way}", "default"):
                found = self.rules.get(f"{owner}.srpc.flavor.{place}".rstrip("."))
                if found:
                    return found
        return "null"

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        if list(argv) == ["lctl"]:
            return self._shown(stdin or "")
        self.calls.append(tuple(argv))
        assert argv[:2] == ("lctl", "conf_param") and self.mgs
        name, _equals, flavor = argv[-1].partition("=")
        parts = re.fullmatch(
            r"(_mgs|(fs\d)(?:-(?:MDT|OST)\w{4})?)\.srpc\.flavor\.(default|tcp\d*)(?:\.(\w{3}2\w{3}))?", name
        )
        assert parts, name
        assert parts[1] == "_mgs" or parts[1] in [parts[2], *self.filesystems.get(parts[2], [])], "a made-up target"
        assert parts[2] is None or parts[2] in self.filesystems, f"{parts[2]} would be made as an empty file system"
        if argv[2] == "-d":
            self.rules.pop(name, None)
        elif flavor not in FLAVORS:
            return Result(22, "", "error: conf_param: Invalid argument\n")
        else:
            self.rules[name] = flavor
        self.history.append(self.in_force())
        return Result(0, "", "")

    def _shown(self, stdin: str) -> Result:
        assert stdin == "ignore_errors\nget_param version mgs.MGS.filesystems mgs.MGS.srpc_rules mgs.MGS.live.*\n"
        out = f"version={self.release}\n"
        if not self.mgs:
            gone = ("filesystems", "srpc_rules", "live/*")
            return Result(
                2,
                out,
                "".join(f"error: get_param: param_path 'mgs/MGS/{name}': No such file or directory\n" for name in gone),
            )
        out += "mgs.MGS.filesystems=\n" + "".join(f"{name}\n" for name in self.filesystems)
        out += "mgs.MGS.srpc_rules=\n" + self._rules("_mgs")
        for name, targets in {**self.filesystems, "params": []}.items():
            out += f"mgs.MGS.live.{name}=\nfsname: {name}\nflags: 0x20     gen: 20\n"
            out += "".join(f"{target}\n" for target in targets)
            out += f"\nSecure RPC Config Rules:\n{self._rules(name)}\nimperative_recovery_state:\n    state: startup\n"
        return Result(0, out, "")

    def _rules(self, fsname: str) -> str:
        return "".join(
            f"{name}={flavor}\n"
            for name, flavor in self.rules.items()
            if name.split(".")[0].partition("-")[0] == fsname
        )
