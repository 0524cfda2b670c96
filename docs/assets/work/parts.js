// What the scripts of the figures to work have in common, under the one name that they
// share: a classic script can import nothing. A page with several figures runs this
// several times, and means it once.
globalThis.figureParts ??= (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const filled = (made, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) {
      made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  };
  const element = (name, attributes = {}, ...children) =>
    filled(document.createElement(name), attributes, children);
  const drawn = (name, attributes = {}, ...children) =>
    filled(document.createElementNS(SVG, name), attributes, children);
  // The same as `element`, at the end of another one.
  const made = (parent, name, attributes = {}, ...children) => {
    const child = element(name, attributes, ...children);
    parent.append(child);
    return child;
  };

  // The figures of that name which no script has built yet.
  const figures = (name) => document.querySelectorAll(`figure[data-work="${name}"]:not(.works)`);
  // The figure's data, and a stage whose picture is a copy of the still one.
  const staged = (figure) => {
    const still = figure.querySelector(".work-still");
    const picture = still.querySelector("svg").cloneNode(true);
    const stage = element("div", { class: "work-stage" }, picture);
    still.after(stage);
    figure.classList.add("works");
    return { data: JSON.parse(figure.querySelector("script").textContent), picture, stage };
  };
  // The figure's data, an empty stage, and on it a button for each of its recordings.
  // `choose` is given a recording's number; `press` shows which one is chosen.
  const recordings = (figure, choose) => {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const stage = element("div", { class: "work-stage" });
    const group = made(stage, "div", { class: "work-buttons", role: "group" });
    group.setAttribute("aria-label", "Which recording");
    const buttons = data.cases.map((each, number) => {
      const button = made(group, "button", { type: "button" }, each.label);
      button.addEventListener("click", () => choose(number));
      return button;
    });
    group.hidden = buttons.length === 1;
    const press = (number) => {
      buttons.forEach((button, n) => {
        button.setAttribute("aria-pressed", String(n === number));
      });
    };
    return { data, stage, press };
  };

  const between = (value, [low, high]) => Math.min(high, Math.max(low, value));
  const share = (value, ends) =>
    Math.log10(between(value, ends) / ends[0]) / Math.log10(ends[1] / ends[0]);
  // Where a value stands in a picture, both of whose axes are logarithmic.
  const scales = (plane) => ({
    x: (value) => plane.left + share(value, plane.x) * (plane.right - plane.left),
    y: (value) => plane.bottom - share(value, plane.y) * (plane.bottom - plane.top),
  });

  // A browser may refuse to keep anything, for a file or in a private window.
  const kept = (name) => {
    try {
      return JSON.parse(localStorage.getItem(name)) ?? {};
    } catch {
      return {};
    }
  };
  const rounded = (value) => Number(value.toPrecision(2));
  const clients = (n) => (n === 1 ? "1 connection" : `${n} connections`);

  return {
    between, clients, drawn, element, figures, kept, made, recordings, rounded, scales, staged,
  };
})();
