"""Addresses of the chat."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from chat import (
    diagrams,
    doctor,
    exports,
    imports,
    keys,
    language,
    manifest,
    palette,
    preferences,
    setup,
    sharing,
    views,
)

urlpatterns = [
    path("", views.index, name="index"),
    path("messages", views.send, name="send"),
    path("threads", views.threads, name="threads"),
    path("t/<str:thread_id>", views.thread, name="thread"),
    path("t/<str:thread_id>/messages", views.send, name="send"),
    path("t/<str:thread_id>/share", sharing.share, name="share"),
    path("t/<str:thread_id>/links", sharing.make_link, name="link-make"),
    path("t/<str:thread_id>/export/<str:kind>", exports.export, name="export"),
    path("t/<str:thread_id>/close", views.close, name="close"),
    path("links/<str:link_id>/revoke", sharing.revoke_link, name="link-revoke"),
    path("shared", sharing.team, name="shared"),
    path("s/<str:token>", sharing.link, name="link"),
    path("runs/<str:run_id>", views.run, name="run"),
    path("runs/<str:run_id>/text", views.run_text, name="run-text"),
    path("runs/<str:run_id>/cancel", views.cancel, name="cancel"),
    path("runs/<str:run_id>/retry", views.retry, name="retry"),
    path("doctor", doctor.page, name="doctor"),
    path("doctor/checks", doctor.checks, name="doctor-checks"),
    path("doctor/drip", doctor.drip, name="doctor-drip"),
    path("diagram", diagrams.frame, name="diagram"),
    path("palette", palette.palette, name="palette"),
    path("shortcuts", palette.shortcuts, name="shortcuts"),
    path("manifest.webmanifest", manifest.manifest, name="manifest"),
    path("words.js", language.words, name="words"),
    path("settings", preferences.page, name="preferences"),
    path("settings/export", exports.export_all, name="export-all"),
    path("settings/import", imports.page, name="import"),
    path("settings/keys", keys.page, name="keys"),
    path("settings/keys/<str:key_id>/revoke", keys.revoke, name="key-revoke"),
    path("setup/<str:token>", views.set_up, name="setup"),
    path(
        "login",
        auth.LoginView.as_view(
            template_name="accounts/login.html",
            redirect_authenticated_user=True,
            extra_context={"is_unclaimed": setup.is_open},
        ),
        name="login",
    ),
    path("logout", auth.LogoutView.as_view(), name="logout"),
    path(
        "password",
        auth.PasswordChangeView.as_view(
            template_name="accounts/password.html",
            success_url=reverse_lazy("password_change_done"),
        ),
        name="password_change",
    ),
    path("password/done", views.password_changed, name="password_change_done"),
]
