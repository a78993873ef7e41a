# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is installed: dpkg-query(1), rpm(8), and what could be: apt-cache(8), dnf repoquery(8). Only read.

One process tells all installed packages of several name patterns, held or not, on either family.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Iterable, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

_DPKG_FORMAT = "${Package}\t${Version}\t${Architecture}\t${db:Status-Abbrev}\n"
_RPM_FORMAT = "%{NAME}\t%{VERSION}-%{RELEASE}\t%{ARCH}\tii\n"
#: dpkg: the first letter is what is wanted (h: held), the second what is there (i: installed and configured).
_STATUS = re.compile(r"(?P<want>[uihrp])(?P<there>[ncHUFWti])(?P<error>[R ]?)")
_LOCK = re.compile(r"(?P<name>[A-Za-z][\w.+-]*)-(?:\d+:)?\d[^-]*-[^-]+\Z")


@dataclass(frozen=True)
class Package:
    """One installed package; ``version`` with its revision or release, without an epoch on EL."""

    name: str
    version: str
    arch: str
    held: bool = False
    whole: bool = True

    def answers(self, wanted: str) -> bool:
        """Whether this is the package wanted: by its name, or (EL) by name and version, as in ``kernel-devel-5.14.0-570.el9``."""
        return wanted in (self.name, f"{self.name}-{self.version}", f"{self.name}-{self.version}.{self.arch}")


def installed(run: Runner, family: str, patterns: Sequence[str]) -> list[Package]:
    """Every installed package whose name matches one of the shell patterns; one process."""
    if family == "debian":
        argv: tuple[str, ...] = ("dpkg-query", "-W", "-f", _DPKG_FORMAT, *patterns)
        rc, out, err = run(argv, None, 60.0)
        # Exit code 1 only says that some pattern matches nothing.
        if rc > 1 or (rc == 1 and any("no packages found" not in line for line in err.splitlines() if line.strip())):
            raise ToolError("list the installed packages", argv, rc, out, err)
    else:
        argv = ("rpm", "-qa", "--qf", _RPM_FORMAT, *patterns)
        rc, out, err = run(argv, None, 60.0)
        if rc != 0:
            raise ToolError("list the installed packages", argv, rc, out, err)
    return parse_installed(out)


def parse_installed(out: str) -> list[Package]:
    """Lines of name, version, architecture and state; what is only configured or wanted is left out."""
    found = []
    for line in out.splitlines():
        fields = line.split("\t")
        status = _STATUS.fullmatch(fields[3]) if len(fields) == 4 else None
        if status is None:
            raise UnknownOutput("the package manager", "the installed packages", line)
        if status["there"] in "nc":
            continue
        whole = status["there"] == "i" and status["error"] != "R"
        found.append(Package(fields[0], fields[1], fields[2], status["want"] == "h", whole))
    return found


def parse_versionlock(text: str) -> frozenset[str]:
    """Names that dnf's versionlock.list keeps at their versions (``kernel-core-0:5.14.0-570.el9.*``)."""
    lines = (line.strip() for line in text.splitlines())
    matches = (_LOCK.match(line) for line in lines if line and not line.startswith(("#", "!")))
    return frozenset(match["name"] for match in matches if match)


def version_pattern(version: str) -> str:
    """A version as the user gives it, as a pattern: ``2.17.0`` stands for every build of that release."""
    return version if any(sign in version for sign in "-*?[") else f"{version}-*"


def is_version(found: str, wanted: str) -> bool:
    """Whether an installed version is the wanted one; no wish is met by all. An epoch counts only when it is given."""
    pattern = version_pattern(wanted)
    bare = found if ":" in wanted else found.partition(":")[2] or found
    return not wanted or fnmatchcase(bare, pattern) or bare == wanted


def candidates(run: Runner, family: str, names: Sequence[str]) -> dict[str, str]:
    """The version that an installation would take now, for those of ``names`` that any source offers."""
    if family == "debian":
        argv: tuple[str, ...] = ("apt-cache", "policy", *names)
        rc, out, err = run(argv, None, 60.0)
        if rc != 0:
            raise ToolError("ask apt for available packages", argv, rc, out, err)
        return parse_policy(out)
    argv = (
        "dnf",
        "-q",
        "repoquery",
        "--available",
        "--latest-limit=1",
        "--qf",
        "%{name}\t%{version}-%{release}\n",
        *names,
    )
    rc, out, err = run(argv, None, 300.0)
    if rc != 0:
        raise ToolError("ask dnf for available packages", argv, rc, out, err)
    return dict(_pair(line) for line in out.splitlines() if line.strip())


def parse_policy(out: str) -> dict[str, str]:
    """``apt-cache policy``: a paragraph for each package; ``(none)`` where no source has it."""
    found: dict[str, str] = {}
    name = ""
    for line in out.splitlines():
        if line and not line[0].isspace():
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:"):
            version = line.partition(":")[2].strip()
            if name and version != "(none)":
                found[name] = version
    return found


def _pair(line: str) -> tuple[str, str]:
    name, tab, version = line.partition("\t")
    if not tab:
        raise UnknownOutput("dnf repoquery", "available packages", line)
    return name, version


def matching(packages: Iterable[Package], patterns: Sequence[str]) -> list[Package]:
    """Those whose names match one of the shell patterns."""
    return [package for package in packages if any(fnmatchcase(package.name, pattern) for pattern in patterns)]


_FILE = {
    "debian": re.compile(r"(?P<name>[^_/]+)_(?P<version>[^_/]+)_[^_/]+\.deb\Z"),
    "rpm": re.compile(r"(?P<name>.+)-(?P<version>[^-]+-[^-]+)\.(?P<arch>[^.]+)\.rpm\Z"),
}


def package_files(names: Iterable[str], family: str, wanted: Sequence[str], version: str) -> dict[str, str]:
    """Which of a folder's file names carries each wanted package, the highest version that fits ``version``."""
    shape = _FILE["debian" if family == "debian" else "rpm"]
    found: dict[str, tuple[list[tuple[int, str]], str]] = {}
    for filename in names:
        match = shape.match(filename)
        if match is None or filename.endswith(".src.rpm"):
            continue
        there = Package(match["name"], match["version"].replace("%3a", ":"), match.groupdict().get("arch") or "")
        for name in wanted:
            if there.answers(name) and is_version(there.version, version):
                found[name] = max(found.get(name, ([], "")), (_ordered(there.version), filename))
    return {name: filename for name, (_order, filename) in found.items()}


def _ordered(version: str) -> list[tuple[int, str]]:
    """Numbers in a version compare as numbers; good enough among builds of one package."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.findall(r"\d+|[a-zA-Z]+", version)]
