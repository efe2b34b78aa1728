"""Arithmetic from untrusted text: numbers, a few functions, and bounds; no eval."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import TypeAlias

Number: TypeAlias = int | float

MOST_CHARACTERS = 500
MOST_BITS = 4096  # of a whole number, some 1,230 digits
MOST_FACTORIAL = 400  # whose result has fewer bits than that
SPELLINGS = {"^": "**", "\u00d7": "*", "\u00f7": "/", "\u2212": "-", "\u00a0": " "}

OPERATORS: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
SIGNS: dict[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e, "tau": math.tau}


class BadExpression(Exception):
    """What can't be computed; the message says why."""


def compute(expression: str) -> str:
    """The value of an expression such as "2 * (3 + 4) ^ 2". Raises BadExpression."""
    if len(expression) > MOST_CHARACTERS:
        raise BadExpression(f"more than {MOST_CHARACTERS} characters")
    for spelling, meant in SPELLINGS.items():
        expression = expression.replace(spelling, meant)
    try:
        return _shown(_value(_parsed(expression.strip())))
    except ZeroDivisionError as error:
        raise BadExpression("division by zero") from error
    except OverflowError as error:
        raise BadExpression("the result is too large") from error
    except (ValueError, RecursionError) as error:
        raise BadExpression(f"it can't be computed: {error}") from error


def _parsed(expression: str) -> ast.expr:
    try:
        return ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadExpression("that is not an expression") from error


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if type(value) is not bool:
            return _bounded(value)
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
        case ast.UnaryOp(op=sign, operand=operand) if type(sign) in SIGNS:
            return SIGNS[type(sign)](_value(operand))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            return _bounded(OPERATORS[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _called(name, [_value(arg) for arg in args])
    raise BadExpression(f"'{ast.unparse(node)[:60]}' is not arithmetic")


def _called(name: str, values: list[Number]) -> Number:
    if name not in FUNCTIONS:
        raise BadExpression(f"no function '{name}'; there are {', '.join(FUNCTIONS)}")
    try:
        return _bounded(FUNCTIONS[name](*values))
    except TypeError as error:
        raise BadExpression(f"{name} does not take these numbers") from error


def _power(base: Number, exponent: Number) -> Number:
    """Bounded before it is computed, for 9 ** 9 ** 9 would take for ever."""
    if isinstance(base, int) and isinstance(exponent, int) and exponent > 0:
        if base.bit_length() * exponent > MOST_BITS:
            raise BadExpression("the result is too large")
        return _bounded(base**exponent)
    value = float(base) ** exponent
    if isinstance(value, complex):
        raise BadExpression("the result is no real number")
    return float(value)


def _factorial(number: Number) -> Number:
    if not isinstance(number, int) or not 0 <= number <= MOST_FACTORIAL:
        raise BadExpression(f"factorial takes whole numbers from 0 to {MOST_FACTORIAL}")
    return math.factorial(number)


def _round(number: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or not -100 <= digits <= 100:
        raise BadExpression("round takes a whole number of digits up to 100")
    return round(number, digits) if digits else round(number)


def _bounded(number: Number) -> Number:
    if isinstance(number, int) and number.bit_length() > MOST_BITS:
        raise BadExpression("a number is too large")
    return number


def _shown(number: Number) -> str:
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        raise BadExpression("the result is too large")
    return format(number, ".15g")


FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "ln": math.log,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
