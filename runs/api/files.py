"""Files: upload, list, retrieve, content, delete."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Annotated, Any, Literal, TypeAlias

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import StreamingHttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils import timezone
from django.utils.http import content_disposition_header
from ninja import Query
from openai.types import FileDeleted, FileObject
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runs import access, attachments, files
from runs.api import lists, objects, validation
from runs.api.app import new_router
from runs.api.auth import ApiRequest
from runs.api.errors import ApiError
from runs.api.idempotency import HEADER, once
from runs.api.lists import ListOf, ListQuery
from runs.models import File as Row

router = new_router("Files")

FORM = "multipart/form-data"
ROOM_FOR_FIELDS = 65_536  # bytes of an upload that are not its file
SAFE_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
Upload: TypeAlias = "UploadedFile[Any]"
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data"]


class ExpiresAfter(BaseModel):
    """When a file is to be forgotten: 1 hour to 30 days after it came."""

    model_config = ConfigDict(extra="forbid")

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3_600, le=2_592_000)]


class FileInput(BaseModel):
    """The fields of an upload beside the file itself."""

    model_config = ConfigDict(extra="forbid")

    purpose: Purpose
    expires_after: ExpiresAfter | None = None


class FileListQuery(ListQuery):
    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    purpose: Annotated[str, Field(pattern=r"^[^\x00]*$")] | None = None


UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"enum": list(Purpose.__args__)},  # type: ignore[attr-defined]
                        "expires_after[anchor]": {"enum": ["created_at"]},
                        "expires_after[seconds]": {
                            "type": "integer",
                            "minimum": 3_600,
                            "maximum": 2_592_000,
                        },
                    },
                }
            }
        },
    }
}
CONTENT = {
    "responses": {
        200: {
            "description": "The file as it was sent.",
            "content": {
                files.BINARY: {"schema": {"type": "string", "format": "binary"}}
            },
        }
    }
}


@router.post("files", response=FileObject, openapi_extra=UPLOAD)
def create_file(request: ApiRequest) -> Any:
    """Upload a file as multipart/form-data."""
    upload, fields = _received(request)
    made = once(
        request,
        lambda: _stored(request, upload, fields),
        lambda key: access.own_file(request.user, key),
        content=_mark(upload, fields) if HEADER in request.headers else b"",
    )
    return objects.file(attachments.look_into(made))


@router.get("files", response=ListOf[FileObject])
def list_files(request: ApiRequest, query: Query[FileListQuery]) -> Any:
    """Your files."""
    rows = Row.objects.owned_by(request.user)
    if query.purpose is not None:
        rows = rows.filter(purpose=query.purpose)
    return lists.page(rows, query, show=objects.file)


@router.get("files/{file_id}", response=FileObject)
def retrieve_file(request: ApiRequest, file_id: str) -> Any:
    """What is known of one file."""
    return objects.file(access.file(request.user, file_id))


@router.get("files/{file_id}/content", openapi_extra=CONTENT)
def retrieve_file_content(request: ApiRequest, file_id: str) -> Any:
    """The file itself. Browsers save it and never show it."""
    found = access.file(request.user, file_id)
    headers = SAFE_HEADERS | {
        "Content-Length": str(found.bytes),
        "Content-Disposition": content_disposition_header(True, found.filename) or "",
    }
    return StreamingHttpResponse(
        files.content(found), content_type=files.BINARY, headers=headers
    )


@router.delete("files/{file_id}", response=FileDeleted)
def delete_file(request: ApiRequest, file_id: str) -> Any:
    """Delete it for good. Messages that name it keep its id."""
    access.own_file(request.user, file_id).delete()
    return objects.deleted(file_id, "file")


def _received(request: ApiRequest) -> tuple[Upload, FileInput]:
    """The file, on disk, and the other fields. Raises ApiError."""
    if request.content_type != FORM:
        raise ApiError(400, f"Send the file as {FORM}.", code="invalid_content_type")
    _refuse_large(request.headers.get("Content-Length", ""))
    request.upload_handlers = [TemporaryFileUploadHandler(request)]
    try:
        sent, uploads = request.POST, request.FILES
    except (MultiPartParserError, UnreadablePostError) as error:
        raise ApiError(400, "The multipart form could not be read.") from error
    upload = uploads.get("file")
    if not isinstance(upload, UploadedFile):
        message = "Missing required parameter: 'file'."
        raise ApiError(400, message, param="file", code="missing_required_parameter")
    if extra := next((name for name in uploads if name != "file"), None):
        message = f"Unknown parameter: '{extra}'."
        raise ApiError(400, message, param=extra, code="unknown_parameter")
    return upload, _fields(sent.dict())


def _refuse_large(length: str) -> None:
    """By what it says of itself, before it is read. Raises ApiError."""
    if not length.isdecimal():
        raise ApiError(411, "An upload must have the header Content-Length.")
    if len(length) > 15 or int(length) > settings.FILE_MAX_BYTES + ROOM_FOR_FIELDS:
        raise _too_large()


def _too_large() -> ApiError:
    message = f"A file may have at most {settings.FILE_MAX_BYTES:,} bytes."
    return ApiError(413, message, param="file", code="file_too_large")


def _fields(sent: dict[str, Any]) -> FileInput:
    """The fields in their shape; those of an object come as ``object[field]``."""
    nested: dict[str, Any] = {}
    for name, value in sent.items():
        outer, bracket, inner = name.partition("[")
        if bracket and inner.endswith("]"):
            inside = nested.setdefault(outer, {})
            if isinstance(inside, dict):
                inside[inner[:-1]] = value
        else:
            nested[name] = value
    try:
        return FileInput.model_validate(nested)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        name = validation.name_of(problem["loc"], nested)
        raise validation.explain(problem, name) from error


def _stored(request: ApiRequest, upload: Upload, fields: FileInput) -> Row:
    expires = fields.expires_after
    lasts = dt.timedelta(seconds=expires.seconds) if expires else None
    try:
        return files.store(
            owner=request.user,
            filename=upload.name or "",
            purpose=fields.purpose,
            content=upload.chunks(),
            expires_at=timezone.now() + lasts if lasts else None,
        )
    except files.TooLarge as error:
        raise _too_large() from error
    except files.NoRoom as error:
        raise ApiError(400, str(error), code="storage_quota_exceeded") from error


def _mark(upload: Upload, fields: FileInput) -> bytes:
    """What two uploads have in common when they are the same."""
    digest = hashlib.sha256(f"{upload.name}\n{fields.model_dump_json()}\n".encode())
    for piece in upload.chunks():
        digest.update(piece)
    return digest.digest()
