"use strict";
(() => {
// The data of the report. Strings reach the document through `append` and attributes only, never as markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const { rows: ROWS, boards: BOARDS, series: SERIES, tasks: TASKS, summary: SUMMARY, causes: CAUSES } = DATA;

const OUTCOMES = {
  success: "success", not_shortest: "not shortest", unfinished: "unfinished",
  violation: "illegal move", failure: "failure", no_plan: "no plan",
};
const ABOUT_OUTCOME = {
  success: "completes the task",
  not_shortest: "reaches the goal, but the convention wants a shortest plan",
  unfinished: "ends before the task is complete",
  violation: "stopped by an illegal move",
  failure: "ends in a state that cannot be left, such as a hole",
  no_plan: "no plan could be read in the reply",
};
const MEASURES = {
  success: ["Success", "Share of replies whose plan completes the task, by side of the board. Press a name to see its interval."],
  optimal: ["Optimal", "Share of replies whose plan completes the task in the fewest possible steps."],
  progress: ["Progress", "Mean share of the initial distance to success that the plans covered."],
};
const MARKERS = ["M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0", "M-3.6,-3.6h7.2v7.2h-7.2z", "M0,-4.8L4.4,3.4H-4.4z",
  "M0,-5L5,0L0,5L-5,0z", "M0,4.8L4.4,-3.4H-4.4z", "M-4.5,-1.4h3.1v-3.1h2.8v3.1h3.1v2.8h-3.1v3.1h-2.8v-3.1h-3.1z"];
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
const PAGE = 60;
const CURVES = 12; // more lines than that cannot be told apart

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function set(node, props, children) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "onclick" || key === "onchange" || key === "oninput") node[key] = value;
    else if (key.startsWith("--")) node.style.setProperty(key, value);
    else if (key === "width%") node.style.width = `${value}%`;
    else if (key === "left%") node.style.left = `${value}%`;
    else if (key === "flex") node.style.flex = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}
const h = (tag, props, ...children) => set(document.createElement(tag), props, children);
const s = (tag, props, ...children) => set(document.createElementNS(SVG, tag), props, children);

const NONE = "\u2013"; // what a table shows where there is no number
const isNumber = (x) => x !== null && x !== undefined;
const percent = (share) => isNumber(share) ? `${Math.round(share * 100)}%` : NONE;
const count = (n) => n.toLocaleString("en");
const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;
const replies = (n) => plural(n, "reply", "replies");
const unique = (values) => [...new Set(values)];
const words = (name) => String(name).replaceAll("_", " ");
const signed = (x) => x === 0 ? "0" : `${x < 0 ? "\u2212" : "+"}${Math.abs(x)}`;
const sayP = (p) => p < 0.001 ? "p < 0.001" : `p = ${Number(p.toPrecision(2))}`;
const span = (estimate) => isNumber(estimate.low) && estimate.low < estimate.high ? `${Math.round(estimate.low * 100)}\u2013${percent(estimate.high)}` : "";
// An agent has a colour and a marker of its own, a way of showing the board its dashes; words are hollow.
const seriesColor = (i) => `var(--s${SERIES[i].agent % 8})`;
const seriesMarker = (i) => MARKERS[SERIES[i].agent % MARKERS.length];
const seriesDash = (i) => DASHES[SERIES[i].stroke % DASHES.length];
const modalityOf = (i) => SUMMARY.series[i].modality;
const markerOf = (i, props) => s("path", { d: seriesMarker(i), ...(modalityOf(i) === "text"
  ? { fill: "var(--page)", stroke: seriesColor(i), "stroke-width": 1.8 } : { fill: seriesColor(i) }), ...props });
const outcomeColor = (outcome) => `var(--o-${outcome})`;
const causeColor = (cause) => `var(--c-${cause})`;
const taskNames = Object.keys(TASKS);
const overall = SUMMARY.overall, byTask = new Map(SUMMARY.by_task.map((cell) => [`${cell.series} ${cell.task}`, cell.metrics]));
const total = new Map(overall.map((cell) => [cell.series, cell.metrics]));
const metricsOf = (series, task) => task ? byTask.get(`${series} ${task}`) : total.get(series);
const floorOf = (task) => SUMMARY.floors.find((floor) => floor.task === (task || null)) ?? (taskNames.length === 1 ? SUMMARY.floors[0] : undefined);
const outcomeNames = Object.keys(OUTCOMES).filter((name) => overall.some(({ metrics }) => metrics.outcomes[name]));
const causeNames = Object.keys(CAUSES).filter((name) => overall.some(({ metrics }) => metrics.causes[name]));
const show = (id) => { $(id).hidden = false; };

// ---------------------------------------------------------------- head

