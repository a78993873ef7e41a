# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a node has of the packages it needs, and whether they fit the kernel that runs. Nothing is changed.

A converged client costs two processes (the package manager, modinfo), an ldiskfs server
three more (mke2fs, and what Lustre's tools load).  What is wrong is a list of sentences with a code each, so that a role
can act on codes and a person reads sentences; what would make it right is a list of steps.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import dkms, libext2fs, mke2fs, modules, mounts, packages
from ansible_collections.lustre.core.plugins.module_utils._cli.packages import (
    Package,
    is_version,
    matching,
    package_files,
)
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError, ToolMissing
from ansible_collections.lustre.core.plugins.module_utils._plan import Step
from ansible_collections.lustre.core.plugins.module_utils._readers.basics import Basics
from ansible_collections.lustre.core.plugins.module_utils._readers.packages_want import Want, distribution
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

VERSIONLOCK = ("/etc/dnf/plugins/versionlock.list", "/etc/yum/pluginconf.d/versionlock.list")
#: The one file that names all locations that packages come from.
SOURCES = {
    "debian": "/etc/apt/sources.list.d/{}.sources",
    "redhat": "/etc/yum.repos.d/{}.repo",
    "suse": "/etc/zypp/repos.d/{}.repo",
}
MANAGERS = {"debian": "apt", "redhat": "dnf", "suse": "zypper"}
#: Where packages put Lustre's modules below /lib/modules/KERNEL; the kernel's own thousands are not searched.
_MODULE_FOLDERS = ("updates", "extra", "weak-updates", "kernel/net/lustre", "kernel/fs/lustre")


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it must be; ``code`` for roles, ``text`` for people."""

    code: str
    text: str


@dataclass
class Inspector:
    """Looks at one node; ``root`` and ``kernel`` stand for the system so that tests can say what is there."""

    run: Runner
    options: Mapping[str, Any]
    root: str = "/"
    kernel: str = field(default_factory=lambda: os.uname().release)
    problems: list[Problem] = field(default_factory=list, init=False)
    steps: list[Step] = field(default_factory=list, init=False)

    def inspect(self) -> dict[str, Any]:
        """All that the module returns."""
        system = distribution(self._read("/etc/os-release"))
        family = system["family"]
        if not family:
            raise LustreError(
                f"This node runs {system['name'] or 'a system without /etc/os-release'}, which is neither of the Debian, the Red Hat nor "
                "the SUSE family: its packages cannot be looked at. Install Lustre by your own means there."
            )
        wanted_kernel = self.options.get("kernel") or self.kernel
        want = Want.of(self.options.get("families") or {}, family, wanted_kernel)
        if want.unavailable:
            self._problem("unavailable", want.unavailable)
        there = packages.installed(self.run, family, want.patterns) if want.patterns else []
        found: dict[str, Any] = {
            "os": system,
            "kernel": self.kernel,
            "manager": MANAGERS[family],
            "mounts": self._mounts(),
            "repositories": self._repositories(system),
            "e2fsprogs": self._e2fsprogs(want),
            **self._packages(want, there),
            "files": self._files(want, family),
            **self._kernel(want, wanted_kernel),
            "dkms": self._dkms(),
            **self._held(want, there, family),
            "candidates": packages.candidates(self.run, family, self._asked(want))
            if self.options.get("candidates")
            else {},
            "basics": self._basics(),
        }
        found["problems"] = [asdict(problem) for problem in self.problems]
        found["todo"] = list(dict.fromkeys(problem.code for problem in self.problems))
        found["plan"] = [step.public() for step in self.steps]
        return found

    def _path(self, path: str) -> str:
        return os.path.join(self.root, path.lstrip("/"))

    def _read(self, path: str) -> str:
        try:
            with open(self._path(path), encoding="utf-8", errors="replace") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return ""

    def _problem(self, code: str, text: str) -> None:
        self.problems.append(Problem(code, text))

    def _step(self, action: str, thing: str, reason: str, disruptive: bool = False) -> None:
        self.steps.append(Step("package", action, thing, reason, disruptive=disruptive))

    def _basics(self) -> dict[str, Any]:
        """The checks beside packages; what of them is repaired by whoever acts on these findings is a step, too."""
        found = Basics(self.run, self._path, self.options.get("basics") or ()).inspect()
        managed = self.options.get("managed") or ()
        found["repair"] = [check for check in found["todo"] if check in managed]
        for check, reason in zip(found["todo"], found["warnings"]):
            if check in managed:
                self._step("repair", check, reason)
        return found

    def _asked(self, want: Want) -> tuple[str, ...]:
        return (*want.e2fsprogs, *want.requires, *want.packages)

    def _mounts(self) -> list[str]:
        return [entry.path for entry in mounts.parse_mounts(self._read(mounts.TABLE)) if entry.lustre]

    # What is installed

    def _repositories(self, system: Mapping[str, str]) -> list[dict[str, Any]]:
        """A location is as wanted when the file of package sources names it (apt: ``URIs: X``, the others: ``baseurl=X``)."""
        path = SOURCES[system["family"]].format(self.options.get("repository_file") or "lustre")
        words = self._read(path).replace("baseurl=", " ").split()
        found = []
        for uri in self.options.get("repositories") or ():
            uri = uri.replace("{distribution}", system["distribution"]).replace(
                "{distribution_major}", system["distribution_major"]
            )
            found.append({"uri": uri, "file": path, "current": uri in words})
            if not found[-1]["current"]:
                self._problem("repository", f"The package source {uri} is not configured in {path}.")
                self._step("configure", path, f"packages come from {uri}")
        return found

    def _packages(self, want: Want, there: Sequence[Package]) -> dict[str, Any]:
        version = self.options.get("version") or ""
        opposite = [package.name for package in matching(there, want.opposite)]
        if opposite:
            self._problem("opposite", f"Packages that exclude the wanted ones are installed: {', '.join(opposite)}.")
            for name in opposite:
                self._step("remove", name, "it excludes the packages wanted here", disruptive=True)
        missing, wrong, broken = [], [], []
        for name in self._asked(want):
            package = next((package for package in there if package.answers(name)), None)
            if package is None:
                missing.append(name)
            elif not package.whole:
                broken.append(name)
            elif name in want.packages and not is_version(package.version, version):
                wrong.append({"name": name, "installed": package.version, "wanted": version})
        if missing:
            self._problem("missing", f"Packages are not installed: {', '.join(missing)}.")
        if broken:
            self._problem("broken", f"Packages are only half installed: {', '.join(broken)}.")
        if wrong:
            told = ", ".join(f"{entry['name']} {entry['installed']}" for entry in wrong)
            self._problem("version", f"Packages have another version than {version}: {told}.")
        for name in (*missing, *broken):
            of_lustre = f" {version}" if version and name in want.packages else ""
            self._step(
                "install", name + of_lustre, "it is not installed" if name in missing else "it is only half installed"
            )
        for entry in wrong:
            self._step(
                "install",
                f"{entry['name']} {version}",
                f"the version installed is {entry['installed']}",
                disruptive=True,
            )
        return {
            "installed": {package.name: package.version for package in sorted(there, key=lambda package: package.name)},
            "wanted": list(self._asked(want)),
            "missing": missing,
            "broken": broken,
            "wrong_version": wrong,
            "opposite": opposite,
        }

    def _files(self, want: Want, family: str) -> dict[str, str]:
        """Package files in the folder that is to be installed from."""
        folder = self.options.get("directory") or ""
        if not folder:
            return {}
        try:
            names = sorted(os.listdir(self._path(folder)))
        except FileNotFoundError:
            return {}
        version = self.options.get("version") or ""
        files = package_files(names, family, want.packages, version)
        files = {**package_files(names, family, (*want.e2fsprogs, *want.requires), ""), **files}
        return {name: f"{folder.rstrip('/')}/{files[name]}" for name in self._asked(want) if name in files}

    def _e2fsprogs(self, want: Want) -> dict[str, Any]:
        if not want.e2fsprogs:
            return {"lustre_aware": None, "version": "", "library": None}
        try:
            aware, version = mke2fs.lustre_aware(self.run)
        except ToolMissing:
            aware, version = False, ""
        if not aware:
            told = f"mke2fs {version}" if version else "no mke2fs"
            self._problem(
                "e2fsprogs",
                f"This node has {told}, which does not know the feature {mke2fs.FEATURE}: no Lustre target on ldiskfs can be "
                "formatted or checked with it. Install the e2fsprogs that the Lustre project publishes.",
            )
            self._step("upgrade", ", ".join(want.e2fsprogs), f"{told} does not know the feature {mke2fs.FEATURE}")
        return {"lustre_aware": aware, "version": version, "library": self._library(want, version) if aware else None}

    def _library(self, want: Want, version: str) -> dict[str, Any] | None:
        """The libext2fs that Lustre's own tools load; None while they are not installed."""
        try:
            library = libext2fs.loaded(self.run, self.root)
        except ToolMissing:
            return None
        if library is None:
            return None
        if not library.lustre_aware:
            loaded = (
                f"{library.path} (version {library.version})"
                if library.path
                else "none, since the loader finds no libext2fs"
            )
            self._problem(
                "e2fsprogs",
                f"mke2fs {version} of this node knows the feature {mke2fs.FEATURE}, but the libext2fs that tunefs.lustre and mount.lustre load "
                f"does not: it is {loaded}. A target that is formatted here could then not be read, and a healthy MDT would be called not "
                "formatted. Install the libraries of the same e2fsprogs that the Lustre project publishes (package libext2fs2 or "
                "e2fsprogs-libs), and take any other libext2fs out of the loader's way (`ldconfig -p`, LD_LIBRARY_PATH, /usr/local/lib); "
                "`ldd` on mount_osd_ldiskfs.so in Lustre's folder of libraries shows which is loaded. Do not wipe anything because of it.",
            )
            self._step("upgrade", ", ".join(want.e2fsprogs), f"the libext2fs that Lustre loads is {loaded}")
        return library._asdict()

    # The kernel

    def _kernel(self, want: Want, wanted: str) -> dict[str, Any]:
        """The modules for the running kernel, or that another is to run, and which one a reboot should bring (empty: none)."""
        if wanted != self.kernel:
            self._problem("kernel", f"This node runs the kernel {self.kernel}, and is to run {wanted}.")
            self._step("boot", wanted, f"the kernel {self.kernel} runs", disruptive=True)
            nothing: dict[str, Any] = {"fit": None, "missing": [], "version": "", "built_for": [], "bootable": []}
            return {"modules": nothing, "boot": wanted if self._boots(wanted) else ""}
        found = self._modules(want)
        return {"modules": found, "boot": found["bootable"][0] if found["bootable"] else ""}

    def _modules(self, want: Want) -> dict[str, Any]:
        names = list(self.options.get("modules") or ())
        if not names:
            return {"fit": None, "missing": [], "version": "", "built_for": [], "bootable": []}
        try:
            files = modules.installed(self.run, names)
        except ToolMissing:
            files = []
        fitting = {_plain(module.name) for module in files if module.fits(self.kernel)}
        missing = [name for name in names if _plain(name) not in fitting]
        others = self._built_for(names) if missing else []
        bootable = [kernel for kernel in others if kernel != self.kernel and self._boots(kernel)]
        if missing:
            self._problem("modules", self._misfit(missing, others, bootable, want))
        version = next((module.version for module in files if module.version), "")
        return {"fit": not missing, "missing": missing, "version": version, "built_for": others, "bootable": bootable}

    def _misfit(self, missing: Sequence[str], others: Sequence[str], bootable: Sequence[str], want: Want) -> str:
        text = f"Lustre's kernel modules {', '.join(missing)} are not there for the running kernel {self.kernel}."
        if not others:
            return f"{text} They are there for no other kernel either: install packages built for {self.kernel}, or let DKMS build them."
        if self.kernel in others:
            return (
                f"{text} Files of them are in /lib/modules/{self.kernel}, but modinfo does not find them or they name another kernel: "
                "run `depmod -a`, and look with `modinfo lustre` for which kernel they were built."
            )
        own = [name for name in want.packages if self.kernel in name]
        instead = f"install packages built for {self.kernel}" + (f" ({', '.join(own)})" if own else "")
        boot = f"boot {bootable[0]}, which is installed, or " if bootable else ""
        return f"{text} They are there for {', '.join(others)}: {boot}{instead}, or let DKMS build them."

    def _built_for(self, names: Sequence[str]) -> list[str]:
        """Kernels whose folders hold a file of each module."""
        top = self._path("/lib/modules")
        try:
            kernels = sorted(os.listdir(top))
        except FileNotFoundError:
            return []
        wanted = {_plain(name) for name in names}
        return [kernel for kernel in kernels if wanted <= _module_files(os.path.join(top, kernel))]

    def _boots(self, kernel: str) -> bool:
        places = (f"/boot/vmlinuz-{kernel}", f"/lib/modules/{kernel}/vmlinuz")
        return any(os.path.exists(self._path(place)) for place in places)

    def _dkms(self) -> list[dict[str, Any]]:
        """Builds for the running kernel; the log's end where one is missing."""
        if not self.options.get("dkms"):
            return []
        try:
            builds = dkms.status(self.run)
        except ToolMissing:
            builds = []
        shown = []
        for name, version in dict.fromkeys((build.name, build.version) for build in builds):
            mine = [
                build for build in builds if (build.name, build.version, build.kernel) == (name, version, self.kernel)
            ]
            state = mine[0].state if mine else "not built"
            log, tail = dkms.log_of(name, version, self._path(dkms.TREE)) if state != "installed" else ("", [])
            shown.append({"name": name, "version": version, "state": state, "log": log, "log_tail": tail})
            if state != "installed":
                self._problem("dkms", _dkms_text(name, version, self.kernel, state, log, tail))
        return shown

    def _held(self, want: Want, there: Sequence[Package], family: str) -> dict[str, Any]:
        """The running kernel's packages, by whether the package manager keeps them at their version."""
        kernels = matching(there, want.kernel)
        if family == "redhat":
            kernels = [package for package in kernels if f"{package.version}.{package.arch}" == self.kernel]
            locked = packages.parse_versionlock("\n".join(self._read(path) for path in VERSIONLOCK))
        else:
            locked = frozenset(package.name for package in kernels if package.held)
        unheld = sorted({package.name for package in kernels} - locked)
        if unheld:
            self._problem("held", f"The kernel's packages are not held at their version: {', '.join(unheld)}.")
        for name in unheld:
            self._step("hold", name, "Lustre's modules fit this kernel only")
        names = {package.name for package in kernels}
        # A lock of dnf's names version and release, too.
        return {
            "held": sorted(locked & names),
            "unheld": unheld,
            "kernel_packages": {p.name: p.version for p in kernels},
        }


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _module_files(folder: str) -> set[str]:
    """Names of the modules below one kernel's folder that are not the kernel's own."""
    found = set()
    for place in _MODULE_FOLDERS:
        for _top, _folders, files in os.walk(os.path.join(folder, place)):
            found |= {_plain(name.partition(".ko")[0]) for name in files if ".ko" in name}
    return found


def _dkms_text(name: str, version: str, kernel: str, state: str, log: str, tail: Sequence[str]) -> str:
    text = f"DKMS has not built {name} {version} for the running kernel {kernel} (its state: {state})."
    if log:
        text += f" The end of {log}:\n" + "\n".join(tail)
    else:
        text += " There is no make.log of it: are the headers of this kernel installed?"
    return f"{text}\nAfter that is repaired: `dkms install {name}/{version} -k {kernel}`."
