/* The tablet at the counter: fill the screen, stay awake, let the buttons fade until somebody touches. */
const AWAY_AFTER = 5000; // milliseconds
const bar = document.getElementById("screen-bar");
const full = document.getElementById("go-full");
let fading;

const showBar = () => {
  bar.classList.remove("screen__bar--away");
  clearTimeout(fading);
  fading = setTimeout(() => bar.classList.add("screen__bar--away"), AWAY_AFTER);
};

const stayAwake = async () => {
  if (document.visibilityState !== "visible") return;
  try {
    await navigator.wakeLock?.request("screen");
  } catch {
    // a browser that may not keep the screen on shows the code all the same
  }
};

if (document.fullscreenEnabled) {
  full.hidden = false;
  full.addEventListener("click", () => document.documentElement.requestFullscreen());
  document.addEventListener("fullscreenchange", () => { full.hidden = Boolean(document.fullscreenElement); });
}
for (const event of ["pointerdown", "pointermove", "keydown", "focusin"]) document.addEventListener(event, showBar);
document.addEventListener("visibilitychange", stayAwake);
stayAwake();
showBar();
