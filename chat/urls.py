"""Addresses of the chat."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from chat import assistants, doctor, keys, picker, prompts, setup, views

urlpatterns = [
    path("", views.index, name="index"),
    path("messages", views.send, name="send"),
    path("threads", views.threads, name="threads"),
    path("t/<str:thread_id>", views.thread, name="thread"),
    path("t/<str:thread_id>/messages", views.send, name="send"),
    path("t/<str:thread_id>/assistant", picker.choose, name="choose-assistant"),
    path("t/<str:thread_id>/parameters", picker.parameters, name="parameters"),
    path("assistants", assistants.gallery, name="assistants"),
    path("assistants/new", assistants.new, name="assistant-new"),
    path("assistants/pick", picker.pick, name="assistant-pick"),
    path("assistants/models", picker.models, name="assistant-models"),
    path("assistants/<str:assistant_id>", assistants.edit, name="assistant"),
    path(
        "assistants/<str:assistant_id>/duplicate",
        assistants.duplicate,
        name="assistant-duplicate",
    ),
    path(
        "assistants/<str:assistant_id>/delete",
        assistants.delete,
        name="assistant-delete",
    ),
    path("prompts", prompts.page, name="prompts"),
    path("prompts/new", prompts.new, name="prompt-new"),
    path("prompts/list", prompts.slash, name="prompt-list"),
    path("prompts/<str:prompt_id>", prompts.edit, name="prompt"),
    path("prompts/<str:prompt_id>/text", prompts.text, name="prompt-text"),
    path("prompts/<str:prompt_id>/delete", prompts.delete, name="prompt-delete"),
    path("runs/<str:run_id>", views.run, name="run"),
    path("runs/<str:run_id>/text", views.run_text, name="run-text"),
    path("runs/<str:run_id>/cancel", views.cancel, name="cancel"),
    path("runs/<str:run_id>/retry", views.retry, name="retry"),
    path("doctor", doctor.page, name="doctor"),
    path("doctor/checks", doctor.checks, name="doctor-checks"),
    path("doctor/drip", doctor.drip, name="doctor-drip"),
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
