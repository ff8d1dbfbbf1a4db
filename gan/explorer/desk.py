"""What all panels of the page share: the choice, the answers, where errors stand, and how long work is done."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from nicegui import ui

from dcgan_features.data.utils.errors import InputError
from dcgan_features.gan.explorer.answers import Answers
from dcgan_features.gan.explorer.latest import Latest
from dcgan_features.gan.explorer.state import State

Answer = TypeVar("Answer")


class Panel(Protocol):
    """A part of the page; built anew whenever it is opened or what is pinned has changed."""

    title: str

    async def build(self) -> None:
        """Fill the container that is entered."""


class Desk:
    """One visitor's page. checkpoint : as the command was given it."""

    def __init__(self, answers: Answers, checkpoint: str) -> None:
        self.answers, self.checkpoint = answers, checkpoint
        self.sampler = answers.sampler
        self.state = State()
        self.error = ui.element("p").classes("error").props('role="alert"')
        self.busy = ui.element("p").classes("busy").props('role="status"')
        self.built = 0  # how often a panel was; answers to an earlier one come too late
        self.rebuild: Callable[[], Any] = lambda: None  # what is pinned, and the panel
        self.repin: Callable[[], Any] = lambda: None  # what is pinned alone
        self.latest = Latest(self._show_busy, self.say)

    def say(self, sentence: str) -> None:
        """Show one sentence on what went wrong; an empty one takes it away."""
        self.error.clear()
        if sentence:
            with self.error:
                ui.label(f"{sentence[:1].upper()}{sentence[1:]}.")

    @contextlib.contextmanager
    def saying(self) -> Iterator[None]:
        """Say what is wrong instead of raising it."""
        self.say("")
        try:
            yield
        except InputError as error:
            self.say(str(error))

    async def answer(self, key: str, job: Callable[[], Answer], done: Callable[[Answer], None]) -> None:
        """`Latest.answer`, but what comes after the panel has been built anew is dropped."""
        built = self.built
        await self.latest.answer(key, job, lambda found: done(found) if built == self.built else None)

    def _show_busy(self, busy: bool) -> None:
        self.busy.clear()
        if busy:
            with self.busy:
                ui.element("span").classes("spinner")
                ui.label("working")

    def download_json(self, make: Callable[[], Any], file: str) -> None:
        """Hand JSON to the browser as a file, or say why there is none."""
        with self.saying():
            text = json.dumps(make(), indent=2, ensure_ascii=False) + "\n"
            ui.download.content(text, file, "application/json")


def button(text: str, handler: Callable[[], Any], label: str = "", pressed: bool | None = None) -> ui.element:
    """A button of the browser's own kind. label : what it does, where its text alone does not say."""
    made = ui.element("button").props('type="button"').on("click", lambda _: handler())
    if label:
        made.props["aria-label"] = label
    if pressed is not None:
        made.props["aria-pressed"] = str(pressed).lower()
    with made:
        if text:
            ui.label(text)
    return made


def slider(
    label: str, bounds: tuple[float, float], step: float, value: float, handler: Callable[[float], Any]
) -> ui.element:
    """A slider of the browser's own kind, which every key and reader of screens knows; `handler` gets its value."""
    made = ui.element("input").props('type="range"')
    made.props.update({"aria-label": label, "min": bounds[0], "max": bounds[1], "step": step})
    made.props["^value"] = value  # where it starts; as a plain property it would be put back there again and again
    read = "(event) => emit(Number(event.target.value))"
    made.on("input", lambda event: handler(float(event.args)), throttle=0.05, js_handler=read)
    return made


def picture(source: str, alternative: str = "") -> ui.element:
    """An image, enlarged without smoothing. alternative : what it shows, for who does not see it."""
    made = ui.element("img")
    made.props["src"] = source
    made.props["alt"] = alternative
    return made


@contextlib.contextmanager
def figure(source: str, alternative: str, caption: str, kind: str = "") -> Iterator[ui.element]:
    """An image with its caption; what is made within stands below."""
    with ui.element("figure").classes(kind) as made:
        picture(source, alternative)
        with ui.element("figcaption"):
            ui.label(caption)
        yield made


@contextlib.contextmanager
def gallery(kind: str = "") -> Iterator[ui.element]:
    """Pictures in as many columns as there is room for."""
    with ui.element("div").classes(f"gallery {kind}") as made:
        yield made


def heading(text: str) -> None:
    """The heading of a part of a panel."""
    with ui.element("h3"):
        ui.label(text)


def note(text: str) -> None:
    """A sentence of explanation."""
    with ui.element("p").classes("note"):
        ui.label(text)
