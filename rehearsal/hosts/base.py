# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base root that all hosts share: Debian 12, made once by mmdebstrap and cached under a hash of its recipe."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from rehearsal.hosts import kernel
from rehearsal.hosts.errors import RehearsalError, run
from rehearsal.hosts.layout import cache_root, remove_tree
from rehearsal.packages import flat

SUITE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = "http://deb.debian.org/debian"
PACKAGES = (
    "attr", "bindfs", "chrony", "dbus", "e2fsprogs", "fuse3", "gpg", "iproute2", "iputils-ping", "kmod", "less", "lsof",
    "mount", "netbase", "nftables", "openssh-server", "procps", "psmisc", "python3", "python3-apt", "sudo", "systemd",
    "systemd-sysv", "util-linux", "util-linux-extra",
)  # fmt: skip
# What roles may install beyond that: kept as packages inside the base, since hosts reach no mirror.
OFFERED = ("fscrypt", "keyutils", "krb5-admin-server", "krb5-kdc", "krb5-kpropd", "krb5-user", "libpam-krb5")
OFFER = "srv/debian-packages"
# Nobody reads manuals in a rehearsal, and unsynced writes halve the time of every later package installation.
DPKG_OPTIONS = (
    "force-unsafe-io", "path-exclude=/usr/share/doc/*", "path-exclude=/usr/share/info/*", "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)  # fmt: skip
APT_OPTIONS = ('Acquire::Languages "none"', 'APT::Install-Recommends "false"')
# Timers that take the package lock or the disk at a moment of their own, consoles that do not exist, and the
# windows into the kernel that all hosts share.
MASKED = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "console-getty.service", "dpkg-db-backup.timer", "e2scrub_all.timer",
    "e2scrub_reap.service", "fstrim.timer", "getty@.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
    "systemd-timesyncd.service",
)  # fmt: skip
FILES = {
    # Key types that are not made would be complained about at every start.
    "etc/ssh/sshd_config.d/rehearsal.conf": "HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\nMaxStartups 100\nMaxSessions 100\n",
    # The clock is the machine's: chrony runs, is asked by roles, and never sets it.
    "etc/default/chrony": 'DAEMON_OPTS="-F 1 -x"\n',
    "etc/systemd/system/chrony.service.d/rehearsal.conf": "[Unit]\nConditionCapability=\n",
    "etc/systemd/journald.conf.d/rehearsal.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=32M\nSyncIntervalSec=1s\n",
    # No network here: packages come from local directories.
    "etc/apt/sources.list": f"deb [trusted=yes] file:/{OFFER} ./\n",
    "etc/machine-id": "",
    "etc/default/locale": "LANG=C.UTF-8\n",  # else PAM complains at every login
}
INIT = "usr/lib/rehearsal/init"
REMOVED = (
    "etc/apt/sources.list.d/*",
    "etc/ssh/ssh_host_*",
    "etc/update-motd.d/*",
    "etc/hostname",
    "var/lib/dbus/machine-id",
)


def _init_text() -> str:
    """The hosts' first process, a shell script that becomes systemd."""
    return (Path(__file__).parent / "init.sh").read_text()


@dataclass(frozen=True)
class Recipe:
    """All that decides what is in the base root."""

    packages: tuple[str, ...]

    @classmethod
    def of(cls, extra: tuple[str, ...] = ()) -> Recipe:
        return cls(tuple(sorted({*PACKAGES, *extra})))

    def text(self) -> str:
        parts = [SUITE, self.packages, OFFER, OFFERED, DPKG_OPTIONS, APT_OPTIONS, MASKED, FILES, REMOVED, _init_text()]
        return json.dumps(parts, indent=1, sort_keys=True) + "\n"

    @property
    def key(self) -> str:
        return hashlib.sha256(self.text().encode()).hexdigest()[:12]

    @property
    def directory(self) -> Path:
        return cache_root() / f"base-{self.key}"

    @property
    def root(self) -> Path:
        return self.directory / "root"


def build_argv(recipe: Recipe, target: Path, sources: Path, proxies: list[str]) -> list[str]:
    """mmdebstrap in namespaces of its own, so that its mounts and processes end with it whatever happens."""
    return [
        "unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc",
        "mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory", "--quiet",
        f"--include={','.join(recipe.packages)}",
        *(f"--dpkgopt={option}" for option in DPKG_OPTIONS),
        *(f"--aptopt={option}" for option in (*APT_OPTIONS, *proxies)),
        f"--customize-hook={_offer_hook()}",
        SUITE, str(target), str(sources),
    ]  # fmt: skip


def _offer_hook() -> str:
    """The shell line that mmdebstrap runs before it cleans up: fetch what is offered and all that it needs."""
    apt = f'apt-get --yes --quiet=2 -o Dir::Cache::archives="$1/{OFFER}/" -o APT::Sandbox::User=root'
    return (
        f'mkdir --parents "$1/{OFFER}/partial" && APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" '
        f"{apt} --no-install-recommends --download-only install {' '.join(OFFERED)}"
    )


