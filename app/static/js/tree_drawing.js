/* The picture itself: what ECharts draws of the rows that are in sight. The same drawing goes to the screen and into files. */

import { ROW } from "./tree_layout.js";

const [ROOM_BESIDE, ROOM_ABOVE] = [15, 22]; // px between rows from which on names can stand beside and above circles
const LEGEND = 22;

/* An option of ECharts. `scene`: rows, view {x, y, size}, width, height, colours (see tree_colours.js), and what is chosen, marked, hovered, shown until a day. */
export function pictureOption(scene) {
  const shapes = scene.title ? [...titleShapes(scene), ...treeShapes(scene)] : treeShapes(scene);
  return {
    animation: false,
    backgroundColor: scene.title ? scene.look.surface : "transparent",
    series: [{
      id: "tree", type: "custom", coordinateSystem: "none", silent: true, clip: true,
      data: shapes.map((_, index) => [index]),
      renderItem: (params) => shapes[params.dataIndex],
    }],
  };
}

function treeShapes(scene) {
  const shown = scene.rows.filter((row) => isInSight(scene, row));
  const line = lineTo(scene.chosen);
  const edges = scene.rows.filter((row) => row.parent && (isInSight(scene, row) || isInSight(scene, row.parent)));
  return [
    ...edges.filter((row) => !line.has(row)).map((row) => edge(scene, row, false)),
    ...edges.filter((row) => line.has(row)).map((row) => edge(scene, row, true)),
    ...shown.flatMap((row) => member(scene, row)),
    ...shown.filter((row) => row === scene.hovered || row === scene.chosen).flatMap((row) => tip(scene, row)),
  ];
}

function lineTo(row) {
  const line = new Set();
  for (let at = row; at; at = at.parent) line.add(at);
  return line;
}

export function place(scene, row) {
  const { x, y, size } = scene.view;
  return { x: (row.shownX ?? row.x) * size + x, y: (row.shownY ?? row.y) * size + y };
}

function isInSight(scene, row) {
  const at = place(scene, row);
  return at.x > -240 && at.x < scene.width + 40 && at.y > -30 && at.y < scene.height + 30;
}

function edge(scene, row, isOnLine) {
  const from = place(scene, row.parent);
  const to = place(scene, row);
  const middle = (from.x + to.x) / 2;
  return {
    type: "bezierCurve",
    shape: { x1: from.x, y1: from.y, x2: to.x, y2: to.y, cpx1: middle, cpy1: from.y, cpx2: middle, cpy2: to.y },
    style: {
      fill: "none", stroke: strokeOf(scene, row, isOnLine), lineWidth: isOnLine && hasCome(scene, row) ? 2 : 1.1, opacity: strength(scene, row),
      lineDash: row.rest ? [3, 3] : null,
    },
  };
}

function strokeOf(scene, row, isOnLine) {
  if (!hasCome(scene, row)) return scene.look.line;
  return isOnLine ? scene.look.ink : scene.look.strong;
}

/* How much of a row is to be seen: a trace of those who have not come yet, little of those that the legend leaves out. */
function strength(scene, row) {
  if (!hasCome(scene, row)) return 0.35;
  if (scene.only !== null && scene.only !== undefined && row.node && scene.colours.of(row.node) !== scene.only) return 0.18;
  return 1;
}

function hasCome(scene, row) {
  return !scene.until || Boolean(row.node && row.node.day <= scene.until);
}

export function radius(node) {
  return 5 + Math.min(7, Math.log2(1 + node.reach) * 0.8);
}

function member(scene, row) {
  const at = place(scene, row);
  const opacity = strength(scene, row);
  if (!hasCome(scene, row)) return [{ type: "circle", shape: { cx: at.x, cy: at.y, r: 3 }, style: { fill: scene.look.line } }];
  if (row.rest) return rest(scene, row, at);
  const { node } = row;
  const kind = scene.colours.classes[scene.colours.of(node)];
  const size = radius(node);
  const shapes = [];
  if (row === scene.chosen) shapes.push({ type: "circle", shape: { cx: at.x, cy: at.y, r: size + 5 }, style: { fill: "none", stroke: scene.look.ink, lineWidth: 2 } });
  if (node.id === scene.marked) shapes.push({ type: "circle", shape: { cx: at.x, cy: at.y, r: size + 9 }, style: { fill: "none", stroke: scene.look.accent, lineWidth: 3 } });
  if (scene.until && node.day > scene.since) shapes.push({ type: "circle", shape: { cx: at.x, cy: at.y, r: size + 4 }, style: { fill: kind.colour, opacity: 0.28 } });
  shapes.push(symbol(kind, at.x, at.y, size, { fill: kind.colour, stroke: scene.look.surface, lineWidth: 1.5, opacity }));
  const room = node.isOpen && row !== scene.chosen && node.id !== scene.marked ? ROOM_ABOVE : ROOM_BESIDE;
  if (ROW * scene.view.size >= room) shapes.push(name(scene, row, at, size, opacity));
  return shapes;
}

