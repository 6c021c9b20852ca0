/* The code a till reads: counts down, asks for the next one in time, and waits patiently when the line is down. */

for (const panel of document.querySelectorAll("[data-rotating-code]")) start(panel);

function start(panel) {
  const words = panel.querySelector("[data-code-words]");
  const progress = panel.querySelector("[data-code-progress]");
  let until = Date.now() + Number(panel.dataset.seconds) * 1000;
  let asking = false;
  let askAgainAt = 0;

  setInterval(tick, 500);
  document.addEventListener("visibilitychange", tick);
  tick();

  function tick() {
    const left = Math.ceil((until - Date.now()) / 1000);
    if (left > 0) {
      progress.value = left;
      words.textContent = words.dataset.words.replace("{seconds}", left);
      return;
    }
    progress.value = 0;
    if (!asking && !document.hidden && Date.now() >= askAgainAt) renew();
  }

  async function renew() {
    asking = true;
    try {
      const answer = await fetch(panel.dataset.source, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.json());
    } catch {
      askAgainAt = Date.now() + 3000;
      words.textContent = words.dataset.wordsLost;
    } finally {
      asking = false;
    }
  }

  /* `seconds` counts from the server's clock: a phone's own may be wrong by minutes. */
  function show({ image, value, seconds }) {
    panel.querySelector("[data-code-image]").src = image;
    const shown = panel.querySelector("[data-code-value]");
    if (shown && value) shown.textContent = value;
    until = Date.now() + seconds * 1000;
    tick();
  }
}
