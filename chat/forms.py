"""What the browser may send, checked for shape; what it means is for runs.actions."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import BaseUserCreationForm

from runs.models import User


class MessageForm(forms.Form):
    """A composed message; the key is the same for every attempt to send it."""

    text = forms.CharField(strip=False, required=False)
    key = forms.CharField(max_length=64, required=False)
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
