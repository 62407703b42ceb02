"""What the official scripts ask a language model, read from the user's own checkout as it runs.

Their wording is theirs and is not in this package. The instruction on behaviour is a text file; the
rest stands inside scripts, which are parsed and never executed: a template is an f-string there,
and only names are filled in.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceagent.bench.scorers.behaviour import RESPOND, RESUME, UNCERTAIN, UNKNOWN
from voiceagent.errors import BenchError

_FOLDER = Path("v1_v1.5", "evaluation")
_RATING, _BEHAVIOUR = _FOLDER / "eval_user_interruption.py", _FOLDER / "eval_behavior.py"
_INSTRUCTION = _FOLDER / "instruction" / "behavior.txt"
#: Official tag -> ours.
_TAGS = {
    "C_RESPOND": RESPOND,
    "C_RESUME": RESUME,
    "C_UNCERTAIN_HANDLING": UNCERTAIN,
    "C_UNKNOWN": UNKNOWN,
}
_HIGHEST_RATING = 5


@dataclass(frozen=True, slots=True)
class Prompt:
    """One kind of question.

    Attributes:
        verdict: what the reply is about, the field of a row: "rating" or "behaviour".
        system: the instruction.
        template: parts of the user's message in order: text, or the name to put in in braces.
        seed: of the first try.
        parse: the verdict in a reply; None where there is none.
    """

    verdict: str
    system: str
    template: tuple[str | tuple[str], ...]
    seed: int
    parse: Callable[[str], Any]

    def user(self, values: Mapping[str, str]) -> str:
        """The user's message with every name filled in."""
        return "".join(p if isinstance(p, str) else values[p[0]] for p in self.template)

    @property
    def sha256(self) -> str:
        """Of all that was read."""
        text = json.dumps([self.system, self.template])
        return hashlib.sha256(text.encode()).hexdigest()


def read_rating_prompt(upstream: Path) -> Prompt:
    """How well the reply to an interruption fits it, 0 to 5; v1.

    Names of the template: in_before_interrupt_text, in_interrupt_text, out_after_interrupt_text.

    Args:
        upstream: the user's checkout of the official repository.

    Raises:
        BenchError: it does not hold the script, or another version of it.
    """
    path = upstream / _RATING
    tree = _parsed(path)
    names = {"in_before_interrupt_text", "in_interrupt_text", "out_after_interrupt_text"}
    pattern = re.compile(_text(_found(tree, "example_pattern", path), path), re.DOTALL)
    return Prompt(
        verdict="rating",
        system=_text(_found(tree, "system_msg", path), path),
        template=_template(_found(tree, "user_msg", path), names, path),
        seed=0,
        parse=functools.partial(_rating_in, pattern),
    )


def read_behaviour_prompt(upstream: Path) -> Prompt:
    """What was done about an overlap; v1.5.

    Names of the template: input_clean_text, input_noisy_text, output_clean_text,
    output_noisy_text.

    Raises:
        BenchError: see `read_rating_prompt`.
    """
    path = upstream / _BEHAVIOUR
    names = {f"{side}_{take}_text" for side in ("input", "output") for take in ("clean", "noisy")}
    return Prompt(
        verdict="behaviour",
        system=_read(upstream / _INSTRUCTION),
        template=_template(_found(_parsed(path), "final_input", path), names, path),
        seed=1,
        parse=_tag_in,
    )


def _rating_in(pattern: re.Pattern[str], reply: str) -> int | None:
    ratings = [int(match[2]) for match in pattern.finditer(reply + "\n")]
    return ratings[-1] if ratings and ratings[-1] <= _HIGHEST_RATING else None


def _tag_in(reply: str) -> str | None:
    """Of the first object with a "behaviour" in it: the one tag that it names."""
    decoder, at = json.JSONDecoder(), reply.find("{")
    while at != -1:
        try:
            found, _ = decoder.raw_decode(reply, at)
        except ValueError:
            found = None
        if isinstance(found, dict) and "behaviour" in found:
            tags = found["behaviour"]
            return _TAGS.get(tags[0]) if isinstance(tags, list) and len(tags) == 1 else None
        at = reply.find("{", at + 1)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        reason = f"cannot be read ({error.strerror})"
        raise BenchError(
            f"{path}: {reason}; --upstream names a checkout of Full-Duplex-Bench"
        ) from error


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(_read(path))
    except SyntaxError as error:
        raise BenchError(f"{path}: is no Python ({error})") from error


def _found(tree: ast.Module, name: str, path: Path) -> ast.expr:
    """What a script assigns to a name, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            return node.value
    raise BenchError(f"{path}: assigns no {name}; it is of a version that is not known here")


def _text(value: ast.expr, path: Path) -> str:
    """A string, or the first argument of a call."""
    if isinstance(value, ast.Call) and value.args:
        value = value.args[0]
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    raise _of_another_version(path)


def _template(value: ast.expr, names: set[str], path: Path) -> tuple[str | tuple[str], ...]:
    parts: list[str | tuple[str]] = []
    for part in value.values if isinstance(value, ast.JoinedStr) else ():
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            parts.append(part.value)
        elif isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
            parts.append((part.value.id,))
    if {part[0] for part in parts if isinstance(part, tuple)} != names:
        raise _of_another_version(path)
    return tuple(parts)


def _of_another_version(path: Path) -> BenchError:
    return BenchError(f"{path}: its prompt has another shape than that of d7336bd")
