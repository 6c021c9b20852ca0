/* The propagation tree as an explorable picture: this puts its parts together. Without scripts the lists of the page say the same. */
import { colours, loadLibrary } from "./chart_library.js";
import { colouring } from "./tree_colours.js";
import { saveAs, wholeGenerations, wholePicture } from "./tree_export.js";
import { Find } from "./tree_find.js";
import { Generations, bandHeight } from "./tree_generations.js";
import { TreeModel } from "./tree_model.js";
import { Replay } from "./tree_replay.js";
import { Stage } from "./tree_stage.js";
import { Say } from "./tree_words.js";

const ROWS_AT_FIRST = { desk: 18, phone: 12 };
const NARROW = 560;
const PATIENCE = 300; // ms that a member is looked at before his sums are asked for
const PHONE = "(max-width: 991px)"; // here what is chosen rises as a sheet

class Explorer {
  constructor(box) {
    const { base, trees, words, channels, generations } = box.dataset;
    this.box = box;
    this.say = new Say(JSON.parse(words), Object.fromEntries(JSON.parse(channels)));
    this.model = new TreeModel(base, Number(trees));
    this.rows = JSON.parse(generations);
    this.view = "tree";
  }

  part(name) { return this.box.querySelector(`[data-tree-${name}]`); }

  async begin() {
    this.box.hidden = false;
    try {
      const [answer] = await Promise.all([this.model.start(), loadLibrary()]);
      this.say.learn(answer);
      this.say.channels = Object.fromEntries(answer.channels);
    } catch {
      this.box.remove(); // the lists are there
      return;
    }
    this.canvas = this.part("canvas");
    const drawing = document.createElement("div");
    drawing.className = "tree__drawing";
    drawing.setAttribute("role", "presentation");
    this.canvas.append(drawing);
    this.chart = window.echarts.init(drawing);
    this.stage = new Stage(this.canvas, this.chart, {
      chosen: (row) => this.tell(row),
      opened: (row) => this.toggle(row),
      entered: (row) => row.node?.tree && location.assign(row.node.tree),
    });
    Object.assign(this.stage, { say: this.say });
    this.equip();
    this.recolour();
    this.model.openUpTo(this.canvas.clientWidth < NARROW ? ROWS_AT_FIRST.phone : ROWS_AT_FIRST.desk);
    this.redraw();
    if (!this.box.dataset.to && !matchMedia(PHONE).matches) this.stage.choose(this.stage.rows[0] ?? null);
    this.stage.fit();
    if (this.box.dataset.to) await this.goTo(Number(this.box.dataset.to));
    else if (this.box.hasAttribute("data-large")) this.show("generations");
    this.box.dataset.ready = "yes";
  }

  /* The tools, as far as the page has them. */
  equip() {
    const { box } = this;
    this.part("colour").addEventListener("change", () => this.recolour());
    this.part("zoom").addEventListener("click", (event) => this.zoom(event.target.closest("[data-zoom]")?.dataset.zoom));
    this.part("toggle").addEventListener("click", () => this.stage.chosen && this.toggle(this.stage.chosen));
    this.part("shut").addEventListener("click", () => this.shut());
    for (const button of box.querySelectorAll("[data-tree-view]")) button.addEventListener("click", () => this.show(button.dataset.treeView));
    for (const button of box.querySelectorAll("[data-tree-export]")) button.addEventListener("click", () => this.save(button.dataset.treeExport));
    const input = this.part("find");
    if (input) this.find = new Find(input, this.model.base, this.say, (id) => this.goTo(id), (words) => this.announce(words));
    if (box.querySelector("[data-replay]")) this.replay = new Replay(box, this.model.base, this.say, (...moment) => this.showMoment(...moment));
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
  }

  announce(words) { this.part("says").textContent = words; }

  redraw(keep = null) {
    for (const node of this.model.nodes.values()) node.day ??= this.say.date(node.at);
    this.stage.show(this.model.rows(), { keep });
  }

  async recolour() {
    const by = this.part("colour").value;
    if (by === "value") await this.trying(() => this.model.fetchValues());
    this.look = colours();
    const nodes = [...this.model.nodes.values()];
    Object.assign(this.stage, { look: this.look, only: null, colours: colouring(by, nodes, this.look, this.say) });
    this.stage.draw();
    if (this.generations) { this.generations.look = this.look; this.generations.draw(); }
    this.drawLegend();
  }

