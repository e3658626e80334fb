/**
 * Fetches the page again every two seconds and replaces the parts whose HTML
 * changed, so nothing flickers and the place on the page stays. It rests while
 * the page is hidden or text of it is selected. Without it a meta element
 * reloads the page.
 */
export const script = `
"use strict";
const parts = (page) => [...page.querySelectorAll("[data-live]")];
const nameOf = (part) => part.dataset.live;
async function refresh() {
  if (document.hidden || !getSelection().isCollapsed) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw answer.status;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = parts(document), after = parts(page);
    if (before.map(nameOf).join() !== after.map(nameOf).join()) {
      document.querySelector(".page").replaceWith(page.querySelector(".page"));
    } else before.forEach((part, at) => {
      if (part.outerHTML !== after[at].outerHTML) part.replaceWith(after[at]);
    });
    document.body.classList.remove("lost");
  } catch {
    document.body.classList.add("lost");
    document.querySelector(".state").textContent = "not reachable";
  }
}
const again = () => refresh().finally(() => setTimeout(again, 2000));
setTimeout(again, 2000);
`;
