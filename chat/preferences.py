"""The settings page on which people choose how the product looks and behaves."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, override
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from chat.doors import signed_in
from chat.views import HttpRequest
from runs.models import SendKey, Theme, User


class PreferencesForm(forms.ModelForm[User]):
    theme = forms.ChoiceField(
        label=_("Theme"), choices=Theme, widget=forms.RadioSelect, required=False
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=[("", _("As the browser")), *settings.LANGUAGES],
        required=False,
    )
    send_key = forms.ChoiceField(
        label=_("Messages are sent with"), choices=SendKey, widget=forms.RadioSelect
    )

    class Meta:
        model = User
        fields = ("theme", "language", "send_key")


@signed_in
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form; whatever is chosen holds in every browser of this person."""
    form = PreferencesForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        request.user.save(update_fields=list(form.fields))
        with override(request.user.language or None):
            messages.success(request, gettext("Saved."))
        return redirect("preferences")
    status = 422 if form.is_bound else 200
    return render(request, "chat/preferences.html", {"form": form}, status=status)
