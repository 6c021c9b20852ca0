/* By what the members are coloured: the channel, the time of joining, or what they and all below them have spent. */

const CLASSES = 5;
const SHAPES = ["circle", "square", "diamond", "up", "down", "hexagon"]; // channels are told apart without colour too
const NICE = [1, 2, 5];

/* The classes of a colouring, each with its words, colour and shape; `of` gives the number of a member's class. */
export function colouring(by, nodes, look, say) {
  return { channel: byChannel, time: byTime, value: byValue }[by](nodes, look, say);
}

function byChannel(nodes, look, say) {
  const usual = Object.keys(say.channels);
  const codes = usual.filter((code) => nodes.some((node) => node.channel === code));
  const classes = codes.map((code) => ({ words: say.channels[code], ...channelLook(usual.indexOf(code), look) }));
  if (nodes.some((node) => !node.channel)) classes.push({ words: say.words.own, colour: look.ink, shape: "circle" });
  return { classes, of: (node) => (node.channel ? codes.indexOf(node.channel) : classes.length - 1) };
}

export function channelLook(number, look) {
  return { colour: look.hues[number % look.hues.length], shape: SHAPES[number % SHAPES.length] };
}

function byTime(nodes, look, say) {
  const moments = nodes.map((node) => node.at).sort((one, other) => one - other);
  const edges = [...new Set(parts(moments))];
  const classes = shades(edges.length + 1, look).map((colour, place) => ({
    colour, shape: "circle",
    words: place === 0 ? say.fill("until", { day: say.day(edges[0] ?? moments[0]) }) : say.fill("from_on", { day: say.day(edges[place - 1]) }),
  }));
  return { classes, of: (node) => edges.filter((edge) => node.at > edge).length };
}

function byValue(nodes, look, say) {
  const worth = (node) => (node.spent ?? 0) + (node.spentBelow ?? 0);
  const spent = nodes.map(worth).filter((cents) => cents > 0).sort((one, other) => one - other);
  const edges = [...new Set(parts(spent).map(nice))];
  const [none, ...more] = spent.length ? shades(edges.length + 2, look) : [look.strong];
  const classes = [{ colour: none, shape: "circle", words: say.words.nothing }];
  for (const [place, colour] of more.entries()) {
    const words = place < edges.length ? say.fill("up_to", { amount: say.money(edges[place]) }) : say.fill("above", { amount: say.money(edges.at(-1) ?? 0) });
    classes.push({ colour, shape: "circle", words });
  }
  return { classes, of: (node) => (worth(node) > 0 ? 1 + edges.filter((edge) => worth(node) > edge).length : 0) };
}

/* The values that cut a sorted list into parts of equal size. */
function parts(sorted) {
  const cuts = [];
  for (let part = 1; part < CLASSES && sorted.length; part += 1) cuts.push(sorted[Math.floor((sorted.length * part) / CLASSES)]);
  return cuts;
}

function nice(cents) {
  const size = 10 ** Math.floor(Math.log10(cents));
  return size * (NICE.findLast((digit) => digit * size <= cents) ?? 1);
}

/* From a quiet grey to the accent. */
function shades(count, look) {
  const [from, to] = [rgb(look.strong), rgb(look.accent)];
  return Array.from({ length: count }, (_, place) => {
    const share = count > 1 ? place / (count - 1) : 1;
    return `rgb(${from.map((part, index) => Math.round(part + (to[index] - part) * share)).join(",")})`;
  });
}

function rgb(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}
