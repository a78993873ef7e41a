"""MDTs of a node and their changelog users, as lctl registers, shows and deregisters them.

Written from the recordings and from mdd_device.c, not from the code under test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ansible_collections.lustre.core.plugins.module_utils._run import Result

ORDER = (
    "MARK CREAT MKDIR HLINK SLINK MKNOD UNLNK RMDIR RENME RNMTO OPEN CLOSE LYOUT TRUNC SATTR XATTR HSM MTIME CTIME ATIME "
    "MIGRT FLRW RESYNC GXATR NOPEN"
).split()


@dataclass
class Mdt:
    """``users``: number, name, last record cleared, mask."""

    index: int = 0
    users: list[tuple[int, str, int, tuple[str, ...]]] = field(default_factory=list)
    last: int = 0

    def register(self, name: str, mask: Sequence[str]) -> None:
        self.last += 1
        self.users.append((self.last, name, self.index, tuple(mask)))

    def named(self, name: str) -> tuple[int, str, int, tuple[str, ...]] | None:
        return next((user for user in self.users if user[1] == name), None)


@dataclass
class ChangelogModel:
    """``lost``: unread records that were dropped, by user and MDT; ``calls``: what changed something."""

    mdts: dict[str, Mdt] = field(default_factory=dict)
    lost: dict[tuple[str, str], int] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        if list(argv) == ["lctl"]:
            return self._shown(stdin or "")
        self.calls.append(tuple(argv))
        assert argv[:2] == ("lctl", "--device")
        mdt = self.mdts.get(argv[2])
        if mdt is None:
            return Result(
                1, "Reader error: 'Object not found' at 0\n", f"No device found for name {argv[2]}: Invalid argument\n"
            )
        verb, option, name = argv[3:6]
        assert option == "-u" and 0 < len(name) <= 15, "a longer name would be cut off"
        if verb == "changelog_register":
            assert argv[6] == "-m"
            words = argv[7].split(",")
            assert set(words) <= set(ORDER)
            if mdt.named(name):
                mdt.last += 1
                return Result(17, "", "error: changelog_register: User exists\n")
            mdt.register(name, [word for word in ORDER if word in {"MARK", *words}])
            return Result(0, f"{argv[2]}: Registered changelog userid 'cl{mdt.last}-{name}'\n", "")
        assert verb == "changelog_deregister" and len(argv) == 6
        user = mdt.named(name)
        if user is None:
            return Result(2, "", "error: changelog_deregister: User not found\n")
        mdt.users.remove(user)
        self.lost[name, argv[2]] = mdt.index - user[2]
        return Result(0, f"{argv[2]}: Deregistered changelog user #{user[0]}\n", "")

    def _shown(self, stdin: str) -> Result:
        first, *lines = stdin.splitlines()
        assert first == "ignore_errors"
        out = err = ""
        for name in [name for line in lines for name in line.removeprefix("get_param ").split()]:
            kind, label, last = name.split(".")
            assert (kind, last) == ("mdd", "changelog_users")
            mdt = self.mdts.get(label)
            if mdt is None:
                err += f"error: get_param: param_path 'mdd/{label}/changelog_users': No such file or directory\n"
                continue
            out += f"{name}=\ncurrent_index: {mdt.index}\nID                            index (idle) mask\n"
            for number, user, index, mask in mdt.users:
                label = f"cl{number}-{user}" if user else f"cl{number}"
                out += f"{label:<24} {index:>10} (12)" + (f" mask={','.join(mask)}" if mask else "") + "\n"
        return Result(2 if err else 0, out, err)
