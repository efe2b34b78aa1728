"""What clients may send to begin a run or to answer its calls of functions."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from runs.api.inputs import (
    Id,
    MessageInput,
    Messages,
    Metadata,
    ThreadInput,
    ToolResources,
)
from runs.configuration import (
    Body,
    Effort,
    Instructions,
    Model,
    Name,
    ResponseFormat,
    Temperature,
    Tool,
    TopP,
    mistake,
    string_or_object,
)
from runs.overrides import Overrides

LEAST_TOKENS = 16  # what the original accepted, below the 256 of its specification
MOST_TOKENS = 2**31 - 1
MOST_TOOLS = 20  # of a run; an assistant may have more

Tokens = Annotated[int, Field(ge=LEAST_TOKENS, le=MOST_TOKENS)]


class FunctionName(Body):
    name: Name


class FunctionChoice(Body):
    type: Literal["function"]
    function: FunctionName


class HostedChoice(Body):
    type: Literal["code_interpreter", "file_search"]


Choice = Annotated[FunctionChoice | HostedChoice, Field(discriminator="type")]
ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("string")]
    | Annotated[Choice, Tag("object")],
    Discriminator(string_or_object),
]


class TruncationStrategy(Body):
    type: Literal["auto", "last_messages"]
    last_messages: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None

    @model_validator(mode="after")
    def _has_its_number(self) -> Self:
        if self.type == "last_messages" and self.last_messages is None:
            raise mistake(
                "missing_required_parameter",
                "Missing required parameter: '{param}'.",
                "last_messages",
            )
        return self


class RunFields(Body):
    """What every way of beginning a run takes."""

    model: Model | None = None
    instructions: Instructions | None = None
    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] | None = None
    metadata: Metadata = {}
    temperature: Temperature | None = None
    top_p: TopP | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort | None = None
    max_prompt_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    truncation_strategy: TruncationStrategy | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    stream: bool | None = None
    wait: bool | None = None
    """Answer when the run is over, or waits for outputs of functions. Our own."""

    def overrides(self, **more: Any) -> Overrides:
        """What replaces the assistant's values; null and what is left out do not."""
        sent = self.model_dump(by_alias=True, exclude_none=True)
        known = {name: sent[name] for name in Overrides.__slots__ if name in sent}
        return Overrides(**known | more)


class RunInput(RunFields):
    assistant_id: Id
    additional_instructions: Instructions | None = None
    additional_messages: Messages | None = None


class ThreadAndRunInput(RunFields):
    assistant_id: Id
    thread: ThreadInput | None = None
    tool_resources: ToolResources | None = None


class OneCallMessages(Body):
    messages: Annotated[list[MessageInput], Field(min_length=1, max_length=1_000)]


class OneCallInput(RunFields):
    input: OneCallMessages
    thread_id: Id | None = None
    additional_instructions: Instructions | None = None


class RunChange(Body):
    metadata: Metadata = {}


class ToolOutput(Body):
    tool_call_id: str | None = None
    output: str | None = None


class ToolOutputsInput(Body):
    tool_outputs: list[ToolOutput]
    stream: bool | None = None
    wait: bool | None = None
