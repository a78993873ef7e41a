# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command interpreter that lctl and lnetctl share, with what is odd about it.

- From the command line a name must be exact; an unknown one is exit code -1.
- From standard input a unique beginning of a name will do, in any case; an unknown command (a comment, too) prints
  the usage and is *not* an error; the first failing command ends the batch, unless a line ``ignore_errors`` came first.
- ``--ignore_errors`` as the first word of the command line is itself the command: nothing else runs.
- A command with a table of its own overwrites the first entries of the table that a batch looks into, so that after
  ``net show`` the next ``net ...`` is unknown (recorded).

No dataclasses here and in the other modules that every tool imports: that import alone is a fifth of a tool's life.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TextIO

UNKNOWN = -1
HELP = object()  # what a command returns to have its own help printed


class Io:
    """What a command works with; ``shared`` is kept from line to line of a batch (lctl's current device)."""

    def __init__(self, program: str, stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> None:
        self.program = program
        self.stdin = stdin
        self.out = out
        self.err = err
        self.kernel = kernel
        self.shared: dict[str, Any] = {}


# The words after the command's own name go in, an exit code (negative: -errno) or HELP comes out.
Function = Callable[[list[str], Io], Any]


class Command(NamedTuple):
    """``function`` None = a heading of ``--list-commands``."""

    name: str
    function: Function | None
    help: str = ""


Table = Sequence[Command]


class Interpreter:
    def __init__(self, io: Io, table: Table, version: str) -> None:
        self._io = io
        self._version = version
        self._done = False
        self._ignore_errors = False
        self._own = [
            Command("quit", self._quit, "quit"),
            Command("exit", self._quit, "quit"),
            Command("help", self._help, "provide useful information about a command"),
            Command("--help", self._help, "provide useful information about a command"),
            Command("version", self._show_version, "show program version"),
            Command("--version", self._show_version, "show program version"),
            Command("list-commands", self._list, "list available commands"),
            Command("--list-commands", self._list, "list available commands"),
            Command("--ignore_errors", self._ignore, "ignore errors that occur during script processing"),
            Command("ignore_errors", self._ignore, "ignore errors that occur during script processing"),
        ]
        self._top: list[Command] = [*self._own, *table]
        io.shared["interpreter"] = self

    def main(self, argv: list[str]) -> int:
        rc = self.arguments(argv, self._top) if argv else self._batch()
        self._io.out.flush()
        return rc

    def arguments(self, argv: list[str], table: Table) -> int:
        """One command from words."""
        for command in (*self._own, *table):
            if command.name == argv[0] and command.function is not None:
                return self._run(command, argv[1:])
        self._io.err.write(
            f"{self._io.program}: '{argv[0]}' is not a valid command. See '{self._io.program} --list-commands'.\n"
        )
        return UNKNOWN

    def command(self, argv: list[str]) -> int:
        """One command of the program's whole table, on behalf of another command."""
        return self.arguments(argv, self._top)

    def nested(self, argv: list[str], table: Table) -> int:
        """A command's own table; see the module's text for the side effect on a batch."""
        start = len(self._own)
        self._top[start : start + len(table)] = list(table)
        return self.arguments(argv, table)

    def _run(self, command: Command, words: list[str]) -> int:
        assert command.function is not None
        rc = command.function(words, self._io)
        if rc is HELP:
            self._io.out.write(command.help + "\n")
            return 1
        return int(rc)

    # -- batches -----------------------------------------------------------------------------------------------

    def _batch(self) -> int:
        rc = saved = 0
        while not self._done:
            line = self._io.stdin.readline()
            if not line:
                break
            if line.strip():
                rc = self._line(line.strip("\n").lstrip())
            if rc != 0:
                saved = saved or rc
                self._done = self._done or not self._ignore_errors
        return saved or rc

    def _line(self, line: str) -> int:
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        found = [
            command
            for command in self._top
            if command.function is not None and command.name.lower().startswith(words[0].lower())
        ]
        exact = [command for command in found if command.name.lower() == words[0].lower()]
        if not found:
            return self._help([], self._io)
        if len(found) > 1 and not exact:
            names = " ".join(command.name for command in found)
            self._io.err.write(f"Ambiguous command '{line}'\nOptions: {names} \n")
            return 0
        return self._run((exact or found)[0], words[1:])

    # -- commands of every interpreter -------------------------------------------------------------------------

    def _quit(self, _words: list[str], _io: Io) -> int:
        self._done = True
        return 0

    def _ignore(self, _words: list[str], _io: Io) -> int:
        self._ignore_errors = True
        return 0

    def _show_version(self, _words: list[str], io: Io) -> int:
        io.out.write(f"{io.program} {self._version}\n")
        return 0

    def _help(self, words: list[str], io: Io) -> int:
        if not words:
            io.out.write(
                f"usage: {io.program} [COMMAND] [OPTIONS]... [ARGS]\n"
                "Without any parameters, interactive mode is invoked\n"
                f"Try '{io.program} help <COMMAND>', or '{io.program} --list-commands' for a list of commands.\n"
            )
            return 0
        topic = "".join(words)
        for command in self._top:
            if command.function is not None and command.name == topic:
                io.err.write(f"{topic}: {command.help}\n")
                return 0
        io.err.write(f"{io.program}: '{topic}' is not a valid command. See '{io.program} --list-commands'.\n")
        return 0

    def _list(self, _words: list[str], io: Io) -> int:
        """Four columns of nineteen characters; a heading starts a new block."""
        column = offset = 0
        for command in self._top:
            if command.function is None:
                io.out.write(("\n" if column else "") + f"\n{command.name}\n")
                column = offset = 0
                continue
            text = command.name.ljust(19 - offset) + " "
            io.out.write(text)
            offset = max(offset + len(text) - 20, 0)
            column += 1
            if column == 4:
                io.out.write("\n")
                column = offset = 0
        io.out.write("\n" if column else "")
        return 0


def interpret(io: Io) -> Interpreter:
    """The interpreter that runs the present command."""
    found = io.shared["interpreter"]
    assert isinstance(found, Interpreter)
    return found
