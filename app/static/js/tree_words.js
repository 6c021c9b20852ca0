/* How the picture says things: words, days and money in the reader's language. */

export class Say {
  constructor(words, channels) {
    this.words = words;
    this.channels = channels;
  }

  /* How the chain spells: its zone and currency, the reader's language. */
  learn({ zone, currency, language }) {
    const locale = language === "zh" ? "zh-CN" : "en-GB";
    const year = new Date().getFullYear();
    const days = { timeZone: zone, month: language === "zh" ? "long" : "short", day: "numeric" };
    const [thisYear, otherYear] = [new Intl.DateTimeFormat(locale, days), new Intl.DateTimeFormat(locale, { ...days, year: "numeric" })];
    const plain = new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" });
    const amount = new Intl.NumberFormat(locale, { style: "currency", currency, currencyDisplay: "narrowSymbol", maximumFractionDigits: 0 });
    const digits = new Intl.NumberFormat(locale, { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
    this.date = (seconds) => plain.format(seconds * 1000);
    this.day = (seconds) => (this.date(seconds).startsWith(String(year)) ? thisYear : otherYear).format(seconds * 1000);
    this.dayOf = (date) => this.day(Date.parse(`${date}T12:00:00Z`) / 1000);
    this.money = (cents) => amount.format(cents / 10 ** digits);
  }

  fill(name, parts) {
    return Object.entries(parts).reduce((words, [part, value]) => words.replace(`{${part}}`, typeof value === "number" ? value.toLocaleString() : value), this.words[name]);
  }

  channel(node) {
    return node.channel ? (this.channels[node.channel] ?? node.channel) : this.words.own;
  }

  inShort(node) {
    return [node.name, this.channel(node), this.day(node.at), node.reach ? this.fill("below", { n: node.reach }) : ""].filter(Boolean).join(" · ");
  }

  inFull(node) {
    return [
      node.name, this.channel(node), this.fill("joined", { day: this.day(node.at) }), node.brought ? this.fill("brought", { n: node.brought }) : "",
      node.reach ? this.fill("below", { n: node.reach }) : "",
    ].filter(Boolean).join(", ");
  }
}
