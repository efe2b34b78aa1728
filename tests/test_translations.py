"""English and German: nothing unmarked, nothing untranslated, nothing out of date."""

from __future__ import annotations

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import translation

from runs import actions, assistants, keys, prompt_library
from runs.models import Thread, User
from tests.catalogues import (
    DOMAINS,
    LOCALE,
    PLACEHOLDER,
    ROOT,
    Entry,
    compiled_count,
    entries,
    marked_in_python,
    unmarked_in_python,
    unmarked_in_script,
    unmarked_in_template,
    words_of,
)
from tests.pages_fixtures import HTMX, client_of, ended, exchange

# Names, and what is the same in every language.
NAMES = {"Threadmill", "API", "Alt", "Enter", "Esc", "Cmd"}
# Constants of a protocol, which are compared and never shown.
OF_A_PROTOCOL = {"The user declined this call.", "Error: "}
# The title of a frame within the page; the page gives it another, a translated one.
NEVER_SEEN = {"diagram.html"}
# Files of sources whose sentences people do not read in the browser.
FOR_MACHINES = {"consumers.py"}
ENGLISH = re.compile(r"\b(the|and|your|with|this|that|of|is|are|you|not|for)\b", re.I)


@pytest.fixture(autouse=True)
def _english_again():
    yield
    translation.deactivate()


@pytest.fixture
def anna(alice: User) -> User:
    """Alice, who reads German."""
    alice.language = "de"
    alice.save(update_fields=["language"])
    return alice


def told(entry: Entry) -> str:
    return f"{entry.words!r}: {entry.translations}"


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_message_is_translated(domain):
    missing = [
        told(entry)
        for entry in entries(domain)
        if entry.is_fuzzy or not all(entry.translations)
    ]
    assert missing == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_translations_have_the_placeholders_of_the_original(domain):
    wrong = [
        told(entry)
        for entry in entries(domain)
        for original, one in zip(
            (entry.words, entry.plural), entry.translations, strict=False
        )
        if set(PLACEHOLDER.findall(one)) != set(PLACEHOLDER.findall(original))
    ]
    assert wrong == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_compiled_catalogue_says_what_the_readable_one_says(domain):
    with (LOCALE / f"{domain}.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    stale = [
        told(one) for one in entries(domain) if said(compiled, one) != one.translations
    ]

    assert stale == []
    assert compiled_count(domain) == len(entries(domain)) + 1


def said(compiled: gettext.GNUTranslations, entry: Entry) -> list[str]:
    if not entry.plural:
        return [compiled.gettext(entry.words)]
    return [compiled.ngettext(entry.words, entry.plural, count) for count in (1, 2)]


def test_every_marked_message_is_in_the_catalogue(tmp_path):
    """`make messages` in a copy of the sources changes nothing."""
    for part in ("chat", "config", "runs", "templates", "static/js", "deploy"):
        shutil.copytree(ROOT / part, tmp_path / part)
    (tmp_path / "requirements.txt").touch()
    env = os.environ | {"DATA_DIR": str(tmp_path / "data"), "ENV_FILE": os.devnull}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    subprocess.run(
        [sys.executable, "deploy/messages.py"], cwd=tmp_path, env=env, check=True
    )
    fresh = tmp_path / LOCALE.relative_to(ROOT)
    for domain in DOMAINS:
        now = {entry.words for entry in entries(domain, fresh)}
        assert now == {entry.words for entry in entries(domain)}, "run make messages"


def test_what_python_marks_is_found_by_the_tools():
    known = {entry.words for entry in entries("django")}
    lost = [
        f"{path.relative_to(ROOT)}: {words}"
        for folder in ("chat", "runs", "config")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for words in marked_in_python(path.read_text("utf-8"))
        if words not in known
    ]
    assert lost == []


def test_the_catalogues_name_no_machine_and_no_person():
    for domain in DOMAINS:
        header = (LOCALE / f"{domain}.po").read_text("utf-8").split("\n\n")[0]
        assert "@" not in header.replace("Report-Msgid", "")
        assert str(Path.home()) not in header
        assert "POT-Creation-Date" not in header


def test_templates_say_nothing_unmarked():
    unmarked = {
        str(path.relative_to(ROOT)): found
        for path in sorted((ROOT / "templates").rglob("*.html"))
        if "admin" not in path.parts
        and path.name not in NEVER_SEEN
        and (found := set(unmarked_in_template(path.read_text("utf-8"))) - NAMES)
    }
    assert unmarked == {}


def test_scripts_say_nothing_unmarked():
    unmarked = {
        path.name: found
        for path in sorted((ROOT / "static" / "js").glob("*.js"))
        if (
            found := set(unmarked_in_script(path.read_text("utf-8")))
            - OF_A_PROTOCOL
            - NAMES
        )
    }
    assert unmarked == {}


def test_views_and_forms_say_nothing_unmarked():
    unmarked = [
        f"{path.relative_to(ROOT)}:{line} {text}"
        for path in sorted((ROOT / "chat").rglob("*.py"))
        if path.name not in FOR_MACHINES
        for line, text in unmarked_in_python(path.read_text("utf-8"))
        if text not in OF_A_PROTOCOL
    ]
    assert unmarked == []


