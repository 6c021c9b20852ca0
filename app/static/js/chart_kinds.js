/* More kinds of charts from tables: bars that stand on one another, values with their intervals, a flow through stages. */

const number = (cell) => Number(cell.dataset.value ?? cell.textContent.replace(/[^\d.-]/g, ""));

/* Every column but the last is a stage; a row says how many went through its stages. */
export function readFlow(table) {
  const nodes = new Map();
  const links = new Map();
  const node = (stage, name) => {
    const id = `${stage}:${name}`;
    if (!nodes.has(id)) nodes.set(id, { name: id, label: name, depth: stage, value: 0 });
    return nodes.get(id);
  };
  for (const row of table.querySelectorAll("tbody tr")) {
    const cells = [...row.cells];
    const value = number(cells.pop());
    const way = cells.map((cell, stage) => node(stage, cell.textContent.trim()));
    way.forEach((each) => { each.value += value; });
    for (let stage = 1; stage < way.length; stage += 1) {
      const key = `${way[stage - 1].name}>${way[stage].name}`;
      const link = links.get(key) ?? { source: way[stage - 1].name, target: way[stage].name, value: 0 };
      link.value += value;
      links.set(key, link);
    }
  }
  return { nodes: [...nodes.values()], links: [...links.values()], categories: [], series: [{ data: [...links.values()].map((link) => link.value) }] };
}

export function stackOption(data, look, box, base) {
  const last = data.series.length - 1;
  return {
    ...base,
    grid: { ...base.grid, right: 8, top: 12 },
    tooltip: { ...base.tooltip, axisPointer: { type: "shadow", shadowStyle: { color: look.line, opacity: 0.4 } } },
    series: data.series.map((series, index) => ({
      type: "bar", stack: "all", name: series.name, data: series.data, barMaxWidth: 28, barCategoryGap: "25%",
      itemStyle: { color: index === 0 ? look.accent : look.strong, borderRadius: index === last ? [2, 2, 0, 0] : 0 },
    })),
  };
}

/* The last three columns of the table: the value, and the ends of its interval; shares in per cent, or plain figures
   with a line where they are 1. */
export function intervalOption(data, look, box, base) {
  const isShare = box.dataset.unit === "%";
  const said = (figure) => (isShare ? `${figure.toFixed(1)}%` : figure.toFixed(2));
  const [value, low, high] = data.series.slice(-3).map((series) => series.data);
  const points = data.categories.map((name, place) => [value[place], place, low[place] ?? value[place], high[place] ?? value[place]]);
  const most = Math.max(...points.map((point) => point[3]));
  return {
    ...base,
    grid: { left: 4, right: 56, top: 8, bottom: 4, containLabel: true },
    xAxis: { type: "value", min: 0, splitNumber: 4, axisLabel: { color: look.muted, fontSize: 12, formatter: (value) => (isShare ? `${value}%` : value) }, splitLine: { lineStyle: { color: look.line } } },
    yAxis: { type: "category", data: data.categories, inverse: true, axisLine: { show: false }, axisTick: { show: false }, axisLabel: { color: look.ink, fontSize: 12, width: Math.min(box.clientWidth * 0.36, 180), overflow: "truncate" } },
    tooltip: { ...base.tooltip, trigger: "item", formatter: ({ data: point }) => `${data.categories[point[1]]}  ${said(point[0])}  (${said(point[2])}–${said(point[3])})` },
    series: [
      {
        type: "custom", data: points, encode: { x: [2, 3], y: 1 }, silent: true,
        renderItem: (_params, api) => whisker(api.coord([api.value(2), api.value(1)]), api.coord([api.value(3), api.value(1)]), look),
      },
      {
        type: "scatter", data: points, encode: { x: 0, y: 1 }, symbolSize: 10, itemStyle: { color: look.accent, opacity: 1 }, z: 4,
        markLine: isShare || most < 0.7 ? undefined : { silent: true, symbol: "none", label: { color: look.muted, formatter: "1" }, lineStyle: { color: look.muted, type: "dashed" }, data: [{ xAxis: 1 }] },
      },
      {
        type: "scatter", data: points, encode: { x: 3, y: 1 }, symbolSize: 0.1, silent: true,
        label: { show: true, position: "right", distance: 8, color: look.ink, fontSize: 13, formatter: ({ data: point }) => said(point[0]) },
      },
    ],
  };
}

function whisker([left, y], [right], look) {
  const style = { stroke: look.ink, lineWidth: 1.5 };
  const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style });
  return { type: "group", children: [line(left, y, right, y), line(left, y - 5, left, y + 5), line(right, y - 5, right, y + 5)] };
}

export function flowOption(data, look, box, base) {
  const narrow = box.clientWidth < 560;
  const shades = [look.muted, look.accent, look.ink];
  const words = (node, value) => `${node}  ${value.toLocaleString()}`;
  const label = (id) => id.slice(id.indexOf(":") + 1);
  return {
    tooltip: {
      ...base.tooltip, trigger: "item", axisPointer: undefined,
      formatter: ({ dataType, data: each }) => (dataType === "edge" ? words(`${label(each.source)} → ${label(each.target)}`, each.value) : words(each.label, each.value)),
    },
    series: [{
      type: "sankey", left: 4, right: narrow ? 84 : 140, top: 8, bottom: 8, nodeWidth: narrow ? 8 : 12, nodeGap: narrow ? 8 : 12, draggable: false, emphasis: { focus: "adjacency" },
      data: data.nodes.map((node) => ({ ...node, itemStyle: { color: shades[node.depth % 3], borderWidth: 0 } })),
      links: data.links, lineStyle: { color: look.muted, opacity: 0.22, curveness: 0.5 },
      label: { color: look.ink, fontSize: narrow ? 11 : 13, width: narrow ? 72 : 128, overflow: "truncate", textBorderWidth: 0, formatter: ({ data: node }) => (narrow ? node.label : words(node.label, node.value)) },
    }],
  };
}
