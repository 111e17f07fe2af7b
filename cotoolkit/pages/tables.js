"use strict";
// Tables: a click on a header sorts, a box above a long table filters. Without JavaScript they are plain tables.
{
  const LONG = 8; // rows above which a table gets a filter
  const collator = new Intl.Collator("en", { numeric: true });

  const text = (row, column) => row.cells[column].textContent.trim();

  // By number where a column holds nothing else, by text otherwise; empty cells come last either way.
  function sort(table, column, descending) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const filled = rows.filter((row) => text(row, column) !== "");
    const number = (row) => Number(row.cells[column].dataset.value);
    const numeric = filled.every((row) => "value" in row.cells[column].dataset);
    const order = numeric
      ? (a, b) => number(a) - number(b)
      : (a, b) => collator.compare(text(a, column), text(b, column));
    filled.sort((a, b) => (descending ? -order(a, b) : order(a, b)));
    body.append(...filled, ...rows.filter((row) => text(row, column) === ""));
  }

  function makeSortable(table) {
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
        sort(table, column, descending);
      });
    });
  }

  function makeFilterable(table) {
    const rows = [...table.tBodies[0].rows];
    const box = document.createElement("div");
    box.className = "filter";
    const label = document.createElement("label");
    const input = document.createElement("input");
    input.type = "search";
    label.append("Filter rows", input);
    const count = document.createElement("output");
    count.setAttribute("aria-live", "polite");
    const show = () => {
      const wanted = input.value.trim().toLowerCase();
      for (const row of rows) {
        row.hidden = ![...row.cells].some((cell) => cell.textContent.toLowerCase().includes(wanted));
      }
      count.value = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
    };
    input.addEventListener("input", show);
    box.append(label, count);
    table.parentElement.before(box);
    show();
  }

  for (const table of document.querySelectorAll(".scroll > table")) {
    makeSortable(table);
    if (table.tBodies[0].rows.length > LONG) makeFilterable(table);
  }
}
