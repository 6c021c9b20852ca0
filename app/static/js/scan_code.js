/* Lets an empty wallet scan a store's code with the phone's camera. */
const opener = document.querySelector("[data-scan]");

opener?.addEventListener("click", async () => {
  const sheet = document.getElementById(opener.dataset.scan);
  const words = sheet.querySelector("[data-scan-words]");
  sheet.showModal();
  try {
    const { startCamera } = await import("./scanner.js");
    const camera = await startCamera(sheet.querySelector("[data-scan-video]"), (code) => follow(code, words));
    sheet.addEventListener("close", () => camera.stop(), { once: true });
  } catch {
    words.textContent = words.dataset.noCamera;
  }
});

/* Only the path is followed, so that no poster leads to another site. */
function follow(code, words) {
  const path = URL.canParse(code) ? new URL(code).pathname : "";
  if (/^\/[qso]\/[\w-]+$/.test(path)) location.href = path;
  else words.textContent = words.dataset.notOurs;
}
