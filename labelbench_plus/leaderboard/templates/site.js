"use strict";
// The site works without this file. It adds sorting, filtering, copying, lines that can be switched, comparing, and
// keeps what was chosen in the address, so that a link restores it.

// ---- what was chosen, in the address: #table.sort=gain:descending&table.q=margin&show=badge
const chosen = new URLSearchParams(location.hash.slice(1));
function remember(key, values) {
  chosen.delete(key);
  for (const value of values) if (value) chosen.append(key, value);
  for (const [name, value] of [...chosen]) if (!value) chosen.delete(name); // an anchor that was followed to get here
  history.replaceState(null, "", chosen.size ? "#" + chosen : location.pathname + location.search);
}
addEventListener("hashchange", () => {
  if (location.hash.includes("=")) location.reload();
});
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// ---- sorting: cells carry their true numbers in data-sort (space separated, compared in turn) or, in columns of
// text, their text; a cell without data-sort is absent and stays last.
const isText = (heading) => heading.dataset.kind === "label" || heading.dataset.kind === "text";
function keyOf(row, heading) {
  const value = row.cells[heading.cellIndex].dataset.sort;
  if (value === undefined) return null;
  return isText(heading) ? [value] : value.split(" ").map(Number);
}
function compareKeys(a, b) {
  for (let i = 0; i < a.length; i++) {
    if (a[i] < b[i]) return -1;
    if (a[i] > b[i]) return 1;
  }
  return 0;
}
function sortTable(table, heading, direction) {
  const sign = direction === "ascending" ? 1 : -1;
  const rows = Array.from(table.tBodies[0].rows, (row) => [keyOf(row, heading), row]);
  rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compareKeys(a, b)));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  table.tBodies[0].append(...rows.map(([, row]) => row));
}
function filterTable(table, query, output) {
  const terms = query.toLowerCase().split(/\s+/).filter(Boolean);
  const columns = Array.from(table.tHead.rows[0].cells).filter(isText).map((heading) => heading.cellIndex);
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    const text = columns.map((i) => row.cells[i].dataset.sort || "").join("\n").toLowerCase();
    row.hidden = !terms.every((term) => text.includes(term));
    shown += !row.hidden;
  }
  output.value = terms.length ? `${shown} of ${table.tBodies[0].rows.length}` : "";
}

