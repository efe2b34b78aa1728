"""The server's own tools by themselves: arguments, limits, and two that are shipped."""

from __future__ import annotations

import asyncio
import json

import pytest
from django.core.exceptions import ImproperlyConfigured

from runs import calculator, tools
from tests import tool_examples

MARKED = {tool.name for tool in tools.offered() if tool.needs_approval}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 * (3 + 4) ^ 2", "98"),
        ("-2 ** 2", "-4"),
        ("7 // 2 + 7 % 2", "4"),
        ("1 / 3", "0.333333333333333"),
        ("0.1 + 0.2", "0.3"),
        ("2 ^ 100", "1267650600228229401496703205376"),
        ("2 ^ -2", "0.25"),
        ("6 \u00d7 7 \u2212 84 \u00f7 2", "0"),
        ("sqrt(16) + abs(-2) + max(1, 2, 3)", "9"),
        ("round(pi, 2)", "3.14"),
        ("factorial(20)", "2432902008176640000"),
    ],
)
def test_the_calculator_computes(expression: str, value: str) -> None:
    assert calculator.compute(expression) == value


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1 / 0", "division by zero"),
        ("9 ^ 9 ^ 9", "too large"),
        ("(2 ^ 4000) * (2 ^ 4000)", "too large"),
        ("1e308 * 10", "too large"),
        ("exp(1000)", "too large"),
        ("factorial(1e9)", "from 0 to 400"),
        ("round(1.5, 999999999)", "up to 100"),
        ("(-1) ^ 0.5", "no real number"),
        ("log(0)", "can't be computed"),
        ("max()", "does not take"),
        ("evil(1)", "no function 'evil'"),
        ("__import__('os').system('true')", "is not arithmetic"),
        ("(1).__class__", "is not arithmetic"),
        ("[1 for x in (1,)]", "is not arithmetic"),
        ("lambda: 1", "is not arithmetic"),
        ("True + 1", "is not arithmetic"),
        ("1j", "is not arithmetic"),
        ("2 +", "not an expression"),
        ("(" * 300, "not an expression"),
        ("1 + " * 200 + "1", "more than 500 characters"),
    ],
)
def test_the_calculator_refuses_with_the_reason(expression: str, why: str) -> None:
    with pytest.raises(calculator.BadExpression, match=why):
        calculator.compute(expression)


async def test_the_current_time_is_told_in_a_zone() -> None:
    told = json.loads(await tools.answer("current_time", '{"zone": "Asia/Kolkata"}'))
    assert told["time"].endswith("+05:30")
    assert told["zone"] == "Asia/Kolkata"
    assert (await tools.answer("current_time", "")).count("+00:00") == 1


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "../../etc/passwd", "", "\0", "x" * 999]
)
async def test_a_zone_that_there_is_not_is_said(zone: str) -> None:
    output = await tools.answer("current_time", json.dumps({"zone": zone}))
    assert output.startswith("Error: there is no time zone")


@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("echo", '{"text": "Hi"}', "Hi"),
        ("echo", '{"text": "a\\u0000b"}', "ab"),
        ("echo", "{", "Error: the arguments are not JSON."),
        ("echo", "[" * 100_000, "Error: the arguments are not JSON."),
        ("echo", "[1]", "Error: the arguments are not a JSON object."),
        ("echo", '{"text": 3}', "Error: 'text' must be string."),
        ("echo", '{"word": 3}', "Error: unknown arguments: word."),
        ("picky", "{}", "Error: missing arguments: count."),
        ("picky", '{"count": true}', "Error: 'count' must be integer."),
        ("picky", '{"count": 1, "unit": "kg"}', "Error: 'unit' must be None."),
        (
            "picky",
            '{"count": 1, "share": 2, "anything": []}',
            '{"count": 1, "share": 2, "anything": []}',
        ),
        ("refusing", "{}", "Error: not today."),
        ("broken", "{}", "Error: the tool failed."),
        ("giving_up", "{}", "Error: the tool gave up."),
        (
            "echo",
            f'{{"text": "{"x" * 200_000}"}}',
            "Error: the arguments are too long.",
        ),
        ("late", "{}", "Error: the tool took longer than 0.05 s."),
        ("late_and_blocking", "{}", "Error: the tool took longer than 0.05 s."),
        ("nothing", "{}", "Error: there is no tool 'nothing'."),
    ],
)
async def test_whatever_goes_wrong_is_an_output(
    name: str, arguments: str, output: str
) -> None:
    told = await tools.answer(name, arguments)
    assert told == output
    assert "secret" not in told


async def test_an_output_is_bounded() -> None:
    output = await tools.answer("huge", "{}")
    assert output.endswith("\n[cut: 1,004 characters, the limit is 100]")
    assert len(output) < 200


async def test_a_call_can_be_cut_off() -> None:
    task = asyncio.create_task(tools.answer("endless", "{}"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_what_is_offered_tells_whom_it_asks() -> None:
    names = [tool.name for tool in tools.offered()]
    assert names == sorted(names)
    assert {"calculate", "current_time"} <= set(names)
    assert {"guarded"} == MARKED
    (told,) = tools.definitions(["guarded", "gone"])
    assert told["needs_approval"] is True
    assert told["function"]["parameters"] == tool_examples.TEXT


def test_a_name_can_be_taken_once() -> None:
    with pytest.raises(ValueError, match="a tool 'echo' already"):
        tools.tool(description="Another.")(tool_examples.echo)


def test_a_module_that_cannot_be_imported_stops_the_start() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"TOOL_MODULES: tests\.nowhere"):
        tools.load(["tests.nowhere"])
