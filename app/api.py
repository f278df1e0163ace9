"""The routes beside Streamlit's own: pictures, turns, drafts, judgements, sign-in.

Saving goes through plain requests and not through reruns of a script: a request that fails is seen to fail,
can be sent again with the same nonce, and takes milliseconds. Every route but sign-in needs the session
cookie; every POST needs the header `X-Cytosae`, which no other site can send.
"""

import json
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from app import log
from app.resources import APP_VERSION, OpenStudy, open_study, repository, trusted_proxies
from app.turns import Payload, turn
from cytosae_core.errors import (
    AnswerError,
    ArtifactError,
    ChecksumError,
    CytosaeError,
    DatabaseError,
    SignInError,
    StorageFullError,
    StudyError,
    SubmitRefusedError,
)
from cytosae_core.judging.attempts import Caller
from cytosae_core.judging.repository import Session

COOKIE = "cytosae_session"
COOKIE_SECONDS = 12 * 3600
DEVICE_COOKIE = "cytosae_device"
"""Says that somebody has signed in with this browser before, and nothing else; it signs nobody in."""
DEVICE_SECONDS = 180 * 24 * 3600
HASHES_AT_ONCE = 2
"""Access codes that are checked at the same time: each takes 64 MiB and a core for a while, on purpose."""
LARGEST_BODY = 64 * 1024

_STATUS: tuple[tuple[type[CytosaeError], int], ...] = (
    (SignInError, 401),
    (SubmitRefusedError, 409),
    (AnswerError, 422),
    (StudyError, 404),
    (ChecksumError, 500),
    (ArtifactError, 404),
    (StorageFullError, 507),
    (DatabaseError, 503),
    (CytosaeError, 400),
)

Work = Callable[[Request, Payload], Response]


def routes() -> list[BaseRoute]:
    """The routes to mount beside Streamlit's."""
    return [
        Route("/api/sign-in", _endpoint(_sign_in, CapacityLimiter(HASHES_AT_ONCE)), methods=["POST"]),
        Route("/api/sign-out", _endpoint(_sign_out), methods=["POST"]),
        Route("/api/turn", _endpoint(_turn), methods=["GET"]),
        Route("/api/draft", _endpoint(_draft), methods=["POST"]),
        Route("/api/judgement", _endpoint(_judgement), methods=["POST"]),
        Route("/cells/{study_id}/{picture}", _endpoint(_cell), methods=["GET"]),
    ]


def _endpoint(work: Work, limiter: CapacityLimiter | None = None) -> Callable[[Request], Awaitable[Response]]:
    """Read the body, do the blocking work in a thread, and turn a known error into its sentence.

    With a limiter of its own, work waits its turn there, first come first served, and never takes a thread from other
    work.
    """
    what = work.__name__.strip("_")

    async def endpoint(request: Request) -> Response:
        start = time.perf_counter()
        try:
            body = await _body(request)
            return await to_thread.run_sync(work, request, body, limiter=limiter)
        except CytosaeError as error:
            status = next(code for kind, code in _STATUS if isinstance(error, kind))
            log.refused(what, _rater_id(request), error, status)
            return JSONResponse({"error": str(error)}, status_code=status)
        except Exception as error:
            log.failed(what, _rater_id(request), error)
            raise
        finally:
            log.took(what, _rater_id(request), time.perf_counter() - start)

    return endpoint


def _rater_id(request: Request) -> str:
    """Who asked, as far as that is known already."""
    return str(getattr(request.state, "rater_id", "unknown"))


async def _body(request: Request) -> Payload:
    if request.method != "POST":
        return {}
    if "x-cytosae" not in request.headers:
        raise SubmitRefusedError("this request did not come from the app; open the app in the browser")
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_BODY:
            raise AnswerError(f"the answer is larger than {LARGEST_BODY} bytes; please shorten the texts")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise AnswerError(f"the request is not JSON ({error}); reload the page") from error
    if not isinstance(body, dict):
        raise AnswerError(f"the request is a {type(body).__name__}, not an object; reload the page")
    return body


