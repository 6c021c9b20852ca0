/* Small manners every page has: sheets, menus, one submission per tap, copying, sharing, the CSRF header of htmx. */
import { copyText } from "./copy.js";

const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.opens);
    if (dialog?.showModal) {
      event.preventDefault();
      dialog.showModal();
    }
    return;
  }
  const closer = event.target.closest("[data-closes]");
  if (closer) {
    document.getElementById(closer.dataset.closes)?.close();
    return;
  }
  if (event.target instanceof HTMLDialogElement && event.target.classList.contains("sheet")) {
    event.target.close(); // a tap on the backdrop
    return;
  }
  for (const open of document.querySelectorAll("details[data-menu][open], details.confirm[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
  const copier = event.target.closest("[data-copy]");
  if (copier) copyText(copier.dataset.copy, copier);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details[data-menu][open], details.confirm[open]")) open.open = false;
});

// A second tap on a slow line sends nothing; coming back with "Back" makes the button work again.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[data-once]") || event.submitter?.formTarget === "_blank") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-disabled", "true");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button[aria-disabled]")) button.removeAttribute("aria-disabled");
  }
});

// A select or switch with data-submits sends its form when it changes.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form?.requestSubmit();
});

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = csrfToken();
});

if (document.querySelector("form[data-share]")) import("./share.js");
if (document.querySelector("[data-rotating-code]")) import("./rotating_code.js");
if (document.querySelector("[data-free-in]")) import("./countdown.js");
if (document.querySelector("[data-web-push], [data-web-push-line]")) import("./web_push.js");

// A row of tabs that is wider than the phone begins at the one that is open.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

// What was refused has the cursor already (autofocus); once the whole page stands, it is also in the middle of it.
document.querySelector("[aria-invalid][autofocus]")?.scrollIntoView({ block: "center", behavior: "instant" });
