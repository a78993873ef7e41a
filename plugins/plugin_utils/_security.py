# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the playbooks of security ask: who makes which shared key, and in which stages rules come into force.

A rule that speaks of all connections at once would reach clients and servers at the same
moment.  So it comes in stages: servers among themselves, then clients, by rules of single
directions that win over the one described; last the described rules, after which the others
go and nothing changes any more.
"""

from __future__ import annotations

import posixpath
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.lustre.core.plugins.module_utils._cli import srpc
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue
from ansible_collections.lustre.core.plugins.module_utils._resources.flavor_want import rules_from_options
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key_want import NEXT
from ansible_collections.lustre.core.plugins.plugin_utils._site import slice as site_slice

_STAGES = (
    ("servers among themselves", ("mdt2mdt", "mdt2ost")),
    ("clients", ("cli2mdt", "cli2ost")),
)


def identity(key: Mapping[str, Any]) -> str:
    """Files with the same secret have the same one: that of a file system or of an MGS, for one nodemap."""
    of = key.get("fsname") or "MGS " + ",".join(sorted(key.get("mgs_nids") or ()))
    return f"{of} {key.get('nodemap') or 'default'}"


def ssk_sources(
    filesystems: Any,
    servers: Sequence[str],
    hostvars: Mapping[str, Any],
    lnet: Any = None,
    kerberos: Any = None,
    only: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """For each secret the server that makes it: the first in the order given that holds it as a server.

    ``only``: file systems; those of an MGS are left out then.  Each entry: host, identity, key (options of ssk_key), others (the
    other servers that hold it, each with host and key).
    """
    found: dict[str, dict[str, Any]] = {}
    for host in dict.fromkeys(servers):
        keys = site_slice.node_state(filesystems, host, hostvars, None, lnet, kerberos=kerberos).get("ssk_keys", [])
        for key in keys:
            serves = {"server", "mgs"}.intersection(key["types"])
            if not serves or not (only is None or key.get("fsname") in only):
                continue
            if identity(key) in found:
                found[identity(key)]["others"].append({"host": host, "key": key})
            else:
                found[identity(key)] = {"host": host, "identity": identity(key), "key": key, "others": []}
    return list(found.values())


def ssk_asks(sources: Iterable[Mapping[str, Any]], there: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Whom to ask for keys before any is made: by host the keys (options of ssk_key) that the server that makes them lacks.

    A server that was installed anew has lost its key, and all others have it: with a new one it would serve nobody.
    ``there``: what ssk_key, in check mode, returned for the sources in a loop.
    """
    found: dict[str, list[Any]] = {}
    for source, result in zip(sources, there):
        for other in () if _exists(result, 0) else source["others"]:
            found.setdefault(other["host"], []).append(other["key"])
    return [{"host": host, "ssk_keys": keys} for host, keys in found.items()]


