"""Finding every function that reads text, and feeding it.

A reader is found by its name or its first parameter (see ``readers``), so that a new one
without a case is seen.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.lustre.core.plugins import module_utils
from ansible_collections.lustre.core.plugins.module_utils import _cli, _readers, _resources
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._run import Result
from tests.unit.fake_runner import CASES, TRANSCRIPTS, load_transcript

#: A function is a reader when its first parameter is called so (or when its name begins with ``parse``).
TEXTS = ("text", "out", "err", "line", "result", "usage", "said", "run")
#: Functions in the readers' places that only look like readers, with the reason.
NO_READERS: dict[str, str] = {
    "kdc_principal_export.export": "reads files by keytab_file.parse_keytab, of kadmin only its complaints",
    "file_io.as_owner": "makes a runner of a runner, runs nothing",
    "file_io.fill": "its tool's output is never read, only its exit code",
    "file_io.remove": "its tool's output is never read, only its exit code",
    "lfs.make_striped": "its tool's output is never read, only its exit code",
    "lctl.batch": "writes what lctl is to read",
    "partners.require_unused": "reads by blockdev.mmp_state",
    "file_io.write": "its tool's output is never read, only its exit code",
}


@dataclass(frozen=True)
class Case:
    """``call`` takes one text; ``errors`` are what its contract allows beside LustreError."""

    call: Callable[[str], Any]
    texts: tuple[str, ...]
    errors: tuple[type[Exception], ...] = ()

    def feed(self, text: str) -> Any:
        """What the reader returns; its typed error when it raises one."""
        try:
            return self.call(text)
        except (LustreError, *self.errors) as error:
            assert str(error), "an error without a sentence"
            return error


def readers() -> Iterator[str]:
    """All public functions of ``_cli`` that read text or run a reading command, as ``file.function``."""
    for info in pkgutil.iter_modules(_cli.__path__):
        yield from _readers_in(importlib.import_module(f"{_cli.__name__}.{info.name}"), info.name)


def parsers_elsewhere() -> Iterator[str]:
    """The same in the rest of module_utils, the resources' own files included."""
    for package in (module_utils, _readers, _resources):
        for info in pkgutil.iter_modules(package.__path__):
            if not info.ispkg:
                yield from _readers_in(importlib.import_module(f"{package.__name__}.{info.name}"), info.name)


def _readers_in(module: Any, short: str) -> Iterator[str]:
    for name, function in vars(module).items():
        if not inspect.isfunction(function) or function.__module__ != module.__name__ or name.startswith("_"):
            continue
        first = next(iter(inspect.signature(function).parameters), "")
        if name.startswith("parse") or first in TEXTS:
            yield f"{short}.{name}"


def answering(call: Callable[[Any], Any], *codes: int) -> Callable[[str], Any]:
    """A reading command whose program ends with each of the codes, the text on either channel and on both."""

    def ask(text: str) -> Any:
        found = []
        for result in (Result(rc, *said) for rc in (0, 1, *codes) for said in ((text, ""), ("", text), (text, text))):
            try:
                found.append(call(lambda argv, stdin=None, timeout=0.0, result=result: result))
            except LustreError as error:
                found.append(error)
        return found

    return ask


def recorded(*names: str) -> tuple[str, ...]:
    """What transcripts hold on standard output, and on standard error where there is something."""
    results = [load_transcript(name) for name in names]
    return tuple(text for result in results for text in (result.out, result.err) if text.strip())


def recorded_in(folder: str, pattern: str) -> tuple[str, ...]:
    """The same for every transcript of a folder that matches."""
    names = sorted(
        path.relative_to(TRANSCRIPTS).with_suffix("").as_posix() for path in Path(TRANSCRIPTS / folder).glob(pattern)
    )
    assert names, f"no transcript {folder}/{pattern}"
    return recorded(*names)


#: What programs and files really say where no transcript is recorded, by the name of the file in ``cases/texts``.
TEXT = {path.stem: path.read_text(encoding="utf-8") for path in sorted((CASES / "texts").glob("*.txt"))}


def kept(*names: str) -> tuple[str, ...]:
    return tuple(TEXT[name] for name in names)
