# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Specs: what is accepted, and how what is not is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rehearsal.hosts import spec as spec_module
from rehearsal.hosts.errors import BadSpec, RehearsalError

CASES = yaml.safe_load((Path(__file__).parent / "data/bad_specs.yml").read_text())


def _change(data: Any, path: str, value: Any) -> None:
    *above, last = [int(word) if word.isdigit() else word for word in path.split(".")]
    for word in above:
        data = data[word]
    data[last] = value


def test_there_are_cases() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_bad_spec_is_told_kindly_and_completely(case: dict[str, Any], two_hosts: dict[str, Any]) -> None:
    for path, value in case["set"].items():
        _change(two_hosts, path, value)
    with pytest.raises(BadSpec) as caught:
        spec_module.parse(two_hosts)
    told = caught.value.problems
    assert len(told) == len(case["problems"]), told
    for problem in case["problems"]:
        assert any(line.startswith(problem) for line in told), told


def test_a_good_spec_survives_its_own_form(two_hosts: dict[str, Any]) -> None:
    spec = spec_module.parse(two_hosts)
    assert spec_module.parse(json.loads(json.dumps(spec.to_dict()))) == spec
    assert [device.size for device in spec.devices] == [64 * 2**20, 32 * 2**20]
    assert [device.name for device in spec.devices_of("a1")] == ["scsi-shared"]
    assert spec.devices[0].path == "/dev/disk/by-id/scsi-shared"


def test_yaml_and_json_are_read(tmp_path: Path, two_hosts: dict[str, Any]) -> None:
    for name, text in (("site.json", json.dumps(two_hosts)), ("site.yml", yaml.safe_dump(two_hosts))):
        (tmp_path / name).write_text(text)
        assert len(spec_module.load(tmp_path / name).hosts) == 2


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match=r"Could not read the rehearsal spec .*: No such file or directory\."):
        spec_module.load(tmp_path / "none.yml")