function drawHead() {
  $("title").append(DATA.title);
  if (DATA.lede) $("lede").append(DATA.lede); else $("lede").remove();
  const sizes = unique([...SUMMARY.by_size.map((cell) => cell.size), ...BOARDS.filter((board) => board.way).map((board) => board.size)]).sort((a, b) => a - b);
  const agents = unique(SERIES.map((series) => series.agent)).length;
  const answers = SUMMARY.answers.reduce((sum, answer) => sum + answer.replies, 0);
  for (const [name, value] of [
    ["boards", count(SUMMARY.boards)], [taskNames.length === 1 ? "task" : "tasks", count(taskNames.length)],
    ["cells a side", sizes.length ? sizes.length > 1 ? `${sizes[0]}\u2013${sizes.at(-1)}` : String(sizes[0]) : null],
    SUMMARY.runs.length > 1 ? ["runs", count(SUMMARY.runs.length)] : [agents === 1 ? "agent" : "agents", count(agents)],
    ["plans judged", DATA.plans ? count(DATA.plans) : null], ["answers judged", answers ? count(answers) : null],
    ["without a reply", SUMMARY.unscored ? count(SUMMARY.unscored) : null],
  ]) if (value !== null) $("facts").append(h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  $("findings").append(...DATA.findings.map((sentence) => h("li", {}, sentence)));
  const conventions = Object.entries(DATA.conventions)
    .map(([name, source]) => (source ? `${name} (${source})` : name)).join("; ");
  if (conventions) $("foot").append(h("p", {}, `Judged by the convention ${conventions}. Replies were parsed in ${SUMMARY.modes.join(" and ")} mode.`));
  const missing = Object.entries(SUMMARY.errors);
  if (missing.length) $("foot").append(h("p", {}, `Requests without a reply, which count as neither right nor wrong: ${missing.map(([reason, n]) => `${reason} (${count(n)})`).join("; ")}.`));
  $("foot").append(
    h("p", {}, "Rates are means over the replies of each size, then over sizes, then over tasks. Intervals are 95% percentile bootstraps over boards, drawn within each task and size."),
    h("p", {}, "Pictures show the very pixels that the package renders. The page loads nothing from elsewhere."),
  );
}

// ---------------------------------------------------------------- tables and charts

function taskSegments(id, draw) {
  const options = [...(taskNames.length > 1 ? [["", "All"]] : []), ...taskNames.map((name) => [name, TASKS[name].title])];
  if (options.length > 1) segments($(id), id, options, options[0][0], draw);
  draw(options[0][0]);
}

function whisker(estimate) {
  return isNumber(estimate.low) && estimate.low < estimate.high ? h("i", { class: "whisker", "left%": estimate.low * 100, "width%": (estimate.high - estimate.low) * 100 }) : null;
}

// One row for each pair of series: both values on one scale, and the difference in words.
function dumbbells(comparisons, task, { label, hollow }) {
  return comparisons.flatMap((comparison) => {
    const part = comparison.parts.find((p) => p.task === (task || null)) ?? (!task && comparison.parts.length === 1 ? comparison.parts[0] : null);
    if (!part) return [];
    const floor = floorOf(task), low = Math.min(part.before, part.after), high = Math.max(part.before, part.after);
    const side = (which) => {
      const series = comparison[which], value = part[which], metrics = metricsOf(series, task);
      return [
        metrics && span(metrics.success) ? h("i", { class: `whisker ${which === hollow ? "above" : "below"}`, "--c": seriesColor(comparison.before), "left%": metrics.success.low * 100, "width%": (metrics.success.high - metrics.success.low) * 100 }) : null,
        h("i", { class: `dot${which === hollow ? " hollow" : ""}`, "--c": seriesColor(comparison.before), "left%": value * 100, title: `${SERIES[series].label}: ${percent(value)}` }),
        h("b", { class: `at ${value === high && part.before !== part.after ? "right" : "left"}`, "left%": value * 100 }, percent(part.before) === percent(part.after) && which === "after" ? "" : percent(value)),
      ];
    };
    const { difference, test } = part, points = Math.round(difference.value * 100);
    const interval = isNumber(difference.low) ? `${signed(Math.round(difference.low * 100))} to ${signed(Math.round(difference.high * 100))}, ` : "";
    return [h("div", { class: "dumbbell" },
      h("div", { class: "who" }, label(comparison), h("small", {}, plural(part.boards, "board", "boards"))),
      h("div", { class: "scale" },
        [0, 25, 50, 75, 100].map((at) => h("i", { class: "tick", "left%": at })),
        floor ? h("i", { class: "floor-mark", "left%": floor.success * 100, title: `best trivial baseline: ${percent(floor.success)}` }) : null,
        h("i", { class: "bridge", "--c": seriesColor(comparison.before), "left%": low * 100, "width%": (high - low) * 100 }),
        side("before"), side("after")),
      h("div", { class: "points" }, h("b", {}, `${signed(points)} points`), h("small", {}, `${interval}${sayP(test.p)}`)))];
  });
}

function axis() {
  return h("div", { class: "dumbbell axis", "aria-hidden": "true" }, h("div", {}), h("div", { class: "scale" },
    [0, 25, 50, 75, 100].map((at) => h("span", { "left%": at }, `${at}%`))), h("div", {}));
}

const testsOf = (comparisons) => unique(comparisons.flatMap((c) => c.parts.map((p) => p.test.name))).join(" or ");

function drawGap() {
  if (!SUMMARY.gaps.length) return;
  show("gap");
  const shared = (gap) => SUMMARY.gaps.filter((other) => other.after === gap.after).length > 1;
  const name = (gap) => shared(gap) ? SERIES[gap.before].label
    : SUMMARY.runs.length > 1 ? `${SUMMARY.series[gap.before].agent}, ${SUMMARY.series[gap.before].run}` : SUMMARY.series[gap.before].agent;
  taskSegments("gap-task", (task) => {
    const floor = floorOf(task);
    $("gap-floor").textContent = floor ? `The best trivial baseline${floor.agent ? `, ${floor.agent},` : " of each task"} reaches ${percent(floor.success)}.` : "";
    $("gap-rows").replaceChildren(...dumbbells(SUMMARY.gaps, task, { label: name, hollow: "after" }), axis());
  });
  $("gap-test").textContent = `Points are success in words minus success in pictures, averaged over sizes and tasks, with a paired 95% bootstrap interval; p is of a paired test over boards (${testsOf(SUMMARY.gaps)}).`;
}

function drawComparisons() {
  if (!SUMMARY.comparisons.length) return;
  show("compare");
  $("compare-about").textContent = `Success on the boards that both have replies to, against the first run, ${SUMMARY.runs[0]}.`;
  const name = (c) => [SERIES[c.after].label, h("small", {}, `against ${SERIES[c.before].label}`)];
  taskSegments("compare-task", (task) => {
    const rows = dumbbells(SUMMARY.comparisons, task, { label: name, hollow: "before" });
    $("compare-rows").replaceChildren(...(rows.length ? [...rows, axis()] : [h("p", { class: "count" }, "These runs have no boards of this task in common.")]));
  });
  $("compare-test").textContent = `Points are the other run minus the first, with a paired 95% bootstrap interval; p is of a paired test over boards (${testsOf(SUMMARY.comparisons)}).`;
}

// A bar whose parts are shares of all replies; pressing one filters the gallery.
function stack(series, parts, of) {
  return h("div", { class: "stack" }, parts.filter((part) => part.share > 0).map(({ name, share, color, filters, detail }) => {
    const what = `${SERIES[series].label}: ${name}, ${detail ?? `${percent(share)} of ${of}`}`;
    return h("button", { type: "button", "--c": color, flex: `${share} 1 0`, title: what, "aria-label": `${what}. Show them.`,
      onclick: () => { filterTo(filters); $("gallery").scrollIntoView(); $("count").focus(); } },
      share >= .06 ? percent(share) : "");
  }));
}

function drawCauses() {
  if (!causeNames.length) return;
  show("why");
  for (const name of ["success", ...causeNames]) {
    const [label, about] = name === "success" ? ["success", "the plan completes the task"] : CAUSES[name];
    $("cause-legend").append(h("span", { title: about }, h("i", { class: "swatch", "--c": name === "success" ? "var(--c-success)" : causeColor(name) }),
      h("span", {}, label, name === "success" ? null : h("small", {}, about))));
  }
  taskSegments("why-task", (task) => {
    $("cause-bars").replaceChildren(...overall.flatMap(({ series }) => {
      const metrics = metricsOf(series, task);
      if (!metrics || !metrics.replies) return [];
      const of = replies(metrics.replies), narrowed = { series: String(series), ...(task ? { task } : {}) };
      const parts = [
        { name: "success", share: metrics.success.value, color: "var(--c-success)", filters: { ...narrowed, outcome: "success" } },
        ...causeNames.filter((cause) => metrics.causes[cause]).map((cause) => ({
          name: CAUSES[cause][0], share: metrics.cause_rates[cause].value, color: causeColor(cause),
          filters: { ...narrowed, cause }, detail: `${percent(metrics.cause_rates[cause].value)}, ${count(metrics.causes[cause])} of ${of}`,
        })),
      ];
      return [h("div", { class: "ending" }, h("span", {}, SERIES[series].label), stack(series, parts, of))];
    }));
  });
  const columns = causeNames.map((cause) => CAUSES[cause][0]);
  const saw = ["right", "wrong", "unclear"];
  table("cause-table", ["Task", "#Size", "Agent", "#Replies", "#Success", ...columns.map((c) => `#${c}`), ...saw.map((k) => `#board stated ${k === "right" ? "rightly" : k === "wrong" ? "wrongly" : "unclearly"}`)],
    sortedSizes().map(({ series, task, size, metrics: m }) => [TASKS[task].title, size, SERIES[series].label, count(m.replies), percent(m.success.value),
      ...causeNames.map((cause) => m.causes[cause] ? count(m.causes[cause]) : NONE), ...saw.map((k) => m.saw[k] ? count(m.saw[k]) : NONE)]));
}

// An example of each cause: the board and what was seen of it, with the way on both.
function drawExamples() {
  const kinds = ["perception", "reasoning", "both"].filter((cause) => causeNames.includes(cause));
  const score = (row) => {
    const board = BOARDS[row.board], model = modalityOf(row.series) === "state" ? -200 : 0;
    return model + (isNumber(row.seen) && row.differs.length ? 100 : 0) + (row.plan.length > 3 ? 10 : 0) - Math.abs(board.size - 5) - (row.differs?.length ?? 0);
  };
  const used = new Set();
  for (const cause of kinds) {
    let best = null;
    ROWS.forEach((row, i) => {
      const bonus = (index) => score(ROWS[index]) - (used.has(BOARDS[ROWS[index].board].task) ? 4 : 0);
      if (row.cause === cause && (best === null || bonus(i) > bonus(best))) best = i;
    });
    if (best === null) continue;
    used.add(BOARDS[ROWS[best].board].task);
    $("examples").append(example(best));
  }
}

function example(index) {
  const row = ROWS[index], [label, about] = CAUSES[row.cause];
  const board = BOARDS[row.board];
  const views = [["the board", board, { plan: row.plan, frames: row.frames, outcome: row.outcome }]];
  if (isNumber(row.seen)) views.push(["what it saw", BOARDS[row.seen], { plan: row.plan, frames: row.seenFrames, outcome: outcomeSeen(row) }]);
  else if (board.plan.length) views.push(["a shortest way", board, { plan: board.plan, frames: board.way, outcome: "success" }]);
  return h("button", { type: "button", class: "example", "--c": causeColor(row.cause), onclick: () => openPlayer(index) },
    h("b", { class: "badge", "--c": causeColor(row.cause) }, label), h("small", {}, about),
    h("span", { class: "views" }, views.map(([caption, shown, trail]) => {
      const canvas = h("canvas", { "aria-hidden": "true" });
      paint(canvas, shown, 0, Math.max(4, Math.floor(440 / Math.max(shown.rows, shown.cols))));
      const svg = way(shown, trail, trail.frames.length - 1, OVERLAY[trail.outcome], 0);
      if (row.differs) outline(svg, shown, row.differs);
      return h("span", { class: "view" }, h("span", { class: "thumb" }, canvas, svg), h("small", {}, caption));
    })),
    h("small", {}, `${TASKS[board.task].title}, ${SERIES[row.series].label}`));
}
const outcomeSeen = (row) => row.cause === "perception" ? "success" : "unfinished";

function table(id, columns, lines) {
  const numeric = columns.map((name) => name.startsWith("#"));
  $(id).replaceChildren(
    h("thead", {}, h("tr", {}, columns.map((name, k) => h("th", { scope: "col", class: numeric[k] ? "num" : null }, name.replace(/^#/, ""))))),
    h("tbody", {}, lines.map((cells) => h("tr", {}, cells.map((cell, k) => h("td", { class: numeric[k] ? "num" : null }, cell))))));
}
const sortedSizes = () => [...SUMMARY.by_size].sort((a, b) =>
  taskNames.indexOf(a.task) - taskNames.indexOf(b.task) || a.size - b.size || a.series - b.series);

function rate(metrics) {
  if (!metrics || !metrics.replies) return NONE;
  const { success, optimal } = metrics;
  const track = h("span", { class: "track" },
    h("i", { "width%": success.value * 100 }), h("i", { "width%": optimal.value * 100 }), whisker(success));
  return h("div", { class: "rate" }, h("b", {}, percent(success.value)), track,
    span(success) ? h("small", {}, span(success)) : null, h("small", {}, `${percent(optimal.value)} optimal`));
}

function drawMatrix() {
  if (!overall.length) return;
  show("results");
  const single = taskNames.length === 1;
  $("matrix").append(
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Agent"),
      taskNames.map((task) => h("th", { scope: "col" }, TASKS[task].title)),
      single ? null : h("th", { scope: "col" }, "All"))),
    h("tbody", {}, overall.map(({ series, metrics }) => h("tr", {},
      h("th", { scope: "row" }, SERIES[series].label, SERIES[series].about ? h("small", {}, SERIES[series].about) : null,
        metrics.unscored ? h("small", {}, `${count(metrics.unscored)} without a reply`) : null),
      taskNames.map((task) => h("td", {}, rate(metricsOf(series, task)))),
      single ? null : h("td", {}, rate(metrics))))),
    SUMMARY.floors.length ? h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "Floor", h("small", {}, "The best trivial baseline on the same boards.")),
      [...taskNames, ...(single ? [] : [null])].map((task) => {
        const floor = floorOf(task);
        return h("td", {}, floor ? h("div", { class: "rate" }, h("b", {}, percent(floor.success)), h("span", { class: "track" }, h("i", { class: "low", "width%": floor.success * 100 })),
          h("small", {}, `${floor.agent ?? "each task\u2019s best"}${floor.boards < floor.of ? `, on ${count(floor.boards)} of ${count(floor.of)} boards` : ""}`)) : NONE);
      }))) : "");
}

function legendLine(i) {
  return s("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" },
    s("path", { d: "M0,6H30", stroke: seriesColor(i), "stroke-width": 2, "stroke-dasharray": seriesDash(i) }),
    markerOf(i, { transform: "translate(15 6)" }));
}

