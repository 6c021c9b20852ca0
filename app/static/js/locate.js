/* Sorts the stores by distance once the reader asks for it; the place is sent with three digits, about 100 metres. */
const button = document.querySelector("[data-locate]");

if (button && navigator.geolocation) {
  button.hidden = false;
  button.addEventListener("click", () => {
    button.setAttribute("aria-disabled", "true");
    navigator.geolocation.getCurrentPosition(go, () => {
      button.querySelector("[data-label]").textContent = button.dataset.denied;
    }, { maximumAge: 600000, timeout: 8000 });
  });
}

function go({ coords }) {
  const query = new URLSearchParams({ lat: coords.latitude.toFixed(3), lng: coords.longitude.toFixed(3) });
  location.search = query.toString();
}
