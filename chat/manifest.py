"""What a browser needs to know to install the chat as an application."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

ICONS = (
    ("favicon.svg", "any", "image/svg+xml", "any"),
    ("icon-192.png", "192x192", "image/png", "any"),
    ("icon-512.png", "512x512", "image/png", "any"),
    ("icon-512.png", "512x512", "image/png", "maskable"),
)


@require_safe
@cache_control(max_age=3600)
def manifest(_: HttpRequest) -> JsonResponse:
    """The web application manifest (W3C); it tells nothing about who asks."""
    icons = [
        {"src": static(name), "sizes": sizes, "type": kind, "purpose": purpose}
        for name, sizes, kind, purpose in ICONS
    ]
    content = {
        "name": "Threadmill",
        "id": reverse("index"),
        "start_url": reverse("index"),
        "display": "standalone",
        "background_color": "#faf9f6",
        "theme_color": "#faf9f6",
        "icons": icons,
    }
    return JsonResponse(content, content_type="application/manifest+json")
