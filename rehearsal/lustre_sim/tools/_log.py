# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What daemons and upcalls say: to syslog under their own name, as on real nodes."""

from __future__ import annotations

import os
import syslog
from collections.abc import Callable

Say = Callable[[str], None]


def to_syslog(program: str) -> Say:
    syslog.openlog(program, syslog.LOG_PID, syslog.LOG_DAEMON)

    def say(text: str) -> None:
        syslog.syslog(syslog.LOG_ERR if "ERROR" in text else syslog.LOG_NOTICE, text)

    return say


def with_place(say: Say) -> Callable[[str, str], None]:
    """lgss_keyring names itself, how bad it is and the function: ``[1473]:ERROR:NAME(): TEXT``."""
    return lambda function, text: say(f"[{os.getpid()}]:ERROR:{function}(): {text}")
