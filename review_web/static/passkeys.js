// Passkeys, with the browser's own JSON conversions (WebAuthn Level 3). Without them the page shows no passkey button.
//
// <div data-passkey="sign-in" data-next="/path" hidden><button>…</button><p class="error" hidden></p></div>
// <div data-passkey="add" hidden><input name="name"><button>…</button><p class="error" hidden></p></div>

const possible =
  typeof window.PublicKeyCredential?.parseRequestOptionsFromJSON === "function" &&
  typeof window.PublicKeyCredential?.parseCreationOptionsFromJSON === "function";

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

const ceremonies = {
  async "sign-in"(box) {
    const { publicKey } = await post("/login/passkey/options", {});
    const credential = await navigator.credentials.get({
      publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey),
    });
    return post("/login/passkey/verify", { credential: credential.toJSON(), next: box.dataset.next });
  },
  async add(box) {
    const { publicKey } = await post("/account/passkeys/options", {});
    const credential = await navigator.credentials.create({
      publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey),
    });
    return post("/account/passkeys", { credential: credential.toJSON(), name: box.querySelector("input").value });
  },
};

function inWords(problem) {
  if (problem.name === "NotAllowedError") return "No passkey was used. Nothing was changed; press the button to try again.";
  if (problem.name === "InvalidStateError") return "This device holds a passkey of yours already.";
  if (problem instanceof TypeError) return "Assent cannot be reached right now. Nothing was changed; try again.";
  return problem.message;
}

function arm(box) {
  const button = box.querySelector("button");
  const error = box.querySelector(".error");
  button.addEventListener("click", async () => {
    error.hidden = true;
    button.setAttribute("aria-busy", "true");
    button.disabled = true;
    try {
      const { next } = await ceremonies[box.dataset.passkey](box);
      // Paths of this site only, whatever was answered.
      location.assign(new URL(next, location.origin).pathname + new URL(next, location.origin).search);
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

if (possible) document.querySelectorAll("[data-passkey]").forEach(arm);
else document.querySelectorAll("[data-passkey-missing]").forEach((note) => (note.hidden = false));
