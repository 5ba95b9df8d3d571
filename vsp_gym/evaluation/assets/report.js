"use strict";
(() => {
// The data of the report. Strings reach the document through `append` and attributes only, never as markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const { rows: ROWS, boards: BOARDS, series: SERIES, tasks: TASKS } = DATA;

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
  success: ["Success", "Share of replies whose plan completes the task, by side of the board."],
  optimal: ["Optimal", "Share of replies whose plan completes the task in the fewest possible steps."],
  progress: ["Progress", "Mean share of the initial distance to success that the plans covered."],
};
const MARKERS = ["M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0", "M-3.6,-3.6h7.2v7.2h-7.2z", "M0,-4.8L4.4,3.4H-4.4z",
  "M0,-5L5,0L0,5L-5,0z", "M0,4.8L4.4,-3.4H-4.4z", "M-4.5,-1.4h3.1v-3.1h2.8v3.1h3.1v2.8h-3.1v3.1h-2.8v-3.1h-3.1z"];
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
const PAGE = 60;

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

function set(node, props, children) {
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "onclick" || key === "onchange" || key === "oninput") node[key] = value;
    else if (key.startsWith("--")) node.style.setProperty(key, value);
    else if (key === "width%") node.style.width = `${value}%`;
    else if (key === "flex") node.style.flex = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}
const h = (tag, props, ...children) => set(document.createElement(tag), props, children);
const s = (tag, props, ...children) => set(document.createElementNS(SVG, tag), props, children);

const percent = (share) => `${Math.round(share * 100)}%`;
const count = (n) => n.toLocaleString("en");
const replies = (n) => `${count(n)} ${n === 1 ? "reply" : "replies"}`;
const unique = (values) => [...new Set(values)];
const words = (name) => String(name).replaceAll("_", " ");
// An agent has a colour and a marker of its own, a modality its dashes.
const seriesColor = (i) => `var(--s${SERIES[i].agent % 8})`;
const seriesMarker = (i) => MARKERS[SERIES[i].agent % MARKERS.length];
const seriesDash = (i) => DASHES[SERIES[i].stroke % DASHES.length];
const outcomeColor = (outcome) => `var(--o-${outcome})`;
const taskNames = Object.keys(TASKS);
const outcomeNames = Object.keys(OUTCOMES).filter((name) => DATA.metrics.all.outcomes[name]);

// ---------------------------------------------------------------- head

function drawHead() {
  $("title").append(DATA.title);
  if (DATA.lede) $("lede").append(DATA.lede); else $("lede").remove();
  const sizes = unique(BOARDS.map((board) => board.size)).sort((a, b) => a - b);
  const agents = unique(SERIES.map((series) => series.agent)).length;
  const span = sizes.length > 1 ? `${sizes[0]}\u2013${sizes.at(-1)}` : String(sizes[0]);
  for (const [name, value] of [
    ["boards", count(BOARDS.length)], [taskNames.length === 1 ? "task" : "tasks", count(taskNames.length)],
    ["cells a side", span],
    [agents === 1 ? "agent" : "agents", count(agents)], ["replies judged", count(ROWS.length)],
  ]) $("facts").append(h("div", {}, h("dt", {}, name), h("dd", {}, value)));
  const conventions = Object.entries(DATA.conventions)
    .map(([name, source]) => (source ? `${name} (${source})` : name)).join("; ");
  $("foot").append(
    h("p", {}, `Judged by the convention ${conventions}. Replies were parsed in ${DATA.modes.join(" and ")} mode.`),
    h("p", {}, "Pictures show the very pixels that the package renders. The page loads nothing from elsewhere."),
  );
}

function drawHero() {
  for (const task of taskNames.slice(0, 3)) {
    let best = null;
    ROWS.forEach((row, i) => {
      const board = BOARDS[row.board];
      if (board.task !== task || !row.optimal || board.size > 8) return;
      if (best === null || row.steps > ROWS[best].steps) best = i;
    });
    if (best !== null) $("hero").append(card(best, 640));
  }
}

