"""The library's web applications as Django views, under WSGI and ASGI alike.

Django's request looks enough like a WSGI request to be handed on as one, body unread: so a push is taken in, bounded
and answered as anywhere else (see ``calsync_core.web.receiver``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.contrib.auth.decorators import login_not_required, login_required
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from calsync_core.contrib.django.installation import installation

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["answered_by", "connect", "never_atomic", "webhook"]

View = TypeVar("View", bound=Callable[..., Any])


def never_atomic(view: View) -> View:
    """The engine must not be called in a transaction, also where ``ATOMIC_REQUESTS`` is on."""
    for alias in settings.DATABASES:
        transaction.non_atomic_requests(using=alias)(view)
    return view


@never_atomic
@login_not_required
@csrf_exempt
def webhook(request: HttpRequest, route: str) -> HttpResponse:
    """Whatever comes to the endpoint; ``route`` is what stands below the mount. Providers know no CSRF token."""
    return answered_by(installation().webhooks, request, route)


@never_atomic
@csrf_exempt
@login_required
def connect(request: HttpRequest, route: str) -> HttpResponse:
    """The pages on which who is logged in connects accounts. Their forms are sealed by the pages themselves."""
    pages = installation().connect()
    if pages is None:
        raise Http404
    return answered_by(pages, request, route)


def answered_by(application: WSGIApplication, request: HttpRequest, route: str) -> HttpResponse:
    """What a WSGI application answers to Django's request.

    Args:
        application: It finds the request under ``django.request``.
        request: Not read yet.
        route: The path below the mount, without a slash before it.
    """
    environ: dict[str, Any] = {
        **request.META,
        "PATH_INFO": f"/{route}".encode().decode("latin-1"),
        "wsgi.input": request,
        # Django's ASGI side has read the body, to its end.
        "wsgi.input_terminated": isinstance(request, ASGIRequest),
        "django.request": request,
    }
    response = HttpResponse()

    def start(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[[bytes], object]:
        response.status_code = int(status.partition(" ")[0])
        for name, value in headers:
            if name == "Set-Cookie":
                response.cookies.load(value)
            else:
                response.headers[name] = value
        return response.write

    response.content = b"".join(application(environ, start))
    return response