// ---- copying what is seen, as Markdown or LaTeX
const markdownCell = (text) => text.replace(/[\\`*_{}[\]#|~$@<>&]/g, (c) => ({ "<": "&lt;", ">": "&gt;", "&": "&amp;" })[c] || "\\" + c);
const LATEX = {
  "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "−": "$-$", "±": "$\\pm$",
  "–": "--", "×": "$\\times$", "∞": "$\\infty$", "<": "\\textless{}", ">": "\\textgreater{}",
};
const latexCell = (text) => text.replace(/[\\~^−±–×∞<>&%$#_{}]/g, (c) => LATEX[c] || "\\" + c);
function visibleCells(table) {
  const columns = Array.from(table.tHead.rows[0].cells).filter((cell) => cell.offsetParent !== null);
  const seen = (row) => row.cells.length > 1 && !row.hidden && !row.parentElement.hidden;
  const rows = Array.from(table.tBodies).flatMap((body) => Array.from(body.rows).filter(seen));
  const text = (cell) => cell.textContent.replace(/\s+/g, " ").trim();
  return {
    left: columns.map((cell) => cell.classList.contains("start")),
    lines: [columns.map(text), ...rows.map((row) => columns.map((column) => text(row.cells[column.cellIndex])))],
  };
}
function asMarkdown(table) {
  const { left, lines } = visibleCells(table);
  const rows = lines.map((line) => `| ${line.map(markdownCell).join(" | ")} |`);
  rows.splice(1, 0, `| ${left.map((l) => (l ? ":--" : "--:")).join(" | ")} |`);
  return rows.join("\n") + "\n";
}
function asLatex(table) {
  const { left, lines } = visibleCells(table);
  const [head, ...body] = lines.map((line) => line.map(latexCell).join(" & ") + " \\\\");
  const columns = left.map((l) => (l ? "l" : "r")).join("");
  return [`\\begin{tabular}{${columns}}`, "\\hline", head, "\\hline", ...body, "\\hline", "\\end{tabular}"].join("\n") + "\n";
}

for (const table of document.querySelectorAll("table.ranking")) {
  if (table.tBodies[0].rows.length < 2) continue;
  const headings = Array.from(table.tHead.rows[0].cells);
  for (const heading of headings) {
    const button = make("button", { type: "button", className: "sort" }, ...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const flipped = { ascending: "descending", descending: "ascending" };
      const direction = flipped[heading.getAttribute("aria-sort")] || heading.dataset.first;
      sortTable(table, heading, direction);
      remember(`${table.id}.sort`, [`${heading.dataset.key}:${direction}`]);
    });
  }
  const output = make("output", {});
  const input = make("input", { type: "search", size: 18, value: chosen.get(`${table.id}.q`) || "" });
  const copied = make("textarea", { className: "copy", readOnly: true, hidden: true });
  copied.setAttribute("aria-label", "Table as text");
  const copy = (label, convert) => {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => {
      copied.value = convert(table);
      copied.hidden = false;
      copied.select();
      if (navigator.clipboard) navigator.clipboard.writeText(copied.value).catch(() => {});
    });
    return button;
  };
  input.addEventListener("input", () => {
    filterTable(table, input.value, output);
    remember(`${table.id}.q`, [input.value]);
  });
  const tools = make(
    "div", { className: "tools" },
    make("label", {}, "Filter ", input), output,
    copy("Copy as Markdown", asMarkdown), copy("Copy as LaTeX", asLatex),
  );
  if (table.classList.contains("slim")) {
    const all = make("button", { type: "button" }, "All columns");
    all.setAttribute("aria-pressed", "false");
    all.addEventListener("click", () => {
      all.setAttribute("aria-pressed", String(!table.classList.toggle("slim")));
    });
    tools.append(all);
  }
  table.parentElement.before(tools);
  table.parentElement.after(copied);
  const [key, direction] = (chosen.get(`${table.id}.sort`) || "").split(":");
  const heading = headings.find((one) => one.dataset.key === key);
  if (heading && (direction === "ascending" || direction === "descending")) sortTable(table, heading, direction);
  if (input.value) filterTable(table, input.value, output);
}

// ---- lines that can be switched on and off
function placeNames(svg) {
  // As in charts/lines.py: names keep their order and a gap, and stay inside.
  const names = Array.from(svg.querySelectorAll("g:not(.pale) > text[data-end]"));
  names.sort((a, b) => a.dataset.end - b.dataset.end);
  const bottom = svg.viewBox.baseVal.height - 44;
  const places = [];
  for (const name of names) places.push(Math.max(12, +name.dataset.end, places.length ? places.at(-1) + 15 : 0));
  for (let i = places.length - 1, most = bottom; i >= 0; i--, most = places[i + 1] - 15) places[i] = Math.min(places[i], most);
  names.forEach((name, i) => {
    name.setAttribute("y", places[i] + 4);
    const x = +name.getAttribute("x") - 10;
    name.previousElementSibling.setAttribute("d", `M${x} ${name.dataset.end}L${x + 7} ${places[i]}`);
  });
}
const toggles = document.querySelector("ul.toggles");
if (toggles) {
  const svgs = document.querySelectorAll("figure svg");
  const items = Array.from(toggles.children);
  const boxes = items.map((item) => {
    const box = make("input", { type: "checkbox" });
    const label = make("label", {}, box, ...item.childNodes);
    item.append(label);
    box.addEventListener("change", () => {
      show();
      note();
    });
    return box;
  });
  const show = () => {
    items.forEach((item, i) => {
      item.classList.toggle("off", !boxes[i].checked);
      for (const part of document.querySelectorAll(`figure g[data-series="${item.dataset.series}"].line-of`)) {
        part.classList.toggle("pale", !boxes[i].checked);
      }
    });
    svgs.forEach(placeNames);
  };
  const note = () => {
    const usual = items.every((item, i) => boxes[i].checked === (item.dataset.default === "on"));
    remember("show", usual ? [] : [...items.filter((_, i) => boxes[i].checked).map((item) => item.dataset.name)]);
  };
  const set = (wanted) => items.forEach((item, i) => (boxes[i].checked = wanted(item)));
  const usual = (item) => item.dataset.default === "on";
  const asked = chosen.getAll("show");
  set(asked.length ? (item) => asked.includes(item.dataset.name) : usual);
  if (asked.length) show();
  else items.forEach((item, i) => item.classList.toggle("off", !boxes[i].checked));
  const tools = make("div", { className: "tools" });
  for (const [label, wanted] of [["The usual lines", usual], ["All lines", () => true]]) {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => {
      set(wanted);
      show();
      note();
    });
    tools.append(button);
  }
  toggles.before(tools);
}
// Pointing at a strategy in a table or a legend brings out its line in the charts.
const charts = document.querySelectorAll(".charts");
const light = (index) => {
  for (const part of charts) part.classList.toggle("focused", index !== null);
  for (const part of document.querySelectorAll("[data-series]")) {
    part.classList.toggle("lit", index !== null && part.dataset.series === index);
  }
};
if (charts.length) {
  for (const source of document.querySelectorAll("tr[data-series], li[data-series], figure g[data-series]")) {
    source.addEventListener("pointerenter", () => light(source.dataset.series));
    source.addEventListener("pointerleave", () => light(null));
  }
}

// ---- compare A and B: every pair of every setting is in the page
const holder = document.getElementById("pairs");
if (holder) {
  const { settings, tracks, labels } = JSON.parse(holder.textContent);
  const names = [...new Set(settings.flatMap((setting) => setting.names))].sort();
  const [a, b] = ["choose-a", "choose-b"].map((id) => document.getElementById(id));
  for (const select of [a, b]) for (const name of names) select.append(make("option", { value: name }, name));
  const target = document.getElementById("comparison");
  const find = (of, left, right) => {
    const [i, j] = [of.names.indexOf(left), of.names.indexOf(right)];
    if (i < 0 || j < 0 || i === j) return null;
    const n = of.names.length;
    const [low, high] = i < j ? [i, j] : [j, i];
    const found = of.pairs[low * n - (low * (low + 1)) / 2 + high - low - 1];
    if (!found || i < j) return found;
    const [mean, from, to, count, p, holm, wins, final, finalFrom, finalTo] = found;
    const less = (value) => (value === null ? null : -value);
    return [-mean, less(to), less(from), count, p, holm, 1 - wins, -final, less(finalTo), less(finalFrom)];
  };
  const fixed = (value, like) => {
    const digits = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(Math.max(Math.abs(like), 1e-6)))));
    return value === null ? "–" : (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
  };
  const pText = (p) => (p === null ? "–" : p < 0.0001 ? "<0.0001" : p < 0.01 ? p.toFixed(4) : p.toFixed(2));
  const draw = () => {
    const rows = settings.map((setting) => [setting, find(setting, a.value, b.value)]).filter(([, found]) => found);
    target.replaceChildren();
    if (!rows.length) {
      target.append(make("p", {}, a.value === b.value ? "Choose two different strategies." : `${a.value} and ${b.value} have no setting with a common seed.`));
      return;
    }
    const sure = rows.filter(([, [, , , , p]]) => p !== null && p <= 0.05);
    const better = sure.filter(([, [mean]]) => mean > 0).length;
    target.append(
      make("p", { className: "verdict" },
        `${a.value} is better than ${b.value} in ${better}, worse in ${sure.length - better} of ${rows.length} settings; the others leave it open (paired t-test, each setting alone, p ≤ 0.05).`),
    );
    for (const track of tracks) {
      const found = find(track, a.value, b.value);
      if (found) {
        const width = found[2] === null ? Math.abs(found[0]) : (found[2] - found[1]) / 2;
        target.append(make("p", {}, `${track.name}: ${fixed(found[0], width)} over ${found[3]} data sets (95 %: ${fixed(found[1], width)} to ${fixed(found[2], width)}).`));
      }
    }
    const body = make("tbody");
    for (const [setting, [mean, low, high, n, p, holm, wins, final, finalLow, finalHigh]] of rows) {
      const width = high === null ? Math.abs(mean) : (high - low) / 2;
      const finalWidth = finalHigh === null ? Math.abs(final) : (finalHigh - finalLow) / 2;
      const answer = p !== null && p <= 0.05 ? (mean > 0 ? "A is better" : "B is better") : "not clear";
      const link = make("a", { href: setting.href }, setting.label);
      const head = make("th", { scope: "row", className: "start" }, link);
      const cells = [answer, fixed(mean, width), `${fixed(low, width)} to ${fixed(high, width)}`, n, pText(p), pText(holm), `${Math.round(100 * wins)} %`, fixed(final, finalWidth)];
      body.append(make("tr", {}, head, ...cells.map((text, i) => make("td", { className: i ? "end" : "start" }, String(text)))));
    }
    const heads = ["setting", "answer", "A − B (AUBC)", "95 % interval", "seeds", "p", "p, Holm", "A better at", "A − B (final)"];
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text, i) => make("th", { scope: "col", className: i < 2 ? "start" : "" }, text)))), body);
    const scroll = make("div", { className: "scroll", tabIndex: 0 }, table);
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Comparison by setting");
    target.append(scroll);
  };
  const choose = () => {
    remember("a", [a.value]);
    remember("b", [b.value]);
    draw();
  };
  // A link may say what archives call a strategy, or its title.
  const asked = (key) => [chosen.get(key), labels[chosen.get(key)]].find((name) => names.includes(name));
  a.value = asked("a") || names[0];
  b.value = asked("b") || names.at(-1);
  for (const select of [a, b]) select.addEventListener("change", choose);
  document.getElementById("swap").addEventListener("click", () => {
    [a.value, b.value] = [b.value, a.value];
    choose();
  });
  document.getElementById("compare").hidden = false;
  draw();
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
