/* A button that can be used again after a while: <button data-free-in="42" data-words="Again in {seconds} s">. Without
   scripts it can be tapped at once, and the server says how long to wait. */

for (const button of document.querySelectorAll("[data-free-in]")) {
  const free = performance.now() + Number(button.dataset.freeIn) * 1000;
  const words = button.textContent;
  const tick = () => {
    const seconds = Math.ceil((free - performance.now()) / 1000);
    button.disabled = seconds > 0;
    button.textContent = seconds > 0 ? button.dataset.words.replace("{seconds}", seconds) : words;
    if (seconds > 0) setTimeout(tick, 250);
  };
  tick();
}
