# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Everything one node needs, in order, in one process: the resources know nothing of each other, this does.

All options are checked before anything is looked at.  Then each part is converged, the next one looks only when the one
before is done.  The first failure ends it, with what was done so far in the error.

In check mode the ground that earlier parts (or earlier tasks of the play) would have laid may be missing.  Parts then plan on
its coming (``tentative``), and one that cannot even look (no program yet, no LNet, a closed container) is returned as not
plannable yet, which counts as a change: never as nothing to do.

What not every node has (pools, targets, directories, parameters) is imported where it is made:
Ansible sends source text, which each node compiles anew, and for a client a third of it is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._engine import Resource, converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    LustreError,
    NotThereYet,
    ToolError,
    ToolMissing,
)
from ansible_collections.lustre.core.plugins.module_utils._node_values import PartResult
from ansible_collections.lustre.core.plugins.module_utils._plan import Outcome, Plan, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.firewall import FirewallResource
from ansible_collections.lustre.core.plugins.module_utils._resources.lnet import LnetResource
from ansible_collections.lustre.core.plugins.module_utils._resources.mount import MountResource
from ansible_collections.lustre.core.plugins.module_utils._resources.service import ServiceResource
from ansible_collections.lustre.core.plugins.module_utils._run import Runner

TARGET_PHASES = ("mgt", "mdt0", "mdt", "ost")
#: In the order in which they are done.  The firewall opens before LNet talks to anybody; LNet comes before its unit,
#: since the lnet part writes the unit's drop-in; keys and who makes contexts of them come before anything is mounted that
#: would wait for them; pools and containers come before the targets on them; what is to be recorded is so before clients come;
#: directories are encrypted where they are mounted.
PHASES = (
    "firewall",
    "lnet",
    "services",
    "credentials",
    "gss",
    "zpools",
    "luks",
    "params_mount",
    *TARGET_PHASES,
    "changelogs",
    "client",
    "directories",
    "client_subdir",
    "client_tenant",
    "encryption",
    "encryption_tenant",
    "params",
)
LNET_UNIT = "lnet.service"
_ACTED_ON = (
    "firewall",
    "lnet",
    "services",
    "ssk_keys",
    "gss",
    "kerberos",
    "zpools",
    "luks",
    "targets",
    "mounts",
    "changelogs",
    "directories",
    "encryption",
    "params",
    "purge_params",
    "only_paths",
)
#: What the filter node_state says about a host beside its state, and what of its state other modules look after.
_TOLD = ("roles", "filesystems", "backends", "expected", "mgs_users", "cluster_managed")
_OF_SECURITY = ("nodemaps", "flavors", "secured", "ssk_keys_gone", "apart")


@dataclass(frozen=True)
class Part:
    """One resource at its place; ``tentative`` plans in its stead in check mode: it counts on what earlier steps will make."""

    phase: str
    resource: Resource[Any]
    tentative: Resource[Any] | None = None


class NodeFailed(LustreError):
    """A part failed: the cause's own sentence and facts, where it happened, and what had been done before."""

    def __init__(
        self, cause: LustreError, phase: str, kind: str, step: Step | None, done: Sequence[PartResult], changed: bool
    ) -> None:
        self.cause, self.phase, self.kind, self.step = cause, phase, kind, step
        self.done, self.changed = tuple(done), changed
        super().__init__(f"[{phase}] {cause}")

    def facts(self) -> dict[str, object]:
        failed_at: dict[str, object] = {"phase": self.phase, "kind": self.kind}
        if self.step is not None:
            failed_at.update(action=self.step.action, object=self.step.object)
        return {
            **self.cause.facts(),
            "failed_at": failed_at,
            "results": [result.public() for result in self.done],
            "done": self.steps(),
            "changed": self.changed,
        }

    def steps(self) -> list[str]:
        """Every step that was carried out, those of the failed part included."""
        whole = [result.outcome.plan.steps for result in self.done if result.outcome.applied]
        return [f"{step.action} {step.object}" for steps in whole for step in steps] + list(self.cause.steps_done)


