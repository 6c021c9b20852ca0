/* Finding a member: what is typed asks the server, arrows walk through the answer, Enter goes there. */
import { ask } from "./tree_model.js";

const PATIENCE = 250; // ms after the last letter
const SHORTEST = 2;

export class Find {
  constructor(input, base, say, onFound, tell) {
    Object.assign(this, { input, base, say, onFound, tell, list: document.getElementById(input.getAttribute("aria-controls")), hits: [], at: -1 });
    input.addEventListener("input", () => this.#soon());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => this.#take([...this.list.children].indexOf(event.target.closest("[role=option]"))));
  }

  #soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.search(), PATIENCE);
  }

  async search() {
    const words = this.input.value.trim();
    if (words.length < SHORTEST && !/\p{Script=Han}/u.test(words)) { this.close(); return; }
    const hits = await ask(`${this.base}/find.json?find=${encodeURIComponent(words)}`);
    if (words !== this.input.value.trim()) return;
    this.hits = hits;
    this.at = hits.length ? 0 : -1;
    this.#show();
    this.tell(hits.length ? this.say.fill("found", { n: hits.length }) : this.say.words.none_found);
  }

  #show() {
    const items = this.hits.map((hit, index) => {
      const item = document.createElement("li");
      item.id = `tree-hit-${index}`;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", String(index === this.at));
      const [name, note] = [document.createElement("span"), document.createElement("span")];
      name.textContent = hit.name;
      note.className = "muted small";
      note.textContent = [hit.number, this.say.fill("generation", { n: hit.generation }), hit.store, hit.isHere ? "" : this.say.words.alone].filter(Boolean).join(" · ");
      item.append(name, note);
      return item;
    });
    if (!items.length) {
      const none = document.createElement("li");
      none.className = "muted";
      none.textContent = this.say.words.none_found;
      items.push(none);
    }
    this.list.replaceChildren(...items);
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.input.setAttribute("aria-activedescendant", this.at < 0 ? "" : `tree-hit-${this.at}`);
  }

  close() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
  }

  async #key(event) {
    if (event.key === "Escape") { this.close(); return; }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.hits.length) {
      event.preventDefault();
      this.at = (this.at + step + this.hits.length) % this.hits.length;
      this.#show();
    }
    if (event.key !== "Enter") return;
    event.preventDefault();
    clearTimeout(this.timer);
    if (this.list.hidden) await this.search();
    this.#take(this.at);
  }

  #take(index) {
    const hit = this.hits[index];
    if (!hit || this.list.hidden) return;
    this.close();
    if (hit.isHere) this.onFound(hit.id);
    else location.assign(hit.page);
  }
}
