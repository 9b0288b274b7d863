// The bar of every page, of the hub and of the service: how much waits for the reader. Without an answer, no number.

const badge = document.querySelector("[data-waiting]");

function show(count) {
  badge.hidden = !count;
  badge.firstElementChild.textContent = count;
  badge.lastElementChild.textContent = count === 1 ? " waits for you" : " wait for you";
}

async function ask(again) {
  // A page of the hub has no XSRF token of the service, and in this mode JupyterHub asks for none; the origin is the
  // same. Somebody whom the service does not know yet gets a refusal, and is not sent to sign in.
  const answer = await fetch(badge.dataset.waiting, { mode: "no-cors" });
  if (!answer.ok) return;
  const { count, checking } = await answer.json();
  if (count !== null) show(count);
  if ((count === null || checking) && again) setTimeout(() => ask(again - 1).catch(() => {}), 3000);
}

if (badge && !badge.hasAttribute("data-known")) ask(5).catch(() => {});
