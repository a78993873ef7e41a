# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can go wrong, as sentences: what was wanted, what was found, what to do now."""

from __future__ import annotations

import shlex
import subprocess
from typing import Sequence


class RehearsalError(Exception):
    """Base of all errors shown to the user; ``exit_code`` is what the command ends with."""

    exit_code = 1


class NotHere(RehearsalError):
    """This machine cannot carry a rehearsal."""

    exit_code = 3


class BadSpec(RehearsalError):
    """The description of a site is not usable; all problems at once, each with its path."""

    exit_code = 2

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(
            f"The rehearsal spec has {count}:\n" + "\n".join(f"  - {problem}" for problem in self.problems)
        )


def run(argv: Sequence[str], wanted: str, *, stdin: str = "", timeout: float = 60.0, remedy: str = "") -> str:
    """Run a program to its end and return its stdout; ``wanted`` completes "Could not ..."."""
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError as error:
        raise RehearsalError(
            f"Could not {wanted}: the program {argv[0]} is not installed. Run `rehearse doctor`."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RehearsalError(
            f"Could not {wanted}: `{shlex.join(argv)}` gave no answer within {timeout:g} s. {remedy}".rstrip()
        ) from error
    if done.returncode != 0:
        said = " / ".join((done.stderr or done.stdout).split("\n"))[:800].strip(" /")
        raise RehearsalError(
            f"Could not {wanted}: `{shlex.join(argv)}` ended with exit code {done.returncode} and said: {said or 'nothing'}. {remedy}".rstrip()
        )
    return done.stdout
