// Renews the parts of a page that change, while somebody sees it. Without this the page stands still.
const EVERY_MS = 5000;
const parts = () => [...document.querySelectorAll("[data-live]")];

function inUse(part) {
  return part.contains(document.activeElement) && document.activeElement !== document.body
    || part.querySelector("input:checked") !== null || part.querySelector("details[open]") !== null
    || (getSelection().type === "Range" && part.contains(getSelection().anchorNode));
}

async function renew() {
  if (document.hidden) return;
  let answer;
  try {
    answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Renewal": "1" }, redirect: "error" });
  } catch { return; }
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const news = [...fresh.querySelectorAll("[data-live]")];
  parts().forEach((part, i) => {
    if (!news[i] || inUse(part) || part.innerHTML === news[i].innerHTML) return;
    const wide = [...part.querySelectorAll(".wide")].map((w) => w.scrollLeft);
    part.replaceChildren(...news[i].childNodes);
    part.querySelectorAll(".wide").forEach((w, n) => { w.scrollLeft = wide[n] ?? 0; });
  });
}

if (parts().length && document.contentType === "text/html") {
  setInterval(renew, EVERY_MS);
  document.addEventListener("visibilitychange", renew);
}
