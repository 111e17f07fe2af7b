"use strict";
// Charts: each takes the place of its section's static picture on the screen; print keeps the picture.
{
  const CONFIG = {
    responsive: true,
    displaylogo: false,
    showSendToCloud: false, // plotly.js 4 offers to upload the chart unless told not to
    typesetMath: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    plotlyServerURL: "",
  };

  // The least and greatest value of each vertical axis between two iterations, with some room; what the chart's author
  // fixed stays as it is.
  function verticalRanges(chart, fixed, low, high) {
    const ends = {};
    for (const trace of chart._fullData) {
      const axis = "yaxis" + trace.yaxis.slice(1);
      if (fixed.has(axis) || trace.visible !== true) continue;
      const log = chart._fullLayout[axis].type === "log";
      for (let i = 0; i < trace.x.length; i++) {
        const value = log ? Math.log10(trace.y[i]) : trace.y[i];
        if (trace.x[i] < low || trace.x[i] > high || trace.y[i] === null || !Number.isFinite(value)) continue;
        const [least, greatest] = ends[axis] ?? [value, value];
        ends[axis] = [Math.min(least, value), Math.max(greatest, value)];
      }
    }
    return Object.fromEntries(
      Object.entries(ends).map(([axis, [least, greatest]]) => {
        const room = 0.06 * (greatest - least) || 0.5;
        return [`${axis}.range`, [least - room, greatest + room]];
      }),
    );
  }

  // Colours as the page's author wrote them, or those that take their place on a dark screen.
  const library = document.getElementById("plotly");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const inTheDark = JSON.parse(library.dataset.dark);
  const asSeen = (data) =>
    JSON.parse(JSON.stringify(data), (_, value) => (dark.matches && Object.hasOwn(inTheDark, value) ? inTheDark[value] : value));

  async function load() {
    const script = document.createElement("script");
    script.textContent = await unpackedText(library);
    document.head.append(script);
  }

  async function draw(place) {
    const made = await unpacked(place.querySelector("script"));
    const { data, layout } = asSeen(made);
    const fixed = new Set(Object.keys(layout).filter((name) => name.startsWith("yaxis") && layout[name].range));
    const section = place.parentElement;
    const chart = place.querySelector(".chart");
    place.hidden = false; // plotly takes its width from the page
    try {
      await Plotly.newPlot(chart, data, { ...layout, autosize: true }, CONFIG);
    } catch (error) {
      place.hidden = true;
      throw error;
    }
    section.classList.add("live");
    dark.addEventListener("change", () => {
      const { data, layout } = asSeen(made);
      Plotly.react(chart, data, { ...layout, autosize: true }, CONFIG);
    });
    const buttons = [...place.querySelectorAll(".views button")];
    const press = (pressed) => buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === pressed)));
    let going = false;
    for (const button of buttons) {
      button.addEventListener("click", async () => {
        const range = [Number(button.dataset.low), Number(button.dataset.high)];
        going = true;
        await Plotly.relayout(chart, { "xaxis.range": range, ...verticalRanges(chart, fixed, ...range) });
        going = false;
        press(button);
      });
    }
    chart.on("plotly_relayout", (change) => {
      if (!going && Object.keys(change).some((key) => key.startsWith("xaxis"))) press(null);
    });
  }

  // The course of a row, in a chart below its table: a button in the row's last cell asks for it.
  function offerCourses(place, loaded) {
    const table = place.parentElement.querySelector("table");
    const chart = place.querySelector(".chart");
    let loading = null; // of all courses, from the first time on that one is asked for

    async function show(name) {
      const [{ grids, lines, courses, layout }] = await (loading ??= Promise.all([unpacked(place.querySelector("script")), loaded]));
      const { values = [], breakpoint = null } = courses[name] ?? {};
      const traces = values.map(([grid, shares], place) => ({
        ...lines[place],
        x: grids[grid],
        y: shares.map((share) => share / 1000),
      }));
      if (breakpoint !== null) {
        const [at, earliest, latest] = breakpoint;
        traces.push({ name: `breakpoint ${at} (${earliest} to ${latest})`, x: [at, at], y: [0, 1], mode: "lines", line: { color: layout.font.color, width: 1 } });
      }
      place.hidden = false; // plotly takes its width from the page
      const title = { text: values.length ? name : `${name}: no probes on disk` };
      const seen = asSeen({ traces, layout: { ...layout, title } });
      await Plotly.react(chart, seen.traces, { ...seen.layout, autosize: true }, CONFIG);
      chart.scrollIntoView({ block: "nearest" });
    }

    function offer() {
      for (const row of table.tBodies[0].rows) {
        const cell = row.lastElementChild;
        if (cell.querySelector("button") !== null) continue;
        const button = document.createElement("button");
        const name = cell.textContent.trim();
        button.type = "button";
        button.textContent = name;
        button.title = "show its course below";
        button.addEventListener("click", () => show(name));
        cell.replaceChildren(button);
      }
    }

    table.addEventListener("rows", offer);
    offer();
  }

  if ("DecompressionStream" in window) {
    const loaded = load();
    for (const place of document.querySelectorAll(".interactive")) loaded.then(() => draw(place));
    for (const place of document.querySelectorAll(".course")) offerCourses(place, loaded);
  }
}
