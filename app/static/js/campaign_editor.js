/* Variables by tap: they go where the cursor last stood in the words of the message. */
let last = null;

document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-words]")) last = event.target;
});

document.addEventListener("click", (event) => {
  const chip = event.target.closest("[data-inserts]");
  if (!chip) return;
  const near = chip.closest(".version, fieldset, form") ?? document;
  const field = last?.isConnected && near.contains(last) ? last : near.querySelector("textarea[data-words]");
  if (!field) return;
  const [start, end] = [field.selectionStart ?? field.value.length, field.selectionEnd ?? field.value.length];
  field.focus();
  field.setRangeText(chip.dataset.inserts, start, end, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
});
