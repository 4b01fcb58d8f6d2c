// Comfort on top of pages that work without it: local times, keyboard, copying, live news.
// Nothing here turns text into markup; words come from the server or are set as text.

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const toTheSecond = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, {
  weekday: "short", day: "numeric", month: "short", hour: "numeric", minute: "2-digit",
});

const count = (number, name) => `${number} ${name}${number === 1 ? "" : "s"}`;

function pair(seconds, unit, name, smaller, smallerName) {
  const whole = Math.floor(seconds / unit);
  const rest = Math.floor((seconds % unit) / smaller);
  return rest && whole < 10 ? `${count(whole, name)} ${count(rest, smallerName)}` : count(whole, name);
}

function duration(seconds) {
  if (seconds < MINUTE) return count(Math.max(0, Math.floor(seconds)), "second");
  if (seconds < HOUR) return count(Math.floor(seconds / MINUTE), "minute");
  if (seconds < DAY) return pair(seconds, HOUR, "hour", MINUTE, "minute");
  return pair(seconds, DAY, "day", HOUR, "hour");
}

function ago(seconds) {
  if (seconds < MINUTE) return "just now";
  const unit = seconds >= DAY ? DAY : seconds >= HOUR ? HOUR : MINUTE;
  return `${duration(Math.floor(seconds / unit) * unit)} ago`;
}

function tellTimes(root) {
  const now = Date.now();
  for (const time of root.querySelectorAll("time[data-time]")) {
    const then = new Date(time.dateTime);
    time.title = exact.format(then);
    if (time.dataset.time === "relative") time.textContent = ago((now - then) / 1000);
    if (time.dataset.time === "clock") time.textContent = clock.format(then);
    if (time.dataset.time === "seconds") time.textContent = toTheSecond.format(then);
    if (time.dataset.time === "day") time.textContent = day.format(then);
    if (time.dataset.time === "exact") time.textContent = exact.format(then);
  }
  for (const span of root.querySelectorAll("[data-left]")) {
    const seconds = (new Date(span.dataset.left) - now) / 1000;
    span.textContent = seconds > 0 ? duration(seconds) : "no time";
  }
}

tellTimes(document);
setInterval(() => tellTimes(document), 20_000);

// Copying. The buttons are hidden in the page, because they do nothing without this.
function offerCopy(button, text) {
  button.hidden = !navigator.clipboard;
  const says = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text());
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = says; }, 2000);
  });
}

for (const button of document.querySelectorAll("[data-copy]")) offerCopy(button, () => button.dataset.copy);
for (const button of document.querySelectorAll("[data-copy-receipt]")) {
  offerCopy(button, () => {
    const lines = [document.querySelector("article.card h1").innerText, document.querySelector(".receipt h2").innerText];
    for (const fact of document.querySelectorAll(".receipt .facts > div, article.card .facts > div")) {
      if (fact.querySelector("button")) lines.push(`Request: ${fact.querySelector("code").innerText}`);
      else if (fact.querySelector("dt").innerText) lines.push(`${fact.querySelector("dt").innerText}: ${fact.querySelector("dd").innerText}`);
      else lines.push(`  ${fact.querySelector("dd").innerText}`);
    }
    for (const vote of document.querySelectorAll(".receipt .votes > li")) lines.push(`Answer of ${vote.innerText}`);
    return lines.join("\n");
  });
}

// Text boxes grow by themselves where CSS can do it.
if (!CSS.supports("field-sizing", "content")) {
  for (const box of document.querySelectorAll("textarea[data-grows]")) {
    const grow = () => {
      box.rows = Math.max(3, box.value.split("\n").reduce((rows, line) => rows + 1 + Math.floor(line.length / 70), 0));
    };
    box.addEventListener("input", grow);
    grow();
  }
}

for (const box of document.querySelectorAll("textarea[data-original]")) {
  const original = box.defaultValue;
  const note = box.closest(".field").querySelector("[data-edited]");
  const tell = () => {
    note.hidden = false;
    note.textContent = box.value === original ? "Unchanged so far." : "Edited.";
  };
  box.addEventListener("input", tell);
  tell();
}

// Ready words for a refusal: they fill the comment, and send nothing.
const comment = document.getElementById("comment");
const presets = [...document.querySelectorAll("[data-preset]")];
if (comment && presets.length) {
  presets[0].closest(".presets").hidden = false;
  for (const preset of presets) {
    preset.addEventListener("click", () => {
      const said = comment.value.trim();
      const ready = presets.map((one) => one.textContent);
      comment.value = !said || ready.includes(said) ? preset.textContent : `${said}\n${preset.textContent}`;
      comment.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
}

// The browser's own words say that something is missing, and not what for.
if (comment?.required) {
  comment.addEventListener("invalid", () => comment.setCustomValidity("Say why you approve this. Refusing needs no reason."));
  comment.addEventListener("input", () => comment.setCustomValidity(""));
}

// What was opened shows as opened, for as long as the card is on the screen.
for (const link of document.querySelectorAll(".evidence a")) {
  link.addEventListener("click", () => { link.closest("li").querySelector("[data-opened]").hidden = false; });
}

// A menu closes when something else is touched, and with Escape.
for (const menu of document.querySelectorAll("details.menu")) {
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

// A second click on a slow line must not become a second answer.
for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-once]")) delete form.dataset.sent;
});

// The browser may keep a page that was left, as it was, for its back button. A password must not wait there.
addEventListener("pagehide", () => {
  for (const box of document.querySelectorAll("input[type=password]")) box.value = "";
});

// Live news: the server's words are in the region; rows and buttons on the page follow them.
const live = document.getElementById("live");

function follow() {
  tellTimes(live);
  for (const item of live.querySelectorAll("[data-closed]")) {
    const row = document.querySelector(`[data-request="${CSS.escape(item.dataset.closed)}"]`);
    if (!row) continue;
    row.classList.add("closed-elsewhere");
    const news = row.querySelector(".row-news");
    news.textContent = item.textContent;
    news.hidden = false;
  }
  if (live.querySelector("[data-card-closed]")) {
    for (const button of document.querySelectorAll(".actions button")) button.disabled = true;
  }
}

function tellSignedOut() {
  live.replaceChildren(document.getElementById("signed-out").content.cloneNode(true));
}

if (live) {
  new MutationObserver(follow).observe(live, { childList: true, subtree: true });
  live.addEventListener("signed-out", tellSignedOut);
  live.addEventListener("htmx:sse:error", (event) => {
    if (event.detail.status === 401) tellSignedOut();
  });
}

// The keyboard moves and opens; it never decides.
const keys = document.getElementById("keys");

function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) {
    document.querySelector(step > 0 ? "[data-next]" : "[data-previous]")?.click();
    return;
  }
  const here = rows.indexOf(document.activeElement);
  rows[here < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, here + step))].focus();
}

const commands = {
  j: () => move(1),
  k: () => move(-1),
  u: () => location.assign("/"),
  c: () => document.getElementById("comment")?.focus(),
  "?": () => keys.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const command = commands[event.key];
  if (!command) return;
  event.preventDefault();
  command();
});

for (const opener of document.querySelectorAll("[data-opens]")) {
  opener.hidden = false;
  opener.addEventListener("click", () => document.getElementById(opener.dataset.opens).showModal());
}
