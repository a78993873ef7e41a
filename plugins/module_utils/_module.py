# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge between a module's ``main()`` and a resource: the only place where errors become ``fail_json``.

Only the collection's own errors are turned into messages.  Anything else is a defect
of ours and keeps its traceback, which Ansible shows.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any, Callable, ContextManager, Iterator, Mapping, NamedTuple, NoReturn, Protocol, Sequence

from ansible_collections.lustre.core.plugins.module_utils import _lock
from ansible_collections.lustre.core.plugins.module_utils._engine import Resource, converge
from ansible_collections.lustre.core.plugins.module_utils._errors import LustreError
from ansible_collections.lustre.core.plugins.module_utils._plan import Outcome, Step
from ansible_collections.lustre.core.plugins.module_utils._progress import StepLog, Watch, unwatched
from ansible_collections.lustre.core.plugins.module_utils._run import CommandRunner, Runner


class Module(Protocol):
    """The part of AnsibleModule that is used here."""

    params: dict[str, Any]
    check_mode: bool
    _diff: bool
    _name: str

    def fail_json(self, msg: str, **kwargs: Any) -> NoReturn: ...

    def exit_json(self, **kwargs: Any) -> NoReturn: ...

    def warn(self, warning: str) -> None: ...

    def log(self, msg: str) -> None: ...


class Held(NamedTuple):
    """The node while a module works on it: ``watch`` for the engine, ``told`` for the module's return values."""

    watch: Watch = unwatched
    told: Mapping[str, Any] = {}


@contextlib.contextmanager
def node_held(module: Module, run: Runner) -> Iterator[Held]:
    """The node for this module alone, from before it reads the state until it ends; NodeBusy when another one keeps it.

    Check mode changes nothing, so it does not wait: it only says when another run is at work.
    """
    if module.check_mode:
        somebody = _lock.somebody()
        if somebody:
            module.warn(f"Another run is at work on this node, so what is planned here may be out of date. {somebody}")
        yield Held(told={"busy": somebody} if somebody else {})
        return
    lock = _lock.take(module._name)
    try:
        yield Held(StepLog(module.log, lock, run.keeping if isinstance(run, CommandRunner) else _not_kept))
    finally:
        lock.release()


def _not_kept(descriptor: int) -> ContextManager[None]:
    """A runner that starts no programs hands nothing on."""
    return contextlib.nullcontext()


def run_resource(
    module: Module,
    build: Callable[[dict[str, Any]], Resource[Any]],
    run: Runner | None = None,
    extra: Callable[[Outcome], Mapping[str, Any]] | None = None,
) -> NoReturn:
    """Bring one resource to what the module's options want, and end the module.

    ``build`` makes the resource from ``module.params`` (BadValue for an unusable one).
    ``extra`` adds return values that only this module has.
    """
    runner = run or CommandRunner(module)
    try:
        resource = build(module.params)
        with node_held(module, runner) as held:
            outcome = converge(resource, runner, check_mode=module.check_mode, watch=held.watch)
        values = {**result(outcome, show_diff=module._diff), **(_more(extra, outcome) if extra else {}), **held.told}
    except LustreError as error:
        fail(module, error, **_before(error))
    for text in outcome.warnings:
        module.warn(text)
    module.exit_json(**values)


def _more(extra: Callable[[Outcome], Mapping[str, Any]], outcome: Outcome) -> Mapping[str, Any]:
    """Return values of one module alone; what fails here comes after the steps, which are told as done."""
    try:
        return extra(outcome)
    except LustreError as error:
        if outcome.applied and not error.steps_done:
            error.steps_done = tuple(f"{step.action} {step.object}" for step in outcome.plan.steps)
        raise


def fail(module: Module, error: LustreError, **more: Any) -> NoReturn:
    """End the module with the error's sentence and its machine-readable facts."""
    module.fail_json(**{"msg": str(error), **error.facts(), **more})


def _before(error: LustreError) -> dict[str, Any]:
    """What a failed run had done all the same: whoever reads the message must not take the node for untouched."""
    if not error.steps_done:
        return {}
    done = list(error.steps_done)
    return {"msg": f"{error} This run had done before: {'; '.join(done)}.", "changed": True, "done": done}


def result(outcome: Outcome, show_diff: bool) -> dict[str, Any]:
    """The return values that every state module has (warnings go through ``module.warn``)."""
    public = outcome.public()
    values = {key: public[key] for key in ("changed", "plan", "drift", "state")}
    if show_diff:
        values["diff"] = diff(outcome)
    return values


def diff(outcome: Outcome) -> dict[str, str]:
    """``before`` and ``after`` as text.

    What was only planned cannot show a state that nobody has seen: then ``after`` is the
    state of now followed by the steps that would be taken.
    """
    before, after = text_of(outcome.before), text_of(outcome.after)
    if outcome.changed and not outcome.applied:
        after += "planned:\n" + text_of([step_line(step) for step in outcome.plan.steps])
    return {"before": before, "after": after}


def step_line(step: Step) -> str:
    """One step on one line, its risk first."""
    risk = "DESTRUCTIVE " if step.destructive else "disruptive " if step.disruptive else ""
    return f"{risk}{step.action} {step.object} ({step.reason})"


#: Text that YAML reads as that very text without quotes (numbers, dates and the like start with a digit).
_PLAIN = re.compile(r"(?:[A-Za-z/_]|[0-9.](?=.*[/@]))(?:[!-~]| (?=[!-\"$-~]))*\Z")
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null"})


def text_of(value: Any) -> str:
    """Plain data as text that reads like YAML, one line per scalar, so that two of them can be compared by line."""
    return "".join(line + "\n" for line in _lines(value))


def _lines(value: Any) -> list[str]:
    if isinstance(value, Mapping) and value:
        return [line for key, item in value.items() for line in _entry(f"{_scalar(key)}:", item)]
    if _is_list(value) and value:
        return [line for item in value for line in _item(item)]
    return [_scalar(value)]


def _entry(key: str, value: Any) -> list[str]:
    lines = _lines(value)
    if isinstance(value, Mapping) and value:
        return [key, *("  " + line for line in lines)]
    if _is_list(value) and value:
        return [key, *lines]
    return [f"{key} {lines[0]}"]


def _item(value: Any) -> list[str]:
    first, *rest = _lines(value)
    return [f"- {first}", *("  " + line for line in rest)]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.match(value) and value.lower() not in _WORDS and ": " not in value + " ":
        return value
    if isinstance(value, (str, bool, int, float)) or value is None:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{}"
    if _is_list(value):
        return "[]"
    return json.dumps(str(value), ensure_ascii=False)
