# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Directories of a file system that must be there before others mount them by themselves.

They are made only inside the mount of the very file system they belong to: in the mount
point of one that is not mounted they would fill the node's own disk, unseen.
"""

from __future__ import annotations

import grp
import posixpath
import pwd
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import lfs, mounts
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._options import require_known
from ansible_collections.lustre.core.plugins.module_utils._plan import Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

KIND = "directory"
#: A directory of a file system whose servers are away makes stat wait.
TIMEOUT = 60.0
_KNOWN = ("fsname", "path", "owner", "group", "mode", "project")
_LINE = re.compile(r"(?P<mode>[0-9a-f]{1,8}) (?P<uid>\d{1,10}) (?P<gid>\d{1,10}) (?P<path>/.*)\Z")
_GONE = re.compile(r"(?:\S*/)?stat: cannot statx? '(?P<path>/.*)': (?:No such file or directory|Not a directory)\Z")


class Seen(NamedTuple):
    """What is at a path: type and permission bits, owner, group."""

    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class DirectoryWant:
    fsname: str
    path: str
    owner: str = "root"
    group: str = "root"
    mode: int = 0o755
    #: Project id that it has and hands on, None for whatever it is.
    project: int | None = None

    @property
    def object(self) -> str:
        return f"{self.path} of {self.fsname}"

    @classmethod
    def from_options(cls, options: Mapping[str, Any], path: str) -> DirectoryWant:
        require_known(options, _KNOWN, path)
        text = str(options.get("path") or "")
        if not re.match(r"/[^/\x00-\x1f\x7f]", text) or posixpath.normpath(text) != text:
            raise BadValue(
                f"{path}.path", f"{text!r} is not a plain absolute path", "Give one such as /mnt/fs1/projects."
            )
        fsname = str(options.get("fsname") or "")
        if not fsname:
            raise BadValue(f"{path}.fsname", "is missing", "Name the file system that the directory belongs to.")
        mode = options.get("mode") or "0755"
        if not isinstance(mode, str) or not re.fullmatch(r"[0-7]{3,4}", mode):
            raise BadValue(f"{path}.mode", f"{mode!r} is not an octal mode in quotes", 'Write one such as "0755".')
        names = {key: str(options.get(key) or "root") for key in ("owner", "group")}
        project = options.get("project")
        if project is not None and (isinstance(project, bool) or not re.fullmatch(r"[1-9]\d{0,9}", str(project))):
            raise BadValue(f"{path}.project", f"{project!r} is no project id", "Give a whole number from 1 on.")
        wanted = None if project is None else int(project)
        return cls(fsname, text, names["owner"], names["group"], int(mode, 8), wanted)


@dataclass(frozen=True)
class Local:
    """What is asked of this node without a process; tests put their own functions here."""

    table: Callable[[], str] = lambda: _read(mounts.TABLE)
    uid: Callable[[str], int] = lambda name: pwd.getpwnam(name).pw_uid
    gid: Callable[[str], int] = lambda name: grp.getgrnam(name).gr_gid


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


@dataclass(frozen=True)
class DirectoryHave:
    """What is at each wanted path, and the file system it lies in (None: not in a Lustre mount)."""

    seen: Mapping[str, Seen]
    inside: Mapping[str, str | None]
    #: Of those that exist and shall have one.
    projects: Mapping[str, lfs.Project] = field(default_factory=dict)


class DirectoryResource:
    """See the Resource protocol.  ``provisional``: plans on a mount that an earlier step of the same run will make."""

    kind = KIND
    settle = 0.0

    def __init__(self, wants: Sequence[DirectoryWant], local: Local | None = None, provisional: bool = False) -> None:
        self.wants, self.local, self.provisional = tuple(wants), local or Local(), provisional
        self._by_object = {want.object: want for want in self.wants}

    @classmethod
    def from_options(
        cls, directories: Sequence[Mapping[str, Any]], path: str = "directories", provisional: bool = False
    ) -> DirectoryResource:
        wants = [DirectoryWant.from_options(options, f"{path}[{number}]") for number, options in enumerate(directories)]
        return cls(wants, provisional=provisional)

    def have(self, run: Runner) -> DirectoryHave:
        # First the look, then the table: the look is what makes an automount come.
        seen = _stat(run, [want.path for want in self.wants])
        table = mounts.parse_mounts(self.local.table())
        inside = {want.path: _filesystem_at(table, want.path) for want in self.wants}
        known = {path: found for path, found in seen.items() if inside[path] is not None}
        asked = [want.path for want in self.wants if want.project is not None and _fits(want, known, inside)]
        return DirectoryHave(known, inside, lfs.projects(run, asked, TIMEOUT) if asked else {})

    def plan(self, have: DirectoryHave) -> Plan:
        steps: list[Step] = []
        for want in self.wants:
            if have.inside[want.path] != want.fsname and not self.provisional:
                self._refuse_outside(want, have.inside[want.path])
            steps += self._steps(want, have.seen.get(want.path), have.inside[want.path] == want.fsname)
            steps += self._project_steps(want, have.projects.get(want.path))
        return Plan(tuple(steps))

    def _project_steps(self, want: DirectoryWant, found: lfs.Project | None) -> list[Step]:
        if want.project is None or found == lfs.Project(want.project, True):
            return []
        reason = f"its project is to be {want.project}"
        if found is not None:
            inherits = "" if found.inherit else ", not handed on,"
            reason = f"project {found.id}{inherits} is to be {want.project}; what is in it already keeps its own"
        argv = lfs.set_project(want.path, want.project)
        return [Step(KIND, "assign", want.object, reason, argv, timeout=TIMEOUT)]

    def _steps(self, want: DirectoryWant, seen: Seen | None, mounted: bool) -> list[Step]:
        owner = f"{want.owner}:{want.group}"
        if seen is None:
            argv = ("install", "-d", "-m", _octal(want), "-o", want.owner, "-g", want.group, "--", want.path)
            self._ids(want)
            reason = "it does not exist" if mounted else "it is made if it is missing once its file system is mounted"
            return [Step(KIND, "create", want.object, reason, argv, timeout=TIMEOUT)]
        if not stat.S_ISDIR(seen.mode):
            raise Refused(
                f"make {want.object}", "something else is there", "Look at it, and move it away if it may go."
            )
        steps = []
        if (seen.uid, seen.gid) != self._ids(want):
            reason = f"owner {seen.uid}:{seen.gid} is to be {owner}"
            steps.append(Step(KIND, "own", want.object, reason, ("chown", owner, "--", want.path), timeout=TIMEOUT))
        found = stat.S_IMODE(seen.mode)
        if found != want.mode:
            reason = f"mode {found:04o} is to be {want.mode:04o}"
            command = ("chmod", _octal(want), "--", want.path)
            steps.append(Step(KIND, "permit", want.object, reason, command, timeout=TIMEOUT))
        return steps

    def _ids(self, want: DirectoryWant) -> tuple[int, int]:
        found = []
        for noun, name, look in (("user", want.owner, self.local.uid), ("group", want.group, self.local.gid)):
            try:
                found.append(int(name) if name.isdigit() else look(name))
            except KeyError:
                raise Refused(
                    f"make {want.object}",
                    f"there is no {noun} {name} on this node",
                    "Add it here, or write its number.",
                ) from None
        return found[0], found[1]

    def _refuse_outside(self, want: DirectoryWant, found: str | None) -> None:
        what = f"it lies in the file system {found}" if found else "no Lustre file system is mounted there"
        raise Refused(f"make {want.object}", what, f"Mount {want.fsname} as a whole on this node first.")

    def public(self, have: DirectoryHave) -> Mapping[str, Any]:
        return {
            "directories": [
                _public(want, have.seen.get(want.path), have.projects.get(want.path)) for want in self.wants
            ]
        }

    def check_step(self, step: Step, run: Runner) -> None:
        """The mount may have gone since the plan was made."""
        want = self._by_object[step.object]
        found = _filesystem_at(mounts.parse_mounts(self.local.table()), want.path)
        if found != want.fsname:
            self._refuse_outside(want, found)

    def tool_error(self, step: Step, rc: int, out: str, err: str) -> ToolError:
        remedy = (
            "If root is squashed for this client, make the directory on one where it is not." if "ermi" in err else ""
        )
        return ToolError(f"{step.action} {step.object}", step.argv, rc, out, err, remedy=remedy)


def _octal(want: DirectoryWant) -> str:
    """Five digits: with fewer, chmod and install leave the set-group-ID bit that a directory has or inherits."""
    return f"{want.mode:05o}"


def _filesystem_at(table: Sequence[mounts.MountEntry], path: str) -> str | None:
    """The Lustre file system that a path lies in, by the longest mount point above it."""
    entry = mounts.deepest(table, path)
    client = entry.client if entry is not None else None
    return client.fsname if client is not None else None


def _stat(run: Runner, paths: Sequence[str]) -> dict[str, Seen]:
    """What is at the paths, links not followed; one process. A path that is missing has no entry."""
    argv = ("stat", "--printf", "%f %u %g %n\\n", "--", *paths)
    rc, out, err = run(argv, None, TIMEOUT)
    found: dict[str, Seen] = {}
    for line in out.splitlines():
        match = _LINE.match(line)
        if match is None:
            raise UnknownOutput("stat", "directories", out)
        found[match["path"]] = Seen(int(match["mode"], 16), int(match["uid"]), int(match["gid"]))
    gone = {match["path"] for match in map(_GONE.match, err.splitlines()) if match}
    if set(found) | gone != set(paths) or (rc != 0) != bool(gone):
        raise ToolError("look at directories", argv, rc, out, err)
    return found


def _fits(want: DirectoryWant, seen: Mapping[str, Seen], inside: Mapping[str, str | None]) -> bool:
    """Whether there is a directory of the right file system to be asked for its project."""
    found = seen.get(want.path)
    return found is not None and stat.S_ISDIR(found.mode) and inside[want.path] == want.fsname


def _public(want: DirectoryWant, seen: Seen | None, project: lfs.Project | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": want.path, "fsname": want.fsname, "exists": seen is not None}
    if seen is not None:
        shown.update(mode=f"{stat.S_IMODE(seen.mode):04o}", owner=seen.uid, group=seen.gid)
    if project is not None:
        shown["project"] = project.id
    return shown
