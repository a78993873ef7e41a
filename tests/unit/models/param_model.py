"""Tunables of a node with an MGS: live values, the log that ``set_param -P`` writes, the files that a mount reads.

From the recordings ``params/*`` and ``async/*``: a new setting goes to the log's end and is
applied to what is there; ``-d`` of a name that is not stored fails; ``ignore_errors`` goes on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite
from ansible_collections.lustre.core.plugins.module_utils._run import Result

#: A value that the kernel refuses for every tunable of the model.
REFUSED = "99999"


@dataclass
class ParamModel:
    live: dict[str, str] = field(default_factory=dict)
    #: Name and value in the order of the log.
    log: list[tuple[str, str]] = field(default_factory=list)
    mgs: bool = True
    logged: bool = False
    files: dict[str, str] = field(default_factory=dict)
    at_mount: bool = True
    calls: list[str] = field(default_factory=list)

    @property
    def stored(self) -> dict[str, str]:
        return dict(self.log)

    def read(self, path: str) -> str:
        return self.files.get(path, "")

    def write(self, change: FileWrite) -> None:
        assert re.fullmatch(r"/etc/lustre/mount\.\w+\.params", change.path)
        if change.content is None:
            self.files.pop(change.path, None)
        else:
            self.files[change.path] = change.content

    def __call__(self, argv: Sequence[str], stdin: str | None = None, timeout: float = 120.0) -> Result:
        assert argv[0] == "lctl"
        if len(argv) > 1:
            return self._command(list(argv[1:]))
        lines = (stdin or "").splitlines()
        assert lines[0] == "ignore_errors", "a batch that stops at its first failure leaves the rest undone, unsaid"
        results = [self._command(line.split()) for line in lines[1:]]
        bad = [result.rc for result in results if result.rc]
        return Result(bad[0] if bad else 0, "".join(r.out for r in results), "".join(r.err for r in results))

    def _command(self, words: list[str]) -> Result:
        if words[0] in ("set_param",):
            self.calls.append(" ".join(words))
        if words == ["device", "MGS"]:
            return Result(0, "", "") if self.mgs else Result(1, "", "No device found for name MGS: Invalid argument\n")
        return getattr(self, f"_{words[0]}")(words[1:])

    def _help(self, words: list[str]) -> Result:
        return Result(0, "usage: set_param [--client|-C] [-n]\n" if self.at_mount else "usage: set_param [-n]\n", "")

    def _llog_print(self, words: list[str]) -> Result:
        # a log stays when its last record goes; only one that nothing was ever stored in is not there
        self.logged = self.logged or bool(self.log)
        if not self.mgs or words[0] != "params" or not self.logged:
            return Result(2, "", f"{words[0]}: OBD_IOC_LLOG_PRINT failed: No such file or directory\n")
        rows = [
            f"- {{ index: {8 + 3 * place}, event: set_param, device: general, parameter: {name}, value: {value} }}\n"
            for place, (name, value) in enumerate(self.log)
        ]
        return Result(0, "".join(rows), "")

    def _matching(self, name: str) -> list[str]:
        known = {**self.live, "version": "2.17.0"}
        if self.mgs:
            known["mgs.MGS.filesystems"] = "fs1\n"
        return [instance for instance in known if fnmatchcase(instance, name)]

    def _get_param(self, names: list[str]) -> Result:
        values = {**self.live, "version": "2.17.0", "mgs.MGS.filesystems": "\nfs1"}
        out, err = "", ""
        for name in names:
            found = self._matching(name)
            out += "".join(f"{instance}={values[instance]}\n" for instance in found)
            path = name.replace(".", "/")
            err += "" if found else f"error: get_param: param_path '{path}': No such file or directory\n"
        return Result(2 if err else 0, out, err)

    def _set_param(self, words: list[str]) -> Result:
        if words[:2] == ["-P", "-d"]:
            if words[2] not in self.stored:
                return Result(2, "", "error: executing set_param: No such file or directory\n")
            self.log = [(name, value) for name, value in self.log if name != words[2]]
            return Result(0, "", "")
        name, _equals, value = words[-1].partition("=")
        if words[0] == "-P":
            assert self.mgs
            if name in self.stored:
                # the record is cancelled and written anew: its place is the log's end
                self.log = [entry for entry in self.log if entry[0] != name]
            self.log.append((name, value))
            self._apply(name, value)
            return Result(0, "", "")
        path = name.replace(".", "/")
        if value == REFUSED:
            return Result(22, "", f"error: set_param: setting '{path}'='{value}': Invalid argument\n")
        if not self._matching(name):
            return Result(2, "", f"error: set_param: param_path '{path}': No such file or directory\n")
        self._apply(name, value)
        return Result(0, f"{name}={value}\n", "")

    def _apply(self, name: str, value: str) -> None:
        for instance in self.live:
            if fnmatchcase(instance, name) and value != REFUSED:
                self.live[instance] = value
