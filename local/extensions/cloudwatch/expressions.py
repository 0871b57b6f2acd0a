"""Metric math: the arithmetic and the few functions that this platform's alarms use.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from operations.errors import OperationError

Values = Mapping[str, float | None]
Value = float | list[float | None] | None

ARITHMETIC: Mapping[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
COMPARISONS: Mapping[type, Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
FUNCTIONS = ("ABS", "AVG", "FILL", "IF", "MAX", "METRICS", "MIN", "SUM")


def parse(expression: str) -> ast.expr:
    """Read an expression.

    Raises
    ------
    OperationError
        Where it holds what is not calculated here.
    """
    spelled = re.sub(r"\bAND\b|&&", " and ", expression)
    spelled = re.sub(r"\bOR\b|\|\|", " or ", spelled).replace("^", "**")
    try:
        tree = ast.parse(spelled.strip(), mode="eval").body
        evaluate(tree, _Anything())
    except (SyntaxError, KeyError, TypeError, ValueError) as error:
        raise OperationError(
            f"The expression '{expression}' of an alarm is not calculated here.",
            f"Use arithmetic, comparisons and {', '.join(FUNCTIONS)}, or deploy to an account.",
        ) from error
    return tree


def evaluate(node: ast.expr, values: Values) -> Value:
    """What an expression comes to in one period.

    Parameters
    ----------
    node
        The expression.
    values
        Those of the other metrics and expressions, by their ids; nothing where one is missing.

    Returns
    -------
    float, list of float, or None
        Nothing where what it needs is missing, or it divides by zero.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.List | ast.Tuple):
        return [_number(evaluate(each, values)) for each in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(evaluate(node.operand, values))
        return None if inner is None else -inner
    if isinstance(node, ast.BinOp):
        return _applied(ARITHMETIC[type(node.op)], node.left, node.right, values)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _applied(COMPARISONS[type(node.ops[0])], node.left, node.comparators[0], values)
    if isinstance(node, ast.BoolOp):
        parts = [_number(evaluate(each, values)) for each in node.values]
        if None in parts:
            return None
        return float(all(parts) if isinstance(node.op, ast.And) else any(parts))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _called(node.func.id, node.args, values)
    raise ValueError(ast.dump(node))


def _applied(
    apply: Callable[[float, float], float], left: ast.expr, right: ast.expr, values: Values
) -> float | None:
    first, second = _number(evaluate(left, values)), _number(evaluate(right, values))
    if first is None or second is None:
        return None
    try:
        return float(apply(first, second))
    except ZeroDivisionError:
        return None


def _called(name: str, arguments: list[ast.expr], values: Values) -> Value:
    if name == "METRICS":
        return list(values.values())
    given = [evaluate(each, values) for each in arguments]
    if name == "IF":
        chosen = given[1] if given[0] else (given[2] if len(given) > 2 else None)
        return None if given[0] is None else chosen
    if name == "FILL":
        return given[1] if given[0] is None else given[0]
    listed = given[0] if isinstance(given[0], list) else [given[0]]
    numbers = [number for number in listed if number is not None]
    calculate: Mapping[str, Callable[[list[float]], float]] = {
        "ABS": lambda them: abs(them[0]),
        "AVG": lambda them: sum(them) / len(them),
        "MAX": max,
        "MIN": min,
        "SUM": sum,
    }
    function = calculate[name]
    return function(numbers) if numbers else None


def _number(value: Value) -> float | None:
    if isinstance(value, list):
        raise TypeError("a list of metrics stands where a number should")
    return value


class _Anything(dict[str, Any]):
    """A value for every id, to try an expression with."""

    def __missing__(self, key: str) -> float:
        return 1.0
