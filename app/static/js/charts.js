/* Charts from the tables and JSON beside them: ink axes, one accent series, muted others, direct labels, no legend.
   ECharts (1 MB) is fetched only when a chart comes into view. Tooltips are drawn on the canvas: the pages allow no inline style. */

import { flowOption, intervalOption, readFlow, stackOption } from "./chart_kinds.js";
import { colours, loadLibrary } from "./chart_library.js";

const KINDS = { line: lineOption, bar: barOption, stack: stackOption, interval: intervalOption, flow: flowOption };

const drawn = new Map();

const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "200px" });

function watchAll(root) {
  for (const box of root.querySelectorAll("[data-chart]:not([data-watched])")) {
    box.dataset.watched = "yes";
    watcher.observe(box);
  }
}
watchAll(document);
document.addEventListener("htmx:load", (event) => watchAll(event.detail.elt));
window.addEventListener("resize", () => { for (const { chart } of drawn.values()) chart.resize(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const [box, { data }] of drawn) render(box, data);
});

async function draw(box) {
  try {
    const [data] = await Promise.all([read(box.dataset.source, box.dataset.chart), loadLibrary()]);
    if (isEmpty(data)) {
      say(box, box.dataset.empty);
      return;
    }
    render(box, data);
  } catch {
    box.remove(); // the table is there
  }
}

function isEmpty(data) {
  return !data.series.some((series) => series.data.some((value) => value));
}

function say(box, words) {
  const line = document.createElement("p");
  line.textContent = words;
  box.replaceChildren(line);
}

async function read(source, kind) {
  if (source.startsWith("#")) return (kind === "flow" ? readFlow : readTable)(document.querySelector(source));
  const answer = await fetch(source, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

/* First column: categories; every column of class num: a series. A cell may carry its plain number in data-value. */
function readTable(table) {
  const heads = [...table.querySelectorAll("thead th")];
  const rows = [...table.querySelectorAll("tbody tr")];
  const columns = heads.map((head, index) => index).filter((index) => index > 0 && heads[index].classList.contains("num"));
  return {
    categories: rows.map((row) => row.cells[0].textContent.trim()),
    series: columns.map((index) => ({ name: heads[index].textContent.trim(), data: rows.map((row) => number(row.cells[index])) })),
  };
}

function number(cell) {
  const text = cell.dataset.value ?? cell.textContent.replace(/[^\d.-]/g, "");
  return text === "" ? null : Number(text);
}

function render(box, data) {
  drawn.get(box)?.chart.dispose();
  box.replaceChildren();
  const chart = window.echarts.init(box, null, { renderer: "canvas" });
  const look = colours();
  const draw = KINDS[box.dataset.chart] ?? lineOption;
  chart.setOption({ ...common(look), ...draw(data, look, box, axes(data, look, box)) });
  drawn.set(box, { chart, data });
}

function common(look) {
  return {
    animation: false,
    textStyle: { fontFamily: look.font, fontSize: 13, color: look.ink },
    tooltip: { renderMode: "richText", backgroundColor: look.ink, borderWidth: 0, textStyle: { color: look.surface, fontFamily: look.font, fontSize: 13 } },
  };
}

function shade(index, look) {
  return index === 0 ? look.accent : [look.muted, look.strong, look.line][(index - 1) % 3];
}

function shown(value, unit) {
  if (value === null || value === undefined) return "–";
  return unit === "¥" || unit === "$" ? unit + value.toLocaleString() : value.toLocaleString() + (unit ? ` ${unit}` : "");
}

function axes(data, look, box) {
  const few = data.categories.length <= 12;
  return {
    grid: { left: 4, right: data.series.length > 1 ? 96 : 56, top: 24, bottom: 4, containLabel: true },
    xAxis: { type: "category", data: data.categories, axisLine: { lineStyle: { color: look.ink } }, axisTick: { show: false }, axisLabel: { color: look.muted, fontSize: 12, hideOverlap: true, interval: few ? 0 : "auto" } },
    yAxis: { type: "value", splitNumber: 3, minInterval: 1, axisLabel: { color: look.muted, fontSize: 12, formatter: (value) => short(value) }, splitLine: { lineStyle: { color: look.line } } },
    tooltip: { ...common(look).tooltip, trigger: "axis", axisPointer: { lineStyle: { color: look.strong } }, valueFormatter: (value) => shown(value, box.dataset.unit) },
  };
}

function short(value) {
  if (Math.abs(value) >= 1e6) return `${value / 1e6}M`;
  return Math.abs(value) >= 1e4 ? `${value / 1e3}k` : value.toLocaleString();
}

function lineOption(data, look, box) {
  return {
    ...axes(data, look, box),
    series: data.series.map((series, index) => ({
      type: "line", name: series.name, data: series.data, showSymbol: false, symbolSize: 6, z: 9 - index,
      lineStyle: { width: index === 0 ? 2.5 : 1.5, color: shade(index, look) }, itemStyle: { color: shade(index, look) },
      endLabel: { show: true, color: index === 0 ? look.ink : look.muted, fontSize: 13, fontWeight: index === 0 ? 600 : 400, formatter: (point) => (data.series.length > 1 ? series.name : shown(point.value, box.dataset.unit)) },
      labelLayout: { moveOverlap: "shiftY" },
    })),
  };
}

function barOption(data, look, box) {
  const lying = data.categories.length > 6 || box.clientWidth < 480;
  const named = data.series.length > 1; // the first bar of each series says its name
  const base = axes(data, look, box);
  const value = { ...base.yAxis, axisLabel: { show: false }, splitLine: { show: false } };
  const category = { ...base.xAxis, inverse: lying, axisLabel: { ...base.xAxis.axisLabel, color: look.ink, interval: 0 } };
  return {
    ...base,
    grid: { ...base.grid, right: lying ? (named ? 120 : 64) : 8, top: lying ? 4 : (named ? 44 : 28) },
    xAxis: lying ? value : category,
    yAxis: lying ? category : value,
    tooltip: { ...base.tooltip, axisPointer: { type: "none" } },
    series: data.series.map((series, index) => ({
      type: "bar", name: series.name, data: series.data, barMaxWidth: lying ? 18 : (named ? 64 : 48), itemStyle: { color: shade(index, look), borderRadius: 3 },
      label: { show: data.categories.length * data.series.length <= 24, position: lying ? "right" : "top", color: look.ink, fontSize: 13, formatter: (point) => (named && point.dataIndex === 0 ? `${series.name}${lying ? " " : "\n"}` : "") + shown(point.value, box.dataset.unit) },
    })),
  };
}
