"""The explorer's web application: a function of a model and its rows; it reads no file that a request names."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from isthmus.core.errors import IsthmusError
from isthmus.explore.answers import Answers
from isthmus.explore.coloring import Values
from isthmus.explore.explored import Explored
from isthmus.explore.guard import Access, Guard, TooLargeError
from isthmus.explore.wire import BadRequestError
from isthmus.web import SCATTER, asset

_OWN = ("explore.css", "texts.js", "cards.js", "panels.js", "explore.js")
_STYLES = ("style.css",)
_CSV_ROWS = 4096


@cache
def page_file(name: str) -> str:
    """Return the text of a file of the explorer's page."""
    return files("isthmus.explore").joinpath("page", name).read_text(encoding="utf-8")


def explorer(
    explored: Explored,
    *,
    title: str = "isthmus",
    others: Mapping[str, Values] | None = None,
    color_by: str | None = None,
    access: Access | None = None,
) -> Guard:
    """Return the explorer as an ASGI application.

    Parameters
    ----------
    explored : Explored
        The model and its rows.
    title : str
        The title of the page.
    others : mapping of str to callable, optional
        Further columns to colour by: functions that return the values for the rows that are shown.
    color_by : str, optional
        The name that points are coloured by at first, one of `others` or a column of the table.
    access : Access, optional
        Which requests are answered; by default those of pages of this machine, without a token.
    """
    answers = Answers(explored, title, others or {}, color_by)
    static: dict[str, tuple[str, Callable[[str], str]]] = {
        **{name: (_type_of(name), asset) for name in (*SCATTER, *_STYLES)},
        **{name: (_type_of(name), page_file) for name in _OWN},
    }

    async def page(request: Request) -> Response:
        return HTMLResponse(page_file("index.html"))

    async def script(request: Request) -> Response:
        found = static.get(request.path_params["name"])
        if found is None:
            return PlainTextResponse("there is no such file\n", 404)
        return Response(found[1](request.path_params["name"]), media_type=found[0])

    async def export(request: Request) -> Response:
        places = answers.places(await request.body())
        headers = {"content-disposition": 'attachment; filename="selection.csv"'}
        return StreamingResponse(_csv(explored, places), media_type="text/csv; charset=utf-8", headers=headers)

    routes = [Route("/", page), Route("/static/{name}", script)]
    routes += [Route(f"/{name}", _get(answer)) for name, answer in answers.read.items()]
    routes += [Route(f"/{name}", _post(answer), methods=["POST"]) for name, answer in answers.sent.items()]
    routes.append(Route("/selection.csv", export, methods=["POST"]))
    handlers: dict[Any, Any] = {404: _missing, 405: _missing, TooLargeError: _too_large}
    handlers |= dict.fromkeys((BadRequestError, IsthmusError), _bad_request)
    app = Starlette(routes=routes, exception_handlers=handlers)
    access = access or Access()
    most = max(access.most_bytes, 4 * explored.n_rows, answers.most_code_bytes)
    return Guard(app, Access(access.hosts, access.token, most, access.cookie))


def _type_of(name: str) -> str:
    return "text/css" if name.endswith(".css") else "text/javascript"


def _get(answer: Callable[[Mapping[str, str]], bytes]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return Response(await run_in_threadpool(answer, request.query_params), media_type="application/octet-stream")

    return endpoint


def _post(answer: Callable[[bytes], bytes]) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        return Response(await run_in_threadpool(answer, await request.body()), media_type="application/octet-stream")

    return endpoint


def _csv(explored: Explored, places: Any) -> Iterator[str]:
    """Yield the rows' numbers and codes as CSV."""
    names = [str(name).replace('"', '""') for name in explored.model.get_feature_names_out()]
    yield ",".join(["row", *(f'"{name}"' for name in names)]) + "\r\n"
    for first in range(0, len(places), _CSV_ROWS):
        chosen, text = places[first : first + _CSV_ROWS], io.StringIO()
        numbers, codes = explored.numbers[chosen].tolist(), explored.codes[chosen]
        for row, code in zip(numbers, codes, strict=True):
            text.write(",".join([str(row), *map(_shortest, code)]) + "\r\n")
        yield text.getvalue()


def _shortest(value: Any) -> str:
    return np.format_float_positional(value, trim="-") if 1e-4 <= abs(value) < 1e15 or value == 0 else f"{value:.9g}"


def _bad_request(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 400)


def _too_large(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 413)


def _missing(request: Request, error: Any) -> Response:
    return PlainTextResponse("there is no such page\n", error.status_code)
