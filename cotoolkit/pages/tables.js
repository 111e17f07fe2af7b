"use strict";
// Tables: a click on a header sorts, a box above a long table filters. Without JavaScript they are plain tables.
// Of a table of thousands the page shows the first rows; the others are packed, and unpacked when they are asked for.

// What the page holds packed: a text, deflated, in base64.
async function unpackedText(script) {
  const bytes = Uint8Array.from(atob(script.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

// The same, where the text is JSON.
async function unpacked(script) {
  return JSON.parse(await unpackedText(script));
}

{
  const LONG = 8; // rows above which a table gets a filter
  const MORE = 100; // rows that a click adds to a table of thousands
  const collator = new Intl.Collator("en", { numeric: true });

  // Rows as a plain table has them: what they say, and in which element.
  function rowsOf(table) {
    return [...table.tBodies[0].rows].map((element) => ({
      element,
      texts: [...element.cells].map((cell) => cell.textContent.trim()),
      values: [...element.cells].map((cell) => ("value" in cell.dataset ? Number(cell.dataset.value) : null)),
    }));
  }

  // The same of packed columns; elements are made when they are shown.
  function rowsFrom(columns) {
    return columns[0].cells.map((_, place) => ({
      element: null,
      texts: columns.map((column) => column.cells[place]),
      values: columns.map((column) => column.values?.[place] ?? null),
    }));
  }

  function elementOf(row) {
    if (row.element !== null) return row.element;
    row.element = document.createElement("tr");
    row.texts.forEach((text, column) => {
      const cell = row.element.insertCell();
      cell.textContent = text;
      if (row.values[column] !== null) {
        cell.className = "number";
        cell.dataset.value = row.values[column];
      } else if (text.length > 24) {
        cell.className = text.includes(" ") ? (text.length > 40 ? "long" : "some") : "name"; // as `cell_class` in Python
      }
    });
    return row.element;
  }

  // By number where a column holds nothing else, by text otherwise; empty cells come last either way.
  function sorted(rows, column, descending) {
    const filled = rows.filter((row) => row.texts[column] !== "");
    const numeric = filled.every((row) => row.values[column] !== null);
    const order = numeric
      ? (a, b) => a.values[column] - b.values[column]
      : (a, b) => collator.compare(a.texts[column], b.texts[column]);
    filled.sort((a, b) => (descending ? -order(a, b) : order(a, b)));
    return [...filled, ...rows.filter((row) => row.texts[column] === "")];
  }

  function makeSortable(table, sort) {
    const headers = [...table.tHead.rows[0].cells];
    headers.forEach((header, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => {
        const descending = header.getAttribute("aria-sort") === "ascending";
        headers.forEach((other) => other.removeAttribute("aria-sort"));
        header.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(column, descending);
      });
    });
  }

  function filterBox(table, filter) {
    const box = document.createElement("div");
    box.className = "filter";
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "search";
    label.append("Filter rows", input);
    const count = document.createElement("output");
    count.setAttribute("aria-live", "polite");
    input.addEventListener("input", () => filter(input.value.trim().toLowerCase()));
    box.append(label, count);
    table.parentElement.before(box);
    return count;
  }

  // What is wider than the page scrolls; a line above it says so until its right end has been seen.
  function hintAt(box, what) {
    const hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent = `${what} goes on to the right: scroll \u2192`;
    hint.hidden = true;
    box.before(hint);
    const look = () => {
      const wider = box.scrollWidth > box.clientWidth + 1;
      hint.hidden = !wider;
      box.classList.toggle("goes-on", wider && box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
    };
    box.addEventListener("scroll", look, { passive: true });
    const observer = new ResizeObserver(look);
    for (const each of [box, box.firstElementChild]) observer.observe(each);
  }

  const matches = (row, wanted) => row.texts.some((text) => text.toLowerCase().includes(wanted));

  function makePlain(table) {
    const rows = rowsOf(table);
    const sort = (column, descending) =>
      table.tBodies[0].append(...sorted(rows, column, descending).map((row) => row.element));
    makeSortable(table, sort);
    if (rows.length <= LONG) return;
    const filter = (wanted) => {
      for (const row of rows) row.element.hidden = !matches(row, wanted);
      count.value = `${rows.filter((row) => !row.element.hidden).length} of ${rows.length} rows`;
    };
    const count = filterBox(table, filter);
    filter("");
  }

  function makeLarge(table, script) {
    const body = table.tBodies[0];
    let loading = null; // of all rows, from the first time on that they are asked for
    let view = { column: null, descending: false, wanted: "", shown: body.rows.length };
    const more = document.createElement("button");
    more.type = "button";
    more.textContent = `Show ${MORE} more`;
    const say = (found, all, shown) => {
      count.value = `${found} of ${all} rows, the first ${shown} of them shown`;
      more.hidden = shown >= found;
    };
    const show = async (change) => {
      view = { ...view, ...change };
      const asked = view;
      const rows = await (loading ??= unpacked(script).then(rowsFrom));
      if (asked !== view) return; // asked for something else meanwhile
      let found = rows.filter((row) => matches(row, view.wanted));
      if (view.column !== null) found = sorted(found, view.column, view.descending);
      const shown = found.slice(0, view.shown);
      body.replaceChildren(...shown.map(elementOf));
      say(found.length, rows.length, shown.length);
      table.dispatchEvent(new CustomEvent("rows"));
    };
    makeSortable(table, (column, descending) => show({ column, descending, shown: MORE }));
    const count = filterBox(table, (wanted) => show({ wanted, shown: MORE }));
    count.after(more);
    more.addEventListener("click", () => show({ shown: view.shown + MORE }));
    table.closest("section").querySelector(".first").classList.add("live"); // print has the first rows, and says so
    const all = Number(script.dataset.rows);
    say(all, all, body.rows.length);
  }

  for (const table of document.querySelectorAll(".scroll > table")) {
    const script = table.parentElement.querySelector("script.rows");
    if (script === null) makePlain(table);
    else if ("DecompressionStream" in window) makeLarge(table, script);
  }
  for (const box of document.querySelectorAll(".scroll")) hintAt(box, "The table");
  for (const box of document.querySelectorAll("figure")) hintAt(box, "The picture");
}
