"""Serving of static files by the process itself."""

from __future__ import annotations

import gzip
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

TEXT = ("text/", "application/json", "image/svg+xml", "application/manifest+json")
WORTH_PACKING = 1_000  # bytes; a smaller file fits into one packet anyway


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise with whole bodies, packed where the browser takes that.

    Its own responses iterate over an open file, which under ASGI Django reads whole in
    another thread anyway and warns about each time. Nothing here depends on who asks,
    so that packing tells nobody anything (which pages with tokens would, BREACH).
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file:
                body = found.file.read()
        response = HttpResponse(body, status=int(found.status))
        del response["content-type"]
        for name, value in found.headers:
            response[name] = value
        return pack(request, response)


def pack(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response in gzip, if it is a whole text and the client reads that."""
    is_text = response.get("Content-Type", "").startswith(TEXT)
    if not is_text or response.status_code != 200:
        return response
    patch_vary_headers(response, ["Accept-Encoding"])
    takes_it = "gzip" in request.META.get("HTTP_ACCEPT_ENCODING", "")
    if takes_it and len(response.content) > WORTH_PACKING:
        response.content = packed(response.content)
        response["Content-Encoding"] = "gzip"
        response["Content-Length"] = str(len(response.content))
        # The same file unpacked has the same tag, which only a weak one may.
        if "ETag" in response:
            response["ETag"] = f"W/{response['ETag'].removeprefix('W/')}"
    return response


@lru_cache(maxsize=200)
def packed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)
