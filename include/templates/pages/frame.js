// The only script of these pages. Airflow shows them in a frame; this gives them Airflow's light or dark look, and opens
// links to other runs in Airflow itself instead of in the frame, which Airflow does not let a frame do.
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
})();
