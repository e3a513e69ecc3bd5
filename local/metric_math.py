"""CloudWatch's metric math as far as alarms use it: arithmetic, comparison, IF, FILL, MIN and MAX, one reading a time.

A formula is read once, when its alarm is made, so that what cannot be worked out is refused there and by name.
"""

import ast
from collections.abc import Callable, Mapping

OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Gt: lambda a, b: float(a > b),
    ast.GtE: lambda a, b: float(a >= b),
    ast.Lt: lambda a, b: float(a < b),
    ast.LtE: lambda a, b: float(a <= b),
    ast.Eq: lambda a, b: float(a == b),
    ast.NotEq: lambda a, b: float(a != b),
}
FUNCTIONS = {"IF": (3, 3), "FILL": (2, 2), "MIN": (1, 9), "MAX": (1, 9)}
Readings = Mapping[str, float | None]


class FormulaError(ValueError):
    """A formula that this package does not work out, in a sentence."""


class Formula:
    """None stands for no reading, which every operation passes on but FILL, and IF for the branch not taken."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = ast.parse(text, mode="eval").body
        except SyntaxError as error:
            raise FormulaError(f"{text!r} is no formula that the embedded AWS reads.") from error
        self.names = {node.id for node in ast.walk(self._tree) if isinstance(node, ast.Name)} - FUNCTIONS.keys()
        self._check(self._tree)

    def value(self, readings: Readings) -> float | None:
        """What the formula says of one moment's readings."""
        return _value(self._tree, readings)

    def _check(self, node: ast.expr) -> None:
        match node:
            case ast.Name() | ast.Constant(value=int() | float()):
                return
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._check(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in (*OPERATORS, ast.Div):
                self._check(left)
                return self._check(right)
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPERATORS:
                self._check(left)
                return self._check(right)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                low, high = FUNCTIONS[name]
                if low <= len(arguments) <= high:
                    for argument in arguments:
                        self._check(argument)
                    return None
        raise FormulaError(
            f"{ast.unparse(node)!r} in the formula {self.text!r} is not worked out by the embedded AWS; it knows "
            f"arithmetic, comparisons and {', '.join(FUNCTIONS)}."
        )


def _value(node: ast.expr, readings: Readings) -> float | None:  # noqa: PLR0911 - one a kind of node
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return readings.get(name)
        case ast.UnaryOp(operand=operand):
            inner = _value(operand, readings)
            return None if inner is None else -inner
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _call(name, arguments, readings)
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            a, b = _value(left, readings), _value(right, readings)
            if a is None or b is None:
                return None
            # CloudWatch has no reading where a division has no result.
            if isinstance(op, ast.Div):
                return a / b if b else None
            return OPERATORS[type(op)](a, b)
    raise FormulaError(f"{ast.unparse(node)!r} is no formula that the embedded AWS reads.")


def _call(name: str, arguments: list[ast.expr], readings: Readings) -> float | None:
    if name == "IF":
        condition = _value(arguments[0], readings)
        return None if condition is None else _value(arguments[1 if condition else 2], readings)
    values = [_value(argument, readings) for argument in arguments]
    if name == "FILL":
        return values[1] if values[0] is None else values[0]
    present = [value for value in values if value is not None]
    if len(present) < len(values):
        return None
    return min(present) if name == "MIN" else max(present)
