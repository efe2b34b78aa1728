"""Who asks: the API key in the Authorization header, and nothing else."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.security import HttpBearer

from runs import access, keys
from runs.api.errors import SAFE, ApiError
from runs.models import ApiKey, Assistant, User

SHOWN = 6  # characters of a wrong key that its owner may know it again by


class ApiRequest(HttpRequest):
    """A request that has come past ``Bearer``."""

    auth: ApiKey
    user: User
    request_id: str


class Bearer(HttpBearer):
    """Looks the key up, and whether its scopes suffice for the method."""

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        """The key, kept in ``request.auth``, its owner in ``request.user``."""
        key = keys.find(token.strip())
        if key is None:
            shown = token.strip()[:SHOWN]
            raise ApiError(
                401,
                f"Incorrect API key provided: {shown}***. You can make a new one on your "
                "settings page.",
                code="invalid_api_key",
            )
        require(key, keys.READ if request.method in SAFE else keys.WRITE)
        asking: Any = request
        asking.auth, asking.user = key, key.owner
        return key


def require(key: ApiKey, scope: str) -> None:
    """Raises ApiError, 403, unless the key was given this scope."""
    if scope not in key.scopes:
        raise ApiError(
            403,
            f"This API key lacks the scope '{scope}', which this request needs.",
            code="insufficient_scope",
        )


def changeable_assistant(request: ApiRequest, assistant_id: str) -> Assistant:
    """The assistant, if this key may change it. Raises NotFound and ApiError (403)."""
    found = access.assistant(request.user, assistant_id)
    if found.owner_id is None:
        require(request.auth, keys.ADMIN)
    if not access.may_change_assistant(request.user, found):
        who = "its owner" if found.owner_id else "staff"
        what = "this assistant" if found.owner_id else "an assistant of the team"
        raise ApiError(
            403,
            f"Only {who} may change {what}.",
            code="insufficient_permissions",
        )
    return found
