"""Tools that the model server runs, images and files (api.md 2.2, 4, 5, 9.2)."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from runs import events, files
from runs.conversations import Draft
from runs.models import ApiKey, Run, User, text_part
from runs.providers import (
    Citation,
    Document,
    HostedCall,
    Image,
    Sent,
    TextDelta,
)
from tests.api.in_process import (
    Call,
    call,
    heard_by_helper,
    key,
    path_of,
    run_of,
    stream_of,
)
from tests.api.run_helpers import names, parsed
from tests.scripts import (
    USED,
    WELL,
    Scripted,
    ended,
    types,
    until,
    working,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings(
        "ignore:.*Assistants API is deprecated.*:DeprecationWarning"
    ),
]
__all__ = ["call", "key"]  # fixtures


HOSTED_TOOLS = [{"type": "code_interpreter"}, {"type": "file_search"}]
CONTENT = [{"type": "text", "text": "So."}]


def search_and_code() -> list[Any]:
    """A turn in which the server searches, runs code, and answers with a citation."""
    found = {"file_id": "f", "file_name": "a.txt", "score": 0.5, "content": CONTENT}
    ranking = {"ranker": "auto", "score_threshold": 0.0}
    cited = {
        "type": "file_citation",
        "text": "a.txt",
        "start_index": 2,
        "end_index": 2,
        "file_citation": {"file_id": "f"},
    }
    outputs = {"outputs": [{"type": "logs", "logs": "4"}]}
    searched = {"ranking_options": ranking, "results": [found]}
    return [
        Sent("r"),
        HostedCall("fs_1", "file_search"),
        HostedCall("fs_1", "file_search", result=searched),
        HostedCall("ci_1", "code_interpreter"),
        HostedCall("ci_1", "code_interpreter", "print("),
        HostedCall("ci_1", "code_interpreter", "4)"),
        HostedCall("ci_1", "code_interpreter", result=outputs),
        TextDelta("It"),
        TextDelta(" is 4."),
        Citation(cited),
        TextDelta(" Yes."),
        USED,
        WELL,
    ]


@pytest.fixture
def hosting(settings: Any) -> None:
    """The default model server speaks the Responses API."""
    settings.MODEL_SERVERS = {"hosting": {"kind": "responses", "default_model": "m"}}
    settings.DEFAULT_MODEL_SERVER = "hosting"


@pytest.mark.usefixtures("hosting")
async def test_hosted_tools_are_passed_on_and_their_steps_recorded(
    alice: User,
    key: tuple[ApiKey, str],
    provider: Scripted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2.2 (b) built-in tools; 2.3 citations; 9.2."""
    provider.will(*search_and_code())
    resources = {"file_search": {"vector_store_ids": ["vs_1"]}}
    async with working(monkeypatch, provider, alone=True):
        run = await sync_to_async(run_of)(
            alice, tools=HOSTED_TOOLS, tool_resources=resources
        )
        stream = await stream_of(run, key[0])
        run = await ended(run)

    assert run.status == "completed", run.last_error
    assert [tool["type"] for tool in provider.prompts[0].tools] == [
        "code_interpreter",
        "file_search",
    ]
    assert "run.warning" not in await types(run)
    heard = heard_by_helper(stream)
    assert names(heard.called("event"))[3:] == [
        "run.step.created", "run.step.in_progress", "run.step.delta",
        "run.step.completed", "run.step.created", "run.step.in_progress",
        "message.created", "message.in_progress", "message.delta",
        "message.completed", "run.step.completed", "run.completed",
    ]  # fmt: skip
    search, code = heard.called("step_done")[0].step_details.tool_calls
    assert code.code_interpreter.input == "print(4)"
    assert code.code_interpreter.outputs[0].logs == "4"
    assert search.file_search.results[0].file_id == "f"
    assert search.file_search.results[0].content is None
    (message,) = heard.called("message_done")
    assert message.content[0].text.value == "It is 4. Yes."
    assert message.content[0].text.annotations[0].file_citation.file_id == "f"
    with_results = await stream_of(run, key[0], with_results=True)
    lines = with_results.decode().splitlines()
    steps = [e.data for e in parsed(iter(lines)) if e.event.endswith("step.completed")]
    shown = steps[0]["step_details"]["tool_calls"][0]["file_search"]["results"]
    assert shown[0]["content"] == CONTENT