// ---------------------------------------------------------------- tables and charts

function rate(metrics) {
  const track = h("span", { class: "track" },
    h("i", { "width%": metrics.success * 100 }), h("i", { "width%": metrics.optimal * 100 }));
  return h("div", { class: "rate" }, h("b", {}, percent(metrics.success)), track,
    h("small", {}, `${percent(metrics.optimal)} optimal`));
}

function drawMatrix() {
  const byTask = new Map(DATA.metrics.task.map(([i, task, metrics]) => [`${i} ${task}`, metrics]));
  const single = taskNames.length === 1;
  $("matrix").append(
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Agent"),
      taskNames.map((task) => h("th", { scope: "col" }, TASKS[task].title)),
      single ? null : h("th", { scope: "col" }, "All"))),
    h("tbody", {}, DATA.metrics.series.map(([i, metrics]) => h("tr", {},
      h("th", { scope: "row" }, SERIES[i].label, SERIES[i].about ? h("small", {}, SERIES[i].about) : null),
      taskNames.map((task) => {
        const cell = byTask.get(`${i} ${task}`);
        return h("td", {}, cell ? rate(cell) : "\u2013");
      }),
      single ? null : h("td", {}, rate(metrics)))))
  );
}

function legendLine(i) {
  return s("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" },
    s("path", { d: "M0,6H30", stroke: seriesColor(i), "stroke-width": 2, "stroke-dasharray": seriesDash(i) }),
    s("path", { d: seriesMarker(i), transform: "translate(15 6)", fill: seriesColor(i) }));
}

let hot = null;
function drawSeries() {
  SERIES.forEach((series, i) => {
    const button = h("button", { type: "button", "aria-pressed": "false", onclick: () => {
      hot = hot === i ? null : i;
      $("series").querySelectorAll("button").forEach((b, k) => b.setAttribute("aria-pressed", String(k === hot)));
      highlight(hot);
    } }, legendLine(i), series.label);
    button.addEventListener("pointerenter", () => highlight(i));
    button.addEventListener("pointerleave", () => highlight(hot));
    $("series").append(button);
  });
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
  const groups = DATA.metrics.size.filter((group) => group[1] === task);
  const sizes = unique(groups.map((group) => group[2])).sort((a, b) => a - b);
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
  SERIES.forEach((series, i) => {
    const points = groups.filter((group) => group[0] === i).sort((a, b) => a[2] - b[2]);
    if (!points.length) return;
    const line = points.map(([, , size, metrics], k) => `${k ? "L" : "M"}${x(size)},${y(metrics[measure])}`).join("");
    svg.append(s("g", { class: "series", "data-series": i },
      s("path", { d: line, stroke: seriesColor(i), "stroke-dasharray": seriesDash(i) }),
      points.map(([, , size, metrics]) => s("path", { d: seriesMarker(i), fill: seriesColor(i), transform: `translate(${x(size)} ${y(metrics[measure])})` },
        s("title", {}, `${series.label}, size ${size}: ${percent(metrics[measure])} of ${replies(metrics.replies)}`)))));
  });
  return h("figure", {}, h("figcaption", {}, TASKS[task].title), svg);
}

function drawCharts(measure) {
  $("measure-about").textContent = MEASURES[measure][1];
  $("charts").replaceChildren(...taskNames.map((task) => chart(task, measure)));
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
  drawSeries();
  segments($("measure"), "measure", Object.entries(MEASURES).map(([key, [label]]) => [key, label]), "success", drawCharts);
  drawCharts("success");
  const columns = ["Task", "Size", "Agent", "Replies", "Success", "Optimal", "Progress"];
  const order = [...DATA.metrics.size].sort((a, b) =>
    taskNames.indexOf(a[1]) - taskNames.indexOf(b[1]) || a[2] - b[2] || a[0] - b[0]);
  $("size-table").append(
    h("thead", {}, h("tr", {}, columns.map((name, k) => h("th", { scope: "col", class: k > 2 || k === 1 ? "num" : null }, name)))),
    h("tbody", {}, order.map(([i, task, size, m]) => h("tr", {},
      h("td", {}, TASKS[task].title), h("td", { class: "num" }, size), h("td", {}, SERIES[i].label),
      h("td", { class: "num" }, count(m.replies)),
      [m.success, m.optimal, m.progress].map((share) => h("td", { class: "num" }, percent(share)))))));
}

