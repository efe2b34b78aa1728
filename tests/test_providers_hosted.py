"""Tools that the model server runs itself: what is asked for, and what is heard."""

from __future__ import annotations

import json
from typing import Any

from runs.providers import (
    Citation,
    Document,
    Finish,
    HostedCall,
    Image,
    Prompt,
    PromptMessage,
    Server,
    TextDelta,
)
from runs.providers.chat_completions import chat_messages, chat_parameters
from runs.providers.responses import (
    ResponsesReader,
    responses_input,
    responses_parameters,
)
from tests.providers_fixtures import read

SERVER = Server(name="unit", kind="responses")
COMPLETED = {"id": "resp_1", "model": "m", "status": "completed"}
SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1"], "max_num_results": 3}
CODE = {"type": "code_interpreter", "file_ids": ["file-1"]}


def heard(*events: dict[str, Any]) -> list[Any]:
    """What a reader makes of these events and the end."""
    end = {"type": "response.completed", "response": COMPLETED}
    lines = ["data: " + json.dumps(event) for event in (*events, end)]
    return read(ResponsesReader(SERVER), *lines, "")


def item(kind: str, place: int, **fields: Any) -> dict[str, Any]:
    event = f"response.output_item.{kind}"
    return {"type": event, "output_index": place, "item": fields}


def test_hosted_tools_are_asked_for_with_their_results():
    prompt = Prompt("m", "", (), tools=(SEARCH, CODE), tool_choice=None)
    parameters = responses_parameters(prompt)

    container = {"type": "auto", "file_ids": ["file-1"]}
    assert parameters["tools"] == [
        SEARCH,
        {"type": "code_interpreter", "container": container},
    ]
    assert parameters["include"] == [
        "file_search_call.results",
        "code_interpreter_call.outputs",
    ]


def test_a_hosted_tool_can_be_chosen_only_where_it_is_hosted():
    choice = {"type": "file_search"}
    function = {"type": "function", "function": {"name": "now"}}
    prompt = Prompt("m", "", (), tools=(SEARCH, function), tool_choice=choice)

    assert responses_parameters(prompt)["tool_choice"] == choice
    elsewhere = chat_parameters(prompt, "max_tokens")
    assert elsewhere["tools"] == [function]
    assert "tool_choice" not in elsewhere


def test_code_comes_in_pieces_and_its_outputs_at_the_end():
    call = {"type": "code_interpreter_call", "id": "ci_1"}
    outputs = [
        {"type": "logs", "logs": "4"},
        {"type": "image", "url": "https://x/y.png"},
        {"type": "image", "url": "data:image/png;base64,AAAA"},
        {"type": "unheard of"},
    ]
    delta = {"type": "response.code_interpreter_call_code.delta", "output_index": 0}
    told = heard(
        item("added", 0, **call),
        {**delta, "delta": "print("},
        {**delta, "delta": "2+2)"},
        {**delta, "delta": ""},
        item("done", 0, **call, code="print(2+2)", outputs=outputs),
    )

    kept = [
        {"type": "logs", "logs": "4"},
        {"type": "logs", "logs": "https://x/y.png"},
        {"type": "logs", "logs": "(image)"},
    ]
    assert told[:-1] == [
        HostedCall("ci_1", "code_interpreter"),
        HostedCall("ci_1", "code_interpreter", "print("),
        HostedCall("ci_1", "code_interpreter", "2+2)"),
        HostedCall("ci_1", "code_interpreter", result={"outputs": kept}),
    ]
    assert told[-1] == Finish("stop", "resp_1", "m")


def test_code_that_comes_only_when_done_is_not_lost():
    call = {"type": "code_interpreter_call", "id": "ci_1", "code": "1", "outputs": None}
    told = heard(item("done", 0, **call))
    assert told[:-1] == [
        HostedCall("ci_1", "code_interpreter"),
        HostedCall("ci_1", "code_interpreter", "1"),
        HostedCall("ci_1", "code_interpreter", result={"outputs": []}),
    ]


def test_a_search_tells_what_it_found_and_the_text_cites_it():
    call = {"type": "file_search_call", "id": "fs_1", "queries": ["q"]}
    found = {"file_id": "file-1", "filename": "a.txt", "score": 0.5, "text": "So."}
    cited = {
        "type": "file_citation",
        "file_id": "file-1",
        "filename": "a.txt",
        "index": 3,
    }
    annotation = {"type": "response.output_text.annotation.added", "output_index": 1}
    told = heard(
        item("added", 0, **call),
        item("done", 0, **call, results=[found]),
        {"type": "response.output_text.delta", "output_index": 1, "delta": "Yes"},
        {**annotation, "annotation": cited},
        {**annotation, "annotation": {"type": "url_citation", "url": "https://x"}},
    )

    assert told[0] == HostedCall("fs_1", "file_search")
    assert told[1].result["results"] == [
        {
            "file_id": "file-1",
            "file_name": "a.txt",
            "score": 0.5,
            "content": [{"type": "text", "text": "So."}],
        }
    ]
    assert told[2] == TextDelta("Yes")
    assert told[3:-1] == [
        Citation(
            {
                "type": "file_citation",
                "text": "a.txt",
                "start_index": 3,
                "end_index": 3,
                "file_citation": {"file_id": "file-1"},
            }
        )
    ]


def test_text_after_a_hosted_call_begins_a_message_of_its_own():
    text = "response.output_text.delta"
    told = heard(
        {"type": text, "output_index": 0, "delta": "Let me see."},
        item("added", 1, type="file_search_call", id="fs_1"),
        {"type": text, "output_index": 2, "delta": "Found."},
    )
    assert [value.text for value in told[:-1]] == ["Let me see.", "", "Found."]


def test_images_and_documents_go_where_each_format_has_them():
    image = Image("https://x/y.png", "low")
    document = Document("a.pdf", "data:application/pdf;base64,AA==")
    message = PromptMessage("user", "Look", parts=(image, document))
    prompt = Prompt("m", "", (message,))

    assert responses_input(prompt) == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Look"},
                {"type": "input_image", "image_url": image.url, "detail": "low"},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": document.data_url,
                },
            ],
        }
    ]
    assert chat_messages(prompt) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look"},
                {
                    "type": "image_url",
                    "image_url": {"url": image.url, "detail": "low"},
                },
            ],
        }
    ]
