"""Addresses of the chat."""

from __future__ import annotations

from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from chat import doctor, keys, search, setup, threads, views

urlpatterns = [
    path("", views.index, name="index"),
    path("messages", views.send, name="send"),
    path("threads", threads.index, name="threads"),
    path("threads/archived", threads.archived, name="archived"),
    path("threads/find", threads.find, name="find-threads"),
    path("search", search.page, name="search"),
    path("t/<str:thread_id>", views.thread, name="thread"),
    path("t/<str:thread_id>/messages", views.send, name="send"),
    path("t/<str:thread_id>/menu", threads.menu, name="thread-menu"),
    path("t/<str:thread_id>/rename", threads.rename, name="rename"),
    path("t/<str:thread_id>/pin", threads.pin, name="pin"),
    path("t/<str:thread_id>/archive", threads.archive, name="archive"),
    path("t/<str:thread_id>/delete", threads.delete, name="delete"),
    path("t/<str:thread_id>/restore", threads.restore, name="restore"),
    path("t/<str:thread_id>/seen", threads.seen, name="seen"),
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