function drawEndings() {
  for (const name of outcomeNames)
    $("outcome-legend").append(h("span", { title: ABOUT_OUTCOME[name] },
      h("i", { class: "swatch", "--c": outcomeColor(name) }), OUTCOMES[name]));
  for (const [i, metrics] of DATA.metrics.series) {
    const parts = outcomeNames.filter((name) => metrics.outcomes[name]).map((name) => {
      const share = metrics.outcomes[name] / metrics.replies;
      const what = `${SERIES[i].label}: ${OUTCOMES[name]}, ${metrics.outcomes[name]} of ${replies(metrics.replies)}`;
      return h("button", { type: "button", "--c": outcomeColor(name), flex: `${metrics.outcomes[name]} 1 0`,
        title: what, "aria-label": `${what}. Show them.`,
        onclick: () => { filterTo({ series: String(i), outcome: name }); $("gallery").scrollIntoView(); $("count").focus(); } },
        share >= .06 ? percent(share) : "");
    });
    $("outcome-bars").append(h("div", { class: "ending" }, h("span", {}, SERIES[i].label), h("div", { class: "stack" }, parts)));
  }
  const kinds = Object.keys(DATA.metrics.all.violations);
  if (!kinds.length) return;
  $("violation-box").hidden = false;
  $("violations").append(
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Agent"), kinds.map((kind) => h("th", { scope: "col", class: "num" }, words(kind))))),
    h("tbody", {}, DATA.metrics.series.filter(([, m]) => Object.keys(m.violations).length).map(([i, m]) => h("tr", {},
      h("th", { scope: "row" }, SERIES[i].label),
      kinds.map((kind) => h("td", { class: "num" }, m.violations[kind] ? count(m.violations[kind]) : "\u2013"))))));
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
  const run = runOf(row);
  return h("button", { type: "button", class: "card", "data-row": index, onclick: () => openPlayer(index) },
    h("span", { class: "thumb" }, canvas, way(board, run, run.frames.length - 1, OVERLAY[row.outcome], 0)),
    h("b", {}, `${task.title} ${board.rows}\u00d7${board.cols}`),
    h("small", {}, SERIES[row.series].label + (row.difficulty ? `, ${row.difficulty}` : "")),
    badge(row.outcome, endingOf(row)));
}

// ---------------------------------------------------------------- gallery

const FIELDS = [
  ["task", "Task", (row) => BOARDS[row.board].task, (value) => TASKS[value].title],
  ["size", "Size", (row) => BOARDS[row.board].size, (value) => value],
  ["difficulty", "Difficulty", (row) => row.difficulty ?? "none", (value) => value],
  ["series", "Agent", (row) => row.series, (value) => SERIES[value].label],
  ["modality", "Modality", (row) => SERIES[row.series].modality, (value) => value],
  ["outcome", "Outcome", (row) => row.outcome, (value) => OUTCOMES[value]],
  ["violation", "Illegal move", (row) => row.violation ?? "none", words],
];
const ORDER = { outcome: Object.keys(OUTCOMES), difficulty: ["easy", "medium", "hard"], task: taskNames };
const chosen = {};
let needle = "", matching = [], page = 0;
const haystacks = ROWS.map((row) => {
  const board = BOARDS[row.board];
  return `${board.name} ${TASKS[board.task].title} ${SERIES[row.series].label} ${row.explanation} ${row.reply}`.toLowerCase();
});

