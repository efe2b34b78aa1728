"""What clients may send: the protocol's bodies and their limits; unknown fields refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.conf import settings
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from runs.api.validation import noun
from runs.configuration import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    Body,
    Effort,
    Instructions,
    Model,
    ResponseFormat,
    Temperature,
    Tools,
    TopP,
    mistake,
)
from runs.conversations import Draft
from runs.models import text_part

MOST_PAIRS, LONGEST_KEY, LONGEST_VALUE = 16, 64, 512
LONGEST_ID = 64
MOST_PARTS = 500  # of a message; of our own, to bound the work
MOST_MESSAGES = 1_000  # in one request; likewise


def _checked_metadata(value: Any) -> Any:
    """At most 16 pairs of short strings."""
    if not isinstance(value, dict):
        return value
    if len(value) > MOST_PAIRS:
        raise mistake(
            "object_above_max_properties",
            "Invalid '{param}': too many properties. Expected an object with at most "
            f"{MOST_PAIRS} properties, but got an object with {len(value)} properties "
            "instead.",
        )
    for key, text in value.items():
        _check_pair(key, text)
    return value


def _check_pair(key: str, text: Any) -> None:
    if len(key) > LONGEST_KEY:
        raise mistake(
            "property_name_above_max_length",
            f"Invalid property name in '{{param}}': '{key}' is too long. Expected a "
            f"string with maximum length {LONGEST_KEY}, but got a string with length "
            f"{len(key)} instead.",
        )
    if not isinstance(text, str):
        raise mistake(
            "invalid_type",
            f"Invalid type for '{{param}}': expected a string, but got {noun(text)} "
            "instead.",
            key,
        )
    if len(text) > LONGEST_VALUE:
        raise mistake(
            "string_above_max_length",
            "Invalid '{param}': string too long. Expected a string with maximum length "
            f"{LONGEST_VALUE}, but got a string with length {len(text)} instead.",
            key,
        )


def nothing_is_empty(value: Any) -> Any:
    """Null says the same as an object without pairs."""
    return {} if value is None else value


Id = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
Metadata = Annotated[
    dict[str, str],
    BeforeValidator(_checked_metadata),
    BeforeValidator(nothing_is_empty),
]

# Tool resources


class CodeInterpreterResources(Body):
    file_ids: Annotated[list[Id], Field(max_length=20)] | None = None


class FileSearchResources(Body):
    vector_store_ids: Annotated[list[Id], Field(max_length=1)] | None = None


class ToolResources(Body):
    code_interpreter: CodeInterpreterResources | None = None
    file_search: FileSearchResources | None = None


def files_of(resources: ToolResources | None) -> list[str]:
    """The files in tool resources, which must be the client's own."""
    own = resources and resources.code_interpreter
    return list(own.file_ids or ()) if own else []


def plain_resources(resources: ToolResources | None) -> dict[str, Any]:
    """Tool resources as they are stored."""
    return resources.model_dump(exclude_none=True) if resources else {}


# Messages


def string_or_array(value: Any) -> str | None:
    """Which of two alternatives a value is meant to be; None for neither."""
    if isinstance(value, list):
        return "array"
    return "string" if isinstance(value, str) else None


class TextPart(Body):
    type: Literal["text"]
    text: str


class ImageFile(Body):
    file_id: Id
    detail: Literal["auto", "low", "high"] | None = None


class ImageFilePart(Body):
    type: Literal["image_file"]
    image_file: ImageFile


def _checked_url(url: str) -> str:
    if not url.startswith(("https://", "http://", "data:image/")):
        raise mistake(
            "invalid_value",
            "Invalid '{param}'. Expected a valid URL: https:, http:, or data:image/.",
        )
    return url


class ImageUrl(Body):
    url: Annotated[str, AfterValidator(_checked_url)]
    detail: Literal["auto", "low", "high"] | None = None


class ImageUrlPart(Body):
    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | ImageFilePart | ImageUrlPart, Field(discriminator="type")]
Parts = Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]
Content = Annotated[
    Annotated[str, Tag("string")] | Annotated[Parts, Tag("array")],
    Discriminator(string_or_array),
]


class AttachmentCodeInterpreter(Body):
    type: Literal["code_interpreter"]


class AttachmentFileSearch(Body):
    type: Literal["file_search"]


AttachmentTool = Annotated[
    AttachmentCodeInterpreter | AttachmentFileSearch, Field(discriminator="type")
]


class Attachment(Body):
    file_id: Id
    tools: Annotated[list[AttachmentTool], Field(min_length=1, max_length=2)]


def _checked_content(content: Any) -> Any:
    """Some text or an image, and no more text than a message may have."""
    if isinstance(content, str):
        text, has_image = content, False
    else:
        text = "".join(part.text for part in content if isinstance(part, TextPart))
        has_image = any(not isinstance(part, TextPart) for part in content)
    if not text.strip() and not has_image:
        raise mistake("invalid_value", "Message content must be non-empty.")
    if len(text) > settings.MESSAGE_MAX_CHARS:
        raise mistake(
            "string_above_max_length",
            "Invalid '{param}': string too long. Expected a string with maximum length "
            f"{settings.MESSAGE_MAX_CHARS}, but got a string with length {len(text)} "
            "instead.",
        )
    return content


class MessageInput(Body):
    """A message to be added to a thread."""

    role: Literal["user", "assistant"]
    content: Annotated[Content, AfterValidator(_checked_content)]
    attachments: Annotated[list[Attachment], Field(max_length=100)] | None = None
    metadata: Metadata = {}

    def parts(self) -> list[dict[str, Any]]:
        """The content as it is stored and shown."""
        if isinstance(self.content, str):
            return [text_part(self.content)]
        return [
            text_part(part.text)
            if isinstance(part, TextPart)
            else part.model_dump(exclude_none=True)
            for part in self.content
        ]

    def draft(self) -> Draft:
        attached = [one.model_dump() for one in self.attachments or ()]
        return Draft(self.role, self.parts(), attached, self.metadata)

    def file_ids(self) -> list[str]:
        """All files it speaks of."""
        attached = [one.file_id for one in self.attachments or ()]
        if isinstance(self.content, str):
            return attached
        images = [p for p in self.content if isinstance(p, ImageFilePart)]
        return attached + [image.image_file.file_id for image in images]


Messages = Annotated[list[MessageInput], Field(max_length=MOST_MESSAGES)]


class MessageChange(Body):
    metadata: Metadata = {}


# Threads


class ThreadInput(Body):
    messages: Messages | None = None
    tool_resources: ToolResources | None = None
    metadata: Metadata = {}

    def drafts(self) -> list[Draft]:
        return [message.draft() for message in self.messages or ()]

    def file_ids(self) -> list[str]:
        """All files it speaks of."""
        of_messages = [key for one in self.messages or () for key in one.file_ids()]
        return of_messages + files_of(self.tool_resources)


class ThreadChange(Body):
    tool_resources: ToolResources | None = None
    metadata: Metadata = {}


# Assistants


class AssistantFields(Body):
    name: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    description: Annotated[str, Field(max_length=LONGEST_DESCRIPTION)] | None = None
    instructions: Instructions | None = None
    tools: Tools = []
    tool_resources: ToolResources | None = None
    metadata: Metadata = {}
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None


class AssistantInput(AssistantFields):
    model: Model


class AssistantChange(AssistantFields):
    model: Model | None = None