def mirrors(apt_sources: str) -> tuple[str, str]:
    """The Debian mirror and security mirror found in the text of apt's source files, else the public ones."""
    main = security = ""
    for uri in re.findall(r"\b(?:https?|file|copy|mirror\+file)://?[^\s\]]+", _without_comments(apt_sources)):
        path = uri.rstrip("/")
        if path.endswith("/debian-security"):
            security = security or path
        elif path.endswith("/debian"):
            main = main or path
    return main or MIRROR, security or (main or MIRROR) + "-security"


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def sources_text(mirror: str, security: str) -> str:
    return (
        f"deb [signed-by={KEYRING}] {mirror} {SUITE} main\n"
        f"deb [signed-by={KEYRING}] {mirror} {SUITE}-updates main\n"
        f"deb [signed-by={KEYRING}] {security} {SUITE}-security main\n"
    )


def _configured_sources() -> str:
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.list"))]
    files += sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))
    return "\n".join(file.read_text(errors="replace") for file in files if file.is_file())


def _proxies() -> list[str]:
    """The machine's proxy settings for apt; mmdebstrap does not read them by itself."""
    dump = run(["apt-config", "dump"], "read the settings of apt")
    return [line.rstrip(";") for line in dump.splitlines() if re.match(r'Acquire::https?::Proxy(::\S+)? ".+"', line)]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(extra: tuple[str, ...] = (), say: object = None) -> Path:
    """The root directory of the base, built first if it is not cached; several callers at once build it once."""
    recipe = Recipe.of(extra)
    if not recipe.directory.is_dir():
        with _locked(cache_root() / f".lock-{recipe.key}"):
            if not recipe.directory.is_dir():
                if callable(say):
                    say(f"building the base root (Debian 12, {len(recipe.packages)} packages; cached afterwards)")
                _build(recipe)
    os.utime(recipe.directory)  # what is used stays: see old_bases
    return recipe.root


def _build(recipe: Recipe) -> None:
    for stale in cache_root().glob(f".building-{recipe.key}-*"):  # of a build that was killed: we hold the lock
        remove_tree(stale)
    temporary = Path(tempfile.mkdtemp(prefix=f".building-{recipe.key}-", dir=cache_root()))
    temporary.chmod(0o755)
    try:
        sources = temporary / "sources.list"
        sources.write_text(sources_text(*mirrors(_configured_sources())))
        _bootstrap(build_argv(recipe, temporary / "root", sources, _proxies()))
        customise(temporary / "root")
        (temporary / "recipe.json").write_text(recipe.text())
        os.rename(temporary, recipe.directory)
    except BaseException:
        _remove_while_written(temporary)
        raise


def _remove_while_written(path: Path, seconds: float = 10.0) -> None:
    """Remove the directory of a build that was just killed; its last processes may still be ending."""
    deadline = time.monotonic() + seconds
    while path.exists():
        try:
            remove_tree(path)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _bootstrap(argv: list[str]) -> None:
    parent = os.pidfd_open(os.getpid())
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        preexec_fn=lambda: kernel.die_with_parent(parent), start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=900)
    except BaseException:
        process.send_signal(signal.SIGKILL)
        process.wait()
        raise
    finally:
        os.close(parent)
    if process.returncode != 0:
        tail = " / ".join(line for line in output.splitlines()[-8:] if line.strip())
        raise RehearsalError(
            f"Could not build the base root: mmdebstrap ended with exit code {process.returncode} and said: {tail}. "
            "It takes Debian 12 from the mirror in /etc/apt; check that `apt-get update` works here, then run it again."
        )


def customise(root: Path) -> None:
    """Turn a fresh Debian into a base for hosts: no identity, no work of its own, nothing that touches the machine."""
    for pattern in REMOVED:
        for path in root.glob(pattern):
            path.unlink()
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    first = root / INIT
    first.parent.mkdir(parents=True)
    first.write_text(_init_text())
    first.chmod(0o755)
    units = root / "etc/systemd/system"
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    (root / "var/log/journal").mkdir(parents=True, exist_ok=True)
    _open_offer(root)


def _open_offer(root: Path) -> None:
    """Make a repository of what is offered, and have apt know it as on a host that asked its mirror before."""
    offer = root / OFFER
    for left in ("lock", "partial"):
        path = offer / left
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    for deb in offer.glob("*%3a*.deb"):  # apt's cache has epochs in its names, a repository's paths have none
        deb.rename(offer / re.sub(r"_\d+%3a", "_", deb.name))
    flat.index(offer, "Debian for rehearsals")
    run(["chroot", str(root), "apt-get", "--quiet=2", "update"], "read the packages that are offered to the hosts")


def old_bases(in_use: set[Path], before: float) -> list[Path]:
    """Cached bases that no site uses and that were not used since ``before`` (seconds since 1970)."""
    found = [path for path in cache_root().glob("base-*") if path.is_dir()]
    return [path for path in found if path / "root" not in in_use and path.stat().st_mtime < before]


def leftovers() -> list[Path]:
    """Directories of builds that were killed and that no running build owns."""
    stale = []
    for path in cache_root().glob(".building-*"):
        key = path.name.split("-")[1]
        with open(cache_root() / f".lock-{key}", "w", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            stale.append(path)
    return stale


def discard(path: Path) -> None:
    """Remove a base; renamed first, so that nobody takes a half-removed one for whole."""
    doomed = path.with_name(f".building-{path.name.split('-')[1]}-removed-{os.getpid()}")
    if path.name.startswith("base-"):
        path.rename(doomed)
        path = doomed
    shutil.rmtree(path, ignore_errors=True)
