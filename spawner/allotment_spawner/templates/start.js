// Filters the profiles and shows that a start was requested. The page works without it.
(() => {
  const cards = document.getElementById("spawn_form");
  const filter = document.getElementById("allotment-filter");
  if (filter) {
    const nothing = document.getElementById("allotment-nothing");
    filter.closest(".allotment-filter").hidden = false;
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let found = 0;
      for (const section of cards.querySelectorAll("section[data-filtered]")) {
        const title = section.querySelector("h2").textContent;
        let here = 0;
        for (const card of section.querySelectorAll(".card")) {
          const text = `${title} ${card.textContent} ${card.querySelector("button").value}`.toLowerCase();
          card.hidden = !words.every((word) => text.includes(word));
          here += card.hidden ? 0 : 1;
        }
        section.hidden = here === 0;
        found += here;
      }
      nothing.hidden = found > 0;
    });
  }
  cards.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (cards.dataset.sent) {
      event.preventDefault();
      return;
    }
    cards.dataset.sent = "yes";
    if (button) {
      // Not `disabled`: the button's value would not be sent.
      button.setAttribute("aria-busy", "true");
      button.textContent = "Starting…";
    }
  });
  // Restored from the browser's cache: enable the buttons again.
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) window.location.reload();
  });
})();
