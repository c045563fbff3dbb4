"""The parameters of a notebook: read from its `parameters` cell, checked before a kernel starts.

One line a parameter: `name: type = literal  # meaning[, low..high]` or `# meaning, a | b | c`.
The type is int, float, str or bool. Nothing in the cell is ever run to find this out.
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from dataclasses import dataclass
from typing import Any

from helpers.study import nearest

TYPES: dict[str, type] = {"int": int, "float": float, "str": str, "bool": bool}
STUDY_PARAMETER = "study_file"
"""Every notebook has it; the command gives its value, nobody else."""

_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"^(?:(?P<meaning>.*),\s*)?(?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})$")
_CHOICES = re.compile(r"^(?:(?P<meaning>.*),\s*)?(?P<choices>[^,|]+(?:\|[^,|]+)+)$")
LONGEST_TEXT = 300


class ParameterError(ValueError):
    """A parameter is unknown, of the wrong type or out of range; the message names it and the cure."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook: its type, default, meaning and what values it may take."""

    name: str
    type: str
    default: Any
    meaning: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()

    @property
    def allowed(self) -> str:
        """The allowed values in words.

        >>> Parameter("top", "int", 10, low=1, high=50).allowed
        '1 to 50'
        """
        if self.choices:
            return ", ".join(map(str, self.choices))
        if self.low is not None:
            return f"{self.low:,.10g} to {self.high:,.10g}"
        return {"bool": "true, false"}.get(self.type, "")

    def check(self, value: Any) -> Any:
        """`value` in the parameter's type, else ParameterError.

        >>> Parameter("min_support", "float", 0.1, low=0, high=1).check(1)
        1.0
        """
        value = self._typed(value)
        if self.choices and value not in self.choices:
            raise ParameterError(f"{self.name} = {_short(value)}: take one of {self.allowed}.")
        if self.low is not None and not self.low <= value <= self.high:  # type: ignore[operator]
            raise ParameterError(f"{self.name} = {_short(value)}: out of range; take {self.allowed}.")
        return value

    def _typed(self, value: Any) -> Any:
        if self.type == "float" and type(value) is int:
            value = float(value)
        if type(value) is not TYPES[self.type]:
            raise ParameterError(f"{self.name} = {_short(value)}: {_WORDS[self.type]} is needed here.")
        if self.type == "float" and not math.isfinite(value):
            raise ParameterError(f"{self.name} = {value}: a finite number is needed here.")
        if self.type == "str" and (len(value) > LONGEST_TEXT or any(ord(c) < 32 for c in value)):
            cure = f"take plain text of at most {LONGEST_TEXT} characters"
            raise ParameterError(f"{self.name} = {_short(value)}: {cure}.")
        return value

    def parse(self, text: str) -> Any:
        """The value that `--set` gives as text.

        >>> Parameter("window_hours", "int", 24, low=1, high=720).parse("48")
        48
        """
        text = text if self.type == "str" else text.strip()
        if self.type == "int" and re.fullmatch(r"[+-]?\d{1,18}", text):
            return self.check(int(text))
        if self.type == "float" and re.fullmatch(rf"\+?{_NUMBER}", text):
            return self.check(float(text))
        if self.type == "bool" and text.lower() in ("true", "false"):
            return self.check(text.lower() == "true")
        return self.check(text)


_WORDS = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"}


def _short(value: Any) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def read_parameters(source: str, notebook: str = "notebook") -> dict[str, Parameter]:
    """The parameters that a `parameters` cell declares, in its order.

    >>> read_parameters("hours: int = 24  # hours to the purchase, 1..720")["hours"].high
    720.0
    """
    try:
        statements, comments = ast.parse(source).body, _comments(source)
    except (SyntaxError, tokenize.TokenError) as error:
        raise ParameterError(f"{notebook}: the parameters cell is not Python: {error}.") from None
    found: dict[str, Parameter] = {}
    for statement in statements:
        parameter = _declared(statement, comments.get(statement.lineno, ""), notebook)
        if parameter.name in found:
            raise ParameterError(f"{notebook}: the parameter {parameter.name!r} stands twice.")
        found[parameter.name] = parameter
    return found


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ").rstrip() for t in tokens if t.type == tokenize.COMMENT}


