"""Two panels: a walk from pinned sample to pinned sample, and directions found without labels."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from dcgan_features.gan.explorer.answers import address
from dcgan_features.gan.explorer.desk import Desk, button, figure, heading, note, picture, slider
from dcgan_features.gan.explorer.state import Name
from dcgan_features.gan.latent.directions import Directions as Found
from dcgan_features.gan.latent.sampler import Images

REACH = 2.0  # standard deviations either way


class Walk:
    """From each pinned sample to the next, by a slider and as strips."""

    title = "Walk"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """The slider with its picture, and a strip for each part of the way."""
        state = self.desk.state
        with self.desk.saying():
            names = list(state.walked())
            last = len(names) - 1
            state.place = min(state.place, float(last))
            heading("Along the way")
            self.image = picture("", "where the walk is").classes("large")
            self.label = ui.label().classes("place")
            slider("Place on the walk", (0, last), 0.01, state.place, self.walk)
            with ui.element("div").classes("bar"):
                heading("Strips")
                steps = ui.number("Steps", value=state.steps, min=2, max=16, step=1, on_change=self.set_steps)
                steps.props("outlined dense debounce=300").classes("narrow")
            self.strips = ui.element("div")
            await self.show_place(names)
            await self.show_strips(names)

    async def walk(self, place: float) -> None:
        """Go to the slider's place."""
        self.desk.state.place = place
        await self.show_place(list(self.desk.state.pinned))

    async def set_steps(self, event: Any) -> None:
        """Draw the strips in as many steps."""
        if event.value is not None and 2 <= event.value <= 16:
            self.desk.state.steps = int(event.value)
            await self.show_strips(list(self.desk.state.pinned))

    async def show_place(self, names: list[Name]) -> None:
        """The picture at the slider's place."""
        place = self.desk.state.place
        await self.desk.answer(
            "place", lambda: self.desk.answers.walk_at(names, place), partial(self._show_place, names, place)
        )

    async def show_strips(self, names: list[Name]) -> None:
        """The whole way."""
        steps = self.desk.state.steps
        await self.desk.answer(
            "strips", lambda: self.desk.answers.walk(names, steps), partial(self._show_strips, names)
        )

    def _show_place(self, names: list[Name], place: float, image: Images) -> None:
        stage = min(int(place), len(names) - 2)
        self.image.props["src"] = address(image)
        self.label.text = f"{names[stage]} to {names[stage + 1]}: {100 * (place - stage):.0f}% of the way"

    def _show_strips(self, names: list[Name], ways: Images) -> None:
        self.strips.clear()
        with self.strips:
            for stage, way in enumerate(ways):
                with ui.element("div").classes("strip").props('tabindex="0" role="group"') as strip:
                    strip.props["aria-label"] = f"From {names[stage]} to {names[stage + 1]}"
                    for step, image in enumerate(way):
                        ends = {0: str(names[stage]), len(way) - 1: str(names[stage + 1])}
                        caption = ends.get(step, f"{step}/{len(way) - 1}")
                        with figure(address(image), caption, caption):
                            pass


class Directions:
    """A sample, and a slider for each of the directions in which a layer's maps change most."""

    title = "Directions"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """The choice of sample and layer, and the sliders as soon as the directions are found."""
        state = self.desk.state
        names = state.pinned or state.shown
        if state.moved not in names:
            state.moved = names[0]
        note("Principal components of a layer's maps over 2,048 samples, carried back to z; no label is used.")
        with ui.element("div").classes("bar"):
            chosen = ui.select([str(name) for name in names], label="Sample", value=str(state.moved))
            chosen.props("outlined dense").classes("narrow").on_value_change(
                lambda event: self.set_sample(names[[str(name) for name in names].index(event.value)])
            )
            layers = dict(enumerate(["0, projection", *map(str, range(1, self.desk.sampler.layers))]))
            layer = ui.select(layers, label="Layer of the generator", value=state.direction_layer)
            layer.props("outlined dense").classes("narrow").on_value_change(lambda event: self.set_layer(event.value))
        with ui.element("div").classes("beside"):
            self.image = picture("", "the moved sample").classes("large")
            self.sliders = ui.element("div").classes("sliders")
        layer_number = state.direction_layer
        await self.show_image()
        await self.desk.answer("directions", lambda: self.desk.answers.directions(layer_number), self._show)

    async def set_sample(self, name: Name) -> None:
        """Move another sample."""
        self.desk.state.moved = name
        await self.show_image()

    async def set_layer(self, layer: int) -> None:
        """Take the directions of another layer."""
        self.desk.state.direction_layer = layer
        self.desk.state.amounts.clear()
        await self.desk.rebuild()

    async def set_amount(self, index: int, amount: float) -> None:
        """Move the sample along one direction."""
        self.desk.state.amounts[index] = amount
        self.labels[index].text = _standard_deviations(amount)
        await self.show_image()

    async def reset(self) -> None:
        """Put the sample back."""
        self.desk.state.amounts.clear()
        await self.desk.rebuild()

    async def show_image(self) -> None:
        """The sample where the sliders have moved it."""
        state = self.desk.state
        name, layer, amounts = state.moved, state.direction_layer, list(state.amounts)
        assert name is not None
        await self.desk.answer("moved", lambda: self.desk.answers.moved(name, layer, amounts), self._show_image)

    def _show_image(self, image: Images) -> None:
        self.image.props["src"] = address(image)

    def _show(self, found: Found) -> None:
        amounts = self.desk.state.amounts
        amounts += [0.0] * (len(found.steps) - len(amounts))
        self.labels: list[ui.label] = []
        with self.sliders:
            for index, part in enumerate(found.variance):
                with ui.element("div").classes("slider"):
                    ui.label(f"{index + 1} ({100 * part:.1f}% of the variance)")
                    self.labels.append(ui.label(_standard_deviations(amounts[index])))
                    label = f"Direction {index + 1}, standard deviations"
                    slider(label, (-REACH, REACH), 0.1, amounts[index], partial(self.set_amount, index))
            button("Reset", self.reset)


def _standard_deviations(amount: float) -> str:
    return f"{amount:+.1f} sd" if amount else "0 sd"
