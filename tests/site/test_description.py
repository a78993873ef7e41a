# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A broken description stops the run on the controller: no connection to any host is tried."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from .rehearsed import DEMO, Background, program

#: Stands in ssh's place: notes that it was called, and fails as for a host that is off.
SSH = "#!/bin/sh\necho \"$@\" >> '{log}'\necho 'ssh: connect to host: No route to host' >&2\nexit 255\n"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "inventory"
    (folder / "group_vars").mkdir(parents=True)
    (folder / "site.lustre.yml").write_text((DEMO / "site.lustre.yml").read_text())
    ssh = tmp_path / "ssh"
    ssh.write_text(SSH.format(log=tmp_path / "ssh.log"))
    ssh.chmod(0o755)
    (folder / "group_vars" / "all.yml").write_text(yaml.safe_dump({"ansible_ssh_executable": str(ssh)}))
    return folder


def calls(inventory: Path) -> list[str]:
    log = inventory.parent / "ssh.log"
    return log.read_text().splitlines() if log.exists() else []


def run(inventory: Path, folder: Path, *words: str):
    folder.mkdir()
    playbook = words or ("lustre.core.site",)
    return Background([program("ansible-playbook"), "-i", str(inventory), *playbook], folder).finish()


def test_no_host_is_touched(inventory: Path, tmp_path: Path) -> None:
    """Two mistakes, both told; first the proof that the stand-in would notice a connection."""
    whole = run(inventory, tmp_path / "whole")
    assert whole.code != 0 and len(calls(inventory)) >= 8, whole.told()
    (tmp_path / "ssh.log").unlink()

    path = inventory / "site.lustre.yml"
    site = yaml.safe_load(path.read_text())
    site["filesystems"][0]["osts"][1]["index"] = "2,3"
    site["filesystems"][1]["clients"][0]["path"] = "mnt/fs2"
    path.write_text(yaml.safe_dump(site, sort_keys=False))
    broken = run(inventory, tmp_path / "broken")
    assert broken.code != 0
    assert "lustre_filesystems[0].osts[1].index" in broken.text, broken.told()
    assert "lustre_filesystems[1].clients[0].path" in broken.text, broken.told()
    assert calls(inventory) == []


def test_flavors_are_not_rolled_out_without_the_host_that_sets_them(inventory: Path, tmp_path: Path) -> None:
    """Nothing would be set and nothing waited for, and the end would say that all is as described."""
    site = yaml.safe_load((inventory / "site.lustre.yml").read_text())
    first = site["filesystems"][0]["mgs"]["servers"][0]
    consent = f'{{"lustre_consent_cut_off": ["{first}"]}}'
    left_out = run(inventory, tmp_path / "limited", "lustre.core.secure", "--limit", f"all:!{first}", "-e", consent)
    assert left_out.code != 0
    assert f"rules are set by {first}, the first server of the MGS" in " ".join(left_out.text.split()), left_out.told()
    assert calls(inventory) == []
