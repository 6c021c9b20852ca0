/* Notifications of this browser: whether they are possible, whether they are on; turned on and off by a tap, never by themselves. */
const box = document.querySelector("[data-web-push]");
const line = document.querySelector("[data-web-push-line]");
const agent = navigator.userAgent;
const isIphone = /iPhone|iPad|iPod/.test(agent) || (navigator.platform === "MacIntel" && navigator.maxTouchPoints > 1);
const isPossible = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
// An iPhone has notifications only for pages on its Home Screen, and those are put there from Safari.
const needsHomeScreen = isIphone && !isPossible && !/MicroMessenger|CriOS|FxiOS|EdgiOS/.test(agent);

if (line) line.hidden = !(needsHomeScreen || (isPossible && Notification.permission === "default"));

if (box) {
  box.querySelector("[data-turn-on]").addEventListener("click", ({ currentTarget }) => attempt(currentTarget, turnOn));
  box.querySelector("[data-turn-off]").addEventListener("click", ({ currentTarget }) => attempt(currentTarget, turnOff));
  show();
}

async function show() {
  const state = await stateNow();
  for (const part of box.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== state;
}

async function stateNow() {
  if (!isPossible) return needsHomeScreen ? "home-screen" : "unsupported";
  if (Notification.permission === "denied") return "denied";
  const subscription = await subscriptionNow();
  return subscription && isOurs(subscription) && (await isKnown(subscription)) ? "on" : "off";
}

async function subscriptionNow() {
  const registration = await navigator.serviceWorker.getRegistration(box.dataset.scope);
  return (await registration?.pushManager.getSubscription()) ?? null;
}

// One made for an earlier key of this site wakes nobody any more.
function isOurs({ options }) {
  return !options?.applicationServerKey || base64url(options.applicationServerKey) === box.dataset.key;
}

async function isKnown({ endpoint }) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint)));
  const fingerprint = [...digest.slice(0, 8)].map((octet) => octet.toString(16).padStart(2, "0")).join("");
  return box.dataset.known.split(" ").includes(fingerprint);
}

async function attempt(button, doing) {
  const failed = box.querySelector("[data-failed]");
  failed.hidden = true;
  button.setAttribute("aria-disabled", "true");
  try {
    await doing();
  } catch {
    failed.hidden = false;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

async function turnOn() {
  if ((await Notification.requestPermission()) !== "granted") return show(); // first of all: browsers ask only right after the tap
  const { worker, scope, key, add, card } = box.dataset;
  const registration = await navigator.serviceWorker.register(worker, { scope });
  await navigator.serviceWorker.ready;
  await (await registration.pushManager.getSubscription())?.unsubscribe();
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const { endpoint, keys } = subscription.toJSON();
  await send(add, { endpoint, ...keys, card });
  location.reload();
}

async function turnOff() {
  const subscription = await subscriptionNow();
  await send(box.dataset.stop, { endpoint: subscription?.endpoint ?? "" });
  await subscription?.unsubscribe();
  location.reload();
}

async function send(address, values) {
  const headers = { "X-CSRFToken": document.querySelector('meta[name="csrf-token"]').content };
  const answer = await fetch(address, { method: "POST", body: new URLSearchParams(values), headers });
  if (!answer.ok) throw new Error(String(answer.status));
}

function base64url(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
