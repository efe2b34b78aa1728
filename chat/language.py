"""The language of the pages: a person's own, or else the browser's."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.cache import cache_control
from django.views.i18n import JavaScriptCatalog


class OwnLanguage(MiddlewareMixin):
    """After LocaleMiddleware, which goes by the browser: what somebody chose wins."""

    def process_request(self, request: HttpRequest) -> None:
        language = getattr(request.user, "language", "")
        if language:
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()


# The words of the scripts. Its address names language and version, so it never changes.
words = cache_control(max_age=31_536_000, immutable=True, private=True)(
    JavaScriptCatalog.as_view(packages=["chat"])
)
