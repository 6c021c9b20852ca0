/* Copies a text, and says so in the button's own words (data-copied) for two seconds. */

export async function copyText(text, button) {
  const done = (await byClipboard(text)) || bySelection(text);
  if (done && button?.dataset.copied) say(button, button.dataset.copied);
  return done;
}

async function byClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // no permission, or a page without HTTPS
  }
}

function bySelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

function say(button, words) {
  const label = button.querySelector("[data-label]") ?? button;
  const before = label.dataset.before ?? label.textContent;
  label.dataset.before = before;
  label.textContent = words;
  setTimeout(() => { label.textContent = before; }, 2000);
}