@dataclass
class _Builder:
    """Makes the parts and gathers what is wrong with the options, so that all of it is said at once."""

    errors: list[BadValue] = field(default_factory=list)

    def make(self, build: Callable[[], Any]) -> Any:
        try:
            return build()
        except BadValue as error:
            self.errors.append(error)
            return None


def options_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """The module's options with those inside ``want`` unpacked; BadValue for a key there that nobody knows."""
    want = params.get("want")
    if want is None:
        return dict(params)
    unknown = sorted(set(want) - set(_ACTED_ON) - set(_TOLD) - set(_OF_SECURITY))
    if unknown:
        raise BadValue(f"want.{unknown[0]}", "there is no such part of a node", f"Known are: {', '.join(_ACTED_ON)}.")
    return {**want, "phases": params.get("phases")}


def parts_of(options: Mapping[str, Any]) -> list[Part]:
    """The parts of a node's want in order; the error names every unusable value, not only the first."""
    phases = _phases(options.get("phases"))
    make = _Builder()
    lnet, pools = options.get("lnet"), options.get("zpools") or ()
    services, targets = options.get("services") or (), options.get("targets") or ()
    mounts, params, purge = options.get("mounts") or (), options.get("params") or (), options.get("purge_params") or ()
    folders, only = options.get("directories") or (), options.get("only_paths")

    firewall = options.get("firewall")
    gate = make.make(lambda: FirewallResource.from_mapping(firewall, "firewall")) if firewall is not None else None
    network = make.make(lambda: LnetResource.from_options(lnet, "lnet")) if lnet else None
    units = make.make(lambda: ServiceResource.from_options(services, "services"))
    security = make.make(lambda: _security(options)) or []
    zpool = make.make(lambda: _zpools(pools)) if pools else None
    luks = make.make(lambda: _luks(options.get("luks") or ())) or []
    target = make.make(lambda: _targets(targets)) if targets else None
    mount = make.make(lambda: _chosen(MountResource.from_options(mounts, "mounts"), only))
    changelogs = make.make(lambda: _changelogs(options.get("changelogs") or ())) or []
    directories = make.make(lambda: _directories(folders)) if folders else []
    encryption = make.make(lambda: _encryption(options.get("encryption") or ())) or []
    # All of them are checked together, so that an error names the entry by its place in the list the user wrote.
    make.make(lambda: _params("params", params, purge))
    if make.errors:
        raise make.errors[0] if len(make.errors) == 1 else LustreError("\n".join(str(error) for error in make.errors))

    parts = _down(mount, phases)
    if gate is not None:
        parts.append(Part("firewall", gate))
    if network is not None:
        parts.append(Part("lnet", network))
    if services:
        coming = [LNET_UNIT] if network is not None else []
        parts.append(Part("services", units, ServiceResource(units.wants, coming, units.exists)))
    parts += security
    if zpool is not None:
        parts.append(Part("zpools", zpool))
    parts += luks
    parts += _params("params_mount", [param for param in params if param.get("scope") == "mount"], ())
    for phase in TARGET_PHASES:
        if target is not None:
            chosen = [want for want in target.wants if _target_phase(want.kind, want.index) == phase]
            pooled = sorted(zpool.coming) if zpool is not None else ()
            opened = [want.mapping for part in luks for want in part.resource.wants]
            in_plan = type(target)(chosen, target.files, coming_pools=pooled, coming_devices=opened)
            parts.append(Part(phase, type(target)(chosen, target.files), in_plan))
        parts.append(Part(phase, _up(mount, phase)))
    parts += changelogs
    parts.append(Part("client", _up(mount, "client")))
    parts += directories
    parts += [Part(phase, _up(mount, phase)) for phase in ("client_subdir", "client_tenant")]
    parts += encryption
    parts += _params("params", [param for param in params if param.get("scope") != "mount"], purge)
    return [part for part in parts if part.phase in phases and _wants(part.resource)]


def _phases(value: Any) -> tuple[str, ...]:
    if value is None:
        return PHASES
    for number, phase in enumerate(value):
        if phase not in PHASES:
            raise BadValue(f"phases[{number}]", f"{phase!r} is not a phase", f"Choose from {', '.join(PHASES)}.")
    return tuple(value)


