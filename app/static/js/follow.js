/* On the way out of a message: tells once that a person came by, then goes where the link leads. Previews run no scripts
   or stay hidden, and are not counted. */
const told = document.querySelector('meta[name="told"]').content;

if (document.prerendering) document.addEventListener("prerenderingchange", whenSeen, { once: true });
else whenSeen();

function whenSeen() {
  if (document.visibilityState === "visible") goOn();
  else document.addEventListener("visibilitychange", whenSeen, { once: true });
}

function goOn() {
  if (!navigator.sendBeacon?.(told)) fetch(told, { method: "POST", keepalive: true }).catch(() => {});
  const target = document.getElementById("target");
  if (target) location.replace(target.href);
  else document.addEventListener("DOMContentLoaded", () => location.replace(document.getElementById("target").href));
}
