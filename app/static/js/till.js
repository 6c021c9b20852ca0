/* The clerk's page: keypad, camera and USB scanner write into one form; each change asks for the bill anew.
   Without this script the same form works with two buttons. */
import { listenToScanner, startCamera } from "./scanner.js";

const form = document.getElementById("sale");
const amount = document.getElementById("sale-amount");
const cameraBox = document.getElementById("sale-camera");
const offline = document.getElementById("sale-offline");
const CODE_DIGITS = 24;
const SLOW_SCAN = /^([\d.]*?)(\d{24})$/; // an amount and a code behind it: no amount is that long
const SHORTEST_CODE = 6; // of what a scanner reads
const LONGEST_AMOUNT = 9;
const TYPING = 250; // ms of rest before the bill is asked for
const DONE = 1800; // ms that the green page stays
const SCANNER_GAP = 50; // ms between the keys of a scanner; people are slower
const CAMERA = "kq-till-camera"; // whether this device scans by camera

let camera = null;
let settling = false;
let resting;

const hasMember = () => document.querySelector("#sale-member[data-member]") !== null;
const isTouch = matchMedia("(pointer: coarse)").matches;

/* --- asking for the bill ----------------------------------------------------------------------------------------- */

function ask(after = 0) {
  clearTimeout(resting);
  wait();
  resting = setTimeout(() => {
    if (!settling) htmx.trigger(form, "till:quote");
  }, after);
}

/* The price on the button is old until the answer comes. */
function wait() {
  document.querySelector("[data-pay]")?.setAttribute("data-waits", "");
}

function readCode(text) {
  const code = text.trim();
  if (!code) return;
  let field = document.getElementById("sale-code");
  if (!field) { // a member stands there already: the new code takes his place
    field = document.createElement("input");
    field.type = "hidden";
    field.name = "code";
    document.getElementById("sale-member").append(field);
  }
  field.value = code;
  navigator.vibrate?.(40);
  closeCamera();
  ask();
}

form.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button?.hasAttribute("formaction") && !button.matches("[data-pay]")) return; // it leads to another page
  event.preventDefault(); // the pay button speaks for itself
  if (!button?.matches("[data-pay], [name=again]")) ask();
});

form.addEventListener("change", (event) => {
  if (event.target.name === "coupon" || event.target.name === "points") ask();
});

form.addEventListener("input", (event) => {
  if (event.target.id === "sale-code") typeCode(event.target);
});

/* Typed by hand, the digits stand in fours, and how many are missing is said. */
function typeCode(field) {
  const digits = field.value.replace(/\s/g, "");
  if (!/^\d+$/.test(digits) || field.selectionStart < field.value.length) return sayMissing(0);
  field.value = digits.match(/.{1,4}/g).join(" ");
  if (digits.length >= CODE_DIGITS) readCode(digits);
  else sayMissing(CODE_DIGITS - digits.length);
}

function sayMissing(count) {
  const words = document.querySelector("[data-missing]");
  words.textContent = count ? words.dataset.missing.replace("{count}", count) : words.dataset.words;
}

/* --- the amount -------------------------------------------------------------------------------------------------- */

function setAmount(text) {
  if (!/^\d{0,7}(\.\d{0,2})?$/.test(text) || text.length > LONGEST_AMOUNT + 1) return;
  amount.value = text === "." ? "0." : text.replace(/^0+(?=\d)/, "");
  ask(TYPING);
}

function press(key) {
  setAmount(key === "back" ? amount.value.slice(0, -1) : amount.value + key);
}

document.querySelector("[data-keypad]").addEventListener("click", (event) => {
  const button = event.target.closest("[data-key]");
  if (button) press(button.dataset.key);
});

/* On a phone the keypad makes room while the clerk reads the bill, and comes back for the amount. */
document.querySelector(".sale__see").addEventListener("pointerdown", () => {
  if (hasMember() && amount.value) form.classList.add("sale--reading");
});
document.querySelector(".sale__do .amount").addEventListener("click", showKeypad);

function showKeypad() {
  form.classList.remove("sale--reading");
}

/* A scanner types into whatever has the focus. What comes faster than fingers and is long enough is a code: the amount
   before it stays. */
