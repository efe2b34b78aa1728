"""The form in which people describe an assistant. Its limits are those of the API."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from pydantic import TypeAdapter

from chat import json_text, tool_choices
from chat.json_text import Faults
from runs import configuration as rules
from runs import tools
from runs.models import Assistant, Colour
from runs.models.assistants import LONGEST_STARTER, MOST_STARTERS

FUNCTION = TypeAdapter(rules.Function)
JSON_SCHEMA = TypeAdapter(rules.JsonSchema)
LONGEST_JSON = 256_000
TEXT, JSON_OBJECT, JSON_SCHEMA_FORMAT = "text", "json_object", "json_schema"
FORMATS = (
    (TEXT, lazy("Text")),
    (JSON_OBJECT, lazy("JSON, any object")),
    (JSON_SCHEMA_FORMAT, lazy("JSON by a schema")),
)
FOLDED = (
    "temperature",
    "top_p",
    "reasoning_effort",
    "server_tools",
    "tools",
    "functions",
)
UNSET: tuple[object, ...] = (None, "", [])
EFFORTS = [("", lazy("As the model likes")), *((one, one) for one in rules.EFFORTS)]


class Starters(forms.Field):
    """Short messages, each in a field of the same name; empty ones do not count."""

    widget = forms.SelectMultiple

    def clean(self, value: Sequence[str] | None) -> list[str]:
        starters = [" ".join(one.split()) for one in value or () if one.strip()]
        if len(starters) > MOST_STARTERS:
            raise ValidationError(_("At most %(most)s.") % {"most": MOST_STARTERS})
        if any(len(one) > LONGEST_STARTER for one in starters):
            limit = {"most": LONGEST_STARTER}
            raise ValidationError(
                _("One of them is longer than %(most)s characters.") % limit
            )
        return starters


def code_field(rows: int, label: Any, about: Any) -> forms.CharField:
    """A field for JSON. It keeps its blank lines, so that line numbers are right."""
    attrs = {"rows": rows, "spellcheck": "false", "autocapitalize": "off"}
    widget = forms.Textarea(attrs | {"class": "code-field"})
    return forms.CharField(
        required=False,
        strip=False,
        max_length=LONGEST_JSON,
        widget=widget,
        label=label,
        help_text=about,
    )


class AssistantForm(forms.Form):
    """What an assistant is told, and how it looks; ``columns`` is what is stored."""

    name = forms.CharField(
        max_length=rules.LONGEST_NAME,
        label=lazy("Name"),
        error_messages={"required": lazy("Give it a name.")},
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    description = forms.CharField(
        required=False,
        max_length=rules.LONGEST_DESCRIPTION,
        label=lazy("Description"),
        help_text=lazy("One line for whoever chooses it."),
        widget=forms.TextInput({"autocomplete": "off"}),
    )
    colour = forms.ChoiceField(choices=Colour.choices, label=lazy("Colour"))
    instructions = forms.CharField(
        required=False,
        strip=False,
        max_length=rules.LONGEST_INSTRUCTIONS,
        label=lazy("Instructions"),
        help_text=lazy("What it is told before every conversation."),
        widget=forms.Textarea({"rows": 8}),
    )
    starters = Starters(required=False, label=lazy("Starters"))
    model = forms.CharField(
        required=False,
        max_length=rules.LONGEST_MODEL,
        label=lazy("Model"),
        help_text=lazy("Empty means the standard one of this server."),
        widget=forms.TextInput({"list": "models", "autocomplete": "off"}),
    )
    temperature = forms.FloatField(
        required=False, min_value=0, max_value=rules.HOTTEST, label=lazy("Temperature")
    )
    top_p = forms.FloatField(
        required=False, min_value=0, max_value=rules.WIDEST, label=lazy("Top p")
    )
    reasoning_effort = forms.ChoiceField(
        required=False, choices=EFFORTS, label=lazy("Reasoning effort")
    )
    tools = forms.MultipleChoiceField(required=False, label=lazy("Tools"))
    server_tools = forms.MultipleChoiceField(
        required=False, label=lazy("Tools of this server")
    )
    functions = code_field(
        10,
        lazy("Functions"),
        lazy("A JSON list of functions, each with name, description and parameters."),
    )
    format = forms.ChoiceField(choices=FORMATS, label=lazy("Answers in"))
    schema = code_field(
        8, lazy("Schema of the answers"), lazy("JSON with name, schema and strict.")
    )
    is_shared = forms.BooleanField(required=False, label=lazy("Share with the team"))

    def __init__(self, assistant: Assistant | None, data: Any = None) -> None:
        self._old = list(assistant.tools) if assistant else []
        super().__init__(data, initial=values_of(assistant or Assistant()))
        choices = [(one.key, one.name) for one in tool_choices.offered()]
        self.fields["tools"].choices = choices  # type: ignore[attr-defined]
        own = [(one.name, one.name) for one in tools.offered()]
        self.fields["server_tools"].choices = own  # type: ignore[attr-defined]
        for name in ("temperature", "top_p"):
            self.fields[name].widget.attrs.update(step="0.05", inputmode="decimal")

    def clean_instructions(self) -> str:
        # Browsers send line ends as CR LF.
        return str(self.cleaned_data["instructions"]).replace("\r\n", "\n")

    def clean_functions(self) -> list[dict[str, Any]]:
        """One function or a list of them, each with or without the protocol's wrapper."""
        text = self.cleaned_data["functions"]
        value = json_text.parsed(text) if text.strip() else []
        if isinstance(value, dict):
            return [self._function(value, ())]
        if not isinstance(value, list):
            raise ValidationError(_("This must be a list of functions in [ ]."))
        if len(value) > rules.MOST_TOOLS:
            limit = {"most": rules.MOST_TOOLS}
            raise ValidationError(_("At most %(most)s functions.") % limit)
        return [self._function(one, (at,)) for at, one in enumerate(value)]

    def _function(self, value: Any, at: json_text.Path) -> dict[str, Any]:
        if isinstance(value, dict) and value.get("type") == "function":
            value, at = value.get("function"), (*at, "function")
        return self._shaped("functions", FUNCTION, value, at)

    def clean_schema(self) -> dict[str, Any] | None:
        if self.data.get("format") != JSON_SCHEMA_FORMAT:
            return None
        text = self.cleaned_data["schema"]
        if not text.strip():
            raise ValidationError(_("Say which schema, or choose another format."))
        return self._shaped("schema", JSON_SCHEMA, json_text.parsed(text), ())

    def _shaped(
        self, field: str, shape: TypeAdapter[Any], value: Any, at: json_text.Path
    ) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json_text.checked(shape, value, at)
        except Faults as faults:
            raise ValidationError(faults.told(self.data[field])) from None
        return found

    def columns(self) -> dict[str, Any]:
        """The columns of a valid form, as the protocol names them, and ours."""
        given = dict(self.cleaned_data)
        kind, schema = given.pop("format"), given.pop("schema")
        functions, keys = given.pop("functions"), given.pop("tools")
        return {
            **given,
            "response_format": _format(kind, schema),
            "tools": tool_choices.joined(self._old, keys, functions),
        }

    @property
    def is_expert(self) -> bool:
        """Whether something in the part that is folded away is set or wrong."""
        wrong = any(self[name].errors for name in (*FOLDED, "format", "schema"))
        is_set = any(self[name].value() not in UNSET for name in FOLDED)
        return wrong or is_set or self["format"].value() != TEXT

    @property
    def starter_fields(self) -> list[str]:
        """What the fields for starters show; there are as many as there may be."""
        given = list(self["starters"].value() or ())[:MOST_STARTERS]
        return given + [""] * (MOST_STARTERS - len(given))


def values_of(assistant: Assistant) -> dict[str, Any]:
    """What the form shows for an assistant."""
    same = ("name", "description", "colour", "instructions", "starters", "model")
    also = ("temperature", "top_p", "reasoning_effort", "server_tools", "is_shared")
    answer = assistant.response_format or {"type": TEXT}
    schema = answer.get(JSON_SCHEMA_FORMAT) if isinstance(answer, dict) else None
    functions = tool_choices.functions(assistant.tools)
    return {
        **{name: getattr(assistant, name) for name in (*same, *also)},
        "tools": tool_choices.ticked(assistant.tools),
        "functions": _typed(functions) if functions else "",
        "format": answer.get("type", TEXT) if isinstance(answer, dict) else TEXT,
        "schema": _typed(schema) if schema else "",
    }


def _typed(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _format(kind: str, schema: dict[str, Any] | None) -> dict[str, Any] | None:
    if kind == TEXT:
        return None
    return {"type": kind} | ({kind: schema} if kind == JSON_SCHEMA_FORMAT else {})
