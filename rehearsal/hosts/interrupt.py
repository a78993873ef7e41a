# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ctrl-C and SIGTERM that cannot get lost, and that disturb a clean-up under way no more.

Python drops an exception that a signal raises inside a finaliser.  So the wish is noted as
well: the long way of ``up`` asks for it at its end, and threads ask for it while they wait.
"""

from __future__ import annotations

import signal

_wished = False


def install() -> None:
    """To be called once, by the main thread."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)


def _on_signal(number: int, frame: object) -> None:
    global _wished
    first, _wished = not _wished, True
    if first:
        raise KeyboardInterrupt


def wished() -> bool:
    return _wished


def check() -> None:
    if _wished:
        raise KeyboardInterrupt
