"""Two panels that look into the networks: forgetting an object, and what a map of the discriminator responds to."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from dcgan_features.gan.explorer.answers import Forgotten, Looked, address
from dcgan_features.gan.explorer.desk import Desk, button, gallery, heading, note, picture
from dcgan_features.gan.explorer.state import Edges, Name
from dcgan_features.gan.latent.sampler import Images

SIDES = ("Left", "Top", "Right", "Bottom")


class Forget:
    """Boxes around an object on pinned samples, and samples before and after its maps are dropped."""

    title = "Forget"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """The pinned samples to draw on, the boxes, and the controls."""
        state, size = self.desk.state, self.desk.sampler.spec.image_size
        note(
            "Draw boxes around one kind of object on a few pinned samples. The maps of the generator that draw it are "
            "found by a regression, and dropped everywhere."
        )
        names = state.boxable
        if not names:
            note("Pin a few samples that show the object first.")
            return
        self.areas = ui.element("div").classes("gallery wide")
        with ui.element("details"):
            with ui.element("summary"):
                ui.label("Type a box instead")
            with ui.element("div").classes("bar"):
                sample = ui.select([str(name) for name in names], label="Sample", value=str(names[0]))
                sample.props("outlined dense").classes("narrow")
                edges = [
                    ui.number(side, value=value, min=0, max=size, step=1).props("outlined dense").classes("number")
                    for side, value in zip(SIDES, (0, 0, size // 2, size // 2), strict=True)
                ]
                button("Add the box", lambda: self.add(_named(names, sample.value), [edge.value for edge in edges]))
        with ui.element("div").classes("bar"):
            thing = ui.input("What it is", value=state.thing).props("outlined dense").classes("narrow")
            thing.on_value_change(lambda event: setattr(state, "thing", event.value or "object"))
            maps = ui.number("Maps (empty: all)", value=state.maps, min=1, step=1)
            maps.props("outlined dense").classes("narrow").on_value_change(self.set_maps)
            button("Forget", self.forget, "Forget what is in the boxes").classes("main")
            button("Remove the boxes", self.clear)
            button("Choice (JSON)", self.download)
        self.result = ui.element("div")
        await self.desk.answer("boxes", lambda: self.desk.answers.images(names), partial(self._show_boxes, names))

    async def add(self, name: Name, edges: list[Any]) -> None:
        """Add a box."""
        with self.desk.saying():
            size = self.desk.sampler.spec.image_size
            self.desk.state.add_box(name, [-1 if edge is None else edge for edge in edges], size)
            await self.desk.rebuild()

    async def remove(self, box: tuple[Name, Edges]) -> None:
        """Take a box away."""
        self.desk.state.boxes.remove(box)
        await self.desk.rebuild()

    async def clear(self) -> None:
        """Take all boxes away."""
        self.desk.state.boxes.clear()
        await self.desk.rebuild()

    def set_maps(self, event: Any) -> None:
        """How many maps are dropped."""
        self.desk.state.maps = int(event.value) if event.value else None

    def download(self) -> None:
        """Hand the choice to the browser."""
        self.desk.download_json(lambda: self.desk.state.forgetting().model_dump(mode="json"), "forget.json")

    async def forget(self) -> None:
        """Find the maps, drop them, and show the samples of the grid before and after."""
        self.desk.say("")
        state = self.desk.state
        boxes, shown, maps = list(state.boxes), list(state.shown), state.maps
        await self.desk.answer(
            "forget", lambda: self.desk.answers.forget(boxes, shown, maps), partial(self._show, shown)
        )

    def _show_boxes(self, names: list[Name], images: Images) -> None:
        size = images.shape[1]
        with self.areas:
            for name, image in zip(names, images, strict=True):
                boxes = [box for box in self.desk.state.boxes if box[0] == name]
                with ui.element("figure"):
                    with ui.element("div").classes("drawable") as area:
                        area.props["data-size"] = str(size)
                        area.props["data-name"] = str(name)
                        area.on("box", partial(self._drawn, name), args=["detail"])
                        picture(address(image), f"sample {name}; draw a box on it").props('draggable="false"')
                        for _, edges in boxes:
                            _frame(edges, size)
                    with ui.element("figcaption"):
                        ui.label(str(name))
                    with ui.element("div").classes("bar"):
                        for box in boxes:
                            label = f"Remove the box {', '.join(map(str, box[1]))} on {name}"
                            button(f"× {', '.join(map(str, box[1]))}", partial(self.remove, box), label)

    async def _drawn(self, name: Name, event: Any) -> None:
        await self.add(name, list(event.args["detail"]))

    def _show(self, shown: list[Name], result: Forgotten) -> None:
        found = result.found
        self.result.clear()
        with self.result:
            heading(f"Before and after forgetting: {self.desk.state.thing}")
            note(
                f"{result.dropped} of the {len(found.weights)} maps of layer {found.layer} dropped; "
                f"{len(found.maps())} speak for it. The regression is right about {100 * found.accuracy:.0f}% of its "
                f"own positions, {found.positions} of them inside boxes."
            )
            with gallery():
                for name, before, after in zip(shown, result.before, result.after, strict=True):
                    with ui.element("figure").classes("pair"):
                        picture(address(before), f"{name} before")
                        picture(address(after), f"{name} after")
                        with ui.element("figcaption"):
                            ui.label(str(name))


class Filters:
    """Guided back-propagation of one map of the discriminator on the samples, the strongest response first."""

    title = "Filters"

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def build(self) -> None:
        """The choice of layer and map, and the samples."""
        state, layers = self.desk.state, self.desk.sampler.spec.discriminator
        if state.filter_layer is None:
            state.filter_layer = len(layers) - 1
        note(
            "What one map of the discriminator responds to: framed, the pixels its strongest response depends on; "
            "right of it the guided gradient, grey where 0. Pinned samples, or those of the grid where none is pinned."
        )
        with ui.element("div").classes("bar"):
            layer = ui.select(list(range(len(layers))), label="Layer of the discriminator", value=state.filter_layer)
            layer.props("outlined dense").classes("narrow").on_value_change(self.set_layer)
            last = layers[state.filter_layer].maps - 1
            self.number = ui.number(f"Map, 0 to {last}", value=state.filter_map, min=0, max=last, step=1)
            self.number.props("outlined dense debounce=300").classes("narrow").on_value_change(self.set_map)
            button("Next map", self.next_map)
        self.result = ui.element("div").classes("gallery")
        await self.look()

    async def set_layer(self, event: Any) -> None:
        """Look at another layer, from its first map."""
        self.desk.state.filter_layer, self.desk.state.filter_map = event.value, 0
        await self.desk.rebuild()

    async def set_map(self, event: Any) -> None:
        """Look at another map."""
        if event.value is not None:
            self.desk.say("")
            self.desk.state.filter_map = int(event.value)
            await self.look()

    def next_map(self) -> None:
        """Look at the map after this one, or again at the first."""
        layer = self.desk.sampler.spec.discriminator[self.desk.state.filter_layer or 0]
        self.number.value = (self.desk.state.filter_map + 1) % layer.maps

    async def look(self) -> None:
        """Show the samples as the map sees them."""
        state = self.desk.state
        names, layer, number = list(state.pinned or state.shown), state.filter_layer or 0, state.filter_map
        await self.desk.answer("filters", lambda: self.desk.answers.looked(names, layer, number), self._show)

    def _show(self, looked: list[Looked]) -> None:
        self.result.clear()
        with self.result:
            for one in looked:
                with ui.element("figure").classes("pair"):
                    with ui.element("div").classes("framed"):
                        picture(address(one.image), f"sample {one.name}")
                        _frame(one.frame, one.image.shape[0])
                    picture(address(one.gradient), f"guided gradient on {one.name}")
                    with ui.element("figcaption"):
                        ui.label(f"{one.name}, response {one.response:.2f}")


def _named(names: list[Name], text: str) -> Name:
    return names[[str(name) for name in names].index(text)]


def _frame(edges: Edges, size: int) -> None:
    """A frame over an image of `size` x `size` pixels."""
    left, top, right, bottom = (100 * edge / size for edge in edges)
    style = f"left:{left}%;top:{top}%;width:{right - left}%;height:{bottom - top}%"
    ui.element("span").classes("frame").style(style)
