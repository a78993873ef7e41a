# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin beside the same hosts, groups and variables as static YAML; node_state and the check at that size."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import measured
import sites
from figures import Figures

HERE = Path(__file__).resolve().parent
CLIENTS, SERVERS = 20_000, 500
FEW_CLIENTS = 200
ROUNDS = 3


def measure(
    figures: Figures, folder: Path, python: Path, environ: Mapping[str, str], say: Callable[[str], None]
) -> None:
    def load(source: Path, *words: str) -> dict[str, Any]:
        argv = [str(python), str(HERE / "load_inventory.py"), str(source), *words]
        return dict(json.loads(measured.run(argv, environ, folder, 900).out.splitlines()[-1]))

    site, few = folder / "large.lustre.yml", folder / "few.lustre.yml"
    static, listed = folder / "static.yml", folder / "listed.lustre.yml"
    site.write_text(sites.large(CLIENTS, SERVERS), encoding="utf-8")
    few.write_text(sites.large(FEW_CLIENTS, SERVERS), encoding="utf-8")
    say(f"{CLIENTS} clients and {SERVERS} servers are written as static YAML, too")
    reference = load(site, "--static", str(static), "--listed", str(listed))
    found: dict[Path, list[dict[str, Any]]] = {site: [], static: [], listed: []}
    for number in range(ROUNDS):
        for source, said in found.items():
            say(f"inventory: {source.name}, {number + 1} of {ROUNDS}")
            said.append(load(source))
            _same(reference, said[-1], source)
    middle = {
        source: {key: median(each[key] for each in said) for key in ("seconds", "peak_kb")}
        for source, said in found.items()
    }
    for name, source in (("", site), ("listed_", listed)):
        figures.add(f"inventory_20500_{name}time_ratio", middle[source]["seconds"] / middle[static]["seconds"])
        figures.add(f"inventory_20500_{name}memory_ratio", middle[source]["peak_kb"] / middle[static]["peak_kb"])
    for name, source in (("", site), ("static_", static), ("listed_", listed)):
        figures.add(f"inventory_20500_{name}seconds", middle[source]["seconds"])
        figures.add(f"inventory_20500_{name}megabytes", middle[source]["peak_kb"] / 1024)
    say("node_state and the check of the whole site")
    many, some = load(site, "--slices")["slices"], load(few, "--slices")["slices"]
    for kind in ("client", "server"):
        figures.add(f"node_state_ms_{kind}_20500", many[kind])
        figures.add(f"node_state_ms_{kind}_{FEW_CLIENTS + SERVERS}", some[kind])
    figures.add("node_state_ms_growth", max(many[kind] / some[kind] for kind in ("client", "server")))
    figures.add("site_check_20500_seconds", many["check_seconds"])


def _same(reference: Mapping[str, Any], said: Mapping[str, Any], source: Path) -> None:
    for key, value in (("hosts", CLIENTS + SERVERS), ("digest", reference["digest"])):
        if said[key] != value:
            raise measured.BenchError(
                f"{source.name} is not the same inventory: its {key} is {said[key]}, not {value}."
            )
