"""What the browser may send, checked for shape; what it means is for runs.actions."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm
from django.utils.translation import gettext as _

from runs import attachments
from runs.models import User


class FilesField(forms.Field):
    """The ids of attachments, one value each; whose they are is for access to say."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: list[str] | None) -> list[str]:
        return list(dict.fromkeys(value or ()))

    def validate(self, value: list[str]) -> None:
        if len(value) > attachments.MOST or any(len(key) > 64 for key in value):
            raise forms.ValidationError(_("Too many files."))


class MessageForm(forms.Form):
    """A composed message; the key is the same for every attempt to send it."""

    text = forms.CharField(strip=False, required=False)
    key = forms.CharField(max_length=64, required=False)
    file = FilesField(required=False)
    assistant = forms.CharField(max_length=64, required=False)
    temporary = forms.BooleanField(required=False)

    def clean_text(self) -> str:
        # Browsers send line ends as CR LF, which the limit would count twice.
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")


class FirstAccountForm(BaseUserCreationForm[User]):
    class Meta:
        model = User
        fields = ("username",)
        help_texts = {"username": ""}
