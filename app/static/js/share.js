/* The share forms. Each button is one act of sharing over one channel: the server makes a link for it ({url, title, text, picture?, page?}),
   then the phone's own sheet takes it, with the picture where it takes pictures. Where there is no such sheet (a desk, WeChat) the page of
   the link shows poster, QR and address; a form without such a page copies. Without scripts the form leads to that page by itself. */
import { copyText } from "./copy.js";

for (const form of document.querySelectorAll("form[data-share]")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || button.value === "poster") return; // the poster has a page of its own
    event.preventDefault();
    share(form, button);
  });
}

async function share(form, button) {
  button.setAttribute("aria-disabled", "true");
  try {
    const link = await makeLink(form, button);
    if (button.value !== "copy" && (await handOver(link))) return show(form, link);
    if (button.value !== "copy" && link.page) return location.assign(link.page);
    await copyText(link.url, button);
    show(form, link);
  } catch {
    form.submit(); // the page without scripts knows what to do
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

async function makeLink(form, button) {
  const body = new FormData(form);
  body.set(button.name, button.value);
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

async function handOver({ url, title, text, picture }) {
  if (!navigator.share) return false;
  const words = { url, title, text };
  const files = await fileOf(picture);
  try {
    await navigator.share(files && navigator.canShare?.({ ...words, files }) ? { ...words, files } : words);
    return true;
  } catch (error) {
    return error.name === "AbortError"; // the member thought better of it
  }
}

// The poster as a file. A phone whose sheet takes no files is not asked to fetch one.
async function fileOf(picture) {
  const empty = new File([""], "card.png", { type: "image/png" });
  if (!picture || !navigator.canShare?.({ files: [empty] })) return null;
  try {
    const answer = await fetch(picture);
    return answer.ok ? [new File([await answer.blob()], "card.png", { type: "image/png" })] : null;
  } catch {
    return null;
  }
}

function show(form, { url }) {
  const box = document.getElementById(form.dataset.share);
  if (!box) return;
  box.hidden = false;
  const input = box.querySelector("input");
  if (input) input.value = url;
  const copier = box.querySelector("[data-copy]");
  if (copier) copier.dataset.copy = url;
}
