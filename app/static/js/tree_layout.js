/* Where every row of the tree stands: generations from left to right, branches one below the other, a member in the middle of his branch. */

export const ROW = 30;
const NAME_ABOVE = 0.7; // of a row: the name of an open branch stands above its circle

export function layOut(rows, column) {
  let line = 0;
  const byParent = new Map();
  for (const row of rows) {
    row.x = row.level * column;
    if (row.parent) byParent.set(row.parent, [...(byParent.get(row.parent) ?? []), row]);
  }
  let opens = false;
  for (const row of rows) {
    if (byParent.has(row)) { opens = true; continue; }
    if (opens && line) line += NAME_ABOVE;
    opens = false;
    row.y = line * ROW;
    line += 1;
  }
  for (const row of [...rows].reverse()) {
    const below = byParent.get(row);
    if (below) row.y = (below[0].y + below.at(-1).y) / 2;
  }
  return { rows, width: Math.max(0, ...rows.map((row) => row.x)), height: Math.max(0, line - 1) * ROW };
}

/* Halfway (or wholly) from where the rows stood before to where they stand now; new ones come out of their parent. */
export function between(before, rows, share) {
  if (share >= 1) return;
  for (const row of rows) {
    const old = before.get(row.key) ?? (row.parent && before.get(row.parent.key)) ?? row;
    row.shownX = old.x + (row.x - old.x) * share;
    row.shownY = old.y + (row.y - old.y) * share;
  }
}