let hot = null;
const drawn = () => overall.map((cell) => cell.series).slice(0, CURVES);
function drawSeries() {
  for (const i of drawn()) {
    const button = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
      hot = hot === i ? null : i;
      $("series").querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", String(b === button && hot === i)));
      highlight(hot);
    } }, legendLine(i), SERIES[i].label);
    button.addEventListener("pointerenter", () => highlight(i));
    button.addEventListener("pointerleave", () => highlight(hot));
    $("series").append(button);
  }
  if (SUMMARY.floors.length) $("series").append(h("span", {}, s("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" }, s("path", { class: "floor", d: "M0,6H30" })), "best trivial baseline"));
  if (overall.length > CURVES) $("series").append(h("span", {}, `and ${overall.length - CURVES} more in the table`));
}

function highlight(i) {
  $("charts").classList.toggle("dim", i !== null);
  for (const group of $("charts").querySelectorAll(".series"))
    group.classList.toggle("hot", Number(group.dataset.series) === i);
}

function ticksOf(sizes) {
  if (sizes.length <= 9) return sizes;
  const step = Math.ceil(sizes.length / 8);
  return sizes.filter((_, k) => k % step === 0);
}

function chart(task, measure) {
  const width = 340, height = 210, left = 34, right = 10, top = 10, bottom = 30;
  const groups = SUMMARY.by_size.filter((cell) => cell.task === task);
  const sizes = unique(groups.map((cell) => cell.size)).sort((a, b) => a - b);
  const low = sizes[0], high = sizes.at(-1);
  const x = (size) => low === high ? (left + width - right) / 2
    : left + 8 + (size - low) / (high - low) * (width - left - right - 16);
  const y = (share) => top + (1 - share) * (height - top - bottom);
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${MEASURES[measure][0]} over size, ${TASKS[task].title}; numbers in the table below` });
  for (const share of [0, .25, .5, .75, 1]) {
    svg.append(s("path", { class: "grid", d: `M${left},${y(share)}H${width - right}` }));
    if (share % .5 === 0) svg.append(s("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share)));
  }
  for (const size of ticksOf(sizes))
    svg.append(s("text", { x: x(size), y: height - 12, "text-anchor": "middle" }, size));
  const path = (points) => points.map(([size, share], k) => `${k ? "L" : "M"}${x(size)},${y(share)}`).join("");
  const floor = SUMMARY.floors.find((f) => f.task === task);
  if (floor && measure === "success")
    svg.append(s("path", { class: "floor", d: path(Object.entries(floor.sizes).map(([size, share]) => [Number(size), share]).sort((a, b) => a[0] - b[0])) }));
  for (const i of drawn()) {
    const points = groups.filter((cell) => cell.series === i && isNumber(cell.metrics[measure].value)).sort((a, b) => a.size - b.size);
    if (!points.length) continue;
    const ends = points.filter((cell) => isNumber(cell.metrics[measure].low));
    const band = [...ends.map((cell) => [cell.size, cell.metrics[measure].high]), ...ends.reverse().map((cell) => [cell.size, cell.metrics[measure].low])];
    svg.append(s("g", { class: "series", "data-series": i },
      s("path", { class: "line", d: path(points.map((cell) => [cell.size, cell.metrics[measure].value])), stroke: seriesColor(i), "stroke-dasharray": seriesDash(i) }),
      band.length > 2 ? s("path", { class: "band", d: `${path(band)}Z`, fill: seriesColor(i) }) : null,
      points.map(({ size, metrics }) => {
        const dot = markerOf(i, { transform: `translate(${x(size)} ${y(metrics[measure].value)})` });
        dot.append(s("title", {}, `${SERIES[i].label}, size ${size}: ${percent(metrics[measure].value)} (${span(metrics[measure])}) of ${replies(metrics.replies)}`));
        return dot;
      })));
  }
  return h("figure", {}, h("figcaption", {}, TASKS[task].title), svg);
}

function drawCharts(measure) {
  $("measure-about").textContent = MEASURES[measure][1];
  $("charts").replaceChildren(...taskNames.filter((task) => SUMMARY.by_size.some((cell) => cell.task === task)).map((task) => chart(task, measure)));
  highlight(hot);
}

function segments(box, name, options, value, change) {
  for (const [key, label] of options) {
    const input = h("input", { type: "radio", name, value: key, onchange: () => change(key) });
    input.checked = key === value;
    box.append(h("label", {}, input, h("span", {}, label)));
  }
}

function drawSizes() {
  if (!overall.length) return;
  show("sizes");
  drawSeries();
  segments($("measure"), "measure", Object.entries(MEASURES).map(([key, [label]]) => [key, label]), "success", drawCharts);
  drawCharts("success");
  table("size-table", ["Task", "#Size", "Agent", "#Replies", "#Success", "#95% interval", "#Optimal", "#Progress", "#Extra steps"],
    sortedSizes().map(({ series, task, size, metrics: m }) => [TASKS[task].title, size, SERIES[series].label, count(m.replies),
      percent(m.success.value), span(m.success), percent(m.optimal.value), percent(m.progress.value),
      isNumber(m.regret.value) ? m.regret.value.toFixed(1) : NONE]));
}

// The mean over sizes, then over tasks, as all rates are.
function averageShare(series, share) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const cells = SUMMARY.by_size.filter((cell) => cell.series === series && cell.metrics.replies);
  return mean(unique(cells.map((cell) => cell.task)).map((task) => mean(cells.filter((cell) => cell.task === task).map((cell) => share(cell.metrics)))));
}

function drawEndings() {
  if (!overall.length) return;
  show("endings");
  for (const name of outcomeNames)
    $("outcome-legend").append(h("span", { title: ABOUT_OUTCOME[name] },
      h("i", { class: "swatch", "--c": outcomeColor(name) }), OUTCOMES[name]));
  for (const { series, metrics } of overall) {
    if (!metrics.replies) continue;
    const parts = outcomeNames.filter((name) => metrics.outcomes[name]).map((name) => ({
      name: OUTCOMES[name], share: averageShare(series, (m) => (m.outcomes[name] ?? 0) / m.replies), color: outcomeColor(name),
      filters: { series: String(series), outcome: name }, detail: `${count(metrics.outcomes[name])} of ${replies(metrics.replies)}` }));
    $("outcome-bars").append(h("div", { class: "ending" }, h("span", {}, SERIES[series].label), stack(series, parts)));
  }
  const kinds = unique(overall.flatMap(({ metrics }) => Object.keys(metrics.violations)));
  if (!kinds.length) return;
  show("violation-box");
  table("violations", ["Agent", ...kinds.map((kind) => `#${words(kind)}`)],
    overall.filter(({ metrics }) => Object.keys(metrics.violations).length).map(({ series, metrics }) => [SERIES[series].label,
      ...kinds.map((kind) => metrics.violations[kind] ? count(metrics.violations[kind]) : NONE)]));
}

