"""Two panels: samples to choose from, and arithmetic on those that are pinned."""

from __future__ import annotations

import io
from functools import partial

from nicegui import ui

from dcgan_features.gan.explorer.answers import Result, address
from dcgan_features.gan.explorer.desk import Desk, button, figure, gallery, heading, note, picture
from dcgan_features.gan.explorer.state import SLOTS, Name, read_names, write_names
from dcgan_features.gan.figures.grid import draw_sheet
from dcgan_features.gan.figures.latent import arithmetic_sheet
from dcgan_features.gan.latent.sampler import Images

SIGNS = dict(zip(SLOTS, ("", "minus", "plus"), strict=True))


class Samples:
    """A grid of samples by name; a press pins one or unpins it."""

    title = "Samples"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """The controls and the grid."""
        state = self.desk.state
        with ui.element("div").classes("bar"):
            self.names = ui.input("Samples, such as 0:0-15 or 2:7, 2:9", value=write_names(state.shown))
            self.names.props("outlined dense").classes("wide").on("keydown.enter", self.show)
            button("Show", self.show, "Show the named samples")
            button("Next", self.show_next, "Show the next samples of the seed")
            button("Another seed", self.show_another)
        self.grid = ui.element("div").classes("gallery")
        await self._fill()

    async def show(self) -> None:
        """Show what the field names."""
        with self.desk.saying():
            self.desk.state.shown = read_names(self.names.value or "")
            await self._fill()

    async def show_next(self) -> None:
        """Show the samples after these."""
        self.desk.state.show_next()
        await self._renamed()

    async def show_another(self) -> None:
        """Show the first samples of the next seed."""
        self.desk.state.show_seed(self.desk.state.shown[-1].seed + 1)
        await self._renamed()

    async def pin(self, name: Name) -> None:
        """Pin a sample, or unpin it."""
        with self.desk.saying():
            self.desk.state.toggle_pin(name)
            # The grid stays: presses that arrive while it was made anew would be lost with its buttons.
            self.buttons[name].props["aria-pressed"] = str(name in self.desk.state.pinned).lower()
            await self.desk.repin()

    async def _renamed(self) -> None:
        self.desk.say("")
        self.names.value = write_names(self.desk.state.shown)
        await self._fill()

    async def _fill(self) -> None:
        names = list(self.desk.state.shown)
        await self.desk.answer("samples", lambda: self.desk.answers.images(names), partial(self._show, names))

    def _show(self, names: list[Name], images: Images) -> None:
        self.grid.clear()
        self.buttons: dict[Name, ui.element] = {}
        with self.grid:
            for name, image in zip(names, images, strict=True):
                pinned = name in self.desk.state.pinned
                made = self.buttons[name] = button("", partial(self.pin, name), f"Pin {name}", pinned)
                with made.classes("sample"):
                    picture(address(image))
                    ui.label(str(name))


class Arithmetic:
    """Y = A - B + C on the means of up to three exemplars each."""

    title = "Arithmetic"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """The pinned samples with a button for each slot, the slots, and the result."""
        state = self.desk.state
        note("Y = A - B + C, where each is the mean z of up to three exemplars; press A, B or C below a pinned sample.")
        names = list(dict.fromkeys([*state.pinned, *(name for slot in SLOTS for name in state.slots[slot])]))
        if not names:
            note("Pin samples first, then put them into A, B and C here.")
            return
        self.exemplars = ui.element("div").classes("gallery")
        with ui.element("div").classes("bar"):
            button("Empty the slots", self.empty)
            button("Figure (PNG)", self.download_figure)
            button("Choice (JSON)", self.download_choice)
        self.result = ui.element("div").classes("equation")
        await self.desk.answer("slots", lambda: self.desk.answers.images(names), partial(self._show_names, names))
        if state.complete:
            slots = {slot: list(exemplars) for slot, exemplars in state.slots.items()}
            await self.desk.answer("arithmetic", lambda: self.desk.answers.arithmetic(slots), self._show)

    async def put(self, slot: str, name: Name) -> None:
        """Put a sample into a slot, or take it out."""
        with self.desk.saying():
            self.desk.state.toggle_exemplar(slot, name)
            await self.desk.rebuild()

    async def empty(self) -> None:
        """Take everything out of the slots."""
        for exemplars in self.desk.state.slots.values():
            exemplars.clear()
        await self.desk.rebuild()

    async def download_figure(self) -> None:
        """Hand the figure that `python -m gan.figures arithmetic` draws to the browser."""

        def draw() -> bytes:
            file = io.BytesIO()
            draw_sheet(arithmetic_sheet(self.desk.sampler, self.desk.state.arithmetic())).save(file, format="PNG")
            return file.getvalue()

        self.desk.say("")
        await self.desk.answer("figure", draw, lambda file: ui.download.content(file, "arithmetic.png", "image/png"))

    def download_choice(self) -> None:
        """Hand the choice to the browser."""
        self.desk.download_json(lambda: self.desk.state.arithmetic().model_dump(mode="json"), "arithmetic.json")

    def _show_names(self, names: list[Name], images: Images) -> None:
        with self.exemplars:
            for name, image in zip(names, images, strict=True):
                with figure(address(image), f"sample {name}", str(name)), ui.element("div").classes("bar"):
                    for slot in SLOTS:
                        held = name in self.desk.state.slots[slot]
                        button(slot, partial(self.put, slot, name), f"{name} in {slot}", held)

    def _show(self, result: Result) -> None:
        slots = self.desk.state.slots
        with self.result:
            with ui.element("div"):
                heading("Means")
                with gallery("column"):
                    for slot, image in zip(SLOTS, result.means, strict=True):
                        names = ", ".join(map(str, slots[slot]))
                        with figure(address(image), f"mean of {names}", f"{SIGNS[slot]} {slot}: {names}".strip()):
                            pass
            with ui.element("div"):
                heading("Y, and 8 within ±0.25 of it")
                with gallery("nine"):
                    for index, image in enumerate(result.around):
                        centre = index == len(result.around) // 2
                        alternative = "result Y" if centre else "a neighbour of Y"
                        with figure(
                            address(image), alternative, "Y" if centre else "near Y", "chosen" if centre else ""
                        ):
                            pass
            with ui.element("div"):
                heading("Control")
                with figure(address(result.control), "arithmetic on pixels", "the pixels' A - B + C"):
                    pass
