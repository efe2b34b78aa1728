"""Addresses of the chat."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from chat import doctor, feedback, keys, setup, turns, views

urlpatterns = [
    path("", views.index, name="index"),
    path("messages", views.send, name="send"),
    path("threads", views.threads, name="threads"),
    path("t/<str:thread_id>", views.thread, name="thread"),
    path("t/<str:thread_id>/messages", views.send, name="send"),
    path("runs/<str:run_id>", views.run, name="run"),
    path("runs/<str:run_id>/text", views.run_text, name="run-text"),
    path("runs/<str:run_id>/cancel", views.cancel, name="cancel"),
    path("runs/<str:run_id>/retry", turns.retry, name="retry"),
    path("runs/<str:run_id>/continue", turns.go_on, name="continue"),
    path("runs/<str:run_id>/show", turns.show_answer, name="run-show"),
    path("runs/<str:run_id>/menu", turns.run_menu, name="run-menu"),
    path("runs/<str:run_id>/delete", turns.delete_answer, name="run-delete"),
    path("runs/<str:run_id>/details", feedback.details, name="run-details"),
    path("runs/<str:run_id>/feedback", feedback.give, name="feedback"),
    path("runs/<str:run_id>/feedback/note", feedback.note, name="feedback-note"),
    path("messages/<str:message_id>/edit", turns.edit, name="edit"),
    path("messages/<str:message_id>/edit/form", turns.edit_form, name="edit-form"),
    path("messages/<str:message_id>/text", turns.message_text, name="message-text"),
    path("messages/<str:message_id>/show", turns.show_message, name="message-show"),
    path("messages/<str:message_id>/menu", turns.message_menu, name="message-menu"),
    path(
        "messages/<str:message_id>/delete", turns.delete_message, name="message-delete"
    ),
    path("t/<str:thread_id>/at/<str:anchor>", turns.find, name="find"),
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