def _text(body: Payload, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise AnswerError(f"the request has no text {name!r}; reload the page")
    return value


def _session(request: Request) -> Session:
    session = repository().sessions.resume(request.cookies.get(COOKIE, ""))
    if session is None:
        raise SignInError("you are signed out; please sign in again")
    request.state.rater_id = session.rater_id
    return session


def _study_of(session: Session, study_id: str) -> OpenStudy:
    if study_id not in session.study_ids:
        raise StudyError(f"{session.rater_code} does not take part in study {study_id!r}; ask the coordinator")
    return open_study(study_id)


def _sign_in(request: Request, body: Payload) -> Response:
    device = request.cookies.get(DEVICE_COOKIE, "") or secrets.token_urlsafe(32)
    codes = (_text(body, "rater_code").strip(), _text(body, "access_code").strip())
    session = repository().sessions.sign_in(*codes, Caller(_address(request), device))
    response = _with_cookie(JSONResponse({"rater_code": session.rater_code}), request, session)
    _set_cookie(response, request, DEVICE_COOKIE, device, DEVICE_SECONDS)
    return response


def _address(request: Request) -> str:
    """Network address of the browser: what the connection says, or a proxy that the settings trust."""
    address = request.client.host if request.client else ""
    forwarded = [one.strip() for one in request.headers.get("x-forwarded-for", "").split(",") if one.strip()]
    while address in trusted_proxies() and forwarded:
        address = forwarded.pop()
    return address


def _with_cookie(response: Response, request: Request, session: Session) -> Response:
    """Set the session's cookie, for 12 more hours: as long as somebody works, the session lasts."""
    _set_cookie(response, request, COOKIE, session.token, COOKIE_SECONDS)
    return response


def _set_cookie(response: Response, request: Request, name: str, value: str, seconds: int) -> None:
    secure = _is_secure(request)
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=secure)


def _is_secure(request: Request) -> bool:
    """Whether the browser speaks HTTPS, with us or with a proxy that the settings trust."""
    scheme = request.url.scheme
    if request.client and request.client.host in trusted_proxies():
        scheme = request.headers.get("x-forwarded-proto", scheme).split(",")[-1].strip()
    return scheme == "https"


def _sign_out(request: Request, body: Payload) -> Response:
    repository().sessions.sign_out(request.cookies.get(COOKIE, ""))
    response = JSONResponse({})
    response.delete_cookie(COOKIE)
    return response


def _turn(request: Request, body: Payload) -> Response:
    session = _session(request)
    query = request.query_params
    opened = _study_of(session, query.get("study", ""))
    place = (session.rater_id, opened.study.study_id, query.get("task", ""))
    if "item" in query:
        screen = repository().desk.show_judged(*place, query["item"], query.get("stage", ""), APP_VERSION)
        shown = turn(opened, session, screen)
    else:
        shown = turn(opened, session, repository().desk.show_next(*place, APP_VERSION))
    return _with_cookie(JSONResponse(shown, headers={"Cache-Control": "no-store"}), request, session)


def _draft(request: Request, body: Payload) -> Response:
    session = _session(request)
    sequence = body.get("sequence")
    if not isinstance(sequence, int):
        raise AnswerError("the draft has no number; reload the page")
    saved_at = repository().drafts.save(
        session.rater_id,
        _text(body, "nonce"),
        _answers(body),
        sequence=sequence,
        overlay_used=body.get("overlay_used") is True,
    )
    return JSONResponse({"saved_at": saved_at.isoformat()})


def _judgement(request: Request, body: Payload) -> Response:
    session = _session(request)
    opened = _study_of(session, _text(body, "study"))
    receipt, screen = repository().desk.submit_and_show_next(
        session.rater_id,
        _text(body, "nonce"),
        _answers(body),
        study_id=opened.study.study_id,
        task_id=_text(body, "task"),
        app_version=APP_VERSION,
        overlay_used=body.get("overlay_used") is True,
    )
    saved_at, next_turn = receipt.saved_at.isoformat(), turn(opened, session, screen)
    saved = {"saved_at": saved_at, "revision": receipt.revision, "turn": next_turn}
    return _with_cookie(JSONResponse(saved), request, session)


def _answers(body: Payload) -> dict[str, Any]:
    answers = body.get("answers")
    if not isinstance(answers, dict):
        raise AnswerError("the request has no answers; reload the page")
    return answers


def _cell(request: Request, body: Payload) -> Response:
    opened = _study_of(_session(request), request.path_params["study_id"])
    picture = opened.pictures.served(request.path_params["picture"])
    # A name stands for the same bytes for ever, so a browser may keep them. No date of the file: pictures are made
    # class by class, so the date would give the class away.
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(picture.content, media_type=picture.media_type, headers=headers)