def _declared(statement: ast.stmt, comment: str, notebook: str) -> Parameter:
    where = f"{notebook}: parameters cell, line {statement.lineno}"
    if not (
        isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and isinstance(statement.annotation, ast.Name)
        and statement.annotation.id in TYPES
        and statement.value is not None
    ):
        raise ParameterError(f"{where}: write `name: type = literal  # meaning`, with type {', '.join(TYPES)}.")
    try:
        default = ast.literal_eval(statement.value)
    except ValueError:
        raise ParameterError(f"{where}: the value of {statement.target.id} must be a literal.") from None
    parameter = Parameter(statement.target.id, statement.annotation.id, default, **_limits(comment, statement))
    try:
        parameter.check(default)
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from None
    return parameter


def _limits(comment: str, statement: ast.AnnAssign) -> dict[str, Any]:
    """Meaning, and range or choices, from the comment."""
    kind = TYPES[statement.annotation.id]  # type: ignore[attr-defined]
    if found := _RANGE.match(comment):
        return {"meaning": found["meaning"] or "", "low": float(found["low"]), "high": float(found["high"])}
    if found := _CHOICES.match(comment):
        words = [w.strip().strip("\"'") for w in found["choices"].split("|")]
        return {"meaning": found["meaning"] or "", "choices": tuple(kind(w) for w in words)}
    return {"meaning": comment}


def parse_sets(texts: list[str], notebooks: list[str]) -> dict[str, dict[str, str]]:
    """`--set NOTEBOOK.PARAMETER=VALUE`, … → notebook → parameter → text of the value.

    The notebook may be given by its number.

    >>> parse_sets(["40.min_support=0.01"], ["40_association_rules"])
    {'40_association_rules': {'min_support': '0.01'}}
    """
    sets: dict[str, dict[str, str]] = {}
    for text in texts:
        found = re.fullmatch(r"([^.=]*)\.([^=]*)=(.*)", text, flags=re.S)
        if not found:
            raise ParameterError(f"--set {_short(text)}: write NOTEBOOK.PARAMETER=VALUE.")
        notebook = find_notebook(found[1].strip(), notebooks)
        sets.setdefault(notebook, {})[found[2].strip()] = found[3]
    return sets


def find_notebook(word: str, notebooks: list[str]) -> str:
    """The notebook that a name or a number means.

    >>> find_notebook("21", ["20_traffic", "21_funnel"])
    '21_funnel'
    """
    for name in notebooks:
        if word in (name, name.split("_")[0]):
            return name
    raise ParameterError(f"there is no notebook {_short(word)}. {nearest(word, notebooks)}")


def merge(
    notebook: str,
    declared: dict[str, Parameter],
    *,
    from_study: dict[str, Any] | None = None,
    from_command: dict[str, str] | None = None,
) -> dict[str, Any]:
    """All parameters of one notebook with their values: defaults, then the study file's, then `--set`.

    `study_file` is not among them: which study is rendered is the command's business.
    """
    own = {n: p for n, p in declared.items() if n != STUDY_PARAMETER}
    values = {name: p.default for name, p in own.items()}
    for given, read in ((from_study, "check"), (from_command, "parse")):
        for name, value in (given or {}).items():
            if name not in own:
                cure = nearest(str(name)[:60], list(own)) if own else "This notebook has no parameters."
                raise ParameterError(f"{notebook}: there is no parameter {_short(name)}. {cure}")
            try:
                values[name] = getattr(own[name], read)(value)
            except ParameterError as error:
                raise ParameterError(f"{notebook}.{error}") from None
    return values
