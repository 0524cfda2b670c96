"""An ordinary Flask application, that knows nothing of this project."""

from collections.abc import Iterator

from flask import Flask, Response, abort, redirect, request
from werkzeug.wrappers import Response as AnyResponse

app = Flask(__name__)


@app.get("/")
def page() -> str:
    return f"page {request.args.get('name', '')}"


@app.post("/form")
def form() -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(request.form.items()))


@app.post("/upload")
def upload() -> str:
    file = request.files["file"]
    return f"{file.filename} {len(file.read())}"


@app.post("/body")
def body() -> bytes:
    return request.get_data()


@app.get("/stream")
def stream() -> Response:
    def numbers() -> Iterator[str]:
        for number in range(1000):
            yield f"{number}\n"

    return Response(numbers(), mimetype="text/plain")


@app.get("/visits")
def visits() -> Response:
    count = int(request.cookies.get("visits", "0")) + 1
    response = Response(str(count))
    response.set_cookie("visits", str(count))
    response.set_cookie("other", "too")
    return response


@app.get("/moved")
def moved() -> AnyResponse:
    return redirect("/?name=moved")


@app.get("/missing")
def missing() -> str:
    abort(404)


@app.get("/fails")
def fails() -> str:
    raise RuntimeError("the application's own bug")
