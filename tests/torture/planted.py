"""Small faults planted in source code: which there can be, and the source with one of them."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
COUNT = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult}


@dataclass(frozen=True)
class Site:
    """One fault: its number in the module, where it is, the line as written, and the change in words."""

    number: int
    line: int
    function: str
    text: str
    change: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What names the fault as long as its own line stays as it is."""
        return self.function, self.text, self.change


def sites(source: str) -> list[Site]:
    """All faults that can be planted in a module, in the order of its text."""
    lines, seen, found = source.splitlines(), Counter(), []
    for number, (change, line, function, _) in enumerate(_all(ast.parse(source))):
        text = lines[line - 1].strip()
        seen[key := (function, text, change)] += 1
        nth = f" (no. {seen[key]})" if seen[key] > 1 else ""
        found.append(Site(number, line, function, text, change + nth))
    return found


def mutated(source: str, number: int) -> str:
    """The source with one fault."""
    tree = ast.parse(source)
    for n, (_, _, _, plant) in enumerate(_all(tree)):
        if n == number:
            plant()
            return ast.unparse(ast.fix_missing_locations(tree))
    raise IndexError(number)


def _all(tree: ast.Module) -> Iterator[tuple]:
    for node, function in _code(tree, ""):
        for which, (operator, plant) in enumerate(_faults(node)):
            yield f"{operator}: {_shown(node, which)}", node.lineno, function, plant


def _shown(node: ast.AST, which: int) -> str:
    """The expression before and after, cut."""
    changed = copy.deepcopy(node)
    list(_faults(changed))[which][1]()
    before, after = (ast.unparse(ast.fix_missing_locations(n)).split("\n")[0] for n in (node, changed))
    return f"{before[:60]} → {after[:60]}"


def _code(node: ast.AST, function: str) -> Iterator[tuple[ast.AST, str]]:
    """Nodes that run inside functions: no docstring, annotation, default, decorator, nor the words of an error."""
    if isinstance(node, ast.FunctionDef):
        inside = f"{function}.{node.name}".strip(".")
        for part in node.body:
            yield from _code(part, inside)
        return
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            if isinstance(part, ast.FunctionDef):
                yield from _code(part, node.name)
        return
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom | ast.arguments | ast.Assert):
        return
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.kill":
        return  # a wrong signal would end the proof
    if isinstance(node, ast.If) and ast.unparse(node.test) == "os.name == 'nt'":
        for part in node.orelse:  # the rest is for another system
            yield from _code(part, function)
        return
    if function:
        yield node, function
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_comment"):
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield from _code(part, function)


def _faults(node: ast.AST) -> Iterator[tuple]:
    """(operator, plant) for what can be wrong with one node."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARE:
        yield "comparison", lambda: node.ops.__setitem__(0, COMPARE[type(node.ops[0])]())
    if isinstance(node, ast.BinOp) and type(node.op) in COUNT and not _is_text(node):
        yield "arithmetic", lambda: setattr(node, "op", COUNT[type(node.op)]())
    if isinstance(node, ast.BoolOp):
        yield "and / or", lambda: setattr(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield "drop not or minus", lambda: _become(node, node.operand)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "constant + 1", lambda: setattr(node, "value", node.value + 1)
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield "true / false", lambda: setattr(node, "value", not node.value)
    if isinstance(node, ast.If | ast.IfExp):
        yield "condition turned", lambda: setattr(node, "test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Return) and node.value is not None and not _is_nothing(node.value):
        yield "return nothing", lambda: setattr(node, "value", ast.Constant(None))
    if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) or isinstance(node, ast.AugAssign):
        yield "statement dropped", lambda: _become(node, ast.Pass())


def _is_nothing(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, False)


def _is_text(node: ast.BinOp) -> bool:
    return any(isinstance(p, ast.Constant | ast.JoinedStr) and not _number(p) for p in (node.left, node.right))


def _number(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _become(node: ast.AST, other: ast.AST) -> None:
    """Turn a node into another one where it stands."""
    place = {k: getattr(node, k) for k in ("lineno", "col_offset", "end_lineno", "end_col_offset")}
    node.__class__ = type(other)
    node.__dict__.clear()
    node.__dict__.update(vars(other) | place)
