// Boxes drawn with mouse, pen or finger: a "box" event on the picture, in the picture's own pixels.
document.addEventListener("pointerdown", (start) => {
  const area = start.target.closest?.(".drawable");
  if (!area || start.button) return;
  start.preventDefault();
  const size = Number(area.dataset.size);
  const place = (event) => {
    const bounds = area.querySelector("img").getBoundingClientRect();
    const inside = (part) => Math.min(Math.max(part, 0), 1) * size;
    return [inside((event.clientX - bounds.left) / bounds.width), inside((event.clientY - bounds.top) / bounds.height)];
  };
  const first = place(start);
  const edges = (event) => {
    const last = place(event);
    const low = [0, 1].map((axis) => Math.floor(Math.min(first[axis], last[axis])));
    const high = [0, 1].map((axis) => Math.ceil(Math.max(first[axis], last[axis])));
    return [...low, ...high];
  };
  const frame = document.createElement("span");
  frame.className = "frame";
  const draw = (event) => {
    const [left, top, right, bottom] = edges(event).map((edge) => (100 * edge) / size);
    frame.style.cssText = `left:${left}%;top:${top}%;width:${right - left}%;height:${bottom - top}%`;
    if (!frame.isConnected) area.append(frame);
  };
  const stop = (event) => {
    window.removeEventListener("pointermove", draw);
    window.removeEventListener("pointerup", stop);
    window.removeEventListener("pointercancel", stop);
    frame.remove();
    const moved = Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY);
    if (event.type === "pointerup" && moved >= 4) area.dispatchEvent(new CustomEvent("box", { detail: edges(event) }));
  };
  window.addEventListener("pointermove", draw);
  window.addEventListener("pointerup", stop);
  window.addEventListener("pointercancel", stop);
});

// Whoever presses a button by the keyboard keeps their place when the part of the page around it is made anew.
let held = null;
const labelled = (button) => button.getAttribute("aria-label") || button.textContent.trim();
document.addEventListener("focusin", (event) => {
  held = event.target.matches("button") ? labelled(event.target) : null;
});
document.addEventListener("pointerdown", () => (held = null));
new MutationObserver(() => {
  if (held === null || document.activeElement !== document.body) return;
  const again = [...document.querySelectorAll("button")].find((button) => labelled(button) === held);
  again?.focus({ preventScroll: true });
}).observe(document, { childList: true, subtree: true });
