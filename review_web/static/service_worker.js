// Shows notifications and opens what they are about. It stores no page and answers no fetch: what a person decides on
// always comes from the server as it is now. What it is told is words; it never opens another site.

const ICON = "/static/icons/any_192.png";
const BADGE = "/static/icons/badge_96.png";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => event.waitUntil(tell(event.data)));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data?.path));
});
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(renew(event)));

async function tell(data) {
  const said = read(data);
  await sweep(said.tag);
  const until = said.until ? `\nUntil ${clock(said.until)}` : "";
  const over = said.kind === "over";
  await self.registration.showNotification(said.title, {
    body: said.body + until,
    tag: said.tag,
    renotify: !over,
    silent: over,
    requireInteraction: Boolean(said.stays),
    icon: ICON,
    badge: BADGE,
    data: { path: said.path, over },
  });
  if (over) await takeBack(said.tag);
}

// Browsers want something shown for every message, and show something of their own where nothing is. So what is over is
// replaced quietly, and goes at once where something else of ours is seen; else with the next message.
async function takeBack(tag) {
  const shown = await self.registration.getNotifications();
  const windows = await self.clients.matchAll({ type: "window" });
  const seen = windows.some((client) => client.visibilityState === "visible");
  if (!seen && shown.every((one) => one.tag === tag)) return;
  for (const one of shown) if (one.tag === tag) one.close();
}

async function sweep(but) {
  for (const one of await self.registration.getNotifications()) {
    if (one.data?.over && one.tag !== but) one.close();
  }
}

function read(data) {
  const unknown = { kind: "asked", tag: "inbox", title: "Assent", body: "Something waits for you.", path: "/" };
  try {
    const said = data.json();
    return typeof said?.title === "string" && typeof said.tag === "string" ? { ...unknown, ...said } : unknown;
  } catch {
    return unknown;
  }
}

function clock(text) {
  const then = new Date(text);
  const today = then.toDateString() === new Date().toDateString();
  const time = { hour: "numeric", minute: "2-digit" };
  return new Intl.DateTimeFormat(undefined, today ? time : { weekday: "short", ...time }).format(then);
}

async function open(path) {
  const target = new URL(path ?? "/", self.location.origin);
  // A path of this site, whatever was sent.
  const url = self.location.origin + target.pathname;
  for (const client of await self.clients.matchAll({ type: "window" })) {
    if (client.url === url) return client.focus();
  }
  return self.clients.openWindow(url);
}

// The browser's push service gave it another address: we are told, if its person is still signed in.
async function renew(event) {
  const before = event.oldSubscription;
  const now = event.newSubscription ?? (before && (await self.registration.pushManager.subscribe(before.options)));
  if (!now) return;
  await fetch("/phone/devices", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ subscription: now.toJSON(), replaces: before?.endpoint ?? null }),
  });
}
