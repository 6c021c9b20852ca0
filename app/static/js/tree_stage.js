/* The picture on the screen: moved and enlarged by mouse, touch and keys, and the same rows as a list for screen readers. */
import { ROW, between, layOut } from "./tree_layout.js";
import { pictureOption, place, radius, wide } from "./tree_drawing.js";

const [SMALLEST, READABLE, LARGEST] = [0.12, 0.8, 2]; // enlargements
const NEAR = { mouse: 16, pen: 20, touch: 26 }; // px around a circle
const QUICK = 140; // ms
const TYPING = 900; // ms in which letters belong together
const STILL = 6; // px that a finger may move in a tap
const QUIET = matchMedia("(prefers-reduced-motion: reduce)");

export class Stage {
  /* `on` hears {chosen(row), opened(row), entered(row)}. */
  constructor(box, chart, on) {
    Object.assign(this, { box, chart, on, view: { x: 24, y: 0, size: 1 }, rows: [], chosen: null, hovered: null, marked: null, until: null, only: null });
    this.items = document.createElement("div");
    this.items.className = "visually-hidden";
    box.append(this.items);
    this.#listen();
  }

  get column() { return this.box.clientWidth < 560 ? 128 : 196; }

  /* New rows: those that were there glide to their places. */
  show(rows, { keep = null } = {}) {
    const before = new Map(this.rows.map((row) => [row.key, { x: row.x, y: row.y }]));
    const kept = keep && this.rows.find((row) => row.key === keep);
    const layout = layOut(rows, this.column);
    Object.assign(this, { rows, extent: layout });
    const same = (row) => row && (rows.find((each) => each.key === row.key) ?? null);
    this.chosen = same(this.chosen);
    this.hovered = null;
    const stays = kept && rows.find((row) => row.key === keep);
    if (stays) this.view.y += (kept.y - stays.y) * this.view.size;
    if (stays) for (const at of before.values()) at.y += stays.y - kept.y;
    this.#list();
    this.#glide(before);
  }

