// The feed of an open page: lines that changed arrive in the live region, and each is put in its place. Counts change
// where they stand; a new line moves the others, so it waits while somebody points into the list or holds it still.

const list = document.getElementById("lines");
const live = document.getElementById("live");
const empty = document.querySelector(".watch-empty");
const freeze = document.querySelector("[data-freeze]");
const show = document.querySelector("[data-show]");
const most = Number(list.dataset.lines);

// By id, the newest of each: while the list stands still this grows to what a page holds, and no further.
const waiting = new Map();
let frozen = false;

const isStill = () => frozen || list.matches(":hover") || list.contains(document.activeElement);

function change(line, news) {
  const link = line.querySelector("a");
  const href = news.querySelector("a").getAttribute("href");
  if (link.getAttribute("href") !== href) link.setAttribute("href", href);
  for (const part of line.querySelectorAll("[data-part]")) {
    const now = news.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!part.isEqualNode(now)) part.replaceChildren(...now.childNodes);
  }
}

function place(line) {
  const order = line.dataset.order;
  const next = [...list.children].find((one) => one.dataset.order < order);
  list.insertBefore(line, next ?? null);
}

function tell() {
  const fresh = [...waiting.keys()].filter((id) => !document.getElementById(id)?.closest("#lines")).length;
  const changed = waiting.size - fresh;
  show.hidden = waiting.size === 0;
  const words = fresh ? `${fresh} new ${fresh === 1 ? "line" : "lines"}: show` : `${changed} ${changed === 1 ? "line" : "lines"} changed: show`;
  if (show.textContent !== words) show.textContent = words;
}

function settle() {
  for (const line of waiting.values()) {
    const known = list.querySelector(`#${CSS.escape(line.id)}`);
    if (known) change(known, line);
    else place(line);
  }
  waiting.clear();
  while (list.children.length > most) list.lastElementChild.remove();
  empty.hidden = list.children.length > 0;
  tell();
}

function take() {
  const still = isStill();
  for (const line of live.querySelectorAll("li.watch-line")) {
    line.remove();
    const known = list.querySelector(`#${CSS.escape(line.id)}`);
    if (known && !frozen) change(known, line);
    else waiting.set(line.id, line);
  }
  // What the list would not show any more need not wait for it.
  const surplus = [...waiting.values()].sort((one, other) => (one.dataset.order < other.dataset.order ? 1 : -1)).slice(most);
  for (const line of surplus) waiting.delete(line.id);
  if (still) tell();
  else settle();
}

new MutationObserver(take).observe(live, { childList: true });

function soon() {
  // After the pointer or the focus has arrived where it goes.
  setTimeout(() => { if (waiting.size && !isStill()) settle(); }, 200);
}

list.addEventListener("pointerleave", soon);
list.addEventListener("focusout", soon);
show.addEventListener("click", () => settle());

freeze.hidden = false;
freeze.addEventListener("click", () => {
  frozen = !frozen;
  freeze.setAttribute("aria-pressed", String(frozen));
  freeze.textContent = frozen ? "Let the list move" : "Hold the list still";
  if (!frozen) settle();
});
