"use strict";
// Sorting: every heading of a ranking becomes a button. Cells carry their true numbers in data-sort (space
// separated, compared in turn) or, in text columns, their text; a cell without data-sort is absent and stays last.
function keyOf(row, column, isText) {
  const value = row.cells[column].dataset.sort;
  if (value === undefined) return null;
  return isText ? [value] : value.split(" ").map(Number);
}
function compare(a, b) {
  for (let i = 0; i < a.length; i++) {
    if (a[i] < b[i]) return -1;
    if (a[i] > b[i]) return 1;
  }
  return 0;
}
function sortTable(table, heading) {
  const column = heading.cellIndex;
  const current = heading.getAttribute("aria-sort");
  const flipped = { ascending: "descending", descending: "ascending" };
  const direction = flipped[current] || heading.dataset.first;
  const sign = direction === "ascending" ? 1 : -1;
  const rows = Array.from(table.tBodies[0].rows, (row) => [keyOf(row, column, heading.dataset.kind === "label"), row]);
  rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compare(a, b)));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
for (const table of document.querySelectorAll("table.ranking")) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortTable(table, heading));
  }
}
// Pointing at a strategy in a table or a legend brings out its line in the charts of the same setting.
for (const setting of document.querySelectorAll(".setting")) {
  const charts = setting.querySelector(".charts");
  const light = (index) => {
    if (charts) charts.classList.toggle("focused", index !== null);
    for (const part of setting.querySelectorAll("[data-series]")) {
      part.classList.toggle("lit", index !== null && part.dataset.series === index);
    }
  };
  for (const source of setting.querySelectorAll("tr[data-series], li[data-series], figure g[data-series]")) {
    source.addEventListener("pointerenter", () => light(source.dataset.series));
    source.addEventListener("pointerleave", () => light(null));
  }
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