def ssk_settled(sources: Iterable[Mapping[str, Any]], asked: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The sources, each at a server that has the key, where only others than the one that makes it do.

    ``asked``: what ssk_key, in check mode, returned for ``ssk_asks`` in a loop.
    """
    holders: dict[str, tuple[str, Any]] = {}
    for result in asked:
        for number, key in enumerate(result["item"]["ssk_keys"]):
            if _exists(result, number):
                holders.setdefault(identity(key), (result["item"]["host"], key))
    settled = []
    for source in sources:
        host, key = holders.get(source["identity"], (source["host"], source["key"]))
        settled.append({**source, "host": host, "key": key})
    return settled


def _exists(result: Mapping[str, Any], number: int) -> bool:
    """Whether the key file of that number is there; BadValue for an answer that does not tell: it counts neither way."""
    try:
        return bool(result["state"]["files"][number]["exists"])
    except (KeyError, IndexError, TypeError):
        raise BadValue(
            "the keys of a server", "it did not tell whether it has them", "See its own message above."
        ) from None


def ssk_read(sources: Iterable[Mapping[str, Any]], results: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Contents (base64) by identity, from what slurp returned for the sources in a loop; what was not read is left out."""
    return {source["identity"]: result["content"] for source, result in zip(sources, results) if result.get("content")}


def ssk_contents(
    keys: Iterable[Mapping[str, Any]],
    contents: Mapping[str, str],
    state: str = "loaded",
    strict: bool = True,
    only: Sequence[str] | None = None,
    bare: bool = False,
) -> list[dict[str, Any]]:
    """Options of ssk_key with the content of each secret; ``strict``: one that is missing is an error, not a new key.

    ``bare``: without the attributes, to ask only whether the keys are the same.
    """
    found = []
    for key in keys:
        if only is not None and key.get("fsname") not in only:
            continue
        content = contents.get(identity(key))
        if content is None and strict:
            raise BadValue(
                f"the key {key['path']}",
                f"no server has made the key of {identity(key)}",
                "Run the playbook lustre.core.site on all servers: one of those that have the key gives it, or the first makes it.",
            )
        given = {name: key[name] for name in ("path", "types")} if bare else dict(key)
        found.append({**given, "state": state, **({"content": content} if content is not None else {})})
    return found


def staged_path(path: str) -> str:
    """Where a key waits that is to take the place of the one at this path."""
    return posixpath.join(posixpath.dirname(path), NEXT, posixpath.basename(path))


def secure_stages(flavors: Mapping[str, Any], have: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The stages from the rules that an MGS has to those described (options of flavor), those that change nothing left out.

    Each has ``name``, ``rules`` and ``purge`` (options of flavor), ``wait`` (rules that are then in force), ``mgs``
    (connections to the MGS must use their flavor before), and ``back``: the commands that undo it.
    """
    wanted = rules_from_options(flavors.get("rules") or [])
    current = {rule.name: rule for rule in rules_from_options(have)}
    files = [rule for rule in wanted if rule.target != srpc.MGS]
    own = [rule for rule in wanted if rule.target == srpc.MGS]
    stages: list[dict[str, Any]] = []
    now = dict(current)
    helpers: list[str] = []
    for name, directions in _STAGES:
        rules = [rule for rule in _directed(files, directions) if _raises(rule, now)]
        for rule in (rule for rule in rules if rule.name not in {other.name for other in wanted}):
            _check_stranger(rule, current, flavors.get("purge") or [])
        if rules:
            stages.append(_stage(name, rules, [], rules, now))
            now.update({rule.name: rule for rule in rules})
            helpers += [rule.name for rule in rules if rule.name not in {other.name for other in wanted}]
    # A run that was ended has left some: they protect what the described rules protect, and no more.
    helpers += [name for name in _leftovers(files, current) if name not in helpers]
    purge = [target for target in flavors.get("purge") or [] if target != srpc.MGS]
    if _differs(files, now, [*purge, *helpers]):
        stages.append(_stage("as described", files, [*purge, *helpers], files, now))
    purge = [target for target in flavors.get("purge") or [] if target == srpc.MGS]
    if _differs(own, now, purge):
        stages.append({**_stage("connections to the MGS", own, purge, own, now), "mgs": True})
    return [{**stage, "allow_ineffective": bool(flavors.get("allow_ineffective"))} for stage in stages]


def _check_stranger(helper: srpc.Rule, now: Mapping[str, srpc.Rule], purge: Sequence[str]) -> None:
    """A rule that nobody describes, and that protects more, is not written over by one that only helps on the way."""
    found = now.get(helper.name)
    gone = not {helper.name, helper.target, helper.fsname}.isdisjoint(purge)
    if found is not None and not gone and srpc.weaker(helper.flavor, found.flavor):
        raise BadValue(
            f"the flavors of {helper.fsname}",
            f"the MGS has the rule {found.name}={found.flavor}, which is not described, and {helper.flavor} is described for these connections",
            f"Describe it (flavors: {{{found.direction}: {found.flavor}}}), or say purge_flavors: true if it is to go.",
        )


def _directed(rules: Sequence[srpc.Rule], directions: Sequence[str]) -> list[srpc.Rule]:
    """What the described rules give whole file systems in these directions, as rules of their own."""
    names = dict.fromkeys(rule.target for rule in rules if rule.target == rule.fsname)
    found = []
    for target in names:
        for direction in directions:
            flavor = _effective([rule for rule in rules if rule.target == target], target, direction)
            if flavor is not None:
                found.append(srpc.Rule(target, flavor, direction=direction))
    return found


def _effective(rules: Iterable[srpc.Rule], target: str, direction: str) -> str | None:
    fitting = [
        rule
        for rule in rules
        if rule.target == target and rule.network == srpc.ANY_NETWORK and rule.direction in ("", direction)
    ]
    return max(fitting, key=lambda rule: rule.specific).flavor if fitting else None


def _raises(rule: srpc.Rule, now: Mapping[str, srpc.Rule]) -> bool:
    """Does it ask for credentials that are not asked for now?  What protects less cuts nobody off."""
    found = _effective(now.values(), rule.target, rule.direction) or "null"
    return found != rule.flavor and srpc.mechanism(rule.flavor) != ""


def _leftovers(wanted: Sequence[srpc.Rule], current: Mapping[str, srpc.Rule]) -> list[str]:
    names = {rule.name for rule in wanted}
    helpers = [rule for _name, directions in _STAGES for rule in _directed(wanted, directions)]
    return [
        rule.name
        for rule in helpers
        if rule.name not in names and rule.name in current and current[rule.name].flavor == rule.flavor
    ]


def _differs(rules: Sequence[srpc.Rule], now: Mapping[str, srpc.Rule], purge: Sequence[str]) -> bool:
    names = {rule.name for rule in rules}
    if any(now.get(rule.name) is None or now[rule.name].flavor != rule.flavor for rule in rules):
        return True
    return any(
        name not in names and (name in purge or rule.target in purge or rule.fsname in purge)
        for name, rule in now.items()
    )


def _stage(
    name: str,
    rules: Sequence[srpc.Rule],
    purge: Sequence[str],
    wait: Sequence[srpc.Rule],
    now: Mapping[str, srpc.Rule],
) -> dict[str, Any]:
    back = [
        f"lctl conf_param {rule.name}={now[rule.name].flavor}"
        if rule.name in now
        else f"lctl conf_param -d {rule.name}"
        for rule in rules
        if rule.name not in now or now[rule.name].flavor != rule.flavor
    ]
    back += [
        f"lctl conf_param {rule.name}={rule.flavor}"
        for rule in now.values()
        if rule.name not in {other.name for other in rules}
        and (rule.name in purge or rule.target in purge or rule.fsname in purge)
    ]
    return {
        "name": name,
        "rules": [_options(rule) for rule in rules],
        "purge": list(purge),
        "wait": [_options(rule) for rule in wait],
        "mgs": False,
        "back": back,
    }


def _options(rule: srpc.Rule) -> dict[str, str]:
    return {"target": rule.target, "network": rule.network, "direction": rule.direction, "flavor": rule.flavor}
