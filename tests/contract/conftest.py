# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One line at the end of a run that says how far the contract reaches."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    from tests.contract.test_contract import CASES, EXCUSED

    replays = {
        report.nodeid for report in terminalreporter.stats.get("passed", []) if "::test_replay[" in report.nodeid
    }
    parsed = sum(case.view != "text" and "differs" not in case.options for case in CASES)
    differing = sum("differs" in case.options for case in CASES)
    terminalreporter.write_line(
        f"contract: {len(replays)} of {len(CASES)} replays passed, of {len({case.name for case in CASES})} recordings "
        f"({parsed} compared by parsers and views, {differing} known to differ); {sum(map(len, EXCUSED.values()))} excused"
    )
