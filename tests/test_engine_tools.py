"""Runs in which the server executes tools itself."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from runs import actions, decisions, endings, engine, events, housekeeping, live
from runs.models import Assistant, EventType, Run, User
from runs.overrides import Overrides, server_tools
from tests import tool_examples
from tests.scripts import (
    Gate,
    Scripted,
    answer_of,
    ended,
    post,
    types,
    until,
    working,
)
from tests.tool_turns import (
    asks,
    assistant_with,
    outputs_of,
    waiting,
)

pytestmark = pytest.mark.django_db(transaction=True)

CLIENTS = {"type": "function", "function": {"name": "weather", "parameters": {}}}


@pytest.fixture(autouse=True)
def nothing_executed() -> None:
    tool_examples.calls.clear()


async def test_the_server_answers_parallel_calls_and_the_model_goes_on(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(
        *asks(("calculate", '{"expression": "6*7"}'), ("echo", '{"text": "Hi"}'))
    )
    provider.will(*asks(("echo", '{"text": "again"}'), text="One more."))
    provider.will_say("Forty-two.")
    assistant = await assistant_with("calculate", "echo")
    async with working(monkeypatch, provider):
        run = await ended(await post(alice, assistant=assistant))

    assert (run.status, run.attempt) == ("completed", 1)
    assert await outputs_of(run) == ["42", "Hi", "again"]
    assert (await answer_of(run)).text == "Forty-two."
    assert run.input_tokens == 30
    told = [
        message for message in provider.prompts[1].messages if message.role == "tool"
    ]
    assert [(m.tool_call_id, m.text) for m in told] == [
        ("call_0", "42"),
        ("call_1", "Hi"),
    ]
    last = [(m.role, m.text) for m in provider.prompts[2].messages[3:]]
    assert last[-2:] == [("assistant", ""), ("tool", "again")]
    log = await types(run)
    assert log.count("run.tools.started") == 2
    first = log.index("run.tools.started")
    assert sorted(log[first + 1 : first + 3]) == ["run.step.delta"] * 2
    assert log[first + 3] == "run.step.completed"


async def test_the_model_is_told_of_the_tools_beside_the_clients(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will_say("Hi.")
    own = {**CLIENTS, "function": {"name": "echo", "description": "Mine."}}
    assistant = await assistant_with(
        "echo", "current_time", "gone", tools=[CLIENTS, own]
    )
    async with working(monkeypatch, provider):
        run = await ended(await post(alice, assistant=assistant))

    functions = [tool["function"] for tool in provider.prompts[0].tools]
    named = [function["name"] for function in functions]
    assert named == ["weather", "echo", "current_time"]
    assert functions[1]["description"] == "Mine."
    assert all("needs_approval" not in tool for tool in provider.prompts[0].tools)
    setup = await sync_to_async(lambda: run.setup)()
    assert [one["function"]["name"] for one in setup.server_tools] == ["current_time"]


async def test_history_keeps_what_the_model_was_told(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will_say("Hi.")
    assistant = await assistant_with("echo")
    async with working(monkeypatch, provider):
        run = await ended(await post(alice, assistant=assistant))
    await Assistant.objects.filter(pk=assistant.pk).aupdate(server_tools=[])

    again = await Run.objects.select_related("setup").aget(pk=run.pk)
    (told,) = again.setup.server_tools
    assert told["function"]["description"] == "Gives the text back."


async def test_tools_that_a_run_brings_along_replace_the_servers(alice: User) -> None:
    assistant = await assistant_with("echo")
    assert server_tools(assistant, Overrides())
    assert server_tools(assistant, Overrides(tools=[])) == []


@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("nothing", "{}", "Error: there is no tool 'nothing'."),
        ("guarded", "{}", "Error: there is no tool 'guarded'."),
        ("echo", "{oops", "Error: the arguments are not JSON."),
        ("broken", "{}", "Error: the tool failed."),
        ("late", "{}", "Error: the tool took longer than 0.05 s."),
    ],
)
async def test_a_call_that_fails_is_told_to_the_model_and_the_run_goes_on(
    alice: User,
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    arguments: str,
    output: str,
) -> None:
    provider.will(*asks((name, arguments)))
    provider.will_say("Sorry.")
    assistant = await assistant_with("echo", "broken", "late")
    async with working(monkeypatch, provider):
        run = await ended(await post(alice, assistant=assistant))
    assert (run.status, await outputs_of(run)) == ("completed", [output])
    assert tool_examples.calls == []


async def test_a_model_that_asks_for_ever_is_ended(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MOST_ROUNDS", 3)
    for _ in range(3):
        provider.will(*asks(("echo", "{}")))
    assistant = await assistant_with("echo")
    async with working(monkeypatch, provider):
        run = await ended(await post(alice, assistant=assistant))
    assert (run.status, run.error_code) == ("failed", "tool_rounds")
    assert len(tool_examples.calls) == 3


async def test_a_budget_of_tokens_holds_between_rounds(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(*asks(("echo", "{}")))
    assistant = await assistant_with("echo")
    run = await post(alice, assistant=assistant)
    await Run.objects.filter(pk=run.pk).aupdate(max_completion_tokens=5)
    async with working(monkeypatch, provider):
        run = await ended(run)
    assert (run.status, run.incomplete_reason) == (
        "incomplete",
        "max_completion_tokens",
    )


# Stop, expiry and crashes


async def test_stop_ends_a_tool_that_runs(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(*asks(("echo", '{"text": "kept"}'), ("endless", "{}")))
    assistant = await assistant_with("echo", "endless")
    async with working(monkeypatch, provider):
        run = await post(alice, assistant=assistant)
        await until_output(run)
        await sync_to_async(actions.cancel)(run=run, user=alice)
        run = await ended(run)
    assert run.status == "cancelled"
    assert await outputs_of(run) == ["kept", None]
    step = await run.steps.aget()
    assert step.status == "cancelled"


async def until_output(run: Run) -> None:
    async for event in live.follow(run.pk):
        if event.type == EventType.STEP_DELTA and "output" in event.data:
            return


async def test_a_run_expires_while_a_tool_runs(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.RUN_EXPIRES_SECONDS = 1
    provider.will(*asks(("endless", "{}")))
    assistant = await assistant_with("endless")
    async with working(monkeypatch, provider):
        run = await ended(await post(alice, assistant=assistant))
    assert run.status == "expired"
    assert (await run.steps.aget()).status == "expired"


async def test_a_worker_that_stops_in_mid_tool_leaves_an_honest_end(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(*asks(("endless", "{}")))
    assistant = await assistant_with("endless")
    async with working(monkeypatch, provider):
        run = await post(alice, assistant=assistant)
        await until(run, EventType.TOOLS_STARTED)
    run = await ended(run)
    assert (run.status, run.error_code) == ("failed", "interrupted")
    assert (await run.steps.aget()).status == "failed"
    assert tool_examples.calls == ["endless"]


# Approval


async def test_a_marked_tool_runs_once_it_is_approved(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(
        *asks(
            ("guarded", '{"text": "a"}'), ("echo", "{}"), ("guarded", '{"text": "b"}')
        )
    )
    provider.will_say("Done.")
    assistant = await assistant_with("guarded", "echo")
    async with working(monkeypatch, provider):
        run = await waiting(await post(alice, assistant=assistant))
        assert tool_examples.calls == ["echo "]
        assert decisions.asked(run) == []
        assert decisions.to_approve(run) == ["call_0", "call_2"]
        run = await decided(run, alice, "call_0", is_approved=True)
        assert (run.status, decisions.to_approve(run)) == (
            "requires_action",
            ["call_2"],
        )
        assert tool_examples.calls == ["echo "]
        run = await decided(run, alice, "call_2", is_approved=False)
        assert run.status == "queued"
        run = await ended(run)

    assert tool_examples.calls == ["echo ", "guarded a"]
    assert await outputs_of(run) == ["guarded a", "", decisions.DECLINED]
    assert (run.status, run.attempt) == ("completed", 2)


async def decided(run: Run, user: User, call: str, *, is_approved: bool) -> Run:
    return await sync_to_async(actions.decide)(
        run=run, call_id=call, is_approved=is_approved, user=user
    )


async def test_a_decision_is_made_once(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(*asks(("guarded", "{}")))
    provider.will_say("As you wish.")
    assistant = await assistant_with("guarded")
    async with working(monkeypatch, provider):
        run = await waiting(await post(alice, assistant=assistant))
        with pytest.raises(actions.InvalidInput, match="does not wait for approval"):
            await decided(run, alice, "call_9", is_approved=True)
        with pytest.raises(actions.InvalidInput, match="for call_ids"):
            await sync_to_async(actions.submit_tool_outputs)(run=run, outputs={})
        run = await decided(run, alice, "call_0", is_approved=False)
        with pytest.raises(actions.InvalidInput):
            await decided(run, alice, "call_0", is_approved=True)
        run = await ended(run)
    assert tool_examples.calls == []
    assert run.status == "completed"


async def test_a_mixed_round_waits_for_the_client_and_for_the_approval(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(
        *asks(("weather", "{}"), ("echo", '{"text": "own"}'), ("guarded", "{}"))
    )
    provider.will_say("Fine.")
    assistant = await assistant_with("guarded", "echo", tools=[CLIENTS])
    async with working(monkeypatch, provider):
        run = await waiting(await post(alice, assistant=assistant))
        assert (decisions.asked(run), decisions.to_approve(run)) == (
            ["call_0"],
            ["call_2"],
        )
        submit = sync_to_async(actions.submit_tool_outputs)
        run = await submit(run=run, outputs={"call_0": "Sunny"})
        assert run.status == "requires_action"
        assert (decisions.asked(run), decisions.to_approve(run)) == ([], ["call_2"])
        run = await decided(run, alice, "call_2", is_approved=True)
        run = await ended(run)
    assert await outputs_of(run) == ["Sunny", "own", "guarded "]
    assert tool_examples.calls == ["echo own", "guarded "]


async def test_stop_ends_the_wait_for_approval(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(*asks(("guarded", "{}")))
    assistant = await assistant_with("guarded")
    async with working(monkeypatch, provider):
        run = await waiting(await post(alice, assistant=assistant))
        await sync_to_async(actions.cancel)(run=run, user=alice)
        run = await ended(run)
    assert (run.status, tool_examples.calls) == ("cancelled", [])


async def test_the_wait_for_approval_expires(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(*asks(("guarded", "{}")))
    assistant = await assistant_with("guarded")
    async with working(monkeypatch, provider):
        run = await waiting(await post(alice, assistant=assistant))
    past = run.created_at
    await Run.objects.filter(pk=run.pk).aupdate(expires_at=past)
    await sync_to_async(housekeeping.end_expired)()
    run = await ended(run)
    assert (run.status, tool_examples.calls) == ("expired", [])
    assert (await run.steps.aget()).status == "expired"


async def test_an_approved_tool_whose_worker_died_before_its_output_runs_again(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(*asks(("guarded", "{}")))
    provider.will_say("Done.")
    assistant = await assistant_with("guarded")
    async with working(monkeypatch, provider):
        run = await waiting(await post(alice, assistant=assistant))
    run = await decided(run, alice, "call_0", is_approved=True)
    await sync_to_async(events.claim)(run.pk, worker="dead:1")
    await sync_to_async(housekeeping._each)(Run.objects.filter(pk=run.pk), endings.lost)
    async with working(monkeypatch, provider):
        run = await ended(run)
    assert (run.status, run.attempt) == ("completed", 3)
    assert tool_examples.calls == ["guarded "]


async def test_a_tool_whose_output_is_recorded_never_runs_again(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.will(*asks(("guarded", "{}")))
    assistant = await assistant_with("guarded")
    async with working(monkeypatch, provider):
        run = await waiting(await post(alice, assistant=assistant))
    run = await decided(run, alice, "call_0", is_approved=True)
    claimed = await sync_to_async(events.claim)(run.pk, worker="dead:1")
    assert claimed
    step = await run.steps.aget()
    fact = {"step": step.pk, "index": 0, "arguments": "", "output": "kept"}
    output = events.Event(EventType.STEP_DELTA, fact)
    await sync_to_async(events.record)(run.pk, [output], attempt=claimed.attempt)
    await sync_to_async(endings.lost)(run.pk)
    async with working(monkeypatch, provider):
        run = await ended(run)
    assert (run.status, run.error_code) == ("failed", "interrupted")
    assert (await outputs_of(run), tool_examples.calls) == (["kept"], [])


async def test_text_before_a_gate_is_not_cut_by_tools(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    turn: list[Any] = asks(("echo", "{}"), text="Let me see.")
    provider.will(*turn[:2], gate, *turn[2:])
    provider.will_say("There.")
    assistant = await assistant_with("echo")
    async with working(monkeypatch, provider):
        run = await post(alice, assistant=assistant)
        await gate.reached.wait()
        gate.opened.set()
        run = await ended(run)
    kinds = [(step.type, step.turn) async for step in run.steps.all()]
    assert kinds == [
        ("message_creation", 1),
        ("tool_calls", 1),
        ("message_creation", 2),
    ]
