"""What is answered where there is no answer: a status, and JSON that says why."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from serving.api import Refused
from serving.web.line import Busy, HungUp
from serving.web.replies import Wrong

NOBODY = 499  # a status that nobody reads: who asked has gone
SHORT = 40  # characters of what was sent that are told back
STATUSES: dict[int | str, dict[str, Any]] = {
    400: {"model": Wrong, "description": "The body is no JSON"},
    413: {"model": Wrong, "description": "The body is too large"},
    415: {"model": Wrong, "description": "The body is not said to be JSON"},
    422: {"model": Wrong, "description": "What was asked cannot be answered"},
    503: {
        "model": Wrong,
        "description": "Too many questions wait",
        "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}},
    },
}


def refuse_in_json(app: FastAPI) -> None:
    """All errors of an application, those that nobody thought of too."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(HungUp, lambda request, error: Response(status_code=NOBODY))
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(
        Exception, lambda request, error: _wrong("this failed here; the server's log says why", 500)
    )


def _wrong(
    error: str, status: int, nearest: tuple[str, ...] = (), headers: dict[str, str] | None = None
) -> JSONResponse:
    return JSONResponse({"error": error, "nearest": list(nearest)}, status, headers)


def _refused(request: Request, error: Exception) -> JSONResponse:
    return _wrong(str(error), 422, error.nearest if isinstance(error, Refused) else ())


def _not_valid(request: Request, error: Exception) -> JSONResponse:
    """Where it is wrong, why, and what was found if that is short."""
    faults = error.errors() if isinstance(error, RequestValidationError) else []
    if isinstance(error, RequestValidationError) and isinstance(error.body, bytes):
        found = request.headers.get("content-type", "of no kind")
        return _wrong(f"the body is said to be {found}: send JSON, with the header content-type: application/json", 415)
    if any(fault["type"] == "json_invalid" for fault in faults):
        return _wrong(f"the body is no JSON: {faults[0]['ctx']['error']}, at character {faults[0]['loc'][-1]}", 400)
    return _wrong("; ".join(map(_fault, faults[:10])), 422)


def _fault(fault: dict[str, Any]) -> str:
    why = str(fault["ctx"]["error"]) if fault["type"] == "value_error" else fault["msg"]
    short = isinstance(fault["input"], int | float | str) and len(str(fault["input"])) <= SHORT
    found = f"; found {fault['input']!r}" if short else ""
    return f"{'.'.join(str(part) for part in fault['loc'])}: {why}{found}"


def _busy(request: Request, error: Exception) -> JSONResponse:
    seconds = error.seconds if isinstance(error, Busy) else 1
    return _wrong(str(error), 503, headers={"retry-after": str(max(seconds, 1))})


def _no_route(request: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 400
    said = str(error.detail) if isinstance(error, HTTPException) else HTTPStatus(status).phrase
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return _wrong(f"{request.method} {request.url.path}: {said}", status, headers=headers)
