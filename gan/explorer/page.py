"""The page: its frame, the pinned samples above, and one panel at a time below."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from nicegui import ui

from dcgan_features.gan.explorer.answers import Answers, address, png
from dcgan_features.gan.explorer.choosing import Arithmetic, Samples
from dcgan_features.gan.explorer.desk import Desk, Panel, button, figure, gallery, note
from dcgan_features.gan.explorer.looking import Filters, Forget
from dcgan_features.gan.explorer.moving import Directions, Walk
from dcgan_features.gan.explorer.state import MOST_PINNED, Name, read_names
from dcgan_features.gan.latent.sampler import Images

HERE = Path(__file__).parent
TITLE = "Latent space explorer"


class Page:
    """One visitor's page. pinned : names of samples that are pinned from the beginning, as its address holds them."""

    def __init__(self, answers: Answers, checkpoint: str, pinned: str = "") -> None:
        for file, tag in (("explorer.css", "style"), ("explorer.js", "script")):
            ui.add_head_html(f"<{tag}>{(HERE / file).read_text(encoding='utf-8')}</{tag}>")
        with ui.element("header"):
            with ui.element("h1"):
                ui.label(TITLE)
            note(_about(answers, checkpoint))
        self.pins = ui.element("section").props('aria-label="Pinned samples"').classes("pins")
        self.menu = ui.element("nav").props('aria-label="Panels"')
        self.desk = Desk(answers, checkpoint)
        self.container = ui.element("section").props('aria-label="Panel"').classes("panel")
        self.panels: list[Panel] = [
            kind(self.desk) for kind in (Samples, Arithmetic, Walk, Directions, Forget, Filters)
        ]
        self.panel = self.panels[0]
        with self.menu:  # made once: a press that arrives while a panel is built would be lost with its button
            self.menu_buttons = [button(panel.title, partial(self.open, panel)) for panel in self.panels]
        self.desk.rebuild = self.changed
        self.desk.repin = self.repin
        if pinned:
            with self.desk.saying():
                self.desk.state.pinned = read_names(pinned, MOST_PINNED)

    async def open(self, panel: Panel) -> None:
        """Show another panel."""
        self.panel = panel
        self.desk.say("")
        await self._build()

    async def changed(self) -> None:
        """Show what is pinned now, in the page's address too, and the panel accordingly."""
        await self.repin()
        await self._build()

    async def repin(self) -> None:
        """Show what is pinned now, in the page's address too."""
        names = ",".join(map(str, self.desk.state.pinned))
        ui.navigate.history.replace(f"/?pinned={names}" if names else "/")
        await self._pins()

    async def build(self) -> None:
        """The pinned samples and the panel."""
        await self._pins()
        await self._build()

    async def _pins(self) -> None:
        names = list(self.desk.state.pinned)
        await self.desk.latest.answer(
            "pins", lambda: self.desk.answers.images(names) if names else [], partial(self._show_pins, names)
        )

    async def _build(self) -> None:
        self.desk.built += 1
        for panel, made in zip(self.panels, self.menu_buttons, strict=True):
            made.props.set_optional("aria-current", "true" if panel is self.panel else None)
        self.container.clear()
        with self.container:
            await self.panel.build()

    def _show_pins(self, pinned: list[Name], images: Iterable[Images]) -> None:
        self.pins.clear()
        with self.pins:
            with ui.element("div").classes("bar"):
                with ui.element("h2"):
                    ui.label(f"Pinned: {len(pinned)}")
                if pinned:
                    button("Unpin all", self._unpin_all)
                button("Settings (JSON)", self._download)
            if not pinned:
                note("Nothing yet: press a sample to pin it. Pinned samples are walked, moved, added and boxed.")
                return
            with gallery("small"):
                for name, image in zip(pinned, images, strict=True):
                    with figure(address(image), f"sample {name}", str(name)), ui.element("div").classes("bar"):
                        button("×", partial(self._unpin, name), f"Unpin {name}")
                        button("PNG", partial(_download_picture, name, image), f"Download {name} as PNG")

    async def _unpin(self, name: Name) -> None:
        self.desk.state.toggle_pin(name)
        await self.changed()

    async def _unpin_all(self) -> None:
        self.desk.state.pinned.clear()
        await self.changed()

    def _download(self) -> None:
        desk = self.desk
        desk.download_json(lambda: desk.state.settings(desk.checkpoint, desk.sampler.spec.name), "explorer.json")


def _download_picture(name: Name, image: Images) -> None:
    ui.download.content(png(image), f"{name.seed}-{name.index}.png", "image/png")


def _about(answers: Answers, checkpoint: str) -> str:
    sampler = answers.sampler
    seen = sampler.images_seen
    data = (sampler.metadata.get("data") or {}).get("description")
    parts = [
        f"{checkpoint}: {sampler.spec.name}",
        "" if seen is None else f"after {seen:,} images",
        f"of {data}" if data else "",
    ]
    return " ".join(filter(None, parts)) + ". A sample is named seed:number and looks the same whenever it is named."