function drawQuestions() {
  const { answers } = SUMMARY;
  if (!answers.length) return;
  show("questions");
  const who = unique(answers.map((answer) => answer.series));
  const kinds = unique(answers.map((answer) => `${answer.task} ${answer.question}`));
  table("question-table", ["Task", "Question", ...who.map((i) => `#${SERIES[i].label}`)], kinds.map((kind) => {
    const of = answers.filter((answer) => `${answer.task} ${answer.question}` === kind);
    return [TASKS[of[0].task].title, words(of[0].question), ...who.map((i) => {
      const answer = of.find((one) => one.series === i);
      return answer ? h("span", {}, percent(answer.correct.value), h("small", {}, [span(answer.correct), answer.f1 ? `F1 ${answer.f1.value.toFixed(2)}` : ""].filter(Boolean).join(", "))) : NONE;
    })];
  }));
}

function drawSamples() {
  const of = SUMMARY.samples.filter((one) => one.task === null || taskNames.length === 1);
  if (!of.length) return;
  show("samples");
  const ks = unique(of.flatMap((one) => Object.keys(one.pass_at))).map(Number).sort((a, b) => a - b);
  table("sample-table", ["Agent", ...ks.map((k) => `#pass@${k}`), "#Majority"], of.map((one) => [SERIES[one.series].label,
    ...ks.map((k) => k in one.pass_at ? percent(one.pass_at[k]) : NONE), percent(one.majority)]));
}

