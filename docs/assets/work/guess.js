// Draw it first: handles for the reader's guess, in the still picture's empty axes. What
// was measured is drawn when the reader asks for it, not before.
(() => {
  const { between, clients, drawn, element, figures, kept, rounded, scales, staged } = figureParts;
  // Steps of the keyboard: so many to a power of ten, and so many at a time.
  const STEPS = 20;
  const LEAP = 10;

  const number = (value) =>
    value >= 100
      ? Math.round(value)
          .toString()
          .replace(/\B(?=(\d{3})+$)/g, "\u202f")
      : String(Number(value.toPrecision(3)));
  const keep = (name, value) => {
    try {
      localStorage.setItem(name, JSON.stringify(value));
    } catch {
      // Then it lasts as long as the page is open.
    }
  };

  for (const figure of figures("guess")) {
    const { data, picture, stage } = staged(figure);
    const { plane, connections, measured } = data;
    const { x, y } = scales(plane);
    const before = kept(data.store);
    const guess = connections.map((n) => {
      const value = before.guess?.[n];
      return Number.isFinite(value) ? between(value, plane.y) : null;
    });
    let shown = before.shown === true && guess.some((value) => value !== null);
    const middle = rounded(Math.sqrt(plane.y[0] * plane.y[1]));

    // -- the drawing --------------------------------------------------------

    picture.setAttribute("role", "group");
    picture.setAttribute("aria-label", `Your guess for ${data.server}`);
    const ground = drawn("rect", {
      class: "work-ground",
      x: plane.left,
      y: plane.top,
      width: plane.right - plane.left,
      height: plane.bottom - plane.top,
    });
    const answer = drawn("g", { "aria-hidden": "true" });
    const line = drawn("path", { class: "guess-line" });
    picture.append(ground, answer, line);

    const handles = connections.map((n, place) => {
      const track = drawn("path", {
        class: "guess-track",
        d: `M${x(n)} ${plane.top}V${plane.bottom}`,
      });
      picture.insertBefore(track, answer);
      const label = drawn("text", { "text-anchor": "middle", "aria-hidden": "true" });
      const handle = drawn(
        "g",
        {
          class: "guess-handle",
          role: "slider",
          tabindex: "0",
          "aria-label": `Requests a second with ${clients(n)}`,
          "aria-orientation": "vertical",
          "aria-valuemin": plane.y[0],
          "aria-valuemax": plane.y[1],
        },
        drawn("circle", { class: "guess-reach", r: 15 }),
        drawn("path", { class: "guess-mark", d: "M0 -8l7 8l-7 8l-7 -8z" }),
        label,
      );
      picture.append(handle);

      handle.addEventListener("keydown", (event) => {
        const leaps = {
          ArrowUp: 1,
          ArrowRight: 1,
          ArrowDown: -1,
          ArrowLeft: -1,
          PageUp: LEAP,
          PageDown: -LEAP,
          Home: -Infinity,
          End: Infinity,
          Enter: 0,
          " ": 0,
        };
        if (shown || !(event.key in leaps)) return;
        event.preventDefault();
        const steps = leaps[event.key];
        const from = guess[place] ?? middle;
        // From the steps, so that rounding does not stop it.
        const at = Math.round(Math.log10(from) * STEPS) + steps;
        set(place, steps ? rounded(10 ** between(at / STEPS, ends)) : from);
      });
      handle.addEventListener("pointerdown", (event) => {
        if (shown || event.button) return;
        event.preventDefault();
        handle.focus();
        handle.setPointerCapture(event.pointerId);
        set(place, under(event));
      });
      handle.addEventListener("pointermove", (event) => {
        if (handle.hasPointerCapture(event.pointerId) && !shown) set(place, under(event));
      });
      return { handle, label, track };
    });
    const ends = plane.y.map(Math.log10);

    // The rate that the pointer is at.
    const under = (event) => {
      const box = ground.getBoundingClientRect();
      const up = between((box.bottom - event.clientY) / box.height, [0, 1]);
      return rounded(10 ** (ends[0] + up * (ends[1] - ends[0])));
    };
    ground.addEventListener("click", (event) => {
      if (shown) return;
      const box = ground.getBoundingClientRect();
      const across =
        plane.left + ((event.clientX - box.left) / box.width) * (plane.right - plane.left);
      const distances = connections.map((n) => Math.abs(x(n) - across));
      const place = distances.indexOf(Math.min(...distances));
      handles[place].handle.focus();
      set(place, under(event));
    });

    // -- the controls -------------------------------------------------------

    const key = element("ul", { class: "chart-key" });
    const button = element("button", { type: "button" });
    const status = element("p", { class: "work-said", "aria-live": "polite" });
    const result = element("div", { class: "guess-result" });
    stage.append(element("div", { class: "work-buttons" }, button), status, key, result);
    button.addEventListener("click", () => {
      if (shown) {
        guess.fill(null);
        shown = false;
      } else if (guess.some((value) => value !== null)) {
        shown = true;
      } else {
        handles[0].handle.focus();
        status.textContent =
          "First set a handle: with the arrow keys, or by pulling it up or down.";
        return;
      }
      save();
      show();
    });

    const save = () => {
      keep(data.store, {
        guess: Object.fromEntries(connections.map((n, place) => [n, guess[place]])),
        shown,
      });
      // Where all guesses stand on the same page, they stand there at once.
      document.dispatchEvent(new Event("guessed"));
    };
    const set = (place, value) => {
      guess[place] = value;
      save();
      show();
    };

    // -- what stands there --------------------------------------------------

    const through = (values) => {
      const points = connections.flatMap((n, place) =>
        values[place] == null ? [] : [`${x(n)} ${y(values[place])}`],
      );
      return points.length > 1 ? `M${points.join("L")}` : "";
    };

    // By what factor a guess is wrong.
    const off = (value, point) => {
      if (value === null || !point) return "–";
      if (value >= point.low && value <= point.high) return "within the spread";
      const times = value > point.value ? value / point.value : point.value / value;
      if (times < 1.05) return "right";
      return `${number(rounded(times))} × too ${value > point.value ? "high" : "low"}`;
    };

    const series = (points, kind) => {
      answer.append(
        drawn("path", {
          class: `${kind}-line`,
          d: through(points.map((point) => point?.value)),
        }),
      );
      points.forEach((point, place) => {
        if (!point) return;
        const at = x(connections[place]);
        const mark = drawn("path", {
          class: `${kind}-mark${point.bound ? " is-bound" : ""}`,
          d:
            kind === "mine"
              ? `M${at - 4} ${y(point.value) - 4}h8v8h-8z`
              : `M${at - 4} ${y(point.value)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z`,
        });
        const spread = drawn("path", {
          class: `${kind}-spread`,
          d: `M${at} ${y(point.low)}V${y(point.high)}`,
        });
        answer.append(spread, mark);
      });
    };

    const entry = (path, kind, text) =>
      element(
        "li",
        {},
        drawn(
          "svg",
          { viewBox: "0 0 14 14", "aria-hidden": "true" },
          drawn("path", { class: kind, d: path }),
        ),
        element("span", {}, text),
      );

    const show = () => {
      figure.dataset.shown = shown;
      handles.forEach(({ handle, label }, place) => {
        const n = connections[place];
        const value = guess[place];
        const at = value ?? middle;
        handle.setAttribute("transform", `translate(${x(n)} ${y(at)})`);
        handle.classList.toggle("is-set", value !== null);
        handle.toggleAttribute("hidden", shown && value === null);
        handle.setAttribute("aria-valuenow", at);
        handle.setAttribute("aria-disabled", shown);
        handle.setAttribute("tabindex", shown ? "-1" : "0");
        handle.setAttribute(
          "aria-valuetext",
          value === null
            ? `${clients(n)}: not set`
            : `${clients(n)}: ${number(value)} requests a second`,
        );
        label.textContent = shown ? "" : value === null ? "?" : number(value);
        label.setAttribute("y", y(at) - plane.top < 26 ? 26 : -13);
        // The labels of the outermost must not be cut off.
        label.setAttribute("text-anchor", place === connections.length - 1 ? "end" : "middle");
        label.setAttribute("x", place === connections.length - 1 ? 14 : 0);
      });
      line.setAttribute("d", through(guess));
      answer.replaceChildren();
      key.replaceChildren();
      result.replaceChildren();
      button.textContent = shown ? "Draw again" : "Show what was measured";
      if (!shown) {
        const left = connections.filter((_, place) => guess[place] === null);
        status.textContent = left.length
          ? `Set the handles: pull them up and down, or use the arrow keys. ${
              left.length === connections.length
                ? "None is set."
                : `Still to be set: ${left.join(", ")}.`
            } What you draw stays in this browser.`
          : "All are set. What you draw stays in this browser.";
        return;
      }

      if (data.model) {
        const level = y(data.model.rate);
        answer.append(
          drawn("path", {
            class: "model-line",
            d: `M${x(connections[0])} ${level}H${x(connections.at(-1))}`,
          }),
        );
      }
      series(measured, "book");
      if (data.mine) series(data.mine, "mine");

      key.append(
        entry("M7 1l5 6l-5 6l-5 -6z", "guess-mark", "what you drew"),
        entry("M7 3a4 4 0 1 0 .01 0z", "book-mark", "measured for the book"),
      );
      if (data.mine) key.append(entry("M3 3h8v8h-8z", "mine-mark", "measured by you"));
      if (data.model) key.append(entry("M0 7h14", "model-line", "a mutex, a model"));

      const said = [];
      let worst = 1;
      let where = 0;
      const heads = ["with", "you drew", "measured", "off by"];
      if (data.mine) heads.push("by you");
      const rows = connections.map((n, place) => {
        const value = guess[place];
        const point = measured[place];
        const wrong = off(value, point);
        const cells = [
          value === null ? "–" : number(value),
          point?.label ?? "–",
          wrong,
        ];
        if (data.mine) cells.push(data.mine[place]?.label ?? "–");
        if (point) said.push(`${point.label} with ${clients(n)}`);
        if (value !== null && point && wrong !== "within the spread") {
          const times = Math.max(value / point.value, point.value / value);
          if (times > worst) {
            worst = times;
            where = n;
          }
        }
        return element(
          "tr",
          {},
          element("th", { scope: "row" }, number(n)),
          ...cells.map((cell) => element("td", {}, cell)),
        );
      });
      const table = element(
        "table",
        { class: "figures" },
        element("caption", {}, `Requests a second with so many connections: ${data.server}`),
        element(
          "thead",
          {},
          element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head))),
        ),
        element("tbody", {}, ...rows),
      );
      const scrolls = { class: "table", role: "region", tabindex: "0" };
      result.append(
        element("div", { ...scrolls, "aria-label": "Your guess and what was measured" }, table),
      );
      if (data.model) result.append(element("p", {}, data.model.said));
      status.textContent = `Measured: ${said.join(", ")}. ${
        worst >= 1.05
          ? `You were off by a factor of up to ${number(rounded(worst))}, with ${clients(where)}.`
          : "You were within the spread, or off by less than 5 %."
      }`;
    };
    show();
  }
})();
