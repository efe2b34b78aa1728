"""Runs that wait for somebody: results of functions, and approvals of tools."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from chat import calls
from chat.doors import refusal, signed_in
from runs import access, actions
from runs.decisions import DECLINED
from runs.models import Run


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What the forms ask for."""

    run: Run
    approvals: list[calls.Call]
    functions: list[calls.Call]


def wait_of(run: Run) -> Wait | None:
    """None unless the run waits."""
    asked = run.required_action
    if not asked:
        return None
    return Wait(
        run=run,
        approvals=_cards(asked.get("approval")),
        functions=_cards(asked.get("submit_tool_outputs")),
    )


def _cards(part: dict[str, Any] | None) -> list[calls.Call]:
    """The cards of calls that have no output."""
    asked = (part or {}).get("tool_calls", ())
    open_calls = [
        {**call, "function": {**call["function"], "output": None}} for call in asked
    ]
    return calls.cards(open_calls, state="waiting")


@signed_in
@require_safe
def form(request: Any, run_id: str) -> HttpResponse:
    """The forms as they are now; nothing when the run has gone on."""
    run = access.run(request.user, run_id)
    if not request.htmx:
        return redirect(run.thread)
    return render(request, "chat/waits.html", {"run": run, "wait": wait_of(run)})


@signed_in
@require_POST
def submit(request: Any, run_id: str) -> HttpResponse:
    """Results of functions, in the order of their calls; some may be declined."""
    run = access.run_to_act(request.user, run_id)
    called, texts = request.POST.getlist("call"), request.POST.getlist("output")
    if len(called) != len(texts):
        return refusal(request, _("This form could not be read."), status=422)
    if any(len(text) > settings.MESSAGE_MAX_CHARS for text in texts):
        return refusal(request, _("A result is too long. Shorten it."), status=422)
    declined = set(request.POST.getlist("decline"))
    outputs = {
        call: DECLINED if call in declined else text.replace("\r\n", "\n")
        for call, text in zip(called, texts, strict=True)
    }
    try:
        actions.submit_tool_outputs(run=run, outputs=outputs)
    except actions.InvalidInput:
        return _gone_on(request)
    return _done(request, run)


@signed_in
@require_POST
def decide(request: Any, run_id: str) -> HttpResponse:
    """Approve or decline one call of a tool."""
    run = access.run_to_act(request.user, run_id)
    is_approved = request.POST.get("decision") == "approve"
    call = request.POST.get("call", "")
    try:
        actions.decide(
            run=run, call_id=call, is_approved=is_approved, user=request.user
        )
    except actions.InvalidInput:
        return _gone_on(request)
    return _done(request, run)


def _gone_on(request: Any) -> HttpResponse:
    text = _("This was answered already, or the run does not wait any more.")
    return refusal(request, text, status=409)


def _done(request: Any, run: Run) -> HttpResponse:
    """What follows comes by websocket, to every tab alike."""
    return HttpResponse(status=204) if request.htmx else redirect(run.thread)
