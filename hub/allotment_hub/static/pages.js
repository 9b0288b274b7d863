// Everything works without this. It filters the table while somebody types, and checks a draft while it is written.

function filterTable(input) {
  const table = document.getElementById(input.dataset.filter);
  const nothing = document.getElementById(`${input.dataset.filter}-nothing`);
  const count = document.querySelector("[data-count]");
  const rows = [...table.querySelectorAll("[data-words]")];
  const total = rows.length;
  const apply = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.dataset.words.includes(word));
      found += row.hidden ? 0 : 1;
    }
    nothing.hidden = found > 0;
    count.textContent = `${found} of ${total} profiles`;
  };
  // Words that the address asked for have been filtered by the server: the rest of the rows is not here.
  if (!input.value) input.addEventListener("input", apply);
}

function showProblems(form, panel) {
  for (const slot of form.querySelectorAll("[id^='problem-']")) {
    const name = slot.id.slice("problem-".length);
    const found = panel.querySelector(`[data-problem-for="${CSS.escape(name)}"]`);
    slot.textContent = found ? found.textContent.trim() : "";
    const blocks = found?.hasAttribute("data-blocks") ?? false;
    slot.classList.toggle("is-advice", Boolean(found) && !blocks);
    const control = document.getElementById(name);
    if (control) control.toggleAttribute("aria-invalid", false);
    if (control && blocks) control.setAttribute("aria-invalid", "true");
  }
}

function checkWhileTyping(form) {
  const panel = document.getElementById("panel");
  let timer = null;
  let running = null;
  const check = async () => {
    running?.abort();
    running = new AbortController();
    const body = new URLSearchParams(new FormData(form));
    body.set("do", "live");
    panel.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(panel.dataset.address, {
        method: "POST",
        body,
        headers: { "X-XSRFToken": form.elements._xsrf.value },
        signal: running.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      // The server's own page fragment: every value in it is escaped there.
      panel.innerHTML = await answer.text();
      showProblems(form, panel);
    } catch (error) {
      if (error.name === "AbortError") return;
      panel.textContent = "The draft cannot be checked at the moment. What you typed is still here.";
    }
    panel.removeAttribute("aria-busy");
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, 400);
  });
  for (const button of form.querySelectorAll("[data-without-script]")) button.hidden = true;
}

function nameFromTitle(form) {
  const name = form.querySelector("input#name");
  const title = form.querySelector("input#title");
  if (!name || !title || name.value) return;
  let own = false;
  name.addEventListener("input", () => (own = name.value !== ""));
  title.addEventListener("input", () => {
    if (own) return;
    const plain = title.value.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
    name.value = plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40).replace(/-+$/, "");
  });
}

for (const input of document.querySelectorAll("[data-filter]")) filterTable(input);
for (const form of document.querySelectorAll("form[data-live]")) {
  nameFromTitle(form);
  checkWhileTyping(form);
  // What a team may ask for is written by the server, so the page is made again for another team.
  for (const control of form.querySelectorAll("[data-reload]")) {
    control.addEventListener("change", () => form.requestSubmit(form.querySelector("button[name='do'][value='check']")));
  }
}