def _target_phase(kind: str, index: int | None) -> str:
    return "mdt0" if (kind, index) == ("mdt", 0) else kind


def _chosen(mount: MountResource, only: Sequence[str] | None) -> MountResource:
    """The mounts at the named paths are acted on; the others stay part of the order at boot."""
    if only is None:
        return mount
    unknown = sorted(set(only) - {want.path for want in mount.wants})
    if unknown:
        raise BadValue("only_paths", f"no mount is declared at {unknown[0]}", "Name paths of mounts.")
    chosen = [want for want in mount.wants if want.path in only]
    return MountResource(chosen, [want for want in mount.wants if want.path not in only], mount.local)


def _down(mount: MountResource, phases: Sequence[str]) -> list[Part]:
    """What is to go comes first, and all of it together: clients before targets, the MGS last, LNet still up."""
    going = [want for want in mount.wants if want.state in ("unmounted", "absent") and want.phase in phases]
    rest = [want for want in mount.wants if want not in going]
    return [Part(going[0].phase, MountResource(going, [*rest, *mount.also], mount.local))] if going else []


def _up(mount: MountResource, phase: str) -> MountResource:
    chosen = [want for want in mount.wants if want.phase == phase and want.state in ("mounted", "present")]
    rest = [want for want in mount.wants if want not in chosen]
    return MountResource(chosen, [*rest, *mount.also], mount.local)


def _security(options: Mapping[str, Any]) -> list[Part]:
    """Keys and the makers of contexts, on a node that is asked for them."""
    kerberos, keys, gss = options.get("kerberos"), options.get("ssk_keys"), options.get("gss")
    if not kerberos and not keys and not gss:
        return []
    from ansible_collections.lustre.core.plugins.module_utils._resources.credentials import CredentialsResource
    from ansible_collections.lustre.core.plugins.module_utils._resources.gss import GssResource

    tentative = CredentialsResource.from_options(kerberos, keys, tentative=True)
    parts = [Part("credentials", CredentialsResource.from_options(kerberos, keys), tentative)]
    if gss:
        named = {**gss, **({"fqdn": kerberos["fqdn"]} if kerberos and kerberos.get("fqdn") else {})}
        coming = GssResource.from_options(named, "gss", coming=True)
        parts.append(Part("gss", GssResource.from_options(named, "gss"), coming))
    return parts


def _zpools(pools: Sequence[Mapping[str, Any]]) -> Any:
    from ansible_collections.lustre.core.plugins.module_utils._resources.zpool import ZpoolResource

    return ZpoolResource.from_options(pools, "zpools")


def _luks(containers: Sequence[Mapping[str, Any]]) -> list[Part]:
    """Containers as far as a node can see to them: keys are the role's, the first server's containers that of its run."""
    if not containers:
        return []
    from ansible_collections.lustre.core.plugins.module_utils._resources.luks import LuksResource

    made = LuksResource.from_options(containers, "luks")
    return [Part("luks", made, LuksResource(made.wants, made.files, made.local, coming=True))]


def _targets(targets: Sequence[Mapping[str, Any]]) -> Any:
    from ansible_collections.lustre.core.plugins.module_utils._resources.target import TargetResource

    return TargetResource.from_options(targets, "targets")


def _changelogs(users: Sequence[Mapping[str, Any]]) -> list[Part]:
    if not users:
        return []
    from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user import ChangelogUserResource

    made = ChangelogUserResource.from_options(users, "changelogs")
    return [Part("changelogs", made, ChangelogUserResource(made.wants, coming=True))]


def _directories(folders: Sequence[Mapping[str, Any]]) -> list[Part]:
    from ansible_collections.lustre.core.plugins.module_utils._resources.directory import DirectoryResource

    made = DirectoryResource.from_options(folders)
    return [Part("directories", made, DirectoryResource.from_options(folders, provisional=True))]