  #glide(before) {
    cancelAnimationFrame(this.gliding);
    const isQuiet = QUIET.matches || !before.size;
    const begun = performance.now();
    const step = (now) => {
      const share = isQuiet ? 1 : Math.min(1, (now - begun) / QUICK);
      between(before, this.rows, share);
      if (share >= 1) for (const row of this.rows) { row.shownX = undefined; row.shownY = undefined; }
      this.draw();
      if (share < 1) this.gliding = requestAnimationFrame(step);
    };
    step(begun);
  }

  scene() {
    const { rows, view, look, say, colours, chosen, hovered, marked, until, since, only, column } = this;
    return { rows, view, look, say, colours, chosen, hovered, marked, until, since, only, column, width: this.box.clientWidth, height: this.box.clientHeight };
  }

  draw() {
    if (!this.colours || !this.box.clientWidth) return;
    this.chart.setOption(pictureOption(this.scene()), { replaceMerge: ["series"] });
  }

  drawSoon() {
    cancelAnimationFrame(this.waiting);
    this.waiting = requestAnimationFrame(() => this.draw());
  }

  /* Everything in sight where names can still be read; else the first member in the middle. */
  fit({ isWhole = false } = {}) {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    const last = Math.max(...this.rows.filter((row) => row.x === this.extent.width).map((row) => wide(row.node?.name ?? "") + 60), 80);
    const fits = Math.min((width - 40 - last) / Math.max(this.extent.width, 1), (height - 56) / Math.max(this.extent.height, 1));
    const size = Math.max(isWhole ? SMALLEST : READABLE, Math.min(1, fits));
    const isLow = this.extent.height * size <= height - 40;
    const top = this.rows[0];
    this.view = { x: 24, size, y: isLow ? (height - this.extent.height * size) / 2 : height / 2 - (top?.y ?? 0) * size };
    if (!isLow && this.rows.filter((row) => !row.level).length > 1) this.view.y = 32;
    this.draw();
  }

  zoom(by, x = this.box.clientWidth / 2, y = this.box.clientHeight / 2) {
    const size = Math.max(SMALLEST, Math.min(LARGEST, this.view.size * by));
    const share = size / this.view.size;
    this.view = { size, x: x - (x - this.view.x) * share, y: y - (y - this.view.y) * share };
    this.drawSoon();
  }

  move(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.drawSoon();
  }

  choose(row, { isTold = true } = {}) {
    this.chosen = row;
    this.box.setAttribute("aria-activedescendant", row ? this.#id(row) : "");
    for (const item of this.items.children) item.setAttribute("aria-selected", String(row && item.id === this.#id(row)));
    this.reveal(row);
    this.draw();
    if (isTold) this.on.chosen(row);
  }

  placeOf(row) { return place(this.scene(), row); }

  /* Moves the picture as little as it takes to see a row with its name. */
  reveal(row, room = 170) {
    if (!row) return;
    const at = place(this.scene(), { x: row.x, y: row.y });
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    const right = width - Math.min(room, width * 0.45);
    if (at.x > right) this.view.x -= at.x - right;
    if (at.x < 28) this.view.x += 28 - at.x;
    if (at.y > height - 36) this.view.y -= at.y - (height - 36);
    if (at.y < 36) this.view.y += 36 - at.y;
  }

  /* The row at a point of the picture, and whether its circle was meant. */
  at(x, y, kind = "mouse") {
    let best = null;
    const scene = this.scene();
    for (const row of this.rows) {
      const spot = place(scene, row);
      const size = row.node ? radius(row.node) : 7;
      const far = Math.hypot(spot.x - x, spot.y - y);
      const isCircle = far <= Math.max(NEAR[kind] ?? 16, size + 4);
      const isName = ROW * this.view.size > 15 && !row.node?.isOpen && x > spot.x && x < spot.x + 30 + wide(row.node?.name ?? "      ") && Math.abs(y - spot.y) < 12;
      if ((isCircle || isName) && (!best || far < best.far)) best = { row, far, isCircle };
    }
    return best;
  }

  #id(row) { return `tree-${row.key}`; }

  #list() {
    const items = this.rows.map((row) => {
      const item = document.createElement("div");
      item.id = this.#id(row);
      item.setAttribute("role", "treeitem");
      item.setAttribute("aria-level", String(row.level + 1));
      item.setAttribute("aria-posinset", String(row.place));
      item.setAttribute("aria-setsize", String(row.places));
      item.setAttribute("aria-selected", String(row === this.chosen));
      if (row.node?.brought) item.setAttribute("aria-expanded", String(row.node.isOpen));
      item.textContent = row.node ? this.say.inFull(row.node) : this.say.fill(row.of ? "more" : "more_trees", { n: row.rest });
      return item;
    });
    this.items.replaceChildren(...items);
  }

  #listen() {
    const fingers = new Map();
    let began = null;
    const { box } = this;
    const spot = (event) => { const frame = box.getBoundingClientRect(); return { x: event.clientX - frame.left, y: event.clientY - frame.top }; };
    box.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      box.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, spot(event));
      began = fingers.size === 1 ? { ...spot(event), moved: false } : null;
    });
    box.addEventListener("pointermove", (event) => {
      const to = spot(event);
      const from = fingers.get(event.pointerId);
      if (!from) { this.#hover(to, event.pointerType); return; }
      if (began && !began.moved && Math.hypot(to.x - began.x, to.y - began.y) < STILL) return;
      if (began) began.moved = true;
      if (fingers.size === 2) this.#pinch(fingers, event.pointerId, to);
      else this.move(to.x - from.x, to.y - from.y);
      fingers.set(event.pointerId, to);
    });
    const end = (event) => {
      const wasTap = fingers.size === 1 && began && !began.moved && event.type === "pointerup";
      fingers.delete(event.pointerId);
      if (!wasTap) return;
      const met = this.at(began.x, began.y, event.pointerType);
      if (met) this.#tap(met);
    };
    box.addEventListener("pointerup", end);
    box.addEventListener("pointercancel", end);
    box.addEventListener("pointerleave", () => { this.hovered = null; this.drawSoon(); });
    box.addEventListener("wheel", (event) => this.#wheel(event, spot(event)), { passive: false });
    box.addEventListener("focus", () => { if (!this.chosen && this.rows.length) this.choose(this.rows[0]); });
    box.addEventListener("keydown", (event) => this.#key(event));
  }

  #pinch(fingers, moving, to) {
    const [id, other] = [...fingers].find(([each]) => each !== moving) ?? [];
    if (id === undefined) return;
    const from = fingers.get(moving);
    const by = Math.hypot(to.x - other.x, to.y - other.y) / Math.max(1, Math.hypot(from.x - other.x, from.y - other.y));
    this.zoom(by, (to.x + other.x) / 2, (to.y + other.y) / 2);
  }

  #hover(to, kind) {
    const met = kind === "touch" ? null : this.at(to.x, to.y);
    this.box.classList.toggle("tree__canvas--over", Boolean(met));
    if (this.hovered === (met?.row ?? null)) return;
    this.hovered = met?.row ?? null;
    this.drawSoon();
  }

  #tap({ row, isCircle }) {
    this.choose(row);
    if (row.rest || (isCircle && row.node.brought)) this.on.opened(row);
  }

  /* A wheel alone belongs to the page. */
  #wheel(event, { x, y }) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 240), x, y);
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.move(-event.deltaX, 0);
    }
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.rows.length) return;
    const act = this.#acts()[event.key];
    if (!act && (event.key.length > 1 || event.key === " ")) return;
    event.preventDefault();
    if (act) act();
    else this.#jump(event.key);
  }

  #acts() {
    const row = this.chosen ?? this.rows[0];
    const at = this.rows.indexOf(row);
    const go = (to) => to && this.choose(to);
    return {
      ArrowDown: () => go(this.rows[at + 1]),
      ArrowUp: () => go(this.rows[at - 1]),
      Home: () => go(this.rows[0]),
      End: () => go(this.rows.at(-1)),
      ArrowRight: () => (row.rest || (row.node.brought && !row.node.isOpen) ? this.on.opened(row) : go(this.rows[at + 1]?.parent === row && this.rows[at + 1])),
      ArrowLeft: () => (row.node?.isOpen ? this.on.opened(row) : go(row.parent)),
      Enter: () => (row.rest ? this.on.opened(row) : this.on.entered(row)),
      " ": () => (row.rest || row.node.brought) && this.on.opened(row),
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      0: () => this.fit({ isWhole: true }),
    };
  }

  /* Letters go to the next member whose name begins so. */
  #jump(letter) {
    const now = performance.now();
    this.typed = now - (this.typedAt ?? -Infinity) < TYPING ? this.typed + letter : letter;
    this.typedAt = now;
    const from = Math.max(0, this.rows.indexOf(this.chosen)) + (this.typed.length === 1 ? 1 : 0);
    const after = [...this.rows.slice(from), ...this.rows.slice(0, from)];
    const found = after.find((row) => row.node?.name.toLowerCase().startsWith(this.typed.toLowerCase()));
    if (found) this.choose(found);
  }
}
