"""The server of the page: for this machine alone, and for pages of its own alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from nicegui import app, background_tasks, core, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dcgan_features.gan.explorer.answers import Answers
from dcgan_features.gan.explorer.page import TITLE, Page
from dcgan_features.gan.latent.sampler import LatentSampler

# The page may load and send nothing beyond its own server; NiceGUI brings its scripts, styles and fonts along.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' {sockets}; form-action 'none'; "
    "frame-ancestors 'none'; base-uri 'none'"
)


def serve(sampler: LatentSampler, checkpoint: str, host: str, port: int, browser: bool) -> None:
    """Serve the page until interrupted; its address is printed once it can be opened.

    Other web pages in the same browser cannot reach it: names of hosts and origins other than its own are refused.
    """
    answers = Answers(sampler)
    hosts = [host, "localhost"]
    origins = [f"http://{name}:{port}" for name in hosts]
    core.sio.eio.cors_allowed_origins = origins
    policy = POLICY.format(sockets=" ".join(f"ws://{name}:{port}" for name in hosts))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)

    @app.middleware("http")
    async def confine(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = policy
        return response

    @ui.page("/")
    async def page(pinned: str = "") -> None:
        await Page(answers, checkpoint, pinned).build()

    app.on_startup(lambda: background_tasks.create(_tell(host, port), name="address"))
    app.config.quasar_config["loadingBar"] = {"skipHijack": True}  # work done has a sign of its own
    ui.run(
        host=host,
        port=port,
        title=TITLE,
        dark=None,
        language="en-GB",
        reload=False,
        show=browser,
        show_welcome_message=False,
        tailwind=False,
        favicon="🔍",
    )


async def _tell(host: str, port: int) -> None:
    """Print the address as soon as it answers."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        print(f"{TITLE}: http://{host}:{port} (Ctrl-C ends it)", flush=True)
        return
