// What is proposed is the rule that the page shows, so once a choice was changed it is to be shown anew first.

const choices = document.querySelector("form[data-choices]");
const proposes = document.querySelector("form[data-proposes]");
const stale = document.querySelector("[data-stale]");

if (choices && proposes && stale) {
  choices.addEventListener("change", () => {
    proposes.hidden = true;
    stale.hidden = false;
  });
}

// Ticking an argument means "those that are ticked".
choices?.addEventListener("change", (event) => {
  if (event.target.name !== "field") return;
  const chosen = choices.querySelector('input[name="which"][value="chosen"]');
  if (event.target.checked && chosen) chosen.checked = true;
});
