// Little's law: connections, and a fixed wait or a fixed capacity, give rate and latency.
(() => {
  const { clients, drawn, element, figures, rounded, scales, staged } = figureParts;
  const number = (value) =>
    Number(value.toPrecision(3))
      .toString()
      .replace(/\B(?=(\d{3})+$)/g, value >= 1000 ? "\u202f" : "");
  let made = 0;

  for (const figure of figures("little")) {
    const { data, picture, stage } = staged(figure);
    const panels = ["rate", "latency"];
    const at = (panel, n, value) => {
      const { x, y } = scales(data[panel]);
      return [x(n), y(value)];
    };
    const state = { kind: "wait", connections: 100, wait: data.wait_ms, capacity: data.capacity };
    // In requests a second, and in ms.
    const gives = (kind, n) =>
      kind === "wait"
        ? { rate: (n / state.wait) * 1000, latency: state.wait }
        : { rate: state.capacity, latency: (n / state.capacity) * 1000 };

    const rings = Object.fromEntries(
      panels.map((panel) => {
        const ring = drawn("circle", { class: "little-ring", r: 7, "aria-hidden": "true" });
        picture.append(ring);
        return [panel, ring];
      }),
    );
    const curves = (kind) =>
      panels.map((panel) => [
        panel,
        picture.querySelector(`[data-curve="${kind}-${panel}"]`),
      ]);

    // -- the controls -------------------------------------------------------

    // of: from a step of the slider to the value that it stands for.
    const slider = (label, [lowest, highest], from, of, hear) => {
      made += 1;
      const id = `little-${made}`;
      const input = element("input", { type: "range", id, min: lowest, max: highest });
      input.value = from;
      const output = element("output", { for: id });
      input.addEventListener("input", () => hear(of(Number(input.value))));
      const named = element("label", { for: id }, label);
      const row = element("div", { class: "work-slider" }, named, input, output);
      const say = (text) => {
        output.textContent = text;
        input.setAttribute("aria-valuetext", text);
      };
      return { row, say };
    };
    // So many steps to a power of ten: they are fine where the value is small.
    const tenfold = (steps) => (step) => {
      const value = 10 ** (step / steps);
      return value < 10 ? Math.round(value) : rounded(value);
    };
    const step = (steps, value) => Math.round(Math.log10(value) * steps);
    const hear = (name) => (value) => {
      state[name] = value;
      show();
    };
    const [fewest, most] = data.ends;
    const sliders = {
      connections: slider(
        "Connections",
        [step(20, fewest), step(20, most)],
        step(20, state.connections),
        tenfold(20),
        hear("connections"),
      ),
      wait: slider("Wait of each request", [1, 200], state.wait, (ms) => ms, hear("wait")),
      capacity: slider(
        "Capacity",
        [step(40, 100), step(40, 100_000)],
        step(40, state.capacity),
        tenfold(40),
        hear("capacity"),
      ),
    };
    const kinds = Object.entries({ wait: "a fixed wait", capacity: "a fixed capacity" }).map(
      ([kind, text]) => {
        const button = element("button", { type: "button" }, text);
        button.addEventListener("click", () => hear("kind")(kind));
        return [kind, button];
      },
    );
    const choice = element(
      "div",
      { class: "work-buttons", role: "group", "aria-label": "What the server has" },
      ...kinds.map(([, button]) => button),
    );
    const status = element("p", { class: "work-said", "aria-live": "polite" });
    const result = element("div", {
      class: "table",
      role: "region",
      tabindex: "0",
      "aria-label": "The model and the question",
    });
    stage.append(
      choice,
      sliders.connections.row,
      sliders.wait.row,
      sliders.capacity.row,
      status,
      result,
    );

    // -- what stands there --------------------------------------------------

    const within = (value, [low, high]) => value >= low && value <= high;
    const show = () => {
      const { kind, connections } = state;
      for (const [name, button] of kinds) {
        button.setAttribute("aria-pressed", name === kind);
      }
      sliders.wait.row.toggleAttribute("hidden", kind !== "wait");
      sliders.capacity.row.toggleAttribute("hidden", kind !== "capacity");
      sliders.connections.say(number(connections));
      sliders.wait.say(`${number(state.wait)} ms`);
      sliders.capacity.say(`${number(state.capacity)} a second`);

      for (const [name] of kinds) {
        for (const [panel, path] of curves(name)) {
          const points = data.ends.map((n) => [n, gives(name, n)[panel]]);
          // A line leaves the plane at its edge; it does not run along it.
          const top = data[panel].y[1];
          if (points[1][1] > top && points[0][1] < top) {
            points[1] = [(data.ends[1] * top) / points[1][1], top];
          }
          path.setAttribute(
            "d",
            `M${points.map(([n, value]) => at(panel, n, value).join(" ")).join("L")}`,
          );
          path.setAttribute("stroke-opacity", name === kind ? 1 : 0.35);
        }
      }
      const now = gives(kind, connections);
      for (const panel of panels) {
        const [cx, cy] = at(panel, connections, now[panel]);
        rings[panel].setAttribute("cx", cx);
        rings[panel].setAttribute("cy", cy);
      }

      let fits = 0;
      const rows = data.question.map(({ connections: n, rates, ms, said }) => {
        const model = gives(kind, n);
        const cell = (value, ends, unit) => {
          const right = within(value, ends);
          fits += right;
          return element("td", {}, `${number(value)}${unit} ${right ? "✓" : "✗"}`);
        };
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, number(n)),
          cell(model.rate, rates, ""),
          element("td", {}, said),
          cell(model.latency, ms, "\u202fms"),
          element("td", {}, `${ms.join("–")}\u202fms`),
        );
      });
      const heads = ["with", "rate", "question's rate", "time", "question's time"];
      result.replaceChildren(
        element(
          "table",
          { class: "figures" },
          element("caption", {}, "With so many connections, the model beside the question's figures"),
          element(
            "thead",
            {},
            element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head))),
          ),
          element("tbody", {}, ...rows),
        ),
      );
      const law =
        kind === "wait"
          ? `${clients(connections)}, and each request waits ${number(state.wait)} ms: ` +
            `${number(connections)} / ${number(state.wait)} ms = ${number(now.rate)} requests a second.`
          : `${clients(connections)}, and the server can do ${number(state.capacity)} requests a second: ` +
            `each takes ${number(connections)} / ${number(state.capacity)} of a second = ${number(now.latency)} ms.`;
      status.textContent = `${law} Of the question's four figures, ${
        fits === 0 ? "none fits" : fits === 1 ? "one fits" : `${fits} fit`
      }.`;
    };
    show();
  }
})();
