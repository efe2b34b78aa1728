"""What is taken of the protocol's objects; fields that are not named are left out."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from runs.models import text_part

LAST_SECOND = 253_402_300_799  # of the year 9999
TOOL_TYPES = ("function", "code_interpreter", "file_search")


def _moment(value: Any) -> dt.datetime:
    """A time in seconds since 1970."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= LAST_SECOND:
        raise ValueError("should be a time in seconds since 1970")
    return dt.datetime.fromtimestamp(value, dt.UTC)


def _absent_is_empty(value: Any) -> Any:
    return {} if value is None else value


def _absent_is_none_at_all(value: Any) -> Any:
    return [] if value is None else value


def _absent_is_blank(value: Any) -> Any:
    return "" if value is None else value


def _as_parts(content: Any) -> Any:
    """Content as people write it, into content as it is stored."""
    if isinstance(content, str):
        return [text_part(content)]
    if not isinstance(content, list):
        return content
    return [_as_part(part) for part in content]


def _as_part(part: Any) -> Any:
    if isinstance(part, dict) and part.get("type") == "text":
        if isinstance(part.get("text"), str):
            return text_part(part["text"])
        if isinstance(part.get("text"), dict):
            return {**part, "text": {"annotations": [], **part["text"]}}
    return part


def _known_tool(tool: dict[str, Any]) -> dict[str, Any]:
    kind = tool.get("type")
    if kind not in TOOL_TYPES:
        raise ValueError(f"type should be one of {', '.join(TOOL_TYPES)}")
    if kind == "function":
        function = tool.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or not name:
            raise ValueError("a function should have a name")
    return tool


Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Moment = Annotated[dt.datetime, BeforeValidator(_moment)]
MetadataKey = Annotated[str, StringConstraints(max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]
Metadata = Annotated[
    dict[MetadataKey, MetadataValue],
    Field(max_length=16),
    BeforeValidator(_absent_is_empty),
]
Mapping = Annotated[dict[str, Any], BeforeValidator(_absent_is_empty)]
Blank = BeforeValidator(_absent_is_blank)


class _Object(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")


class AssistantObject(_Object):
    id: Id
    created_at: Moment
    name: Annotated[str, Field(max_length=256), Blank] = ""
    description: Annotated[str, Field(max_length=512), Blank] = ""
    model: Annotated[str, Field(max_length=200), Blank] = ""
    instructions: Annotated[str, Field(max_length=256_000), Blank] = ""
    tools: Annotated[
        list[Annotated[dict[str, Any], AfterValidator(_known_tool)]],
        Field(max_length=128),
        BeforeValidator(_absent_is_none_at_all),
    ] = []
    tool_resources: Mapping = {}
    metadata: Metadata = {}
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    response_format: Literal["auto"] | dict[str, Any] | None = None
    reasoning_effort: Annotated[str, Field(max_length=20), Blank] = ""

    def columns(self) -> dict[str, Any]:
        """The fields as an Assistant stores them."""
        columns = self.model_dump()
        if self.response_format == "auto":
            columns["response_format"] = None
        return columns


class ThreadObject(_Object):
    id: Id
    created_at: Moment
    metadata: Metadata = {}
    tool_resources: Mapping = {}


class Text(_Object):
    value: str
    annotations: list[dict[str, Any]]


class TextPart(_Object):
    type: Literal["text"]
    text: Text


class RefusalPart(_Object):
    type: Literal["refusal"]
    refusal: str


class ImageFile(_Object):
    file_id: Id
    detail: Literal["auto", "low", "high"] = "auto"


class ImageFilePart(_Object):
    type: Literal["image_file"]
    image_file: ImageFile


class ImageUrl(_Object):
    url: Annotated[str, Field(pattern=r"^(https?://|data:image/)")]
    detail: Literal["auto", "low", "high"] = "auto"


class ImageUrlPart(_Object):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[
    TextPart | RefusalPart | ImageFilePart | ImageUrlPart, Field(discriminator="type")
]


class IncompleteDetails(_Object):
    reason: Annotated[str, Field(max_length=20)]


class MessageObject(_Object):
    id: Id
    created_at: Moment
    thread_id: Id
    role: Literal["user", "assistant"]
    content: Annotated[list[Part], BeforeValidator(_as_parts)]
    assistant_id: str | None = None
    attachments: Annotated[
        list[dict[str, Any]], BeforeValidator(_absent_is_none_at_all)
    ] = []
    metadata: Metadata = {}
    # The original left these out of what it answered to GET.
    status: Literal["completed", "incomplete"] = "completed"
    incomplete_details: IncompleteDetails | None = None
    completed_at: Moment | None = None
    incomplete_at: Moment | None = None

    def columns(self) -> dict[str, Any]:
        """The fields as a Message stores them, apart from its place in the thread."""
        details = self.incomplete_details
        columns = self.model_dump(
            exclude={"thread_id", "assistant_id", "incomplete_details"}
        )
        return {**columns, "incomplete_reason": details.reason if details else ""}

    @property
    def text(self) -> str:
        """The words of its text parts."""
        texts = [part.text.value for part in self.content if part.type == "text"]
        return "\n\n".join(texts)