function drawCost() {
  const known = overall.filter(({ metrics: m }) => isNumber(m.completion_tokens) || isNumber(m.prompt_tokens) || isNumber(m.latency));
  if (!known.length) return;
  show("cost");
  const round = (x) => isNumber(x) ? count(Math.round(x)) : NONE, seconds = (x) => isNumber(x) ? x.toPrecision(3) : NONE;
  table("cost-table", ["Agent", "#Tokens read", "#Tokens written", "#Seconds, median", "#95% within"], known.map(({ series, metrics: m }) => [
    SERIES[series].label, round(m.prompt_tokens), round(m.completion_tokens), seconds(m.latency), seconds(m.latency_p95)]));
}

// ---------------------------------------------------------------- boards

const sheets = DATA.atlases.map((atlas) => {
  const image = new Image();
  image.src = `data:image/png;base64,${atlas.png}`;
  return image;
});

// Draws a frame at `cell` pixels a tile; at the atlas's own size the pixels are the renderer's.
function paint(canvas, board, frame, cell) {
  const atlas = DATA.atlases[board.atlas], sheet = sheets[board.atlas];
  canvas.width = board.cols * cell;
  canvas.height = board.rows * cell;
  const context = canvas.getContext("2d", { alpha: false });
  context.imageSmoothingQuality = "high";
  const tiles = board.tiles.slice();
  for (const [at, tile] of board.frames[frame].tiles) tiles[at] = tile;
  const from = atlas.cell;
  tiles.forEach((tile, at) => context.drawImage(sheet,
    (tile % atlas.columns) * from, Math.floor(tile / atlas.columns) * from, from, from,
    (at % board.cols) * cell, Math.floor(at / board.cols) * cell, cell, cell));
}

function stopsIn(run) {
  return run.outcome === "violation" || run.outcome === "failure";
}

// The way of the agent up to a step, as an overlay with one unit a cell. `shown` is the step of the picture below.
function way(board, run, step, color, shown = step) {
  const svg = s("svg", { viewBox: `0 0 ${board.cols} ${board.rows}`, "aria-hidden": "true" });
  const unit = Math.min(1.4, Math.max(.6, Math.max(board.rows, board.cols) / 6));
  const centre = ([row, col]) => [col + .5, row + .5];
  const cells = run.frames.slice(0, step + 1).map((frame) => board.frames[frame].agent);
  const line = (tag, props, width) => svg.append(
    s(tag, { ...props, class: "way-halo", "stroke-width": width * 2 * unit }),
    s(tag, { ...props, class: "way", stroke: color, "stroke-width": width * unit }));
  const dot = (cell) => {
    const [cx, cy] = centre(cell);
    svg.append(s("circle", { cx, cy, r: .09 * unit, fill: "#fff", stroke: color, "stroke-width": .05 * unit }));
  };
  if (cells.some((cell) => String(cell) !== String(cells[0])))
    line("polyline", { points: cells.map((cell) => centre(cell).join(",")).join(" ") }, .07);
  const here = String(cells[shown]);
  const { deltas } = TASKS[board.task];
  cells.forEach((cell, k) => { // the start, and where the agent acted without moving
    const acted = k === 0 || String(deltas[run.plan[k - 1]]) === "0,0";
    if (acted && (k > 0 || String(cell) !== here)) dot(cell);
  });
  if (step && step === run.frames.length - 1 && stopsIn(run)) {
    const [x, y] = centre(cells.at(-1)), arm = .11 * unit;
    const [down, right] = run.outcome === "violation" ? deltas[run.plan[step - 1]] : [0, 0];
    const inside = (at, high) => Math.max(arm * 1.6, Math.min(high - arm * 1.6, at));
    const cx = inside(x + right * .5, board.cols), cy = inside(y + down * .5, board.rows);
    line("path", { d: `M${cx - arm},${cy - arm}l${2 * arm},${2 * arm}M${cx + arm},${cy - arm}l${-2 * arm},${2 * arm}` }, .07);
  } else if (step && shown !== step) dot(cells.at(-1));
  return svg;
}

