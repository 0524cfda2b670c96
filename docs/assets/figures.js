// Figures are complete without this script. With it, a mark under the pointer says what
// it shows at once, and entries of a figure's key hide and show what they stand for.
for (const chart of document.querySelectorAll("figure.chart")) {
  const series = [...chart.querySelectorAll(".chart-key li[data-series]")].filter(
    (entry) => entry.dataset.series,
  );
  if (series.length > 2) {
    for (const entry of series) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(...entry.childNodes);
      entry.append(button);
      button.addEventListener("click", () => {
        const hide = button.getAttribute("aria-pressed") === "true";
        button.setAttribute("aria-pressed", String(!hide));
        for (const mark of chart.querySelectorAll("svg [data-series]")) {
          if (mark.dataset.series === entry.dataset.series) {
            mark.toggleAttribute("hidden", hide);
          }
        }
      });
    }
  }

  let tip = null;
  const drop = () => {
    tip?.remove();
    tip = null;
  };
  // One listener a figure: a page with many marks would wait for one each.
  chart.addEventListener("pointerover", (event) => {
    drop();
    const mark = event.target.closest("svg [data-series]");
    if (!mark) return;
    const title = mark.querySelector("title");
    if (title) {
      // Else the browser would say it as well, and later.
      mark.dataset.said = title.textContent;
      title.remove();
    }
    if (!mark.dataset.said) return;
    tip = document.createElement("div");
    tip.className = "chart-tip";
    tip.textContent = mark.dataset.said;
    document.body.append(tip);
    const left = Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${Math.max(8, event.clientY - tip.offsetHeight - 12)}px`;
  });
  chart.addEventListener("pointerleave", drop);
}