  drawLegend() {
    const isTree = this.view === "tree";
    const classes = isTree ? this.stage.colours.classes : this.generations.classes();
    this.part("legend").replaceChildren(...classes.map((kind, number) => this.legendItem(kind, isTree ? number : null)));
  }

  legendItem(kind, number) {
    const item = document.createElement(number === null ? "span" : "button");
    item.className = "tree__class";
    if (number !== null) {
      item.type = "button";
      item.setAttribute("aria-pressed", String(this.stage.only === number));
      item.title = this.say.words.legend_hint;
      item.addEventListener("click", () => {
        this.stage.only = this.stage.only === number ? null : number;
        this.stage.draw();
        for (const [place, each] of [...item.parentElement.children].entries()) each.setAttribute("aria-pressed", String(this.stage.only === place));
      });
    }
    item.append(swatch(kind), document.createTextNode(kind.words));
    return item;
  }

  async toggle(row) {
    await this.trying(async () => {
      if (row.rest) await this.fetchRest(row);
      else if (row.node.isOpen) row.node.isOpen = false;
      else await this.model.open(row.node);
    });
    this.after(row);
  }

  async fetchRest(row) {
    const before = row.of ? row.of.kids.length : this.model.tops.length;
    await this.model.fetchMore(row.of);
    const first = (row.of ? row.of.kids : this.model.tops)[before];
    this.goOn = first && `m${first.id}`;
  }

  async after(row) {
    if (this.part("colour").value === "value") await this.trying(() => this.model.fetchValues());
    this.redraw(row.key);
    const same = (key) => this.stage.rows.find((each) => each.key === key);
    const next = same(this.goOn) ?? same(row.key);
    this.goOn = null;
    if (next) this.stage.choose(next);
    const below = next && this.stage.rows.find((each) => each.parent === next);
    if (below) { this.stage.reveal(below); this.stage.draw(); }
  }

  async trying(work) {
    try {
      this.canvas.setAttribute("aria-busy", "true");
      await work();
    } catch {
      this.announce(this.say.words.lost);
    }
    this.canvas.removeAttribute("aria-busy");
  }

  async goTo(id) {
    let node = null;
    await this.trying(async () => { node = await this.model.wayTo(id); });
    if (!node) return;
    this.show("tree");
    this.stage.marked = id;
    this.redraw();
    const row = this.stage.rows.find((each) => each.node === node);
    this.stage.choose(row);
    this.canvas.focus({ preventScroll: true });
    if (this.canvas.getBoundingClientRect().top < 0) this.canvas.scrollIntoView({ block: "nearest" });
  }

  /* What is known of a row, beside the picture. */
  tell(row) {
    const detail = this.part("detail");
    const node = row?.node;
    detail.hidden = !node || this.view !== "tree";
    if (detail.hidden) return;
    const { say } = this;
    const facts = {
      name: node.name, number: node.number ?? "", store: node.store ?? "", channel: say.channel(node), joined: say.day(node.at),
      brought: node.brought.toLocaleString(), reach: node.reach.toLocaleString(), spent: node.spent === undefined ? "" : say.money(node.spent),
      spent_by: node.spentBelow === undefined || node.spent === undefined ? "" : say.money(node.spent + node.spentBelow),
    };
    for (const [name, words] of Object.entries(facts)) {
      detail.querySelector(`[data-of="${name}"]`).textContent = words;
      const line = detail.querySelector(`[data-row="${name}"]`);
      if (line) line.hidden = !words;
    }
    for (const link of detail.querySelectorAll("[data-tree-to]")) {
      const address = node[link.dataset.treeTo];
      link.hidden = !address || (link.dataset.treeTo === "tree" && (address === this.model.base || !node.brought));
      if (address) link.href = address;
    }
    const toggle = this.part("toggle");
    toggle.hidden = !node.brought;
    toggle.textContent = node.isOpen ? say.words.close : say.words.open;
    this.addUp(node);
    this.keepInSight(row, detail);
  }

  /* On a phone the sheet rises over the picture; the circle stays above it. */
  keepInSight(row, sheet) {
    if (!matchMedia(PHONE).matches) return;
    const below = this.canvas.getBoundingClientRect().top + this.stage.placeOf(row).y + 48 - sheet.getBoundingClientRect().top;
    if (below > 0) window.scrollBy({ top: below, behavior: "instant" });
  }

  /* What he and all below him have spent is added up when somebody looks. */
  addUp(node) {
    clearTimeout(this.adding);
    if (node.spentBelow !== undefined || node.spent === undefined) return;
    this.adding = setTimeout(() => this.trying(async () => {
      await this.model.fetchValues([node]);
      if (this.stage.chosen?.node === node) this.tell(this.stage.chosen);
    }), PATIENCE);
  }

