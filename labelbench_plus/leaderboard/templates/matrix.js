
// ---- the matrix: one part at a time, sorted, filtered, and only as many columns as can be seen whole
const parts = Array.from(document.querySelectorAll("section.part"));
for (const part of parts) {
  const table = part.querySelector("table");
  const [name, standing, ...columns] = table.tHead.rows[0].cells;
  const groups = Array.from(table.tBodies);
  const rows = groups.flatMap((group) => Array.from(group.rows).filter((row) => !row.classList.contains("idea")));
  const home = new Map(rows.map((row) => [row, row.parentElement]));
  const flat = document.createElement("tbody");
  table.append(flat);

  const arrange = (heading, direction) => {
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    if (heading) {
      const sign = direction === "ascending" ? 1 : -1;
      const keyed = rows.map((row) => [keyOf(row, heading), row]);
      keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : sign * compareKeys(a, b)));
      heading.setAttribute("aria-sort", direction);
      flat.append(...keyed.map(([, row]) => row));
    } else {
      for (const row of rows) home.get(row).append(row);
    }
    byIdea.hidden = !heading;
    show();
  };
  for (const heading of [name, standing, ...columns]) {
    const turned = heading.classList.contains("turned");
    const button = make("button", { type: "button", className: "sort" }, ...(turned ? [] : heading.childNodes));
    if (turned) button.setAttribute("aria-label", `Sort by ${heading.title}`);
    heading.append(button);
    button.addEventListener("click", () => {
      const flipped = { ascending: "descending", descending: "ascending" };
      const direction = flipped[heading.getAttribute("aria-sort")] || heading.dataset.first;
      remember(`${table.id}.sort`, [`${heading.dataset.key}:${direction}`]);
      arrange(heading, direction);
    });
  }

  // What may be seen: rows of an idea, columns of a condition, a budget, a training; then a window of columns.
  const selects = [];
  let first = 0;
  const wanted = (of) => selects.every(([key, select]) => key === "idea" || !select.value || of.dataset[key] === select.value);
  const hide = (column, hidden) => {
    for (const row of table.rows) if (row.cells.length > 1) row.cells[column.cellIndex].hidden = hidden;
  };
  const show = () => {
    const idea = selects.find(([key]) => key === "idea")?.[1].value;
    const kept = columns.filter(wanted);
    first = Math.max(0, Math.min(first, kept.length - 1));
    for (const column of columns) hide(column, !kept.includes(column));
    for (const row of rows) {
      const blank = kept.every((column) => row.cells[column.cellIndex].dataset.sort === undefined);
      row.hidden = blank || (idea && home.get(row).dataset.idea !== idea);
    }
    for (const group of groups) {
      group.hidden = !Array.from(group.rows).some((row) => !row.hidden && row.cells.length > 1);
    }
    const room = table.parentElement.clientWidth - name.offsetWidth - standing.offsetWidth;
    let fits = Math.min(kept.length, Math.max(1, Math.floor(room / LEAST)));
    for (const asked = first; fits > 0; fits--) {
      first = Math.min(asked, kept.length - fits);
      kept.forEach((column, i) => hide(column, i < first || i >= first + fits));
      if (fits === 1 || table.parentElement.scrollWidth <= table.parentElement.clientWidth) break;
    }
    seen.value = `settings ${first + 1} to ${first + fits} of ${kept.length}`;
    step = fits;
    pager.hidden = kept.length <= fits;
    earlier.disabled = first === 0;
    later.disabled = first + fits >= kept.length;
  };
  const LEAST = 46; // pixels of a column with its gap
  let step = 1;
  const move = (label, sign) => {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => {
      first += sign * step;
      show();
    });
    return button;
  };
  const [earlier, later, seen] = [move("‹ earlier", -1), move("later ›", 1), make("output", {})];
  const pager = make("span", { className: "pager", hidden: true }, earlier, seen, later);
  const byIdea = make("button", { type: "button", hidden: true }, "Group by idea");
  byIdea.addEventListener("click", () => {
    remember(`${table.id}.sort`, []);
    arrange(null);
  });
  const tools = make("div", { className: "tools" });
  for (const [key, label, values] of [
    ["idea", "Idea", groups.map((group) => group.dataset.idea)],
    ...["condition", "budget", "training"].map((key) => [key, key[0].toUpperCase() + key.slice(1), columns.map((column) => column.dataset[key])]),
  ]) {
    const distinct = [...new Set(values)];
    if (distinct.length < 2) continue;
    const select = make("select", {}, make("option", { value: "" }, "all"), ...distinct.map((value) => make("option", { value }, value)));
    select.value = distinct.includes(chosen.get(`${table.id}.${key}`)) ? chosen.get(`${table.id}.${key}`) : "";
    select.addEventListener("change", () => {
      first = 0;
      remember(`${table.id}.${key}`, [select.value]);
      show();
    });
    selects.push([key, select]);
    tools.append(make("label", {}, `${label} `, select));
  }
  const copied = make("textarea", { className: "copy", readOnly: true, hidden: true });
  copied.setAttribute("aria-label", "Table as text");
  const latex = make("button", { type: "button" }, "Copy as LaTeX");
  latex.addEventListener("click", () => {
    copied.value = asLatex(table);
    copied.hidden = false;
    copied.select();
    if (navigator.clipboard) navigator.clipboard.writeText(copied.value).catch(() => {});
  });
  tools.append(byIdea, latex, pager);
  const picture = part.querySelector("details.picture svg");
  if (picture) {
    const png = make("button", { type: "button" }, "Save as PNG");
    png.addEventListener("click", () => savePicture(picture, part.id));
    tools.append(png);
  }
  table.parentElement.before(tools);
  table.parentElement.after(copied);
  part.show = show;
  const [key, direction] = (chosen.get(`${table.id}.sort`) || "").split(":");
  const heading = [name, standing, ...columns].find((one) => one.dataset.key === key);
  if (heading && (direction === "ascending" || direction === "descending")) arrange(heading, direction);
}
function savePicture(svg, name) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const image = new Image();
  image.addEventListener("load", () => {
    const canvas = make("canvas", { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    make("a", { href: canvas.toDataURL("image/png"), download: `${name}.png` }).click();
  });
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(new XMLSerializer().serializeToString(svg));
}
const tabs = Array.from(document.querySelectorAll("nav.parts a"));
if (tabs.length > 1) {
  const open = (id) => {
    for (const part of parts) part.hidden = part.id !== id;
    for (const tab of tabs) {
      if (tab.hash === `#${id}`) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
    parts.find((part) => part.id === id).show();
  };
  for (const tab of tabs) {
    tab.addEventListener("click", (event) => {
      event.preventDefault();
      remember("part", [tab === tabs[0] ? "" : tab.hash.slice(1)]);
      open(tab.hash.slice(1));
    });
  }
  const asked = [chosen.get("part"), location.hash.slice(1)].find((id) => parts.some((part) => part.id === id));
  open(asked || parts[0].id);
} else for (const part of parts) part.show();
addEventListener("resize", () => {
  for (const part of parts) if (!part.hidden) part.show();
});
