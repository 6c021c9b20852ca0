/* The propagation tree by mouse and keyboard: branches that are not shown yet are fetched when the reader goes there. */

for (const box of document.querySelectorAll("[data-tree]")) {
  box.addEventListener("chart:drawn", (event) => walk(box, event.target, event.detail.chart, event.detail.data));
}

function walk(box, canvas, chart, root) {
  const says = box.querySelector("[data-tree-says]");
  let here = root;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", box.closest(".panel")?.querySelector("h2")?.textContent ?? "");

  chart.on("click", (point) => {
    const node = nodeAt(root, point.dataIndex);
    if (!node) return;
    tell(node);
    if (node.more) open(node);
    else if (!node.id && node.url) location.assign(node.url);
  });
  canvas.onkeydown = async (event) => {
    const { key } = event;
    if (key === "Enter" && here.url) {
      location.assign(here.url);
      return;
    }
    const next = { ArrowRight: () => down(here), ArrowLeft: () => parentOf(root, here), ArrowDown: () => beside(root, here, 1), ArrowUp: () => beside(root, here, -1) }[key];
    if (!next) return;
    event.preventDefault();
    tell((await next()) ?? here);
  };
  canvas.onfocus = () => tell(here);
  canvas.onblur = () => chart.dispatchAction({ type: "downplay", seriesIndex: 0 });

  async function down(node) {
    if (node.more) await open(node);
    else if (node.children?.length) expand(node);
    return node.children?.[0];
  }

  function expand(node) {
    if (!node.id || node.isOpen) return;
    node.isOpen = true;
    node.collapsed = false;
    redraw();
  }

  async function open(node) {
    const answer = await fetch(node.more, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    node.children = (await answer.json()).children;
    delete node.more;
    expand(node);
  }

  function redraw() {
    chart.setOption({ series: [{ data: [root] }] });
  }

  function tell(node) {
    here = node;
    chart.dispatchAction({ type: "downplay", seriesIndex: 0 });
    const dataIndex = indexOf(root, node);
    chart.dispatchAction({ type: "highlight", seriesIndex: 0, dataIndex });
    chart.dispatchAction({ type: "showTip", seriesIndex: 0, dataIndex });
    says.textContent = [node.name, node.value ? `${node.value.toLocaleString()} ${canvas.dataset.unit ?? ""}` : ""].filter(Boolean).join("  ");
  }
}

/* The library numbers nodes from the top, each before its children; 0 is a root of its own above ours. */
function* nodes(node) {
  yield node;
  for (const child of node.children ?? []) yield* nodes(child);
}

function indexOf(root, wanted) {
  let index = 1;
  for (const node of nodes(root)) {
    if (node === wanted) return index;
    index += 1;
  }
  return 1;
}

function nodeAt(root, wanted) {
  let index = 1;
  for (const node of nodes(root)) {
    if (index === wanted) return node;
    index += 1;
  }
  return null;
}

function parentOf(root, wanted) {
  for (const node of nodes(root)) if (node.children?.includes(wanted)) return node;
  return null;
}

function beside(root, node, step) {
  const siblings = parentOf(root, node)?.children ?? [node];
  return siblings[siblings.indexOf(node) + step];
}