function drawFilters() {
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
  $("player-badges").replaceChildren(badge(row.outcome, verdictOf(row)), h("span", {}, board.name));
  $("verdict").textContent = row.explanation;
  $("meta").replaceChildren(...[
    ["Steps", row.steps], ["Fewest possible", board.optimal ?? "no solution"],
    ["Shortest plans", board.shortest], ["Progress", percent(row.progress)],
    ["Difficulty", row.difficulty ?? "\u2013"], ["Shown", SERIES[row.series].modality],
    ["Illegal moves", row.violations], ["Convention", row.convention],
  ].map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  const place = matching.indexOf(index);
  $("position").textContent = place < 0 ? "" : `${count(place + 1)} / ${count(matching.length)}`;
  off("before", place <= 0);
  off("after", place < 0 || place === matching.length - 1);
  $("which").replaceChildren($("which").firstElementChild);
  segments($("which"), "which", [["reply", "Plan of the reply"], ["way", "A shortest plan"]], "reply", showRun);
  showRun("reply");
  history.replaceState(null, "", `#reply-${index}`);
}

// A button that is `disabled` would lose the focus, and with it the keys.
const off = (id, is) => $(id).setAttribute("aria-disabled", String(is));

function showRun(which) {
  pause();
  const row = ROWS[current], board = BOARDS[row.board];
  run = which === "reply" ? { ...runOf(row), ofReply: true }
    : { frames: board.way, plan: board.plan, outcome: "success", ofReply: false };
  const last = run.frames.length - 1;
  $("scrub").max = last;
  $("scrub").disabled = last === 0;
  $("plan").replaceChildren(...run.plan.map((action, k) => {
    const taken = k < last;
    const stop = k === last - 1 && stopsIn(run) ? run.outcome : "";
    return h("li", { class: taken ? (stop === "violation" ? "bad" : stop ? "fell" : null) : "untaken" },
      h("button", { type: "button", "aria-label": `Step ${k + 1}: ${TASKS[board.task].names[action]}${taken ? "" : ", not carried out"}`,
        onclick: () => { pause(); goTo(Math.min(k + 1, last)); } }, TASKS[board.task].actions[action]));
  }));
  goTo(0);
}

function goTo(target) {
  const row = ROWS[current], board = BOARDS[row.board], last = run.frames.length - 1;
  step = Math.max(0, Math.min(last, target));
  let canvas = $("board").querySelector("canvas");
  if (!canvas) $("board").append(canvas = h("canvas", { role: "img" }));
  paint(canvas, board, run.frames[step], DATA.atlases[board.atlas].cell);
  $("board").querySelector("svg")?.remove();
  if ($("trail").checked) $("board").append(way(board, run, step, OVERLAY[run.outcome]));
  $("scrub").value = step;
  $("status").textContent = statusOf(row, board, last);
  canvas.setAttribute("aria-label", `Board after step ${step}`);
  $("scrub").setAttribute("aria-valuetext", $("status").textContent);
  $("plan").querySelectorAll("button").forEach((button, k) => {
    if (k === step - 1) { button.setAttribute("aria-current", "step"); reveal(button); } else button.removeAttribute("aria-current");
  });
  off("first", step === 0);
  off("back", step === 0);
  off("next", step === last);
  drawReply(row);
  drawState(board);
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

function drawState(board) {
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
  const last = run.frames.length - 1;
  if (!last) return;
  goTo(step === last ? 0 : step + 1);
  timer = setInterval(() => {
    goTo(step + 1);
    if (step === last) pause();
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
drawMatrix();
drawSizes();
drawEndings();
drawFilters();
wirePlayer();
Promise.all(sheets.map((image) => image.decode())).then(() => {
  drawHero();
  filter();
  const linked = /^#reply-(\d+)$/.exec(location.hash);
  if (linked && Number(linked[1]) < ROWS.length) openPlayer(Number(linked[1]));
  document.documentElement.dataset.ready = "yes";
});
})();