def _encryption(directories: Sequence[Mapping[str, Any]]) -> list[Part]:
    """Encrypted directories and their units, as far as a node can see to them without keys that others have.

    Those below the mount of a tenant have a phase of their own: they wait for it, and it for its nodemap.
    """
    if not directories:
        return []
    from ansible_collections.lustre.core.plugins.module_utils._resources import (
        encryption_directories,
        encryption_units,
        encryption_want,
    )

    entries = encryption_units.policies(directories)
    # All are checked together, so that an error names the entry by its place in the list the user wrote.
    wants = encryption_want.wants_from_options(entries, "encryption")
    units = ServiceResource.from_options(encryption_units.units(directories, "encryption"))
    parts = []
    for phase, waits in (("encryption", False), ("encryption_tenant", True)):
        own = [number for number, entry in enumerate(directories) if bool(entry.get("tenant")) is waits]
        chosen, named = [wants[number] for number in own], [units.wants[number] for number in own]
        made, planned = (encryption_directories.resource_of(chosen, provisional) for provisional in (False, True))
        coming = ServiceResource(named, [want.name for want in named], units.exists)
        parts += [Part(phase, made, planned), Part(phase, ServiceResource(named, (), units.exists), coming)]
    return parts


def _params(phase: str, params: Sequence[Mapping[str, Any]], purge: Sequence[str]) -> list[Part]:
    if not params and not purge:
        return []
    from ansible_collections.lustre.core.plugins.module_utils._resources.param import ParamResource

    made = ParamResource.from_options(params, purge)
    return [Part(phase, made, ParamResource.from_options(params, purge, provisional=True))]


def _wants(resource: Any) -> bool:
    """Whether a part has anything to look after (LNet and the firewall always: they are made only when described)."""
    return bool(getattr(resource, "wants", True) or getattr(resource, "purge", ()))


class _Watched:
    """A resource that remembers which step was tried last and whether one before it was carried out."""

    def __init__(self, resource: Resource[Any]) -> None:
        self._resource = resource
        self.tried: list[Step] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resource, name)

    def check_step(self, step: Step, run: Runner) -> None:
        self.tried.append(step)
        self._resource.check_step(step, run)


def programs_coming(packages: Mapping[str, Any]) -> bool:
    """Whether what ``packages_info`` found means that the node's programs or modules are about to change."""
    return bool(set(packages.get("todo") or ()) - {"held", "repository"})


def converge_node(
    parts: Sequence[Part], run: Runner, check_mode: bool = False, coming: bool = False, **how: Any
) -> list[PartResult]:
    """Converge the parts one after the other; NodeFailed at the first that fails. ``how`` goes to the engine (tests).

    ``coming``: packages are still to be installed, so that in check mode a tool that fails is no error yet.
    """
    done: list[PartResult] = []
    for part in parts:
        pending = check_mode and (coming or any(result.changed for result in done))
        resource = part.tentative if check_mode and part.tentative is not None else part.resource
        watched = _Watched(resource)
        try:
            outcome = converge(watched, run, check_mode=check_mode, **how)
        except LustreError as error:
            early = (ToolMissing, NotThereYet, ToolError) if pending else (ToolMissing, NotThereYet)
            if check_mode and isinstance(error, early):
                unseen = Outcome(resource.kind, Plan(), {}, {})
                done.append(PartResult(part.phase, unseen, _not_yet(error, part.resource)))
                continue
            changed = not check_mode and (any(result.changed for result in done) or len(watched.tried) > 1)
            last = watched.tried[-1] if watched.tried else None
            raise NodeFailed(error, part.phase, resource.kind, last, done, changed) from error
        done.append(PartResult(part.phase, outcome))
    return done


def _not_yet(error: LustreError, resource: Any) -> str:
    """Why a part cannot be looked at, and the worst that may follow: a first plan must not hide a format."""
    now = f"{error.program} is not installed yet." if isinstance(error, ToolMissing) else f"now: {error}"
    text = f"What is to be done here can be seen only when the steps before it are done, since {now}"
    formats = [want.object for want in getattr(resource, "wants", ()) if getattr(want, "format", False)]
    if formats:
        text += f" It may format {', '.join(formats)}: the description consents, and only what is proven blank is formatted."
    return text
