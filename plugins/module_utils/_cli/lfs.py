# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""``lfs``: how full a mounted file system is, as its clients see it, and projects of directories.

``lfs df`` shows only the targets that answer, with exit code 0 (observed on 2.17.0): a
target that is missing in it is one that is down.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._errors import ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

_ROW = re.compile(
    r"(?P<uuid>\S+?)(?:_UUID)? +(?P<total>\d{1,19}) +(?P<used>\d{1,19}) +(?P<free>\d{1,19}) +(?P<share>\d+%|-) +"
    r"(?P<path>/.*?)(?:\[(?P<kind>MDT|OST):(?P<index>\d+)(?P<flags>[^\]]*)\])?$"
)
_SUMMARY = re.compile(r"filesystem_summary: +(\d{1,19}) +(\d{1,19}) +(\d{1,19}) +\S+ +(/.*)$")
_PROJECT = re.compile(r" *(?P<id>\d{1,10}) (?P<flag>[P-]) (?P<path>/.*)\Z")
_INACTIVE = re.compile(r"(?P<uuid>\S+?)(?:_UUID)? *: (?P<why>.+)$")


@dataclass(frozen=True)
class TargetUsage:
    """One target of a mounted file system; sizes in KiB."""

    label: str
    total_kb: int
    used_kb: int
    available_kb: int


@dataclass(frozen=True)
class Usage:
    """A mounted file system: its targets that answer, those that do not with the reason, and the sum over its OSTs."""

    path: str
    targets: tuple[TargetUsage, ...]
    inactive: dict[str, str]
    total_kb: int
    used_kb: int
    available_kb: int


def parse_df(text: str) -> Usage:
    """``lfs df PATH``."""
    rows, inactive = [], {}
    total: tuple[int, int, int, str] | None = None
    for line in text.splitlines():
        if not line.strip() or line.startswith("UUID "):
            continue
        summary, row, silent = _SUMMARY.match(line), _ROW.match(line), _INACTIVE.match(line)
        if summary:
            total = (int(summary[1]), int(summary[2]), int(summary[3]), summary[4])
        elif row:
            rows.append(TargetUsage(row["uuid"], int(row["total"]), int(row["used"]), int(row["free"])))
        elif silent:
            inactive[silent["uuid"]] = silent["why"].strip()
        else:
            raise UnknownOutput("lfs df", "the usage of a file system", line)
    if total is None:
        raise UnknownOutput("lfs df", "the usage of a file system (there is no summary)", text)
    return Usage(total[3], tuple(rows), inactive, *total[:3])


def df(run: Runner, path: str, timeout: float = 30.0) -> Usage:
    """How full the file system mounted at ``path`` is; ToolTimeout when its MDT0000 does not answer."""
    argv = ("lfs", "df", path)
    rc, out, err = run(argv, None, timeout)
    if rc != 0:
        raise ToolError(f"see how full {path} is", argv, rc, out, err, code=rc)
    return parse_df(out)


class Project(NamedTuple):
    """The project of a directory, and whether what is made in it inherits it."""

    id: int
    inherit: bool


def parse_projects(text: str) -> dict[str, Project]:
    """``lfs project -d PATH...``: a line for each path."""
    found: dict[str, Project] = {}
    for line in text.splitlines():
        match = _PROJECT.match(line)
        if match is None:
            raise UnknownOutput("lfs project", "projects of directories", line)
        found[match["path"]] = Project(int(match["id"]), match["flag"] == "P")
    return found


def projects(run: Runner, paths: Sequence[str], timeout: float = 60.0) -> dict[str, Project]:
    """The projects of directories that exist, one process; every path has one."""
    argv = ("lfs", "project", "-d", *paths)
    rc, out, err = run(argv, None, timeout)
    found = parse_projects(out) if rc == 0 else {}
    if rc != 0 or set(found) != set(paths):
        raise ToolError("look at projects", argv, rc, out, err, code=rc)
    return found


def set_project(path: str, project: int) -> tuple[str, ...]:
    """Gives a directory a project, for itself and for what will be made in it; what is in it already keeps its own."""
    return ("lfs", "project", "-p", str(project), "-s", path)


class Stripe(NamedTuple):
    """The object of a file on one OST: the OST's index, and the object's FID (``0x240000400:0x3:0x0``)."""

    ost: int
    fid: str


_STRIPE = re.compile(
    r"^ +- l_ost_idx: (?P<ost>\d{1,5})\n +l_fid: +(?P<fid>0x[0-9a-f]{1,16}:0x[0-9a-f]{1,8}:0x[0-9a-f]{1,8})$", re.M
)
_PLAIN = re.compile(r"lmm_stripe_count: +(?P<count>\d{1,5})$", re.M)


def parse_stripes(text: str) -> list[Stripe]:
    """The objects that ``lfs getstripe -y`` shows of a file; UnknownOutput when they are not as many as it says."""
    found = [Stripe(int(match["ost"]), match["fid"]) for match in _STRIPE.finditer(text)]
    if not text.startswith(("lmm_", "lcm_")) or text.count("l_ost_idx") != len(found):
        raise UnknownOutput("lfs getstripe -y", "the objects of a file", text)
    plain = _PLAIN.match(text)
    if plain and int(plain["count"]) != len(found):
        raise UnknownOutput("lfs getstripe -y", "the objects of a file", text)
    return found


def stripes(run: Runner, path: str, timeout: float = 60.0) -> list[Stripe]:
    """The objects of a file that is there."""
    argv = ("lfs", "getstripe", "-y", path)
    rc, out, err = run(argv, None, timeout)
    if rc != 0:
        raise ToolError(f"see on which OST {path} lies", argv, rc, out, err, code=rc)
    return parse_stripes(out)


def make_striped(run: Runner, path: str, ost: int | None = None, timeout: float = 60.0) -> None:
    """Make an empty file with one object, on a given OST or on one that the MDS chooses; an existing one is an error.

    A layout of its own: with that of the directory its beginning could lie on an MDT.
    """
    argv = ("lfs", "setstripe", "-c", "1", *(() if ost is None else ("-i", str(ost))), path)
    rc, out, err = run(argv, None, timeout)
    if rc != 0:
        raise ToolError(f"make the file {path} with one object", argv, rc, out, err, code=rc)
