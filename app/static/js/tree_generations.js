/* A large tree as bands: one bar for each generation, in the colours of the channels. A bar leads to its largest branches. */
import { channelLook } from "./tree_colours.js";

export function bandHeight(generations) {
  return Math.max(120, generations * (generations > 14 ? 27 : 34) + 16);
}

export class Generations {
  constructor(box, chart, rows, channels, say, onChosen) {
    Object.assign(this, { box, chart, rows, say, channels, onChosen, counts: rows, chosen: -1 });
    this.codes = Object.keys(channels).filter((code) => rows.some((row) => row.channels[code]));
    box.addEventListener("keydown", (event) => this.#key(event));
    chart.getZr().on("click", (event) => {
      const value = chart.convertFromPixel({ gridIndex: 0 }, [event.offsetX, event.offsetY]);
      if (value) this.#choose(Math.round(value[1]), true);
    });
  }

  /* As it was after a step of the replay; without one, as it is today. */
  showStep(growth, step) {
    if (!growth) this.counts = this.rows;
    else {
      this.counts = this.rows.map((row) => ({ generation: row.generation, channels: {} }));
      const places = new Map(this.rows.map((row, place) => [row.generation, place]));
      for (const [at, generation, channel, members] of growth.rows) {
        const row = this.counts[places.get(generation)];
        const code = growth.channels[channel];
        if (at <= step && row) row.channels[code] = (row.channels[code] ?? 0) + members;
      }
    }
    this.draw();
  }

  draw() {
    if (this.look && this.box.clientWidth) this.chart.setOption(this.option(), true);
  }

  classes() {
    return this.codes.map((code) => ({ code, words: this.channels[code], ...channelLook(Object.keys(this.channels).indexOf(code), this.look) }));
  }

  option() {
    const { look, say, counts } = this;
    const total = (row) => this.codes.reduce((sum, code) => sum + (row.channels[code] ?? 0), 0);
    const most = Math.max(...this.rows.map(total), 1);
    const label = { show: true, color: look.ink, fontSize: 13, fontFamily: look.font };
    return {
      animation: false,
      textStyle: { fontFamily: look.font, fontSize: 13, color: look.ink },
      grid: { left: 8, right: 72, top: 8, bottom: 8, containLabel: true },
      xAxis: { type: "value", max: most, axisLabel: { show: false }, splitLine: { show: false } },
      yAxis: {
        type: "category", inverse: true, data: counts.map((row) => say.fill("generation", { n: row.generation })), axisTick: { show: false }, axisLine: { show: false },
        axisLabel: { color: (_, index) => (index === this.chosen ? look.ink : look.muted), fontSize: 13, interval: 0 },
      },
      tooltip: {
        renderMode: "richText", trigger: "axis", axisPointer: { type: "shadow", shadowStyle: { color: look.line, opacity: 0.4 } }, backgroundColor: look.ink, borderWidth: 0,
        textStyle: { color: look.surface, fontFamily: look.font, fontSize: 13 }, confine: true,
      },
      series: [
        ...this.classes().map((kind) => ({
          type: "bar", stack: "all", name: kind.words, barMaxWidth: 20, data: counts.map((row) => row.channels[kind.code] ?? 0),
          itemStyle: { color: kind.colour, borderColor: look.surface, borderWidth: 1 },
        })),
        {
          type: "bar", stack: "all", name: say.words.all, data: counts.map(() => 0), tooltip: { show: false }, itemStyle: { color: "transparent" },
          label: { ...label, position: "right", formatter: (point) => total(counts[point.dataIndex]).toLocaleString(), fontWeight: 600 },
        },
        ...(this.chosen < 0 ? [] : [this.#mark(look)]),
      ],
    };
  }

  #mark(look) {
    return { type: "scatter", data: [[0, this.chosen]], symbol: "triangle", symbolRotate: -90, symbolSize: 10, itemStyle: { color: look.ink }, tooltip: { show: false }, silent: true };
  }

  #choose(place, isOpened) {
    if (!this.rows[place]) return;
    this.chosen = place;
    this.draw();
    this.onChosen(this.rows[place].generation, isOpened);
  }

  #key(event) {
    const to = { ArrowDown: this.chosen + 1, ArrowUp: this.chosen - 1, Home: 0, End: this.rows.length - 1 }[event.key];
    if (event.key !== "Enter" && to === undefined) return;
    event.preventDefault();
    if (event.key === "Enter") this.#choose(Math.max(this.chosen, 0), true);
    else this.#choose(Math.min(Math.max(to, 0), this.rows.length - 1), false);
  }
}
