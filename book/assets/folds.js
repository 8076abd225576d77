/* What is folded opens when the address names it or something in it, and for the printer. */
(() => {
  const folds = () => [...document.querySelectorAll(".bd-article details")];
  function openNamed() {
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let box = named?.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    if (named?.closest("details")) named.scrollIntoView();
  }
  addEventListener("DOMContentLoaded", openNamed);
  addEventListener("hashchange", openNamed);
  let closed = [];
  addEventListener("beforeprint", () => { closed = folds().filter((box) => !box.open); for (const box of closed) box.open = true; });
  addEventListener("afterprint", () => { for (const box of closed) box.open = false; });
})();
