"use strict";
(() => {
  const table = document.querySelector("table.events");
  if (!table) return;
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => {
    const text = row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
    return text !== "" && isFinite(text) ? Number(text) : text;
  };
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      const rows = [...body.rows].map((row, i) => ({ row, i, v: value(row, column) }));
      rows.sort((a, b) => {
        const both = typeof a.v === "number" && typeof b.v === "number";
        const order = both ? a.v - b.v : String(a.v).localeCompare(String(b.v), undefined, { numeric: true });
        return sign * order || a.i - b.i;
      });
      body.append(...rows.map((entry) => entry.row));
    });
  });
  const box = document.getElementById("filter");
  const shown = document.getElementById("filter-count");
  box.parentElement.hidden = false;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) count += 1;
    }
    shown.textContent = words.length ? `${count} of ${body.rows.length}` : "";
  });
})();
