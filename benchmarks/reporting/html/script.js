(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("scripted");

  // Light or dark: as the system says until the reader chooses; the choice is kept where the browser allows it.
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
  const show = () => {
    const dark = (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    button.setAttribute("aria-pressed", String(dark));
  };
  if (["light", "dark"].includes(stored())) root.dataset.theme = stored();
  system.addEventListener("change", show);
  button.addEventListener("click", () => {
    root.dataset.theme = button.getAttribute("aria-pressed") === "true" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* not kept */ }
    show();
  });
  show();

  // Sorting: a first press sorts numbers from the highest and text from A, a further one turns the order round.
  // What is not known stays at the end.
  const key = (row, column, numeric) => {
    const cell = row.cells[column];
    const value = cell.dataset.value ?? cell.textContent.trim();
    return numeric ? (value === "" ? NaN : parseFloat(value.replace(/[,±%]/g, ""))) : value;
  };
  for (const sorter of document.querySelectorAll("th button[data-sort]")) {
    sorter.addEventListener("click", () => {
      const heading = sorter.closest("th");
      const table = heading.closest("table");
      const numeric = sorter.dataset.sort === "number";
      const before = heading.getAttribute("aria-sort");
      const order = before === "none" ? (numeric ? "descending" : "ascending")
        : before === "ascending" ? "descending" : "ascending";
      for (const other of heading.parentElement.cells) {
        if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      }
      heading.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      const known = (row) => { const value = key(row, heading.cellIndex, numeric); return value === value && value !== ""; };
      const rows = [...table.tBodies[0].rows].sort((one, other) => {
        if (known(one) !== known(other)) return known(one) ? -1 : 1;
        if (!known(one)) return 0;
        const [a, b] = [key(one, heading.cellIndex, numeric), key(other, heading.cellIndex, numeric)];
        return sign * (numeric ? a - b : a.localeCompare(b));
      });
      table.tBodies[0].append(...rows);
    });
  }

  // Where a number comes from: a link to a dialog opens it; so does an address that names one.
  const open = (id) => {
    const dialog = document.getElementById(id);
    if (!(dialog instanceof HTMLDialogElement)) return false;
    if (!dialog.open) dialog.showModal();
    return true;
  };
  const named = () => open(decodeURIComponent(location.hash.slice(1)));
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href^='#about-']") : null;
    if (link && open(link.getAttribute("href").slice(1))) {
      event.preventDefault();
      history.replaceState(null, "", link.getAttribute("href"));
    }
  });
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("close", () => history.replaceState(null, "", location.pathname + location.search));
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }
  addEventListener("hashchange", named);
  named();
})();
