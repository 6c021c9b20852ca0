/* Tells the server that a person really saw this page: link previews and prefetching browsers run no scripts or stay hidden. */
const addresses = [...document.querySelectorAll('meta[name="beacon"]')].map((meta) => meta.content);

if (addresses.length) {
  if (document.prerendering) document.addEventListener("prerenderingchange", whenSeen, { once: true });
  else whenSeen();
}

function whenSeen() {
  if (document.visibilityState === "visible") {
    tell();
    return;
  }
  document.addEventListener("visibilitychange", function seen() {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", seen);
    tell();
  });
}

function tell() {
  const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";
  for (const address of addresses) {
    fetch(address, { method: "POST", headers: { "X-CSRFToken": token }, keepalive: true }).catch(() => {});
  }
}
