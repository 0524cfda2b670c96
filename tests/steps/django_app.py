"""An ordinary Django project in one file, that knows nothing of this project."""

from collections.abc import Iterator

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__,
    SECRET_KEY="not a secret",
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"page {request.GET.get('name', '')}")


def form(request: HttpRequest) -> HttpResponse:
    items = sorted(request.POST.items())
    return HttpResponse(" ".join(f"{key}={value}" for key, value in items))


def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    return HttpResponse(f"{file.name} {len(file.read())}")


def body(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def numbers() -> Iterator[str]:
        for number in range(1000):
            yield f"{number}\n"

    return StreamingHttpResponse(numbers(), content_type="text/plain")


def visits(request: HttpRequest) -> HttpResponse:
    count = int(request.COOKIES.get("visits", "0")) + 1
    response = HttpResponse(str(count))
    response.set_cookie("visits", str(count))
    response.set_cookie("other", "too")
    return response


def moved(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/?name=moved")


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the application's own bug")


urlpatterns = [
    path("", page),
    path("form", form),
    path("upload", upload),
    path("body", body),
    path("stream", stream),
    path("visits", visits),
    path("moved", moved),
    path("missing", missing),
    path("fails", fails),
]

application = get_wsgi_application()
