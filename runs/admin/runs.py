"""The history of runs: a list, and a page that answers what happened in one run."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from runs import access, events
from runs.admin.paging import CappedPaginator
from runs.models import DELTAS, Run, RunEvent, RunStatus

NONE = "-"
MOST_EVENTS = 500


class StatusFilter(admin.SimpleListFilter):
    """By status; the choices are known, so no DISTINCT is asked of the table."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return RunStatus.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(Run)
class RunAdmin(admin.ModelAdmin[Run]):
    """Shown to staff, edited by nobody."""

    change_form_template = "admin/runs/run.html"
    list_display = [
        "state",
        "start",
        "preview",
        "who",
        "assistant_name",
        "used_model",
        "took",
        "tokens",
    ]
    list_display_links = ["state", "start"]
    list_filter = [StatusFilter]
    list_per_page = 50
    list_select_related = False
    ordering = ["-created_at", "-id"]
    paginator = CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False
    sortable_by = ()

    def has_view_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return access.may_see_history(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access.may_see_history(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: Run | None = None
    ) -> bool:
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: Run | None = None
    ) -> bool:
        return False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "Runs"})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self.get_object(request, unquote(object_id))
        shown = inspection(run) if run else {}
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **shown}
        )

    @admin.display(description="status", ordering=None)
    def state(self, run: Run) -> str:
        words = run.get_status_display()
        reason = run.error_code or run.incomplete_reason
        return format_html(
            '<span class="run-state run-{}">{}</span> <span class="quiet">{}</span>',
            run.status,
            words,
            reason.replace("_", " "),
        )

    @admin.display(description="start (UTC)")
    def start(self, run: Run) -> str:
        return f"{run.created_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="user")
    def who(self, run: Run) -> str:
        return run.user_name or NONE

    @admin.display(description="duration")
    def took(self, run: Run) -> str:
        return in_seconds(run.duration)

    @admin.display(description="model")
    def used_model(self, run: Run) -> str:
        return run.model_used or run.model or NONE

    @admin.display(description="tokens in / out")
    def tokens(self, run: Run) -> str:
        return f"{count(run.input_tokens)} / {count(run.output_tokens)}"

    @admin.display(description="input")
    def preview(self, run: Run) -> str:
        return run.input_preview or NONE


def inspection(run: Run) -> dict[str, Any]:
    """What the page of a run shows; a fixed number of queries."""
    return {
        "run": run,
        "input": run.answers.text if run.answers else run.input_preview,
        "outputs": list(run.messages.order_by("number")),
        "steps": list(run.steps.all()),
        "events": compacted(events.after(run.pk, 0, MOST_EVENTS + 1)),
        "is_cut": run.last_seq > MOST_EVENTS,
        "most_events": MOST_EVENTS,
        "times": times(run),
        "facts": facts(run),
    }


def times(run: Run) -> list[tuple[str, str]]:
    """The run's way in time: each place, and how long after its creation."""
    places = [
        ("Started", run.started_at),
        ("Sent to the model", run.sent_at),
        ("First token", run.first_token_at),
        ("Ended", run.ended_at),
    ]
    return [
        (name, in_seconds(at - run.created_at) if at else NONE) for name, at in places
    ]


def facts(run: Run) -> list[tuple[str, Any]]:
    cached, reasoning = count(run.cached_input_tokens), count(run.reasoning_tokens)
    return [
        ("User", run.user_name or NONE),
        ("Assistant", run.assistant_name or NONE),
        ("Model asked for", run.model or NONE),
        ("Model used", run.model_used or NONE),
        ("Model server", run.server or NONE),
        ("Input tokens", f"{count(run.input_tokens)} ({cached} cached)"),
        ("Output tokens", f"{count(run.output_tokens)} ({reasoning} reasoning)"),
        ("Finish reason", run.finish_reason or NONE),
        ("Messages cut from the context", run.context_truncated),
        ("Door", run.get_source_display()),
        ("Attempt", run.attempt),
        ("Worker", run.worker or NONE),
        ("Stopped by", run.cancelled_by or NONE),
        ("Provider's response id", run.response_id or NONE),
        ("Provider's request id", run.request_id or NONE),
        ("Thread", run.thread_id),
        ("Retry of", run.retry_of_id or NONE),
        ("Tools of this server", server_tools(run) or NONE),
    ]


def server_tools(run: Run) -> str:
    """Those that the model was told of."""
    return ", ".join(tool["function"]["name"] for tool in run.setup.server_tools)


def compacted(log: list[RunEvent]) -> list[dict[str, Any]]:
    """The log as rows; deltas that follow one another are one row."""
    rows: list[dict[str, Any]] = []
    for event in log[:MOST_EVENTS]:
        text = event.data.get("text") or event.data.get("arguments") or ""
        is_delta = event.type in DELTAS
        if is_delta and rows and rows[-1]["type"] == event.type:
            rows[-1]["last"] = event.seq
            rows[-1]["data"] += text
            continue
        data = text if is_delta else json.dumps(event.data, ensure_ascii=False)
        rows.append(
            {
                "first": event.seq,
                "last": event.seq,
                "at": event.created_at,
                "type": event.type,
                "data": "" if data == "{}" else data,
            }
        )
    return rows


def in_seconds(duration: dt.timedelta | None) -> str:
    return f"{duration.total_seconds():.2f} s" if duration is not None else NONE


def count(tokens: int | None) -> str:
    return NONE if tokens is None else f"{tokens:,}"
