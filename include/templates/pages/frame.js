// The only script of these pages. Airflow shows them in a frame; this gives them Airflow's light or dark look, opens
// links to other runs in Airflow itself instead of in the frame, which Airflow does not let a frame do, and opens
// Airflow's form Trigger, which has no address of its own.
"use strict";
(() => {
  const page = document.documentElement;
  let outer = null;
  try {
    outer = window.parent === window ? null : window.parent.document;
  } catch {
    // A frame of another site, which tells nothing.
  }
  const follow = () => {
    const chosen = outer ? outer.documentElement.style.colorScheme : "";
    if (chosen === "light" || chosen === "dark") page.dataset.theme = chosen;
    else delete page.dataset.theme;
  };
  follow();
  if (!outer) return;
  new MutationObserver(follow).observe(outer.documentElement, { attributes: true, attributeFilter: ["style", "class"] });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[target=_top]");
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    // The link has to be one of the outer page: a frame with these limits may not change the address itself.
    const same = outer.createElement("a");
    same.href = link.href;
    outer.body.append(same);
    same.click();
    same.remove();
  });
  const START = "#start-a-load";
  const start = () => {
    if (window.parent.location.hash !== START) return;
    const button = outer.querySelector("[data-testid=trigger-dag-button]");
    if (!button || button.disabled) return;
    // Without the end of the address, so that the link works again, and a reload opens nothing.
    window.parent.history.replaceState(window.parent.history.state, "", window.parent.location.href.replace(START, ""));
    button.click();
  };
  // The button may come after this page.
  new MutationObserver(start).observe(outer.body, { childList: true, subtree: true });
  window.parent.addEventListener("hashchange", start);
  start();
})();
