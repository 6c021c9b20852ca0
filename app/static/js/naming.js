/* The choice how friends see a member: the example follows it while it is made. */
const form = document.querySelector("[data-naming]");
const example = form.querySelector("[data-naming-example]");
const nickname = form.querySelector("[data-nickname]");
const words = nickname.querySelector("input");

function follow() {
  const chosen = form.querySelector("input[name=shown_as]:checked");
  const isNickname = chosen?.value === "nickname";
  nickname.hidden = !isNickname;
  const typed = words.value.trim().replace(/\s+/g, " ");
  example.textContent = isNickname ? example.dataset.words.replace("{name}", typed || "…") : (chosen?.dataset.example ?? "");
}

form.addEventListener("input", follow);
follow();
