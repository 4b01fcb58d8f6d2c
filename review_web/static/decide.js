// Signing an approval with a passkey, before the card's form is sent. The form stays the way in: this fetches what is to
// be signed, has it signed, puts the signature into the form, and presses the same button again.

const KEPT = "assent-passkey";

async function statementFor(form, button, path) {
  const response = await fetch(path, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams(new FormData(form, button)),
  });
  const answer = await response.json();
  // What is wrong with an answer stands best beside its fields, where the server puts it once the form is sent.
  if (response.status === 422 && answer.faults) return null;
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function signed({ publicKey, statement }) {
  const credential = await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey),
  });
  return JSON.stringify({ statement, credential: credential.toJSON() });
}

function inWords(problem) {
  if (problem.name === "NotAllowedError") return "No passkey was used. Nothing was sent; press the button to try again.";
  if (problem instanceof TypeError) return "Assent cannot be reached right now. Nothing was sent; try again.";
  return problem.message;
}

function arm(panel) {
  const form = panel.closest("form");
  const assertion = panel.querySelector("[name=assertion]");
  const error = panel.querySelector("[data-sign-error]");
  const choice = panel.querySelector("select");
  const kept = localStorage.getItem(KEPT);
  if (choice && [...choice.options].some((option) => option.value === kept)) choice.value = kept;

  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (event.defaultPrevented || assertion.value || form.dataset.unsigned || !button?.classList.contains("approves")) return;
    event.preventDefault();
    error.hidden = true;
    button.setAttribute("aria-busy", "true");
    try {
      const asked = await statementFor(form, button, panel.dataset.signs);
      if (asked) {
        assertion.value = await signed(asked);
        localStorage.setItem(KEPT, asked.passkey.id);
      } else {
        form.dataset.unsigned = "yes";
      }
      delete form.dataset.sent;
      form.requestSubmit(button);
    } catch (problem) {
      delete form.dataset.sent;
      error.textContent = inWords(problem);
      error.hidden = false;
      // On a phone the button floats far above the end of the form.
      error.scrollIntoView({ block: "center" });
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
  // The browser may keep this page for its back button: a signature is used once.
  addEventListener("pageshow", () => { assertion.value = ""; delete form.dataset.unsigned; });
}

if (typeof window.PublicKeyCredential?.parseRequestOptionsFromJSON === "function") {
  document.querySelectorAll("[data-signs]").forEach(arm);
} else {
  for (const panel of document.querySelectorAll("[data-signs]")) {
    const error = panel.querySelector("[data-sign-error]");
    error.textContent = "This browser cannot use passkeys. Open this page in a newer one to approve.";
    error.hidden = false;
  }
}
