// All that the reader has drawn first, set into the still picture of what was measured.
(() => {
  const { drawn, element, figures, kept, scales, staged } = figureParts;

  for (const figure of figures("guesses")) {
    const { data, picture, stage } = staged(figure);
    const { connections, panels } = data;
    const layer = drawn("g", { "aria-hidden": "true" });
    picture.append(layer);
    const status = element("p", { class: "work-said", "aria-live": "polite" });
    const list = element("ul", { class: "guesses-list" });
    const forget = element("button", { type: "button" }, "Forget what I drew");
    const controls = element("div", { class: "work-buttons" }, forget);
    stage.append(status, list, controls);
    forget.addEventListener("click", () => {
      for (const { store } of panels) {
        try {
          localStorage.removeItem(store);
        } catch {
          // Nothing was kept either.
        }
      }
      show();
    });

    const show = () => {
      layer.replaceChildren();
      list.replaceChildren();
      let found = 0;
      for (const { store, server, plane, measured } of panels) {
        const { x, y } = scales(plane);
        const { guess, shown } = kept(store);
        // What is drawn and not yet looked up stays so: its chapter shows it.
        const points = shown
          ? connections.flatMap((n, place) =>
              Number.isFinite(guess?.[n]) ? [[n, guess[n], measured[place]]] : [],
            )
          : [];
        if (!points.length) {
          list.append(element("li", {}, `${server}: not drawn.`));
          continue;
        }
        found += 1;
        const line = points.map(([n, value]) => `${x(n)} ${y(value)}`).join("L");
        layer.append(drawn("path", { class: "guess-line", d: `M${line}` }));
        for (const [n, value] of points) {
          layer.append(
            drawn("path", {
              class: "guess-mark",
              d: `M${x(n)} ${y(value) - 5}l4.5 5l-4.5 5l-4.5 -5z`,
            }),
          );
        }
        const worst = points
          .filter(([, value, point]) => point && !(value >= point.low && value <= point.high))
          .map(([n, value, point]) => [n, value / point.value])
          .sort((a, b) => Math.abs(Math.log(b[1])) - Math.abs(Math.log(a[1])))[0];
        if (!worst) {
          list.append(element("li", {}, `${server}: all within the spread.`));
          continue;
        }
        const [n, ratio] = worst;
        const times = Number((ratio > 1 ? ratio : 1 / ratio).toPrecision(2));
        const way = ratio > 1 ? "too high" : "too low";
        const said = times.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
        const where = n === 1 ? "1 connection" : `${n} connections`;
        list.append(
          element("li", {}, `${server}: at the worst ${said} × ${way}, with ${where}.`),
        );
      }
      status.textContent = found
        ? `You have drawn ${found} of ${panels.length} in this browser. Your lines have diamonds.`
        : "This browser has none of your guesses. Each Predict has axes to draw in.";
      controls.toggleAttribute("hidden", !found);
    };
    document.addEventListener("guessed", show);
    show();
  }
})();
