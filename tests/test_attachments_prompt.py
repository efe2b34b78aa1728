"""Files in messages, as models get them, and what is said of those that they don't."""

from __future__ import annotations

from typing import Any

import pytest

from runs import branches, prompt
from runs.models import FileUse, Run, Thread, User
from runs.providers import Server
from tests.attachments_fixtures import asked, attached, pdf, picture, send
from tests.pages_fixtures import client_of, ended

pytestmark = pytest.mark.django_db

SERVER = Server(name="s", kind="chat_completions")


def told(run: Run, model: str = "gpt-4o") -> Any:
    """What the model gets of the question, and what it does not."""
    context = prompt.build(run, model, SERVER)
    message = context.prompt.messages[-1]
    return message, [words for _, words in context.warnings]


def test_the_text_of_a_pdf_reaches_the_prompt(alice: User) -> None:
    file = attached(alice, pdf("The spare key is under the mat"), "house.pdf")

    message, warnings = told(send(alice, "Where is it?", file))

    assert "[house.pdf]\nThe spare key is under the mat" in message.text
    assert "Where is it?" in message.text
    assert not warnings


def test_a_picture_reaches_a_model_that_can_see_and_no_other(alice: User) -> None:
    run = send(alice, "What is it?", attached(alice, picture(), "cat.png"))

    message, warnings = told(run, "gpt-4o")
    assert message.parts[0].url.startswith("data:image/png;base64,")
    assert not warnings

    message, warnings = told(run, "gpt-3.5-turbo")
    assert not message.parts
    assert warnings == [
        "The file 'cat.png' was not given to the model: it takes no pictures."
    ]


def test_a_page_says_whether_the_model_sees(alice: User, settings: Any) -> None:
    thread = Thread.objects.get(pk=send(alice, "Hi").thread_id)
    page = client_of(alice)
    assert 'data-sees="yes"' in page.get(f"/t/{thread.pk}").content.decode()

    Thread.objects.filter(pk=thread.pk).update(parameters={"model": "o1-mini"})
    assert 'data-sees="no"' in page.get(f"/t/{thread.pk}").content.decode()


def test_text_without_room_is_cut_and_said(alice: User, settings: Any) -> None:
    settings.PROMPT_MAX_TOKENS = 1_000
    run = send(alice, "Sum it up", attached(alice, b"word " * 2_000, "long.txt"))

    message, warnings = told(run)

    assert len(message.text) < 4_000
    assert "Of the file 'long.txt' the model got the first" in warnings[0]


def test_an_edited_message_keeps_its_files(alice: User) -> None:
    file = attached(alice, picture(), "cat.png")
    run = ended(send(alice, "Whose?", file), "completed", "Mine.")

    again = branches.edit_message(message=asked(run), text="Who?", user=alice)

    assert again.answers is not None
    assert FileUse.objects.filter(message=again.answers, file=file).exists()
    assert len(told(again)[0].parts) == 1
