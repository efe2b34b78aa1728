from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from runs.models import User

admin.site.register(User, UserAdmin)
admin.site.site_header = admin.site.site_title = "Threadmill"
admin.site.index_title = "Administration"
admin.site.site_url = None  # base_site.html has a link to the chat
# The lists need the width; the index and the breadcrumbs lead everywhere.
admin.site.enable_nav_sidebar = False
