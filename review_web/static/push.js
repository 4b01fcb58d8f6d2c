// The phone page: install it, and be told in this browser. Without a script, or in a browser that cannot, it says so.
//
// <div data-push data-key="…" hidden><button>…</button><p class="error" hidden></p></div>
// <p data-push-note="unsupported|denied|install" hidden>…</p>
// <li data-device="sha256 of the endpoint"><strong><span data-here hidden>…</span></strong>…</li>

const box = document.querySelector("[data-push]");
const note = (name) => document.querySelector(`[data-push-note="${name}"]`)?.removeAttribute("hidden");

// The page's policy lets no text become the address of a script; this one address may.
const WORKER = "/service_worker.js";
const worker = window.trustedTypes
  ? trustedTypes.createPolicy("service-worker", { createScriptURL: () => WORKER }).createScriptURL(WORKER)
  : WORKER;

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

async function digest(text) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Where a browser cannot reach its push service, some wait for ever.
const tooLong = () => new Promise((_, reject) => { setTimeout(() => reject(new DOMException("", "AbortError")), 30_000); });

async function subscribe(key) {
  if ((await Notification.requestPermission()) !== "granted") throw new DOMException("", "NotAllowedError");
  const registration = await navigator.serviceWorker.register(worker);
  await navigator.serviceWorker.ready;
  // One that was made for another key would be refused by the push service.
  await (await registration.pushManager.getSubscription())?.unsubscribe();
  const options = { userVisibleOnly: true, applicationServerKey: bytes(key) };
  const subscription = await Promise.race([registration.pushManager.subscribe(options), tooLong()]);
  const response = await fetch("/phone/devices", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ subscription: subscription.toJSON() }),
  });
  const answer = await response.json();
  if (!response.ok) {
    await subscription.unsubscribe();
    throw new Error(answer.error);
  }
  return answer.next;
}

function inWords(problem) {
  if (problem.name === "NotAllowedError") {
    return "This browser does not allow it. Allow notifications for this page in its settings, then try again.";
  }
  if (problem.name === "AbortError") return "This browser’s push service cannot be reached right now. Try again.";
  if (problem instanceof TypeError) return "Assent cannot be reached right now. Nothing was changed; try again.";
  return problem.message;
}

function arm() {
  const button = box.querySelector("button");
  const error = box.querySelector(".error");
  button.addEventListener("click", async () => {
    error.hidden = true;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      location.assign(new URL(await subscribe(box.dataset.key), location.origin).pathname + "?done=added");
    } catch (problem) {
      error.textContent = inWords(problem);
      error.hidden = false;
    } finally {
      button.removeAttribute("aria-busy");
      button.disabled = false;
    }
  });
  box.hidden = false;
}

// Which of the rows is this browser; and the subscription ends with its row.
async function markThisBrowser() {
  const registration = await navigator.serviceWorker.getRegistration("/");
  const subscription = await registration?.pushManager.getSubscription();
  if (!subscription) return false;
  const row = document.querySelector(`[data-device="${await digest(subscription.endpoint)}"]`);
  if (!row) return false;
  row.querySelector("[data-here]").hidden = false;
  row.querySelector("form[data-ends]").addEventListener("submit", () => subscription.unsubscribe());
  return true;
}

async function begin() {
  if (!("serviceWorker" in navigator)) return note("unsupported");
  await navigator.serviceWorker.register(worker);
  if (!box) return undefined;
  if (!("PushManager" in window) || !("Notification" in window)) {
    // Safari on a phone offers it to the app on the home screen only.
    return note("standalone" in navigator && !navigator.standalone ? "install" : "unsupported");
  }
  if (await markThisBrowser()) return undefined;
  return Notification.permission === "denied" ? note("denied") : arm();
}

addEventListener("beforeinstallprompt", (event) => {
  const install = document.querySelector("[data-install]");
  event.preventDefault();
  install.hidden = false;
  install.addEventListener("click", () => event.prompt(), { once: true });
});

begin();
