/* The members of a tree as far as they are known here, and which branches are open. The others are fetched when the reader goes there. */

const AT_ONCE = 200; // members that one question names

export class TreeModel {
  constructor(base, treeCount) {
    this.base = base;
    this.treeCount = treeCount; // of the chain; 0 below a single member
    this.nodes = new Map();
    this.tops = [];
    this.cursor = ""; // of the trees
  }

  async start() {
    const answer = await ask(`${this.base}/picture.json`);
    this.add(answer.members, true);
    return answer;
  }

  /* Members, parents before children. In order: the largest of each branch from the first one on. */
  add(members, isInOrder) {
    for (const member of members) {
      const parent = this.nodes.get(member.up) ?? null;
      const known = this.nodes.get(member.id);
      if (isInOrder && parent) parent.cursor = `${member.reach}-${member.id}`;
      if (isInOrder && !parent) this.cursor = `${member.reach}-${member.id}`;
      if (known && (known.parent || !parent)) continue;
      const node = known ?? { ...member, kids: [], cursor: "", isOpen: false };
      if (known) this.tops.splice(this.tops.indexOf(known), 1);
      node.parent = parent;
      node.level = parent ? parent.level + 1 : 0;
      this.nodes.set(node.id, node);
      if (!parent && !node.reach && this.treeCount) this.treeCount += 1; // he stands alone: no tree was counted
      const beside = parent ? parent.kids : this.tops;
      beside.push(node);
      if (!isInOrder) beside.sort((one, other) => other.reach - one.reach || one.id - other.id);
    }
  }

  hidden(node) {
    return node ? Math.max(node.brought - node.kids.length, 0) : Math.max(this.treeCount - this.tops.length, 0);
  }

  /* The next members of a branch; of the forest, when no node is given. */
  async fetchMore(node) {
    const at = node ? `${this.baseOf(node)}/branch.json?at=${node.id}&after=${node.cursor}` : `${this.base}/branch.json?after=${this.cursor}`;
    const answer = await ask(at);
    this.add(answer.members, true);
    if (answer.next) return;
    if (node) node.brought = node.kids.length;
    else this.treeCount = this.tops.length;
  }

  async open(node) {
    if (!node.kids.length && this.hidden(node)) await this.fetchMore(node);
    node.isOpen = node.kids.length > 0;
  }

  /* Opens the way down to a member and gives him. */
  async wayTo(id) {
    if (!this.nodes.has(id)) this.add((await ask(`${this.base}/way.json?to=${id}`)).members, false);
    const node = this.nodes.get(id);
    for (let above = node?.parent; above; above = above.parent) above.isOpen = true;
    return node;
  }

  /* Opens the largest branches until so many rows are seen. */
  openUpTo(rows) {
    const waiting = [...this.tops];
    let seen = waiting.length;
    while (waiting.length) {
      const node = waiting.shift();
      if (!node.kids.length) continue;
      const grown = seen + node.kids.length - 1 + (this.hidden(node) ? 1 : 0);
      if (grown > rows && node.parent) break;
      node.isOpen = true;
      seen = grown;
      waiting.push(...node.kids);
    }
  }

  baseOf(node) {
    if (!this.treeCount) return this.base;
    let top = node;
    while (top.parent) top = top.parent;
    return `${this.base}/${top.id}`;
  }

  /* What the sub-trees of the members have spent, as far as it is not known yet. */
  async fetchValues(nodes = [...this.nodes.values()]) {
    const unknown = nodes.filter((node) => node.spentBelow === undefined);
    for (let first = 0; first < unknown.length; first += AT_ONCE) {
      const some = unknown.slice(first, first + AT_ONCE);
      const asked = some.filter((node) => node.reach).map((node) => node.id);
      const spent = asked.length ? await ask(`${this.base}/values.json?of=${asked.join(",")}`) : {};
      for (const node of some) node.spentBelow = spent[node.id] ?? 0;
    }
  }

  /* Everything that is seen, from above: members, and for each branch that is not wholly there one row that says how many are missing. */
  rows() {
    const found = [];
    const walk = (nodes, parent, level) => {
      for (const [index, node] of nodes.entries()) {
        const row = { key: `m${node.id}`, node, parent, level, place: index + 1, places: nodes.length };
        found.push(row);
        if (node.isOpen) walk(node.kids, row, level + 1);
      }
      const of = parent?.node ?? null;
      const count = this.hidden(of);
      if (count) found.push({ key: `r${of?.id ?? ""}`, rest: count, of, parent, level, place: nodes.length + 1, places: nodes.length + 1 });
    };
    walk(this.tops, null, 0);
    return found;
  }
}

export async function ask(address) {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}
