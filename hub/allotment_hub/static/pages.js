// The pages work without this script. It filters the table of profiles, and checks a form, while the user types.

function filterTable(input) {
  const table = document.getElementById(input.dataset.filter);
  const noMatch = document.getElementById(`${input.dataset.filter}-nothing`);
  const count = document.querySelector("[data-count]");
  const rows = [...table.querySelectorAll("[data-words]")];
  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let matches = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => row.dataset.words.includes(word));
      matches += row.hidden ? 0 : 1;
    }
    noMatch.hidden = matches > 0;
    count.textContent = `${matches} of ${rows.length} profiles`;
  };
  // If the address has words, the server has already left out the other rows.
  if (!input.value) input.addEventListener("input", filter);
}

function showProblems(form, panel) {
  for (const slot of form.querySelectorAll("[id^='problem-']")) {
    const name = slot.id.slice("problem-".length);
    const problem = panel.querySelector(`[data-problem-for="${CSS.escape(name)}"]`);
    const text = problem ? problem.textContent.trim() : "";
    if (text && text !== slot.textContent.trim()) slot.closest("details")?.setAttribute("open", "");
    slot.textContent = text;
    const blocks = problem?.hasAttribute("data-blocks") ?? false;
    slot.classList.toggle("is-advice", Boolean(problem) && !blocks);
    const control = document.getElementById(name);
    if (control) control.toggleAttribute("aria-invalid", false);
    if (control && blocks) control.setAttribute("aria-invalid", "true");
  }
}

function checkWhileTyping(form) {
  const panel = document.getElementById("panel");
  let timer = null;
  let request = null;
  const check = async () => {
    request?.abort();
    request = new AbortController();
    const body = new URLSearchParams(new FormData(form));
    body.set("do", "live");
    panel.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(panel.dataset.address, {
        method: "POST",
        body,
        headers: { "X-XSRFToken": form.elements._xsrf.value },
        signal: request.signal,
      });
      if (!answer.ok) throw new Error(String(answer.status));
      // The server renders this fragment and escapes every value in it.
      panel.innerHTML = await answer.text();
      showProblems(form, panel);
    } catch (error) {
      if (error.name === "AbortError") return;
      panel.textContent = "The form cannot be checked at the moment. Your input is still here.";
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
  let edited = false;
  name.addEventListener("input", () => (edited = name.value !== ""));
  title.addEventListener("input", () => {
    if (edited) return;
    const ascii = title.value.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase();
    name.value = ascii.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 40).replace(/-+$/, "");
  });
}

for (const input of document.querySelectorAll("[data-filter]")) filterTable(input);
for (const form of document.querySelectorAll("form[data-live]")) {
  nameFromTitle(form);
  checkWhileTyping(form);
  // The server renders the limits of a team, so choosing another team reloads the form.
  for (const control of form.querySelectorAll("[data-reload]")) {
    control.addEventListener("change", () => form.requestSubmit(form.querySelector("button[name='do'][value='check']")));
  }
}
