# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs of a host that can be stopped at the door: before they begin, or when they have ended but nobody knows yet.

A test then acts at exactly that moment (kills a run, swaps a link, cuts the power) however fast the machine is. Each
call is written down as well, so that a test can prove that a program was never started.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Iterator

from .rehearsed import Rehearsed

FOLDER = "/run/turnstile"
#: Where the collection and a login shell look first.
PLACE = "/usr/local/sbin"
_STAND_IN = "/usr/local/lib/turnstile"
CALLS = f"{FOLDER}/calls"
HELD = f"{FOLDER}/held"

#: The stand-in of every program. A hold lets NUMBER - 1 calls through and is used up by the one that it stops.
_PROGRAM = f"""#!/bin/sh
line="${{0##*/}} $*"
hold() {{
    [ -e {FOLDER}/$1 ] || return 0
    {{ read -r number; read -r pattern; }} <{FOLDER}/$1
    case $line in $pattern) ;; *) return 0 ;; esac
    if [ "$number" -gt 1 ]; then printf '%s\\n%s\\n' $((number - 1)) "$pattern" >{FOLDER}/$1; return 0; fi
    mv {FOLDER}/$1 {HELD} 2>/dev/null || return 0
    while [ -e {HELD} ]; do sleep 0.02; done
}}
[ -d {FOLDER} ] || mkdir {FOLDER}
real=$(PATH=/usr/sbin:/usr/bin:/sbin:/bin command -v "${{0##*/}}") || exit 127
echo "$line" >>{CALLS}
hold before
"$real" "$@"
code=$?
hold after
exit $code
"""
#: apt starts dpkg by its whole path, and tells it where to look for others; both can be told.
_APT = f'Dir::Bin::dpkg "{PLACE}/dpkg"; DPkg::Path "{PLACE}:/usr/sbin:/usr/bin:/sbin:/bin";'


class Turnstile:
    """The doors of one host."""

    def __init__(self, site: Rehearsed, host: str) -> None:
        self.site, self.host = site, host

    def install(self, programs: Iterable[str]) -> None:
        """Put stand-ins before programs; those that packages bring later are found when they are called."""
        names = list(programs)
        made = f"printf %s {shlex.quote(_PROGRAM)} >{_STAND_IN} && chmod 755 {_STAND_IN}"
        links = [f"ln -sf {_STAND_IN} {PLACE}/{name}" for name in names]
        apt = [f"echo {shlex.quote(_APT)} >/etc/apt/apt.conf.d/99turnstile"] if "dpkg" in names else []
        self._sh(" && ".join([made, *links, *apt]))

    def lie(self, program: str, text: str) -> None:
        """Any program in another's place."""
        place = f"{PLACE}/{program}"
        self._sh(f"rm -f {place} && printf %s {shlex.quote(text)} >{place} && chmod 755 {place}")

    def remove(self, program: str) -> None:
        self._sh(f"rm -f {PLACE}/{program}")

    def hold(self, pattern: str, side: str = "before", number: int = 1) -> None:
        """Stop the NUMBER-th call whose words match a shell pattern: ``mkfs.lustre *scsi-ost1``."""
        assert side in ("before", "after")
        self._sh(
            f"mkdir -p {FOLDER} && rm -f {HELD} && printf '%s\\n%s\\n' {number} {shlex.quote(pattern)} >{FOLDER}/{side}"
        )

    def wait(self, seconds: float = 200.0) -> None:
        """Until a call stands at the door."""
        waiting = f"timeout {seconds:g} sh -c 'until [ -e {HELD} ]; do sleep 0.05; done' || echo none"
        assert not self._sh(waiting, seconds + 20), (
            f"{self.host}: within {seconds:g} s nobody came; {self.calls()[-5:]}"
        )

    def release(self) -> None:
        """Let everybody through, now and later."""
        self._sh(f"rm -f {FOLDER}/before {FOLDER}/after {HELD}", code=None)

    @contextlib.contextmanager
    def held(self, pattern: str, side: str = "before", number: int = 1) -> Iterator[None]:
        self.hold(pattern, side, number)
        try:
            yield
        finally:
            self.release()

    def calls(self) -> list[str]:
        """What was called since the last ``forget``, each with its words."""
        return self._sh(f"cat {CALLS} 2>/dev/null", code=None).splitlines()

    def forget(self) -> None:
        self._sh(f"rm -f {CALLS}")

    def _sh(self, command: str, limit: float = 120.0, code: int | None = 0) -> str:
        return self.site.sh(self.host, command, code=code, limit=limit)
