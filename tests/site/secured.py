# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small site whose connections are protected: its description to be changed, what is in force, who goes on working."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .recorded import Run
from .rehearsed import HERE, Background, Rehearsed, until

#: Connections follow a changed rule within some seconds; a busy machine takes longer.
SWITCHED = 90
_FAILED = "/run/beat.failed"
#: A user who works all the time: one line a second, and a mark when one could not be written or read in time.
_BEAT = f"""
rm -f {_FAILED}
(while sleep 1; do
    timeout 15 sh -c 'date > PATH/beat && cat PATH/beat' >/dev/null || date >> {_FAILED}
done) </dev/null >/dev/null 2>&1 &
echo $!
"""


class Secured:
    """A site with the description of an inventory of these tests, which every case may change for itself."""

    def __init__(self, site: Rehearsed, folder: Path) -> None:
        self.site, self._file = site, folder / "site.lustre.yml"
        self._described = yaml.safe_load(self._file.read_text())
        (fs,) = self._described["filesystems"]
        self.fsname, self.path, self.flavor = fs["name"], fs["clients"][0]["path"], fs["flavors"]
        (self.mgs,) = fs["mgs"]["servers"]
        #: A case that failed leaves a site that nobody knows; the next one gets a new one.
        self.sound = True

    def describe(self, changes: Mapping[str, Any]) -> None:
        """The file system as the inventory describes it but for these keys; None takes a key away."""
        fs = {**self._described["filesystems"][0], **changes}
        fs = {key: value for key, value in fs.items() if value is not None}
        self._file.write_text(yaml.safe_dump({**self._described, "filesystems": [fs]}, sort_keys=False))

    def begin_with(self, flavor: str) -> None:
        """Converged, with this flavor on every connection: the one described, or ``null``, as before any roll-out."""
        self.sound = False
        self.describe({})
        if flavor == "null":
            for rule in self.rules():
                self.site.sh(self.mgs, f"lctl conf_param -d {rule.partition('=')[0]}")
        elif self.missing(flavor):
            run = self.site.playbook("secure")
            assert run.code == 0 and not run.failures, run.told()
        until(lambda: self.missing(flavor), SWITCHED)

    # what is in force

    def rules(self) -> list[str]:
        live = self.site.sh(self.mgs, f"lctl get_param -n mgs.MGS.live.{self.fsname}")
        return re.findall(rf"^{self.fsname}\S*srpc\S*$", live, re.M)

    def connections(self) -> dict[str, tuple[str, bool]]:
        """By host and device: the flavor of a connection over the network, and whether it can be used."""
        found = {}
        looks = "lctl get_param '*.*.srpc_info' '*.*.srpc_contexts' '*.*.import' 2>/dev/null"
        for host in self.site.hosts:
            shown = self.site.sh(host, looks, code=None)
            values = {
                name: text
                for name, _, text in (part.partition("=") for part in re.split(r"^(?=\S+\.\w+=)", shown, flags=re.M))
            }
            for device in (name.removesuffix(".srpc_info") for name in values if name.endswith(".srpc_info")):
                about = values.get(f"{device}.import", "")
                if device.startswith(("mdc.", "osc.", "osp.")) and about and "0@lo" not in about:
                    (flavor,) = re.findall(r"rpc flavor:\s+(\S+)", values[f"{device}.srpc_info"])
                    agreed = re.search(r"uid: 0, .*uptodate", values.get(f"{device}.srpc_contexts", ""))
                    usable = "state: FULL" in about and (flavor == "null" or bool(agreed))
                    found[f"{host} {device}"] = (flavor, usable)
        return found

    def missing(self, flavor: str) -> str:
        """The connections that do not use it, or cannot be used."""
        found = self.connections()
        if not found:
            return "any connection"
        return ", ".join(f"{name}: {has}" for name, has in sorted(found.items()) if has != (flavor, True))

    def secrets(self) -> set[str]:
        """Digests of the keys that hosts have in their files: one, when all have the same."""
        found = set()
        for host in self.site.hosts:
            shown = self.site.sh(host, "lgss_sk -r /etc/lustre/keys/*.key 2>&1", code=None)
            dump = re.findall(r"^\s*[0-9a-f]{4}: (.{39})", shown, re.M)[:2]
            if dump:
                found.add(hashlib.sha256("".join(dump).encode()).hexdigest())
        return found

    def renewed(self) -> None:
        """The client's contexts are thrown away: those that come show that both ends have keys that fit."""
        self.site.sh("client1", f"lfs flushctx {self.path}")

    def left_over(self) -> str:
        """What lies beside the keys in use."""
        looks = "find /etc/lustre/keys -mindepth 1 ! -name '*.key' 2>/dev/null; find /etc/lustre/keys -mindepth 2"
        return " ".join(filter(None, (self.site.sh(host, looks, code=None) for host in self.site.hosts)))

    def untouched(self) -> dict[str, str]:
        """What a change of rules alone does not change: keys, mounts and their table, by host."""
        looks = (
            "sha256sum /etc/lustre/keys/*.key /etc/krb5.keytab /etc/fstab 2>/dev/null; grep lustre /proc/self/mountinfo"
        )
        return {host: self.site.sh(host, looks, code=None) for host in self.site.hosts}

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """A user of client1 works all the time, and could do so."""
        process = self.site.sh("client1", _BEAT.replace("PATH", self.path))
        try:
            yield
        finally:
            self.site.sh("client1", f"kill {process}", code=None)
        assert not self.site.sh("client1", f"cat {_FAILED}", code=None), "a user of a mounted client was cut off"


@contextlib.contextmanager
def secured(purpose: str, inventory: str, folder: Path) -> Iterator[Secured]:
    """The site, converged and with its flavors in force."""
    shutil.copytree(HERE / "inventories" / inventory, folder)
    with Rehearsed(purpose, folder) as site:
        one = Secured(site, folder)
        site.converge()
        one.begin_with(one.flavor)
        one.sound = True
        yield one


def killed_after(run: Background, host: str, task: str) -> None:
    """SIGKILL to ansible-playbook and its workers as soon as a task has ended on a host."""

    def awaited() -> str:
        if any((e["event"], e.get("task"), e.get("host")) == ("result", task, host) for e in run.events()):
            return ""
        assert run.process.poll() is None, f"the run ended before: {run.output.read_text()[-3000:]}"
        return f"{task} on {host}"

    try:
        until(awaited, 240, 0.05)
    finally:
        run.kill()


def way_back(run: Run) -> list[str]:
    """The commands that a message of secure.yml names."""
    found = {
        command.strip()
        for message in run.failures.values()
        for command in " ".join(message.split()).partition("The way back, on the node of the MGS: ")[2].split(";")
    }
    assert found - {""}, run.told()
    return sorted(found - {""})