def test_refusals_that_a_page_shows_are_marked():
    """The API raises the same ones; it speaks English, since it activates no language."""
    shown = (
        r"(?:InvalidInput|TooManyWaiting|NotShareable|NotRetryable|NotEditable"
        r"|NothingToContinue|TooLarge|NoRoom)\(\s*f?[\"']([^\"']*)"
    )
    # Answers to forms that nobody could have sent; chat.waits says its own words.
    by_hand = {"Expected tool outputs for call_ids {expected}, got {list(outputs)}"}
    by_hand.add("This call does not wait for approval.")
    unmarked = [
        f"{path.name}: {text}"
        for path in sorted((ROOT / "runs").glob("*.py"))
        for text in re.findall(shown, path.read_text("utf-8"))
        if text not in by_hand
    ]
    assert unmarked == []


def english_in(html: str) -> list[str]:
    """What a German page says in English. Names that people gave do not count."""
    originals = {
        entry.words
        for entry in entries("django")
        if entry.translations[0] != entry.words
    }
    return [
        text for text in words_of(html) if text in originals or ENGLISH.search(text)
    ]


PAGES = (
    "/",
    "/?temporary=1",
    "/settings",
    "/settings/keys",
    "/settings/import",
    "/assistants",
    "/assistants?q=nichts",
    "/assistants/new",
    "/prompts",
    "/prompts/new",
    "/shared",
    "/search?q=nichts",
    "/threads/archived",
    "/password",
    "/api",
    "/nowhere",
)
FRAGMENTS = ("/shortcuts", "/palette", "/assistants/pick", "/threads")


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES + FRAGMENTS)
def test_a_german_page_has_no_english(anna, path):
    assistants.create(owner=anna, name="Lektorin", description="Liest Korrektur.")
    prompt_library.create(owner=anna, name="gruss", text="Hallo", is_shared=False)

    page = client_of(anna).get(path, headers=HTMX if path in FRAGMENTS else {})

    assert english_in(page.content.decode()) == []


def thread_of(user: User) -> Thread:
    """With an answer that is whole, one that failed, and one that was cut short."""
    thread = exchange(user, None, 1)
    for status, facts in (
        ("failed", {"error_code": "interrupted"}),
        ("cancelled", {"cancelled_by": user.username}),
        ("incomplete", {"incomplete_reason": "max_completion_tokens"}),
        ("expired", {"input_tokens": 1234, "output_tokens": 5, "reasoning_tokens": 2}),
    ):
        asked = actions.post_message(user=user, text="Noch eine Frage", thread=thread)
        ended(asked, status, "Ein Teil", **facts)
    return thread


@pytest.mark.django_db
def test_a_german_thread_has_no_english(anna):
    thread = thread_of(anna)
    run = thread.runs.order_by("created_at").last()
    assert run is not None
    browser = client_of(anna)
    address = thread.get_absolute_url()

    whole = browser.get(address).content.decode()

    assert '<html lang="de"' in whole
    assert english_in(whole) == []
    assert "Unterbrochen" in whole
    assert "1,2k rein, 5 raus" in whole
    parts = ("menu", "details", "delete", "feedback/note")
    paths = [f"/runs/{run.pk}/{part}" for part in parts]
    paths += [f"{address}/share", f"{address}/parameters"]
    paths += [f"/messages/{run.answers_id}/{part}" for part in ("menu", "edit/form")]
    for path in paths:
        assert english_in(browser.get(path, headers=HTMX).content.decode()) == [], path


@pytest.mark.django_db
def test_refusals_are_in_the_readers_language_and_its_numbers(anna, settings):
    settings.MESSAGE_MAX_CHARS = 1_000
    browser = client_of(anna)

    empty = browser.post("/messages", {"text": " "}, headers=HTMX)
    long = browser.post("/messages", {"text": "a" * 1_234}, headers=HTMX)

    assert "Schreib zuerst eine Nachricht." in empty.content.decode()
    assert "hat 1.234 Zeichen" in long.content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_api_refuses_in_english_whatever_the_reader_reads(anna, settings):
    """Programs depend on its words."""
    settings.QUEUED_PER_USER = 0
    _, secret = keys.make(anna, name="Laptop", scopes=[keys.READ, keys.WRITE])
    thread = {"messages": [{"role": "user", "content": "Hallo"}]}

    answer = Client().post(
        "/v1/threads/runs",
        {"assistant_id": "asst_default", "thread": thread},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}", "Accept-Language": "de"},
    )

    assert answer.status_code == 429
    assert "of your messages are waiting" in answer.json()["error"]["message"]


@pytest.mark.django_db
def test_the_sign_in_page_and_its_errors_are_in_the_browsers_language():
    browser = Client(headers={"Accept-Language": "de"})

    page = browser.get("/login").content.decode()
    wrong = browser.post("/login", {"username": "x", "password": "y"}).content.decode()

    assert english_in(page) + english_in(wrong) == []
    assert Session.objects.count() == 0


@pytest.mark.django_db
def test_the_scripts_get_their_words_in_the_readers_language(anna):
    words = client_of(anna).get("/words.js").content.decode()

    assert "Denkt nach" in words


@pytest.mark.django_db
def test_dates_are_written_as_the_reader_writes_them(anna):
    thread = exchange(anna, None, 1)
    at = thread.last_activity_at
    Thread.objects.filter(pk=thread.pk).update(shared="read")

    page = client_of(anna).get("/shared").content.decode()

    assert f"{at.day}. " in page
