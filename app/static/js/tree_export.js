/* The whole picture as a file: a PNG, or an SVG that stays sharp, each with title, date and legend. */
import { legendPlaces, pictureOption, wide } from "./tree_drawing.js";
import { bandHeight } from "./tree_generations.js";

const MARGIN = 40;
const HEAD = 112;
const MOST_PIXELS = 16_000_000; // what phones can hold

/* The option and the size of everything that is open, not only of what is in sight. */
export function wholePicture(stage, title, subtitle) {
  const scene = stage.scene();
  const last = Math.max(120, ...stage.rows.map((row) => row.x + wide(row.node?.name ?? "") + 90)) ;
  const width = Math.max(640, Math.ceil(last) + 2 * MARGIN);
  const legend = legendPlaces(scene.colours.classes, width);
  const top = HEAD + legend.height;
  const height = Math.ceil(stage.extent.height + top + MARGIN);
  const whole = { ...scene, title, subtitle, width, height, legendPlaces: legend.places, hovered: null, view: { x: MARGIN, y: top, size: 1 } };
  return { option: pictureOption(whole), width, height };
}

export function wholeGenerations(generations, title, subtitle) {
  const [width, height] = [1080, bandHeight(generations.rows.length) + 140];
  const { look } = generations;
  const option = generations.option();
  const title_ = { text: title, subtext: subtitle, left: 24, top: 16, textStyle: { color: look.ink, fontSize: 22, fontFamily: look.font }, subtextStyle: { color: look.muted, fontSize: 13 } };
  const legend = { left: 24, top: 84, textStyle: { color: look.muted, fontFamily: look.font }, data: generations.classes().map((kind) => kind.words) };
  return { option: { ...option, backgroundColor: look.surface, title: title_, legend, grid: { ...option.grid, left: 24, top: 124, bottom: 24 } }, width, height };
}

export async function saveAs(kind, name, title, { option, width, height }) {
  const blob = kind === "svg" ? svg(option, width, height, title) : await png(option, width, height);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/* Put together as text: a parsed document would apply styles, which the pages allow to nobody. */
function svg(option, width, height, title) {
  const chart = window.echarts.init(null, null, { renderer: "svg", ssr: true, width, height });
  chart.setOption(option);
  const drawn = chart.renderToSVGString();
  chart.dispose();
  const words = title.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
  const named = drawn.replace(/<svg[^>]*>/, (start) => `${start}<title>${words}</title>`);
  return new Blob([`<?xml version="1.0" encoding="UTF-8"?>\n${named}`], { type: "image/svg+xml" });
}

function png(option, width, height) {
  const chart = window.echarts.init(document.createElement("canvas"), null, { renderer: "canvas", width, height, devicePixelRatio: 1 });
  chart.setOption(option);
  const pixelRatio = Math.min(2, Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = chart.renderToCanvas({ pixelRatio, backgroundColor: option.backgroundColor });
  return new Promise((resolve) => {
    canvas.toBlob((blob) => { chart.dispose(); resolve(blob); }, "image/png");
  });
}