function rest(scene, row, at) {
  const look = { fill: scene.look.surface, stroke: row === scene.chosen ? scene.look.ink : scene.look.muted, lineWidth: row === scene.chosen ? 2.5 : 1.5, lineDash: row === scene.chosen ? null : [3, 2] };
  const shapes = [{ type: "circle", shape: { cx: at.x, cy: at.y, r: 7 }, style: look }];
  if (ROW * scene.view.size >= ROOM_BESIDE) shapes.push(text(scene, scene.say.fill(row.of ? "more" : "more_trees", { n: row.rest }), at.x + 14, at.y, { fill: scene.look.muted }));
  return shapes;
}

function name(scene, row, at, size, opacity) {
  const { node } = row;
  const room = scene.column * scene.view.size;
  const weight = row === scene.chosen || node.id === scene.marked ? 600 : 400;
  if (node.isOpen) return text(scene, node.name, at.x + size - 4, at.y - size - 9, { opacity, width: Math.max(60, room - 12), weight });
  const closed = node.reach ? `${node.name}  +${node.reach.toLocaleString()}` : node.name;
  const ring = node.id === scene.marked ? 6 : 0;
  return text(scene, closed, at.x + size + 7 + ring, at.y, { opacity, width: Math.max(90, room + 40), weight });
}

function text(scene, words, x, y, { fill = scene.look.ink, opacity = 1, width = null, weight = 400 } = {}) {
  return {
    type: "text",
    style: {
      text: words, x, y, fill, opacity, verticalAlign: "middle", font: `${weight} 13px ${scene.look.font}`, stroke: scene.look.surface, lineWidth: 3,
      ...(width && !scene.title ? { width, overflow: "truncate", ellipsis: "…" } : {}),
    },
  };
}

function tip(scene, row) {
  if (scene.title || row.rest || scene.hovered !== row) return [];
  const at = place(scene, row);
  const words = scene.say.inShort(row.node);
  const width = Math.min(scene.width - 16, 24 + words.length * 9.5);
  const x = Math.max(8, Math.min(at.x - 20, scene.width - width - 8));
  const y = at.y > 64 ? at.y - 54 : at.y + 22;
  return [
    { type: "rect", z2: 9, shape: { x, y, width, height: 32, r: 8 }, style: { fill: scene.look.ink } },
    { type: "text", z2: 10, style: { text: words, x: x + 12, y: y + 16, width: width - 20, overflow: "truncate", verticalAlign: "middle", fill: scene.look.surface, font: `13px ${scene.look.font}` } },
  ];
}

/* A circle, square, diamond … of one size. */
export function symbol(kind, x, y, size, style) {
  if (kind.shape === "circle") return { type: "circle", shape: { cx: x, cy: y, r: size }, style };
  if (kind.shape === "square") return { type: "rect", shape: { x: x - size * 0.88, y: y - size * 0.88, width: size * 1.76, height: size * 1.76, r: 2 }, style };
  const sides = { diamond: 4, up: 3, down: 3, hexagon: 6 }[kind.shape];
  const turn = kind.shape === "down" ? Math.PI / 2 : -Math.PI / 2;
  const points = Array.from({ length: sides }, (_, corner) => {
    const angle = turn + (corner * 2 * Math.PI) / sides;
    return [x + Math.cos(angle) * size * 1.2, y + Math.sin(angle) * size * 1.2];
  });
  return { type: "polygon", shape: { points }, style };
}

function titleShapes(scene) {
  const shapes = [
    { type: "text", style: { text: scene.title, x: 24, y: 30, fill: scene.look.ink, verticalAlign: "middle", font: `600 22px ${scene.look.font}` } },
    { type: "text", style: { text: scene.subtitle, x: 24, y: 58, fill: scene.look.muted, verticalAlign: "middle", font: `13px ${scene.look.font}` } },
  ];
  for (const [number, kind] of scene.colours.classes.entries()) {
    const x = 32 + scene.legendPlaces[number].x;
    const y = 86 + scene.legendPlaces[number].line * LEGEND;
    shapes.push(symbol(kind, x, y, 6, { fill: kind.colour }), text(scene, kind.words, x + 13, y, { fill: scene.look.muted }));
  }
  return shapes;
}

/* Where the words of a legend stand within a width, and how high it is. */
export function legendPlaces(classes, width) {
  let x = 0;
  let line = 0;
  const places = classes.map((kind) => {
    const room = 40 + wide(kind.words);
    if (x && x + room > width - 64) { x = 0; line += 1; }
    const found = { x, line };
    x += room;
    return found;
  });
  return { places, height: (line + 1) * LEGEND };
}

/* About how wide words are at 13 px. */
export function wide(words) {
  let width = 0;
  for (const letter of words) width += letter.codePointAt(0) > 0x2e80 ? 13.5 : 7.4;
  return width;
}