// Marks cells, dashed, on an overlay of `way`.
function outline(svg, board, cells) {
  for (const cell of cells) {
    const at = { x: cell % board.cols + .06, y: Math.floor(cell / board.cols) + .06, width: .88, height: .88, rx: .08 };
    svg.append(s("rect", { ...at, class: "differs-halo" }), s("rect", { ...at, class: "differs" }));
  }
}

const OVERLAY = { success: "#0b6b53", violation: "#c2410c", failure: "#8e3a8c", unfinished: "#9a6b00",
  not_shortest: "#1d5fa8", no_plan: "#666b70" };
const runOf = (row) => ({ frames: row.frames, plan: row.plan, outcome: row.outcome });
const badge = (outcome, text) => h("span", { class: "badge", "--c": outcomeColor(outcome) }, text);
const verdictOf = (row) => row.optimal ? "optimal"
  : row.outcome === "violation" && row.violation ? words(row.violation) : OUTCOMES[row.outcome];
const steps = (n) => `${count(n)} ${n === 1 ? "step" : "steps"}`;
function endingOf(row) {
  switch (row.outcome) {
    case "no_plan": return "no plan";
    case "violation": return `${verdictOf(row)} at step ${row.steps}`;
    case "failure": return `failure at step ${row.steps}`;
    case "unfinished": return `unfinished after ${steps(row.steps)}`;
    default: return row.optimal ? `optimal, ${steps(row.steps)}` : `${OUTCOMES[row.outcome]}, ${steps(row.steps)} (${BOARDS[row.board].optimal} would do)`;
  }
}

function card(index, pixels = 360) {
  const row = ROWS[index], board = BOARDS[row.board], task = TASKS[board.task];
  const canvas = h("canvas", { "aria-hidden": "true" });
  paint(canvas, board, 0, Math.max(4, Math.floor(pixels / Math.max(board.rows, board.cols))));
  const run = runOf(row), trail = way(board, run, run.frames.length - 1, OVERLAY[row.outcome], 0);
  if (row.differs) outline(trail, board, row.differs);
  return h("button", { type: "button", class: "card", "data-row": index, onclick: () => openPlayer(index) },
    h("span", { class: "thumb" }, canvas, trail),
    h("b", {}, `${task.title} ${board.rows}\u00d7${board.cols}`),
    h("small", {}, SERIES[row.series].label + (row.difficulty ? `, ${row.difficulty}` : "")),
    badge(row.outcome, endingOf(row)),
    row.cause ? h("span", { class: "badge", "--c": causeColor(row.cause) }, CAUSES[row.cause][0]) : null);
}

// ---------------------------------------------------------------- gallery

const FIELDS = [
  ["task", "Task", (row) => BOARDS[row.board].task, (value) => TASKS[value].title],
  ["size", "Size", (row) => BOARDS[row.board].size, (value) => value],
  ["difficulty", "Difficulty", (row) => row.difficulty ?? "none", (value) => value],
  ["series", "Agent", (row) => row.series, (value) => SERIES[value].label],
  ["modality", "Shown", (row) => modalityOf(row.series), (value) => value],
  ["cause", "Cause", (row) => row.cause ?? "none", (value) => value === "none" ? "none: success" : CAUSES[value][0]],
  ["outcome", "Outcome", (row) => row.outcome, (value) => OUTCOMES[value]],
  ["violation", "Illegal move", (row) => row.violation ?? "none", words],
];
const ORDER = { cause: ["none", ...Object.keys(CAUSES)], outcome: Object.keys(OUTCOMES), difficulty: ["easy", "medium", "hard"], task: taskNames };
const chosen = {};
let needle = "", matching = [], page = 0;
const haystacks = ROWS.map((row) => {
  const board = BOARDS[row.board];
  return `${board.name} ${TASKS[board.task].title} ${SERIES[row.series].label} ${row.explanation} ${row.reply}`.toLowerCase();
});

function drawFilters() {
  if (!ROWS.length) return;
  show("gallery");
  if (ROWS.length < DATA.plans) $("sampled").textContent = `It holds a sample of ${count(ROWS.length)} of ${count(DATA.plans)} plans, drawn from every series, task and cause; all numbers above are over all of them.`;
  const form = $("filters");
  for (const [key, label, value, show] of FIELDS) {
    const rank = (v) => ORDER[key] ? ORDER[key].indexOf(v) : v;
    const values = unique(ROWS.map(value)).sort((a, b) => (rank(a) > rank(b) ? 1 : rank(a) < rank(b) ? -1 : 0));
    if (values.length < 2) continue;
    const select = h("select", { name: key, onchange: () => { chosen[key] = select.value; filter(); } },
      h("option", { value: "" }, "all"), values.map((v) => h("option", { value: v }, show(v))));
    form.append(h("label", {}, label, select));
  }
  const search = h("input", { type: "search", name: "text", placeholder: "reply, verdict, board",
    oninput: () => { needle = search.value.toLowerCase(); filter(); } });
  form.append(h("label", {}, "Text", search),
    h("button", { type: "reset", class: "quiet" }, "Clear"));
  form.addEventListener("reset", () => { filterTo({}); });
  form.addEventListener("submit", (event) => event.preventDefault());
}

function filterTo(values) {
  for (const key of Object.keys(chosen)) delete chosen[key];
  Object.assign(chosen, values);
  needle = "";
  for (const field of $("filters").elements)
    if (field.name) field.value = chosen[field.name] ?? "";
  filter();
}

function filter() {
  const tests = FIELDS.filter(([key]) => chosen[key]).map(([key, , value]) => (row) => String(value(row)) === chosen[key]);
  matching = [];
  for (let i = 0; i < ROWS.length; i++)
    if (tests.every((test) => test(ROWS[i])) && (!needle || haystacks[i].includes(needle))) matching.push(i);
  page = 0;
  drawCards();
}

function drawCards() {
  const pages = Math.max(1, Math.ceil(matching.length / PAGE));
  const from = page * PAGE, shown = matching.slice(from, from + PAGE);
  $("cards").replaceChildren(...shown.map((i) => h("li", {}, card(i))));
  $("count").textContent = matching.length
    ? `${replies(matching.length)} of ${count(ROWS.length)}`
    : "No reply matches; clear a filter to see more.";
  const turn = (by) => () => { page += by; drawCards(); $("count").scrollIntoView({ block: "center" }); };
  $("pager").replaceChildren();
  if (pages > 1) {
    const back = h("button", { type: "button", onclick: turn(-1) }, "Previous");
    const on = h("button", { type: "button", onclick: turn(1) }, "Next");
    back.disabled = page === 0;
    on.disabled = page === pages - 1;
    $("pager").append(back, `${count(from + 1)}\u2013${count(from + shown.length)} of ${count(matching.length)}`, on);
  }
}

