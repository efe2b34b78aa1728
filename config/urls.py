"""All addresses: the admin site, the API's page, and the chat at the root.

What begins with /v1 never comes here, see config/api.py.
"""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from config import api, api_page

handler400 = api.bad_request
handler500 = api.server_error

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api", api_page.page, name="api"),
    path("api/openapi.json", api_page.document, name="api-document"),
    path("", include("chat.urls")),
]