  shut() {
    this.part("detail").hidden = true;
    this.canvas.focus({ preventScroll: true });
  }

  zoom(how) {
    if (how === "fit") this.stage.fit({ isWhole: true });
    else if (how) this.stage.zoom(how === "in" ? 1.3 : 1 / 1.3);
  }

  show(view) {
    this.view = view;
    const isTree = view === "tree";
    for (const button of this.box.querySelectorAll("[data-tree-view]")) button.setAttribute("aria-pressed", String(button.dataset.treeView === view));
    for (const help of this.box.querySelectorAll("[data-tree-help]")) help.hidden = help.dataset.treeHelp !== view;
    this.canvas.hidden = !isTree;
    this.part("zoom").hidden = !isTree;
    this.part("generations").hidden = isTree;
    this.part("colour").closest("label").hidden = !isTree;
    this.tell(this.stage.chosen);
    if (!isTree) this.band();
    else this.resize();
    this.drawLegend();
  }

  band() {
    const canvas = this.part("generations");
    if (this.generations) { this.generations.draw(); return; }
    const drawing = document.createElement("div");
    drawing.className = "tree__bands";
    canvas.append(drawing);
    const chart = window.echarts.init(drawing, null, { height: bandHeight(this.rows.length) });
    this.generations = new Generations(canvas, chart, this.rows, this.say.channels, this.say, (generation, isOpened) => this.openGeneration(generation, isOpened));
    this.generations.look = this.look;
    this.generations.draw();
    new ResizeObserver(() => { chart.resize(); this.generations.draw(); }).observe(canvas);
  }

  openGeneration(generation, isOpened) {
    const row = this.rows.find((each) => each.generation === generation);
    this.announce(`${this.say.fill("generation", { n: generation })}, ${this.say.fill("members", { n: row.members })}`);
    if (isOpened) document.querySelector(`[data-generation="${generation}"]`)?.click();
  }

  showMoment(until, since, growth, step) {
    Object.assign(this.stage, { until, since });
    this.stage.draw();
    this.generations?.showStep(until ? growth : null, step);
    this.moment = until;
  }

  resize() {
    if (!this.canvas.clientWidth) return;
    this.chart.resize();
    if (this.stage.rows.length && this.stage.column !== this.columnBefore) this.redraw();
    this.columnBefore = this.stage.column;
    this.stage.draw();
  }

  async save(kind) {
    const { title, file } = this.box.dataset;
    const all = this.rows.reduce((sum, row) => sum + row.members, 0);
    const by = this.part("colour").value;
    const today = [this.say.day(Date.now() / 1000), this.say.fill("members", { n: all })].join(" · ");
    const subtitle = [this.moment ? this.replay.says.textContent : today, this.say.fill("colour_by", { what: this.say.words[this.view === "tree" ? by : "channel"] })].join(" · ");
    const picture = this.view === "tree" ? wholePicture(this.stage, title, subtitle) : wholeGenerations(this.generations, title, subtitle);
    this.box.querySelector(".tree__export")?.removeAttribute("open");
    await saveAs(kind, file, title, picture);
  }
}

function swatch(kind) {
  const size = 7;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-10 -10 20 20");
  svg.setAttribute("class", "tree__swatch");
  svg.setAttribute("aria-hidden", "true");
  const corners = { diamond: 4, up: 3, down: 3, hexagon: 6 }[kind.shape];
  const tag = corners ? "polygon" : kind.shape === "square" ? "rect" : "circle";
  const shape = document.createElementNS("http://www.w3.org/2000/svg", tag);
  const turn = kind.shape === "down" ? Math.PI / 2 : -Math.PI / 2;
  const points = corners && Array.from({ length: corners }, (_, at) => [turn + (at * 2 * Math.PI) / corners].flatMap((angle) => [Math.cos(angle) * size * 1.2, Math.sin(angle) * size * 1.2]).join(","));
  const attributes = corners ? { points: points.join(" ") } : tag === "rect" ? { x: -6, y: -6, width: 12, height: 12, rx: 2 } : { r: size };
  for (const [name, value] of Object.entries({ ...attributes, fill: kind.colour })) shape.setAttribute(name, value);
  svg.append(shape);
  return svg;
}

for (const box of document.querySelectorAll("[data-tree]")) new Explorer(box).begin();
