const boxes = [...document.querySelectorAll("#observers input")];
const views = [];
const narrow = document.documentElement.clientWidth < 600;
const picked = () => boxes.filter((box) => box.checked).map((box) => box.value);
const show = () => Promise.all(views.map((view) => view.signal("picked", picked()).runAsync()));
// What scrolls sideways is reached by keyboard too.
const reach = (place) => {
  if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
  else place.removeAttribute("tabindex");
};
const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => reach(target)));
for (const place of document.querySelectorAll(".scroll, figure")) sizes.observe(place);
const draw = (figure) => {
  const spec = JSON.parse(document.getElementById(figure.dataset.spec).textContent);
  if (spec.columns && narrow) spec.columns = 1;
  const place = figure.querySelector("div");
  return vegaEmbed(place, spec, { renderer: "svg", actions: false }).then((result) => {
    const own = Number(place.querySelector("svg").getAttribute("width"));
    figure.classList.toggle("large", own > 1.4 * figure.clientWidth);
    reach(figure);
    if (!("picked" in (result.view.getState().signals || {}))) return;
    views.push(result.view);
    if (picked().length < boxes.length) result.view.signal("picked", picked()).runAsync();
  });
};
for (const figure of document.querySelectorAll("figure[data-spec]")) {
  const folded = figure.closest("details:not([open])");
  if (!folded) draw(figure);
  else folded.addEventListener("toggle", () => draw(figure), { once: true });
}
for (const box of boxes) box.addEventListener("change", show);
for (const button of document.querySelectorAll("#observers button")) {
  button.addEventListener("click", () => {
    for (const box of boxes) box.checked = button.value === "all";
    show();
  });
}
if (narrow) document.querySelector("nav details").open = false;
for (const button of document.querySelectorAll(".copied button")) {
  const text = button.closest(".copied").querySelector("pre");
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(text);
    try { await navigator.clipboard.writeText(text.textContent); } catch { document.execCommand("copy"); }
    button.firstChild.textContent = "Copied";
  });
}
// On paper nothing can be unfolded: tables of up to a page are printed.
const folds = [...document.querySelectorAll("details.printed")];
window.addEventListener("beforeprint", () => {
  for (const fold of folds) { fold.dataset.was = fold.open; fold.open = true; }
});
window.addEventListener("afterprint", () => {
  for (const fold of folds) fold.open = fold.dataset.was === "true";
});
