// All that the reader has drawn first, set into the still picture of what was measured.
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const drawn = (name, attributes) => {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, value);
    }
    return made;
  };
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  };
  const kept = (name) => {
    try {
      return JSON.parse(localStorage.getItem(name)) ?? {};
    } catch {
      return {};
    }
  };
  const share = (value, [low, high]) =>
    Math.log10(Math.min(high, Math.max(low, value)) / low) / Math.log10(high / low);

  for (const figure of document.querySelectorAll('figure[data-work="guesses"]')) {
    const { connections, panels } = JSON.parse(figure.querySelector("script").textContent);
    const still = figure.querySelector(".work-still svg");
    const picture = still.cloneNode(true);
    const stage = element("div", { class: "work-stage" }, picture);
    figure.querySelector(".work-still").after(stage);
    figure.classList.add("works");
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
        const x = (n) => plane.left + share(n, plane.x) * (plane.right - plane.left);
        const y = (rate) => plane.bottom - share(rate, plane.y) * (plane.bottom - plane.top);
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