// ---------------------------------------------------------------- replay

const player = $("player");
let current = -1, run = null, step = 0, timer = 0;

function openPlayer(index) {
  if (!player.open) player.showModal();
  showRow(index);
  $("play").focus();
}

function showRow(index) {
  current = index;
  const row = ROWS[index], board = BOARDS[row.board], task = TASKS[board.task];
  $("player-title").textContent = `${task.title} ${board.rows}\u00d7${board.cols}, ${SERIES[row.series].label}`;
  $("player-badges").replaceChildren(badge(row.outcome, verdictOf(row)),
    row.cause ? h("span", { class: "badge", "--c": causeColor(row.cause), title: CAUSES[row.cause][1] }, CAUSES[row.cause][0]) : "",
    h("span", {}, board.name));
  $("verdict").textContent = row.explanation + (row.cause ? ` Cause: ${CAUSES[row.cause][0]}, it ${aboutCause(row)}.` : "");
  drawMisread(row);
  $("meta").replaceChildren(...[
    ["Steps", row.steps], ["Fewest possible", board.optimal ?? "no solution"],
    ["Shortest plans", board.shortest], ["Progress", percent(row.progress)],
    ["Difficulty", row.difficulty ?? "\u2013"], ["Shown", modalityOf(row.series)],
    ["Illegal moves", row.violations], ["Convention", row.convention], ["Sample", row.sample || null],
    ["Tokens written", row.tokens === null ? null : count(row.tokens)], ["Seconds", row.latency],
  ].filter(([, value]) => value !== null).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  const place = matching.indexOf(index);
  $("position").textContent = place < 0 ? "" : `${count(place + 1)} / ${count(matching.length)}`;
  off("before", place <= 0);
  off("after", place < 0 || place === matching.length - 1);
  $("which").replaceChildren($("which").firstElementChild);
  segments($("which"), "which", [["reply", "Plan of the reply"], ["way", "A shortest plan"]], "reply", showRun);
  showRun("reply");
  history.replaceState(null, "", `#reply-${index}`);
}

const aboutCause = (row) => CAUSES[row.cause][1] + (row.unclear ? ` (${row.unclear})` : "");

// The lines of the statement that differ, and the stated board beside the true one.
function drawMisread(row) {
  const has = isNumber(row.seen);
  $("seen-box").hidden = !has;
  $("board-h").classList.toggle("hidden", !has);
  player.classList.toggle("wide", has);
  $("misread").hidden = !row.said?.length;
  if (row.said) table("misread-table", ["It said", "The board has"], row.said.map(([has, said]) => [said || NONE, has || NONE]));
}

// A button that is `disabled` would lose the focus, and with it the keys.
const off = (id, is) => $(id).setAttribute("aria-disabled", String(is));

function showRun(which) {
  pause();
  const row = ROWS[current], board = BOARDS[row.board];
  run = which === "reply" ? { ...runOf(row), ofReply: true }
    : { frames: board.way, plan: board.plan, outcome: "success", ofReply: false };
  const seen = isNumber(row.seen) ? BOARDS[row.seen] : null;
  run.seen = seen && (which === "reply" ? { frames: row.seenFrames, plan: row.plan, outcome: outcomeSeen(row) } : { frames: [0], plan: [], outcome: "unfinished" });
  const last = run.frames.length - 1;
  run.last = Math.max(last, (run.seen?.frames.length ?? 1) - 1);
  $("scrub").max = run.last;
  $("scrub").disabled = run.last === 0;
  $("plan").replaceChildren(...run.plan.map((action, k) => {
    const taken = k < last;
    const stop = k === last - 1 && stopsIn(run) ? run.outcome : "";
    return h("li", { class: taken ? (stop === "violation" ? "bad" : stop ? "fell" : null) : "untaken" },
      h("button", { type: "button", "aria-label": `Step ${k + 1}: ${TASKS[board.task].names[action]}${taken ? "" : ", not carried out"}`,
        onclick: () => { pause(); goTo(Math.min(k + 1, run.last)); } }, TASKS[board.task].actions[action]));
  }));
  goTo(0);
}

function goTo(target) {
  const row = ROWS[current], board = BOARDS[row.board], last = run.frames.length - 1;
  step = Math.max(0, Math.min(run.last, target));
  drawBoard("board", board, run, Math.min(step, last), row.differs, `Board after step ${Math.min(step, last)}`);
  if (run.seen) {
    const at = Math.min(step, run.seen.frames.length - 1);
    drawBoard("seen", BOARDS[row.seen], run.seen, at, row.differs, `What it saw, after step ${at}`);
  }
  $("scrub").value = step;
  $("status").textContent = statusOf(row, board, last);
  $("scrub").setAttribute("aria-valuetext", $("status").textContent);
  $("plan").querySelectorAll("button").forEach((button, k) => {
    if (k === step - 1) { button.setAttribute("aria-current", "step"); reveal(button); } else button.removeAttribute("aria-current");
  });
  off("first", step === 0);
  off("back", step === 0);
  off("next", step === run.last);
  drawReply(row);
  drawState(board, Math.min(step, last));
}

function drawBoard(id, board, of, at, differs, label) {
  let canvas = $(id).querySelector("canvas");
  if (!canvas) $(id).append(canvas = h("canvas", { role: "img" }));
  paint(canvas, board, of.frames[at], DATA.atlases[board.atlas].cell);
  canvas.setAttribute("aria-label", label);
  $(id).querySelector("svg")?.remove();
  if (!$("trail").checked) return;
  const svg = way(board, of, at, OVERLAY[of.outcome]);
  if (differs) outline(svg, board, differs);
  $(id).append(svg);
}

function reveal(button) {
  const list = $("plan"), top = button.offsetTop - list.offsetTop;
  if (top < list.scrollTop || top + button.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top - 40;
}

function statusOf(row, board, last) {
  if (!run.plan.length) return run.ofReply && row.outcome === "no_plan" ? "The reply holds no plan to replay." : "The plan is empty.";
  if (step === 0) return `Start. ${run.plan.length} action${run.plan.length === 1 ? "" : "s"} ${run.ofReply ? "planned" : "needed"}.`;
  const name = TASKS[board.task].names[run.plan[step - 1]];
  const said = `Step ${step} of ${run.plan.length}: ${name}.`;
  if (step > last) return `Step ${step} of ${run.plan.length} on the board that it saw: ${name}. The true attempt is over.`;
  if (step < last) return said;
  if (run.outcome === "violation") return `${said} Illegal: ${words(row.violation)}.`;
  if (run.outcome === "failure") return `${said} The agent ${TASKS[board.task].failure}.`;
  if (run.outcome === "success") return `${said} Done.`;
  return `${said} The plan ends here.`;
}

// The reply as text, its plan tinted, the action of this step framed, the action that ended it marked.
function drawReply(row) {
  const box = $("reply"), text = row.reply, shown = run.ofReply;
  box.classList.toggle("empty", !text.trim());
  if (!text.trim()) { box.textContent = text === "" ? "(the reply is empty)" : "(the reply is blank)"; return; }
  if (!row.span) { box.textContent = text; return; }
  const points = Array.from(text); // offsets count code points, not UTF-16 units
  const slice = (from, to) => points.slice(from, to).join("");
  const [start, end] = row.span, span = h("mark", { class: "span" });
  let at = start;
  row.marks.forEach(([from, to], k) => {
    const ending = k === row.frames.length - 2 && stopsIn(row) ? (row.outcome === "violation" ? "bad" : "fell") : "";
    const now = shown && k === step - 1 ? "now" : "";
    if (!ending && !now) return;
    span.append(slice(at, from), h("mark", { class: `${ending} ${now}`.trim(), title: ending ? row.explanation : null }, slice(from, to)));
    at = to;
  });
  span.append(slice(at, end));
  box.replaceChildren(slice(0, start), span, slice(end));
}

function drawState(board, step) {
  const lines = board.text.map((line) => ({ line, changed: false }));
  for (const [start, stop, text] of board.frames[run.frames[step]].text.slice().reverse())
    lines.splice(start, stop - start, ...text.map((line) => ({ line, changed: true })));
  $("state").replaceChildren(...lines.flatMap(({ line, changed }) =>
    [changed ? h("span", { class: "changed" }, line) : line, "\n"]));
}

const PLAY = "M4 2.5v11L13 8z", PAUSE = "M3.5 3h3v10h-3zM9.5 3h3v10h-3z";
function drawPlay() {
  $("play").replaceChildren(s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: timer ? PAUSE : PLAY })));
  $("play").setAttribute("aria-label", timer ? "Pause" : "Play");
}
function pause() {
  clearInterval(timer);
  timer = 0;
  drawPlay();
}
function toggle() {
  if (timer) return pause();
  if (!run.last) return;
  goTo(step === run.last ? 0 : step + 1);
  timer = setInterval(() => {
    goTo(step + 1);
    if (step === run.last) pause();
  }, 550);
  drawPlay();
}
function neighbour(by) {
  const place = matching.indexOf(current);
  const target = matching[place + by];
  if (place >= 0 && target !== undefined) showRow(target);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const tag = event.target.tagName, type = event.target.type;
  const arrows = type === "range" || type === "radio"; // these move by themselves
  const keys = {
    ArrowRight: () => { pause(); goTo(step + 1); }, ArrowLeft: () => { pause(); goTo(step - 1); },
    Home: () => { pause(); goTo(0); }, End: () => { pause(); goTo(Infinity); },
    " ": toggle, j: () => neighbour(1), k: () => neighbour(-1),
    w: () => { $("trail").checked = !$("trail").checked; goTo(step); },
  };
  const act = keys[event.key];
  if (!act || (arrows && event.key.length > 1)) return;
  if (event.key === " " && (tag === "BUTTON" || type === "checkbox" || type === "radio")) return; // presses it
  event.preventDefault();
  act();
}

