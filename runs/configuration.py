"""What an assistant may be told to be: shapes and limits, the same for every door.

They are the protocol's. The API explains a mistake in the protocol's words, the browser
in a person's; both go by the problems that pydantic finds with these.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import jsonschema_rs
from django.utils.translation import gettext as _
from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

LONGEST_NAME, LONGEST_DESCRIPTION = 256, 512
LONGEST_MODEL = 200
LONGEST_INSTRUCTIONS = 256_000
HOTTEST, WIDEST = 2.0, 1.0  # the most that temperature and top_p may be
MOST_TOOLS = 128

# The standard's own schema, for what a schema may be. It comes with the package, and
# what is checked is only data to it: nothing that it names is looked up or fetched.
SCHEMAS = jsonschema_rs.Draft202012Validator(
    {"$ref": "https://json-schema.org/draft/2020-12/schema"}
)


class Body(BaseModel):
    """A JSON object with just these fields, in just these types."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def given(self) -> dict[str, Any]:
        """The fields that the client sent, as plain values, also those that are null."""
        plain = self.model_dump(exclude_none=True, by_alias=True)
        return {name: plain.get(name) for name in self.model_fields_set}


def mistake(
    code: str, message: str, key: str = "", at: tuple[str | int, ...] = ()
) -> PydanticCustomError:
    """For validators: an error with a code and message of its own.

    ``{param}`` in the message stands for the path, with ``key`` added to it. ``at`` is
    where in the value the mistake is, if the message says so itself.
    """
    facts = {"code": code, "message": message, "key": key, "at": at}
    return PydanticCustomError("own", "{message}", facts)


def _checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Whether it is a JSON Schema (2020-12)."""
    problem = next(SCHEMAS.iter_errors(schema), None)
    if problem is None:
        return schema
    at = tuple(problem.instance_path)
    inside = "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in at)
    raise mistake(
        "invalid_value",
        f"Invalid schema at '{{param}}{inside}': {_plain(problem.message, at)}",
        at=at,
    )


def _plain(message: str, at: tuple[str | int, ...]) -> str:
    """The package's message, but for the one that says nothing to people."""
    if at and at[-1] == "type":
        return _(
            "a type is one of array, boolean, integer, null, number, object and string, "
            "or a list of these."
        )
    return f"{message}."


Temperature = Annotated[float, Field(ge=0.0, le=HOTTEST)]
TopP = Annotated[float, Field(ge=0.0, le=WIDEST)]
Instructions = Annotated[str, Field(max_length=LONGEST_INSTRUCTIONS)]
Model = Annotated[str, Field(max_length=LONGEST_MODEL)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[str, ...] = get_args(Effort)
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$", max_length=64)]
Schema = Annotated[dict[str, Any], AfterValidator(_checked_schema)]


# Tools


class Function(Body):
    name: Name
    description: str | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class FunctionTool(Body):
    type: Literal["function"]
    function: Function


class CodeInterpreterTool(Body):
    type: Literal["code_interpreter"]


class RankingOptions(Body):
    ranker: Literal["auto", "default_2024_08_21"] | None = None
    score_threshold: Annotated[float, Field(ge=0.0, le=1.0)]


class FileSearch(Body):
    max_num_results: Annotated[int, Field(ge=1, le=50)] | None = None
    ranking_options: RankingOptions | None = None


class FileSearchTool(Body):
    type: Literal["file_search"]
    file_search: FileSearch | None = None


Tool = Annotated[
    CodeInterpreterTool | FileSearchTool | FunctionTool, Field(discriminator="type")
]
Tools = Annotated[list[Tool], Field(max_length=MOST_TOOLS)]


# Response formats


class TextFormat(Body):
    type: Literal["text"]


class JsonObjectFormat(Body):
    type: Literal["json_object"]


class JsonSchema(Body):
    name: Name
    description: str | None = None
    schema_: Annotated[Schema | None, Field(alias="schema")] = None
    strict: bool | None = None


class JsonSchemaFormat(Body):
    type: Literal["json_schema"]
    json_schema: JsonSchema


FormatObject = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")
]


def string_or_object(value: Any) -> str | None:
    """Which of two alternatives a value is meant to be; None for neither."""
    if isinstance(value, dict | BaseModel):
        return "object"
    return "string" if isinstance(value, str) else None


ResponseFormat = Annotated[
    Annotated[Literal["auto"], Tag("string")] | Annotated[FormatObject, Tag("object")],
    Discriminator(string_or_object),
]
