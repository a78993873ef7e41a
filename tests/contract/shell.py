# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The little of a shell that recorded command lines need, without a shell.

Lists (``;``, ``&&``, ``||``), pipes, groups in parentheses, ``for`` loops, ``time``, quotes, ``$name``, ``$?``,
``$(...)``, ``$((...))``, patterns of files and redirections. A program is a Python function of the session or one of
the few named real filters, which are started without a shell; anything else is an error of the test, so that a recording
can do nothing that nobody has thought of.
"""

from __future__ import annotations

import glob
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TextIO

#: argv without the name, standard input, output and error → exit code
Program = Callable[[list[str], TextIO, TextIO, TextIO], int]

_TOKEN = re.compile(r"[ \t]+|(?P<op>\|\||&&|2>&1|2>|>>|[;|<>()\n])")
_ARITHMETIC = re.compile(r"[\d+\-*/%() ]+")


class NotUnderstood(Exception):
    """The command line needs more of a shell than there is here."""


class _Exit(Exception):
    """``exit N``: the end of the command line."""


class Part(NamedTuple):
    """A piece of a word: ``kind`` is text, name (a variable), list (a command's output) or sum (arithmetic)."""

    kind: str
    text: str
    quoted: bool


Word = tuple[Part, ...]
Token = object  # a Word or an operator's str


@dataclass
class Command:
    words: list[Word] = field(default_factory=list)
    body: list[tuple[str, Pipeline]] | None = None  # of a group or a loop
    variable: str = ""  # of a loop, whose values are the words
    redirections: list[tuple[str, Word]] = field(default_factory=list)


@dataclass
class Pipeline:
    commands: list[Command]
    timed: bool = False


class Done(NamedTuple):
    rc: int
    out: str
    err: str


class Shell:
    """``programs`` by name; ``home`` is the folder that files may be written below."""

    def __init__(self, programs: dict[str, Program], home: Path) -> None:
        self._programs = programs
        self._home = home
        self._variables: dict[str, str] = {}
        self._status = 0
        self.folder = home

    def run(self, line: str) -> Done:
        """A whole command line in a fresh shell."""
        self._variables, self._status, self.folder = {}, 0, self._home
        out, err = io.StringIO(), io.StringIO()
        try:
            rc = self._list(_parse(line), io.StringIO(), out, err)
        except _Exit as end:
            rc = int(str(end))
        return Done(rc, out.getvalue(), err.getvalue())

    # -- running -----------------------------------------------------------------------------------------------

    def _list(self, parts: list[tuple[str, Pipeline]], stdin: TextIO, out: TextIO, err: TextIO) -> int:
        for before, pipeline in parts:
            if (before == "&&" and self._status) or (before == "||" and not self._status):
                continue
            self._status = self._pipeline(pipeline, stdin, out, err)
        return self._status

    def _pipeline(self, pipeline: Pipeline, stdin: TextIO, out: TextIO, err: TextIO) -> int:
        rc, source = 0, stdin
        for command in pipeline.commands[:-1]:
            sink = io.StringIO()
            self._command(command, source, sink, err)
            source = io.StringIO(sink.getvalue())
        rc = self._command(pipeline.commands[-1], source, out, err)
        if pipeline.timed:
            err.write("\nreal\t0m0.000s\nuser\t0m0.000s\nsys\t0m0.000s\n")
        return rc

    def _command(self, command: Command, stdin: TextIO, out: TextIO, err: TextIO) -> int:
        with self._redirected(command, stdin, out, err) as (stdin, out, err):
            if command.variable:
                for value in self._expand(command.words, err):
                    self._variables[command.variable] = value
                    self._status = self._list(command.body or [], stdin, out, err)
                return self._status
            if command.body is not None:
                return self._list(command.body, stdin, out, err)
            return self._simple(command.words, stdin, out, err)

    def _simple(self, words: list[Word], stdin: TextIO, out: TextIO, err: TextIO) -> int:
        argv = self._expand(words, err)
        while argv and re.match(r"[A-Za-z_]\w*=", argv[0]):
            name, _, value = argv.pop(0).partition("=")
            self._variables[name] = value
        if not argv:
            return 0
        if argv[0] == "cd":
            self.folder = Path(argv[1])
            return 0 if self.folder.is_dir() else 1
        if argv[0] == "exit":
            raise _Exit(argv[1])
        program = self._programs.get(argv[0])
        if program is None:
            raise NotUnderstood(f"no program {argv[0]} here")
        return program(argv[1:], stdin, out, err)

    @contextmanager
    def _redirected(
        self, command: Command, stdin: TextIO, out: TextIO, err: TextIO
    ) -> Iterator[tuple[TextIO, TextIO, TextIO]]:
        opened: list[TextIO] = []
        for operator, word in command.redirections:
            if operator == "2>&1":
                err = out
                continue
            (name,) = self._expand([word], err)
            stream: TextIO
            if name == "/dev/null":
                stream = io.StringIO()
            else:
                path = Path(name)
                if self._home not in path.parents:
                    raise NotUnderstood(f"{name} is not below {self._home}")
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = path.open({"<": "r", ">>": "a"}.get(operator, "w"), encoding="utf-8")
                opened.append(stream)
            if operator == "<":
                stdin = stream
            elif operator == "2>":
                err = stream
            else:
                out = stream
        try:
            yield stdin, out, err
        finally:
            for stream in opened:
                stream.close()

    # -- expansion ---------------------------------------------------------------------------------------------

    def _expand(self, words: list[Word], err: TextIO) -> list[str]:
        found: list[str] = []
        for word in words:
            fields = [""]
            pattern = some = False
            for part in word:
                text = self._value(part, err)
                some = some or part.quoted or bool(text)
                if part.kind == "text" or part.quoted:
                    fields[-1] += text
                    pattern = pattern or (not part.quoted and any(sign in text for sign in "*?["))
                else:
                    pieces = text.split()
                    fields[-1] += pieces[0] if pieces else ""
                    fields += pieces[1:]
            if pattern and len(fields) == 1:
                fields = sorted(glob.glob(fields[0], root_dir=self.folder)) or fields
            found += fields if some else []
        return found

    def _value(self, part: Part, err: TextIO) -> str:
        if part.kind == "text":
            return part.text
        if part.kind == "name":
            return str(self._status) if part.text == "?" else self._variables.get(part.text, "")
        if part.kind == "sum":
            text = re.sub(r"\$?([A-Za-z_]\w*)", lambda match: self._variables.get(match[1], "0"), part.text)
            if not _ARITHMETIC.fullmatch(text):
                raise NotUnderstood(f"arithmetic {part.text}")
            return str(int(eval(text.replace("/", "//"), {"__builtins__": {}})))
        out = io.StringIO()
        self._list(_parse(part.text), io.StringIO(), out, err)
        return out.getvalue().rstrip("\n")


# -- parsing ---------------------------------------------------------------------------------------------------


def _parse(text: str) -> list[tuple[str, Pipeline]]:
    tokens = _tokens(text)
    found = _parse_list(tokens, ())
    if tokens:
        raise NotUnderstood(f"{tokens[0]!r} in {text}")
    return found


def _parse_list(tokens: list[Token], ends: tuple[str, ...]) -> list[tuple[str, Pipeline]]:
    """Consumes the closing word, which is one of ``ends`` (none = the end of the text)."""
    found: list[tuple[str, Pipeline]] = []
    before = ";"
    while tokens:
        if _plain(tokens[0]) in ends:
            tokens.pop(0)
            return found
        if tokens[0] in (";", "\n", "&&", "||"):
            before = str(tokens.pop(0))
            continue
        if tokens[0] == ")":
            break
        found.append((before, _parse_pipeline(tokens)))
        before = ";"
    if ends:
        raise NotUnderstood(f"no {' or '.join(ends)}")
    return found


def _parse_pipeline(tokens: list[Token]) -> Pipeline:
    timed = _plain(tokens[0]) == "time"
    if timed:
        tokens.pop(0)
    commands = [_parse_command(tokens)]
    while tokens and tokens[0] == "|":
        tokens.pop(0)
        commands.append(_parse_command(tokens))
    return Pipeline(commands, timed)


def _parse_command(tokens: list[Token]) -> Command:
    command = Command()
    if tokens[0] == "(":
        tokens.pop(0)
        command.body = _parse_list(tokens, (")",))
    elif _plain(tokens[0]) == "for":
        tokens.pop(0)
        command.variable = _plain(tokens.pop(0)) or ""
        while tokens and _plain(tokens[0]) != "do":
            word = tokens.pop(0)
            if isinstance(word, tuple) and _plain(word) != "in":
                command.words.append(word)
        tokens.pop(0)
        command.body = _parse_list(tokens, ("done",))
    elif _plain(tokens[0]) in ("while", "if", "case", "until"):
        raise NotUnderstood(f"{_plain(tokens[0])}")
    while tokens:
        token = tokens[0]
        if token in (">", ">>", "<", "2>"):
            tokens.pop(0)
            target = tokens.pop(0)
            assert isinstance(target, tuple)
            command.redirections.append((str(token), target))
        elif token == "2>&1":
            command.redirections.append((str(tokens.pop(0)), ()))
        elif isinstance(token, tuple) and command.body is None:
            command.words.append(token)
            tokens.pop(0)
        else:
            break
    return command


def _plain(token: Token) -> str | None:
    """The text of an operator or of a word without quotes and variables."""
    if isinstance(token, str):
        return token
    if isinstance(token, tuple) and len(token) == 1 and token[0].kind == "text" and not token[0].quoted:
        return str(token[0].text)
    return None


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is not None:
            if match["op"]:
                found.append(match["op"])
            at = match.end()
            continue
        word, at = _word(text, at)
        found.append(word)
    return found


def _word(text: str, at: int) -> tuple[Word, int]:
    parts: list[Part] = []
    while at < len(text) and text[at] not in " \t\n;|<>()&":
        sign = text[at]
        if sign == "'":
            end = text.index("'", at + 1)
            parts.append(Part("text", text[at + 1 : end], True))
            at = end + 1
        elif sign == '"':
            inside, at = _double_quoted(text, at + 1)
            parts += inside
        elif sign == "$":
            part, at = _dollar(text, at, False)
            parts.append(part)
        elif sign == "\\":
            parts.append(Part("text", text[at + 1], True))
            at += 2
        else:
            match = re.compile(r"[^ \t\n;|<>()&'\"$\\]+").match(text, at)
            assert match is not None
            parts.append(Part("text", match[0], False))
            at = match.end()
    if at < len(text) and text[at] == "&" and not text.startswith("&&", at):
        raise NotUnderstood("a command in the background")
    return tuple(parts), at


def _double_quoted(text: str, at: int) -> tuple[list[Part], int]:
    parts = [Part("text", "", True)]
    while text[at] != '"':
        if text[at] == "$":
            part, at = _dollar(text, at, True)
            parts.append(part)
        elif text[at] == "\\" and text[at + 1] in '"\\$`':
            parts.append(Part("text", text[at + 1], True))
            at += 2
        else:
            parts.append(Part("text", text[at], True))
            at += 1
    return parts, at + 1


def _dollar(text: str, at: int, quoted: bool) -> tuple[Part, int]:
    name = re.compile(r"\$(?:\{(\w+)\}|(\w+|\?))").match(text, at)
    if name is not None:
        return Part("name", name[1] or name[2], quoted), name.end()
    if not text.startswith("$(", at):
        return Part("text", "$", quoted), at + 1
    depth, end = 1, at + 2
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    inside = text[at + 2 : end - 1]
    if inside.startswith("(") and inside.endswith(")"):
        return Part("sum", inside[1:-1], quoted), end
    return Part("list", inside, quoted), end
