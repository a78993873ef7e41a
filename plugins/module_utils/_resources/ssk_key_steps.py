# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps by which a key file comes to its place, is repaired, loaded, unloaded or removed."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from ansible_collections.lustre.core.plugins.module_utils._cli import keyring, lgss_sk
from ansible_collections.lustre.core.plugins.module_utils._plan import FileWrite, Step
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key_local import Seen
from ansible_collections.lustre.core.plugins.module_utils._resources.ssk_key_want import KeyWant

KIND = "ssk_key"
MODE = 0o600


@dataclass(frozen=True)
class Source:
    """Where a key comes from: ``generate``, ``content``, ``copy`` (of what is there) or ``staged``.

    ``convert``: its type changes, which makes a prime when a client is among the types.  ``replaces``: another
    key is there now.  ``changes``: further options of lgss_sk.  ``over``: a file is there now.
    """

    way: str
    reason: str
    convert: bool
    replaces: bool
    changes: tuple[tuple[str, str], ...] = ()
    over: bool = False


def clear(want: KeyWant) -> Step:
    return _step("clear", want.scratch, "a run that was ended has left it", ("rm", "-rf", "--", want.scratch))


def made(
    want: KeyWant, source: Source, no_folder: bool, load: bool, prime_timeout: float, to: str | None = None
) -> list[Step]:
    """Make the key in a folder that only root can enter, load it if it is to be, then move it to its place."""
    target = to or want.path
    if source.way == "staged":
        steps = [loads(target, want.staged, "the new key")] if load else []
        return [*steps, _move(want.staged, target, source), _leave(posixpath.dirname(want.staged))]
    folders = [want.folder] if no_folder else []
    folders += [want.scratch] if to is None else [want.scratch, posixpath.dirname(target)]
    reason = "a key is made there, out of the sight of others and of mounts"
    steps = [_step("prepare", want.scratch, reason, ("install", "-d", "-m", "0700", "--", *folders))]
    # lgss_sk makes the prime when it writes a client's key, too
    slow = prime_timeout if "client" in want.types else lgss_sk.TIMEOUT
    if source.way == "generate":
        steps.append(_step("generate", target, source.reason, _generated(want), timeout=slow))
    elif source.way == "content":
        write = FileWrite(want.new, want.content, MODE, exact=True)
        steps.append(Step(KIND, "write", target, source.reason, write=write))
    else:
        steps.append(_step("copy", target, source.reason, ("cp", "--", want.path, want.new)))
    if source.convert or source.changes:
        words = lgss_sk.modify_words(want.new, want.types if source.convert else (), **dict(source.changes))
        reason = f"to be of type {','.join(want.types)}" if source.convert else source.reason
        if source.convert and "client" in want.types:
            reason += "; a prime is made for it, which may take minutes"
        steps.append(_step("convert", target, reason, words, timeout=slow))
    steps.append(_step("permit", target, "only root may read it", ("chmod", f"{MODE:04o}", "--", want.new)))
    if load:
        steps.append(loads(target, want.new, source.reason, source.replaces))
    return [*steps, _move(want.new, target, source), _leave(want.scratch)]


def _generated(want: KeyWant) -> tuple[str, ...]:
    crypt = next(name for name, shown in lgss_sk.CRYPT.items() if shown == (want.crypt or "ctr(aes)"))
    hmac = next(name for name, shown in lgss_sk.HMAC.items() if shown == (want.hmac or "sha256"))
    return lgss_sk.write_words(
        want.new,
        want.types,
        want.fsname or "",
        want.mgs_nids or (),
        want.nodemap or "default",
        crypt,
        hmac,
        want.key_bits or 256,
        want.prime_bits or 2048,
        want.lifetime or 604800,
    )


def _move(made_at: str, target: str, source: Source) -> Step:
    action = "replace" if source.over else "place"
    words = ("mv", "-T", "--", made_at, target)
    reason = source.reason
    if source.replaces:
        reason += "; nodes that have only the old key can make no new connections"
    return _step(action, target, reason, words, disruptive=source.replaces)


def _leave(folder: str) -> Step:
    words = ("rmdir", "--ignore-fail-on-non-empty", "--", folder)
    return _step("leave", folder, "nothing is needed there any more", words)


def repaired(path: str, seen: Seen) -> list[Step]:
    """Owner and mode of a file that is otherwise right."""
    if seen.private:
        return []
    steps = []
    if seen.uid != 0:
        steps.append(_step("own", path, f"owner is {seen.uid}, wanted root", ("chown", "root:root", "--", path)))
    if seen.mode != MODE:
        reason = f"mode is {seen.mode:04o}, wanted {MODE:04o}"
        steps.append(_step("permit", path, reason, ("chmod", f"{MODE:04o}", "--", path)))
    return steps


def loads(target: str, made_at: str, reason: str, replaces: bool = False) -> Step:
    return _step("load", target, reason, lgss_sk.load_words(made_at), disruptive=replaces)


def unloads(path: str, description: str) -> Step:
    reason = f"{description} is loaded"
    return _step("unload", path, reason, keyring.purge_words(description), disruptive=True)


def removes(path: str) -> Step:
    reason = "it is to be absent, and the consent names it"
    return Step(KIND, "remove", path, reason, write=FileWrite(path, None), disruptive=True, destructive=True)


def _step(
    action: str,
    target: str,
    reason: str,
    argv: tuple[str, ...],
    timeout: float = lgss_sk.TIMEOUT,
    disruptive: bool = False,
) -> Step:
    return Step(KIND, action, target, reason, argv, timeout=timeout, disruptive=disruptive)
