"""What is wrong with a request, in the protocol's words (api.md 1.3).

The first mistake is told; ``param`` names it by its path, as in ``tools[0].type``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja.errors import ValidationErrorContext

from runs.api.errors import ApiError

TAGS = ("string", "object", "array")  # pydantic's names of our alternatives
Problem = Any  # pydantic's dictionary for one mistake: type, loc, input, ctx, msg

EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_from_float": "an integer",
    "float_type": "a decimal",
    "float_parsing": "a decimal",
    "bool_type": "a boolean",
    "bool_parsing": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "null",
}
# By the function in ``inputs`` that tells alternatives apart.
ALTERNATIVES = {
    "string_or_array()": "one of a string or array of objects",
    "string_or_object()": "one of a string or object",
}
NOUNS = (
    (bool, "a boolean"),
    (str, "a string"),
    (int, "an integer"),
    (float, "a decimal"),
    (list, "an array"),
    (dict, "an object"),
)


class Invalid(Exception):
    """What ninja's parameter models refused."""

    def __init__(self, contexts: Sequence[ValidationErrorContext[Any]]) -> None:
        super().__init__("The request is not valid.")
        self.contexts = contexts


def respond(request: HttpRequest, error: Any) -> HttpResponse:
    """The answer to an invalid request."""
    context = error.contexts[0]
    problem = context.pydantic_validation_error.errors(include_url=False)[0]
    path = list(problem["loc"])
    if context.model.__ninja_param_source__ == "body":
        # Ninja puts the body under the name that the view gives it.
        path, sent = path[1:], getattr(request, "parsed", {})
    else:
        sent = request.GET.dict()
    if problem["type"].startswith("union_tag") and path[-1] in TAGS:
        del path[-1]
    return explain(problem, name_of(path, sent)).response()


def name_of(path: Sequence[str | int], sent: Any) -> str:
    """The path as it is written in messages.

    Pydantic puts names of alternatives into it. They are left out: the value of "type",
    right after its object, and what is in nothing that was sent.
    """
    name, tagged = "", None
    for place, key in enumerate(path):
        is_last = place == len(path) - 1
        if isinstance(sent, dict) and sent is not tagged and not is_last:
            tagged = sent
            if key == sent.get("type"):
                continue
        if isinstance(key, int):
            name += f"[{key}]"
            sent = sent[key] if isinstance(sent, list) and key < len(sent) else None
        elif isinstance(sent, dict) and (key in sent or is_last):
            name += f".{key}" if name else key
            sent = sent.get(key)
    return name


def explain(problem: Problem, name: str) -> ApiError:
    """The answer for one mistake at this place."""
    kind = problem["type"]
    if kind in EXPECTED:
        return wrong_type(name, EXPECTED[kind], problem["input"])
    return EXPLANATIONS.get(kind, _other)(problem, name)


def wrong_type(name: str, expected: str, given: Any) -> ApiError:
    at = f"Invalid type for '{name}'" if name else "Invalid type"
    message = f"{at}: expected {expected}, but got {noun(given)} instead."
    return ApiError(400, message, param=name or None, code="invalid_type")


def noun(value: Any) -> str:
    """What a client calls a value of this type."""
    return next((word for kind, word in NOUNS if isinstance(value, kind)), "null")


def _missing(problem: Problem, name: str) -> ApiError:
    message = f"Missing required parameter: '{name}'."
    return ApiError(400, message, param=name, code="missing_required_parameter")


def _unknown(problem: Problem, name: str) -> ApiError:
    message = f"Unknown parameter: '{name}'."
    return ApiError(400, message, param=name, code="unknown_parameter")


def _string_length(problem: Problem, name: str) -> ApiError:
    is_long = problem["type"] == "string_too_long"
    word, most = ("long", "maximum") if is_long else ("short", "minimum")
    limit = problem["ctx"]["max_length" if is_long else "min_length"]
    got = f"a string with length {len(problem['input'])}"
    message = (
        f"Invalid '{name}': string too {word}. Expected a string with {most} length "
        f"{limit}, but got {got if problem['input'] else 'an empty string'} instead."
    )
    code = "string_above_max_length" if is_long else "string_below_min_length"
    return ApiError(400, message, param=name, code=code)


def _array_length(problem: Problem, name: str) -> ApiError:
    is_long = problem["type"] == "too_long"
    length = len(problem["input"])
    if not length:
        fault, code = "empty array", "empty_array"
    elif is_long:
        fault, code = "array too long", "array_above_max_length"
    else:
        fault, code = "array too short", "array_below_min_length"
    most = "maximum" if is_long else "minimum"
    limit = problem["ctx"]["max_length" if is_long else "min_length"]
    got = f"an array with length {length}" if length else "an empty array"
    message = (
        f"Invalid '{name}': {fault}. Expected an array with {most} length {limit}, "
        f"but got {got} instead."
    )
    return ApiError(400, message, param=name, code=code)


def _bound(problem: Problem, name: str) -> ApiError:
    is_below = problem["type"].startswith("greater")
    limit = next(iter(problem["ctx"].values()))
    given = problem["input"]
    number = "decimal" if isinstance(limit, float) else "integer"
    side, sign, bound = (
        ("below minimum", ">=", "below_min")
        if is_below
        else ("above maximum", "<=", "above_max")
    )
    message = (
        f"Invalid '{name}': {number} {side} value. Expected a value {sign} "
        f"{limit:g}, but got {given} instead."
    )
    return ApiError(400, message, param=name, code=f"{number}_{bound}_value")


def _choice(problem: Problem, name: str) -> ApiError:
    given = problem["input"]
    if problem["type"] == "literal_error":
        expected = problem["ctx"]["expected"].replace(" or ", ", ")
        given = given if isinstance(given, str | int | float) else noun(given)
    else:
        name, given = f"{name}.type" if name else "type", problem["ctx"]["tag"]
        expected = problem["ctx"]["expected_tags"]
    *others, last = expected.split(", ")
    choices = f"s are: {', '.join(others)} and {last}" if others else f" is: {last}"
    message = f"Invalid value: '{given}'. Supported value{choices}."
    return ApiError(400, message, param=name, code="invalid_value")


def _untagged(problem: Problem, name: str) -> ApiError:
    if not isinstance(problem["input"], dict):
        expected = ALTERNATIVES.get(problem["ctx"]["discriminator"], "an object")
        return wrong_type(name, expected, problem["input"])
    return _missing(problem, f"{name}.type" if name else "type")


def _pattern(problem: Problem, name: str) -> ApiError:
    message = (
        f"Invalid '{name}': string does not match pattern. Expected a string that "
        f"matches the pattern '{problem['ctx']['pattern']}'."
    )
    return ApiError(400, message, param=name, code="invalid_value")


def _own(problem: Problem, name: str) -> ApiError:
    facts = problem["ctx"]
    param = f"{name}.{facts['key']}" if facts["key"] else name
    message = facts["message"].replace("{param}", param)
    return ApiError(400, message, param=param or None, code=facts["code"])


def _other(problem: Problem, name: str) -> ApiError:
    message = f"Invalid value for '{name}': {problem['msg']}."
    return ApiError(400, message, param=name or None, code="invalid_value")


EXPLANATIONS: dict[str, Callable[[Problem, str], ApiError]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_too_long": _string_length,
    "string_too_short": _string_length,
    "too_long": _array_length,
    "too_short": _array_length,
    "greater_than_equal": _bound,
    "less_than_equal": _bound,
    "literal_error": _choice,
    "union_tag_invalid": _choice,
    "union_tag_not_found": _untagged,
    "string_pattern_mismatch": _pattern,
    "own": _own,
}
