/* Growth again, day by day: play, pause, single steps, and a slider over the days. */
import { ask } from "./tree_model.js";

const PACE = 320; // ms a step
const CALM = 900; // where the reader asks for little motion

export class Replay {
  /* `onStep(until, since, growth, step)` draws a moment; until is null for today. */
  constructor(box, base, say, onStep) {
    Object.assign(this, { base, say, onStep, timer: null, growth: null });
    const part = (name) => box.querySelector(`[data-replay="${name}"]`);
    this.slider = part("slider");
    this.says = part("says");
    this.button = part("play");
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.play()));
    part("back").addEventListener("click", () => this.step(-1));
    part("on").addEventListener("click", () => this.step(1));
    this.slider.addEventListener("input", async () => { this.pause(); await this.load(); this.show(); });
    this.slider.addEventListener("pointerdown", () => this.load());
    this.slider.addEventListener("focus", () => this.load());
  }

  async load() {
    this.loading ??= ask(`${this.base}/growth.json`).then((growth) => {
      this.growth = growth;
      this.slider.max = String(Math.max(0, growth.days.length - 1));
      this.slider.value = this.slider.max;
    });
    await this.loading;
  }

  get isAtEnd() { return Number(this.slider.value) >= Number(this.slider.max); }

  async play() {
    await this.load();
    if (this.isAtEnd) this.slider.value = "0";
    this.button.textContent = this.say.words.pause;
    const pace = matchMedia("(prefers-reduced-motion: reduce)").matches ? CALM : PACE;
    this.show();
    this.timer = setInterval(() => {
      this.slider.value = String(Number(this.slider.value) + 1);
      this.show();
      if (this.isAtEnd) this.pause();
    }, pace);
  }

  pause() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = this.say.words.play;
  }

  async step(by) {
    this.pause();
    await this.load();
    this.slider.value = String(Number(this.slider.value) + by);
    this.show();
  }

  show() {
    const step = Number(this.slider.value);
    const { days, rows } = this.growth;
    if (!days.length) return;
    const so = rows.reduce((sum, row) => sum + (row[0] <= step ? row[3] : 0), 0);
    const all = rows.reduce((sum, row) => sum + row[3], 0);
    const words = this.say.fill("at", { day: this.say.dayOf(days[step]), n: so.toLocaleString(), all: all.toLocaleString() });
    this.says.textContent = words;
    this.slider.setAttribute("aria-valuetext", words);
    this.onStep(this.isAtEnd && !this.timer ? null : days[step], days[step - 1] ?? "", this.growth, step);
  }
}