function wirePlayer() {
  $("first").onclick = () => { pause(); goTo(0); };
  $("back").onclick = () => { pause(); goTo(step - 1); };
  $("next").onclick = () => { pause(); goTo(step + 1); };
  $("play").onclick = toggle;
  $("scrub").oninput = () => { pause(); goTo(Number($("scrub").value)); };
  $("trail").onchange = () => goTo(step);
  $("before").onclick = () => neighbour(-1);
  $("after").onclick = () => neighbour(1);
  $("close").onclick = () => player.close();
  player.addEventListener("keydown", onKey);
  player.addEventListener("click", (event) => { if (event.target === player) player.close(); });
  player.addEventListener("close", () => {
    pause();
    history.replaceState(null, "", location.pathname + location.search);
  });
}

// ---------------------------------------------------------------- colour scheme

const SCHEMES = { auto: ["Auto", "as the system"], light: ["Light", "light"], dark: ["Dark", "dark"] };
const night = matchMedia("(prefers-color-scheme: dark)");
let scheme = "auto";
try { scheme = localStorage.getItem("vsp-gym-scheme") || "auto"; } catch { /* storage may be blocked */ }
if (!(scheme in SCHEMES)) scheme = "auto";
function applyScheme() {
  document.documentElement.dataset.scheme = scheme === "auto" ? (night.matches ? "dark" : "light") : scheme;
  $("scheme").textContent = `\u25d0 ${SCHEMES[scheme][0]}`;
  $("scheme").setAttribute("aria-label", `Colour scheme: ${SCHEMES[scheme][1]}`);
}
$("scheme").onclick = () => {
  const names = Object.keys(SCHEMES);
  scheme = names[(names.indexOf(scheme) + 1) % names.length];
  try { localStorage.setItem("vsp-gym-scheme", scheme); } catch { /* storage may be blocked */ }
  applyScheme();
};
night.addEventListener("change", applyScheme);
applyScheme();

// ---------------------------------------------------------------- start

drawHead();
drawGap();
drawCauses();
drawMatrix();
drawSizes();
drawEndings();
drawQuestions();
drawSamples();
drawCost();
drawComparisons();
drawFilters();
for (const link of document.querySelectorAll("nav [data-for]")) link.hidden = $(link.dataset.for).hidden;
wirePlayer();
Promise.all(sheets.map((image) => image.decode())).then(() => {
  drawExamples();
  filter();
  const linked = /^#reply-(\d+)$/.exec(location.hash);
  if (linked && Number(linked[1]) < ROWS.length) openPlayer(Number(linked[1]));
  document.documentElement.dataset.ready = "yes";
});
})();
