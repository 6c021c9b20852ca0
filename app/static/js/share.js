/* The share form. Each button is one act of sharing over one channel: the server makes a link for it ({url, title, text}),
   then the phone's own sheet takes it; where there is none, the link is copied. Without scripts the form leads to a page
   with the link and its QR. */
import { copyText } from "./copy.js";

for (const form of document.querySelectorAll("form[data-share]")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button || button.value === "poster") return; // the QR has a page of its own
    event.preventDefault();
    share(form, button);
  });
}

async function share(form, button) {
  button.setAttribute("aria-disabled", "true");
  try {
    const link = await makeLink(form, button);
    if (button.value === "copy" || !(await handOver(link))) await copyText(link.url, button);
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

async function handOver({ url, title, text }) {
  if (!navigator.share) return false;
  try {
    await navigator.share({ url, title, text });
    return true;
  } catch (error) {
    return error.name === "AbortError"; // the member thought better of it
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