let burst = "";
let before = "";
let lastKeyAt = 0;
let ended; // a scanner that sends no Enter
amount.addEventListener("keydown", (event) => {
  const now = performance.now();
  if (now - lastKeyAt > SCANNER_GAP) {
    burst = "";
    before = amount.value;
  }
  lastKeyAt = now;
  clearTimeout(ended);
  if (event.key === "Enter" && SLOW_SCAN.test(amount.value)) {
    event.preventDefault();
    [, before, burst] = SLOW_SCAN.exec(amount.value);
    takeBurst();
  } else if (event.key === "Enter" && burst.length >= SHORTEST_CODE) {
    event.preventDefault();
    takeBurst();
  } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) {
    burst += event.key;
    if (!/[\d.]/.test(event.key)) event.preventDefault();
    if (burst.length >= CODE_DIGITS) ended = setTimeout(takeBurst, SCANNER_GAP);
  }
});
amount.addEventListener("input", () => ask(TYPING));

function takeBurst() {
  amount.value = before;
  readCode(burst);
  burst = "";
}

/* Digits typed while nothing has the focus are the amount. */
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !hasMember()) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog, a, summary")) return;
  if (/^[\d.]$/.test(event.key) || event.key === "Backspace") {
    amount.focus();
  }
});

listenToScanner(readCode);

/* --- the camera -------------------------------------------------------------------------------------------------- */

async function openCamera() {
  const hint = cameraBox.querySelector(".scan-box__hint");
  cameraBox.hidden = false;
  hint.textContent = hint.dataset.words;
  try {
    camera = await startCamera(cameraBox.querySelector("video"), readCode);
    localStorage.setItem(CAMERA, "on");
    if (hasMember()) closeCamera();
  } catch {
    hint.textContent = hint.dataset.wordsLost;
    localStorage.removeItem(CAMERA);
  }
}

function closeCamera() {
  camera?.stop();
  camera = null;
  cameraBox.hidden = true;
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-camera]")) openCamera();
  if (event.target.closest("[data-camera-off]")) {
    closeCamera();
    localStorage.removeItem(CAMERA);
  }
  if (event.target.closest("[data-other]")) {
    event.preventDefault();
    forgetMember();
  }
  if (event.target.closest(".done")) endDone();
});

function forgetMember() {
  form.querySelector("[name=ticket]").value = "";
  showKeypad();
  ask();
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

document.body.addEventListener("htmx:beforeRequest", (event) => {
  const path = event.detail.pathInfo.requestPath;
  if (path.endsWith("/settle")) {
    clearTimeout(resting);
    settling = true;
  }
});

document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.pathInfo.requestPath.endsWith("/settle")) settling = false;
});

/* A refusal is an answer too: it says what is wrong, and the amount stays. */
document.body.addEventListener("htmx:beforeSwap", (event) => {
  const answer = event.detail.xhr;
  if (answer.getResponseHeader("Till-Answer")) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
    offline.hidden = true;
  } else if (answer.status === 401 || answer.status === 403) {
    location.reload(); // signed out meanwhile: the log-in page leads back here
  } else if (answer.status >= 400) {
    offline.hidden = false;
  }
});

document.body.addEventListener("htmx:sendError", () => { offline.hidden = false; });
document.body.addEventListener("htmx:timeout", () => { offline.hidden = false; });

document.body.addEventListener("htmx:afterSettle", prepare);

document.body.addEventListener("till:settled", () => {
  amount.value = "";
  showKeypad();
  window.scrollTo(0, 0);
  setTimeout(endDone, DONE);
});

function endDone() {
  const green = document.querySelector("[data-done]");
  if (!green) return;
  green.remove();
  if (location.search) history.replaceState(null, "", location.pathname);
  prepare();
}

/* Scripts are here: hide what this device has not, and put the focus where the next thing is typed. */
function prepare() {
  const cameraButton = document.querySelector("[data-camera]");
  if (cameraButton && !navigator.mediaDevices?.getUserMedia) cameraButton.hidden = true;
  if (document.querySelector("[data-done]")) return;
  if (hasMember()) closeCamera();
  else if (!camera && cameraBox.hidden && localStorage.getItem(CAMERA)) openCamera();
  if (isTouch) return;
  const field = hasMember() ? amount : document.getElementById("sale-code");
  if (field && document.activeElement === document.body) field.focus();
}

if (isTouch) amount.inputMode = "none"; // our own keypad is larger
if (document.querySelector("[data-done]")) setTimeout(endDone, DONE);
prepare();
