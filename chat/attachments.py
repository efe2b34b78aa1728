"""Files in the browser: uploaded, waiting in the composer, shown, and given out.

Nothing that a person uploaded is shown by the browser as what it claims to be: only the
pictures that were encoded anew here stand in a page, all else is downloaded.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotModified,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from chat.doors import signed_in
from runs import access, attachments, files, uses
from runs.models import File, FileExtract, User

SAFE_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Whoever may no longer see the thread must not see the file: ask each time.
    "Cache-Control": "private, no-cache",
}


def limits() -> dict[str, Any]:
    """What the composer says about files before they are sent."""
    return {
        "most": attachments.MOST,
        "most_bytes": settings.FILE_MAX_BYTES,
        "most_megabytes": attachments.most_megabytes(),
        "most_tokens": settings.PROMPT_MAX_TOKENS,
    }


def chosen(user: User, file_ids: list[str]) -> list[File]:
    """The files of a message that is sent. Raises AttachmentGone."""
    try:
        return access.files(user, file_ids)
    except access.NotFound as error:
        raise uses.AttachmentGone from error


@signed_in
@require_POST
def upload(request: Any) -> HttpResponse:
    """Take one file; the answer is its place in the composer, or why it is refused."""
    sent = request.FILES.get("file")
    if not isinstance(sent, UploadedFile):
        return refused(_("The file did not arrive."), status=400)
    try:
        file = attachments.attach(
            owner=request.user, filename=sent.name or "", content=sent.chunks()
        )
    except attachments.Refused as error:
        return refused(str(error), status=422)
    return waiting_list(request, [file], status=201)


@signed_in
@require_safe
def waiting(request: Any) -> HttpResponse:
    """The files of a draft that are still there, for a page that was loaded again."""
    wanted = request.GET.getlist("id")[: attachments.MOST]
    own = File.objects.owned_by(request.user)
    found = own.in_bulk([key for key in wanted if "\0" not in key])
    return waiting_list(request, [found[key] for key in wanted if key in found])


@signed_in
@require_POST
def discard(request: Any, file_id: str) -> HttpResponse:
    """Remove a file that was not sent."""
    attachments.discard(access.own_file(request.user, file_id))
    return HttpResponse(status=204)


@signed_in
@require_safe
def content(request: Any, file_id: str) -> HttpResponseBase:
    """The file: a picture to be shown, anything else to be saved."""
    file = access.file(request.user, file_id)
    kind = file.content_type if file.is_picture else files.BINARY
    headers = SAFE_HEADERS | {
        "Content-Length": str(file.bytes),
        "Content-Disposition": content_disposition_header(
            not file.is_picture, file.filename
        )
        or "",
        "ETag": f'"{file.sha256}"',
    }
    if is_known(request, headers["ETag"]):
        return HttpResponseNotModified(headers=SAFE_HEADERS)
    return StreamingHttpResponse(
        files.content(file), content_type=kind, headers=headers
    )


@signed_in
@require_safe
def thumbnail(request: Any, file_id: str) -> HttpResponse:
    """A small picture of a picture."""
    file = access.file(request.user, file_id)
    tag = f'"{file.sha256}-thumb"'
    if is_known(request, tag):
        return HttpResponseNotModified(headers=SAFE_HEADERS)
    made = FileExtract.objects.filter(file=file).exclude(thumbnail=b"").first()
    if made is None:
        raise access.NotFound
    headers = SAFE_HEADERS | {"ETag": tag, "Content-Disposition": "inline"}
    return HttpResponse(
        bytes(made.thumbnail), content_type="image/webp", headers=headers
    )


def waiting_list(
    request: HttpRequest, found: list[File], status: int = 200
) -> HttpResponse:
    context = {"files": found}
    return render(request, "chat/attachments_waiting.html", context, status=status)


def refused(why: str, *, status: int) -> HttpResponse:
    plain = "text/plain; charset=utf-8"
    return HttpResponse(why, status=status, content_type=plain)


def is_known(request: HttpRequest, tag: str) -> bool:
    """Whether the browser has this very content already."""
    return request.headers.get("If-None-Match", "").removeprefix("W/") == tag
