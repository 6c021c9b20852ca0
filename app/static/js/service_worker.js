/* Lives in the browser without a page: shows what the wallet is told, and opens it on a tap. */
const WALLET = "/wallet/inbox";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(show(event.data)));
self.addEventListener("notificationclick", (event) => {
  const { notification, action } = event;
  notification.close();
  event.waitUntil(action === "stop" ? stop(notification.data.stop) : open(notification.data.url));
});
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

// The same message under the same tag is one notification, however often it is handed over.
async function show(data) {
  const told = read(data);
  const stop = told.stop?.url ? told.stop : null;
  await self.registration.showNotification(told.title ?? self.location.hostname, {
    body: told.body ?? "",
    tag: told.key ?? "wallet",
    lang: told.lang ?? "",
    icon: "/static/img/icon-192.png",
    badge: "/static/img/badge.png",
    data: { url: told.url ?? WALLET, stop: stop?.url ?? null },
    actions: stop ? [{ action: "stop", title: stop.label }] : [],
  });
}

function read(data) {
  try {
    return data.json() ?? {};
  } catch {
    return {};
  }
}

// A wallet that is open goes there; else it opens.
async function open(url) {
  const address = new URL(url, self.location.origin);
  const pages = await self.clients.matchAll({ type: "window" });
  const page = pages.find(({ url: shown }) => new URL(shown).pathname.startsWith("/wallet/"));
  if (!page || address.origin !== self.location.origin) return self.clients.openWindow(address.href);
  await page.focus().catch(() => {}); // some browsers refuse; the page changes all the same
  return page.navigate(address.href);
}

// One tap is the word; the page that opens says so, and has an undo.
async function stop(url) {
  await fetch(url, { method: "POST", body: new URLSearchParams({ "List-Unsubscribe": "One-Click" }) }).catch(() => {});
  return open(url);
}

// The push service gives the browser another address. The old one, which only it and the wallet know, proves who asks.
async function renew({ oldSubscription, newSubscription }) {
  if (!oldSubscription) return;
  const fresh = newSubscription ?? (await self.registration.pushManager.subscribe(oldSubscription.options));
  const old = oldSubscription.toJSON();
  const { endpoint, keys } = fresh.toJSON();
  const body = new URLSearchParams({ old_endpoint: old.endpoint, old_auth: old.keys.auth, endpoint, ...keys });
  await fetch("/wallet/browsers/renew", { method: "POST", body });
}