@pytest.mark.usefixtures("hosting")
async def test_steps_of_searches_tell_their_texts_only_when_asked(
    alice: User, call: Call, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1.6 include[]."""
    content = [{"type": "text", "text": "So."}]
    found = {"file_id": "f", "file_name": "a", "score": 0.5, "content": content}
    ranking = {"ranker": "auto", "score_threshold": 0.0}
    result = {"ranking_options": ranking, "results": [found]}
    call_begins = HostedCall("fs_1", "file_search")
    call_ends = HostedCall("fs_1", "file_search", result=result)
    provider.will(Sent("r"), call_begins, call_ends, TextDelta("So."), USED, WELL)
    async with working(monkeypatch, provider, alone=True):
        run = await ended(await sync_to_async(run_of)(alice, tools=HOSTED_TOOLS))

    def results(query: str) -> Any:
        status, page = call("GET", path_of(run, f"/steps?order=asc{query}"))
        assert status == 200, page
        return page["data"][0]["step_details"]["tool_calls"][0]["file_search"]

    (plain,) = (await sync_to_async(results)(""))["results"]
    assert "content" not in plain
    include = "step_details.tool_calls%5B*%5D.file_search.results%5B*%5D.content"
    (whole,) = (await sync_to_async(results)(f"&include%5B%5D={include}"))["results"]
    assert whole["content"] == content
    _, error = await sync_to_async(call)("GET", path_of(run, "/steps?include[]=x"))
    assert error["error"]["code"] == "invalid_value"


async def test_where_nobody_hosts_a_tool_the_run_says_so_and_works_on(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue: a warning, and the run works on."""
    provider.will_say("Without.")
    async with working(monkeypatch, provider, alone=True):
        run = await sync_to_async(run_of)(alice, tools=HOSTED_TOOLS)
        warning = await until(run, "thread.run.warning")
        run = await ended(run)
    assert run.status == "completed"
    assert warning.data["code"] == "unsupported_tool"
    assert "code_interpreter" in warning.data["message"]
    assert (await types(run)).count("run.warning") == 2
    assert provider.prompts[0].tools == ()
    run = await Run.objects.select_related("setup").aget(pk=run.pk)
    assert run.setup.tools == HOSTED_TOOLS


@pytest.mark.usefixtures("hosting")
async def test_images_and_files_reach_the_model(
    alice: User, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 input parts and attachments."""

    def stored(name: str, content: bytes) -> str:
        purpose = "assistants"
        made = files.store(
            owner=alice, filename=name, purpose=purpose, content=[content]
        )
        return str(made.pk)

    png, text, pdf, other = await sync_to_async(
        lambda: (
            stored("a.png", b"\x89PNG\r\n\x1a\n0"),
            stored("a.txt", b"The plan."),
            stored("a.pdf", b"%PDF-1.7"),
            stored("a.bin", b"\xff\x00\xfe"),
        )
    )()
    tools = [{"type": "file_search"}]
    draft = Draft(
        "user",
        [
            text_part("Look"),
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
            {"type": "image_file", "image_file": {"file_id": png, "detail": "low"}},
        ],
        [{"file_id": key, "tools": tools} for key in (text, pdf, other, "file-gone")],
    )
    provider.will_say("Seen.")
    async with working(monkeypatch, provider, alone=True):
        run = await ended(await sync_to_async(run_of)(alice, drafts=[draft]))

    (asked,) = provider.prompts[0].messages
    assert asked.text == "Look\n\n[a.txt]\nThe plan."
    assert asked.parts == (
        Image("https://x/y.png", "auto"),
        Image("data:image/png;base64,iVBORw0KGgow", "low"),
        Document("a.pdf", "data:application/pdf;base64,JVBERi0xLjc="),
    )
    log = await sync_to_async(events.after)(run.pk, 0)
    warned = [e.data["message"] for e in log if e.type == "thread.run.warning"]
    assert len(warned) == 2
    assert "'a.bin'" in warned[0]
    assert "no longer there" in warned[1]
