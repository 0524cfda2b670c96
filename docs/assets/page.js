// Pages are complete without this script. With it, code can be copied with a button, and
// what scrolls sideways can be reached with the keyboard: only that, for a stop of the
// tab key at each table and each piece of code would be in everybody's way.
(() => {
  const look = (boxes) => {
    // All is asked before anything is changed, so that the page is laid out once.
    const found = boxes.map((box) => [box, box.scrollWidth > box.clientWidth]);
    for (const [box, scrolls] of found) {
      if (scrolls) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  // (Of a table that has been replaced there is none any more.)
  const scrolling = new ResizeObserver((entries) =>
    look(entries.map(({ target }) => target.closest(".table, code")).filter(Boolean)),
  );
  // What is out of view has not been laid out: then nobody knows yet.
  document.addEventListener(
    "contentvisibilityautostatechange",
    ({ target, skipped }) => {
      const box = target.closest(".table:not(.long), code");
      if (box && !skipped) requestAnimationFrame(() => look([box]));
    },
    true,
  );
  // A long table keeps the stop that it comes with: it is laid out late.
  for (const table of document.querySelectorAll(".table:not(.long)")) {
    scrolling.observe(table);
    if (table.firstElementChild) scrolling.observe(table.firstElementChild);
  }

  let number = 0;
  for (const code of document.querySelectorAll("article pre > code")) {
    scrolling.observe(code);
    const pre = code.parentElement;
    pre.id ||= `code-${++number}`;
    const button = document.createElement("button");
    button.className = "md-code__button";
    button.title = "Copy to clipboard";
    button.dataset.mdType = "copy";
    button.dataset.clipboardTarget = `#${pre.id} > code`;
    const place = document.createElement("div");
    place.className = "md-code__nav";
    place.append(button);
    pre.prepend(place);
  }
})();
