// Four tanks: a model of the way of an answer to a client that reads slowly, or not at
// all. Nothing moves before the reader says so.
(() => {
  const { element, figures, staged } = figureParts;
  const number = (value) =>
    Math.round(value)
      .toString()
      .replace(/\B(?=(\d{3})+$)/g, "\u202f");
  const short = (bytes) =>
    bytes < 1000
      ? `${Math.round(bytes)} B`
      : bytes < 1e6
        ? `${Math.round(bytes / 1e3)} kB`
        : `${(bytes / 1e6).toFixed(2)} MB`;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const LONGEST_MS = 60_000;
  const REMEMBERED = 5;

  for (const figure of figures("tanks")) {
    const { data, picture, stage } = staged(figure);
    const [, room, , window] = data.limits;

    // -- the model: bytes, and milliseconds ---------------------------------

    let state;
    const begin = (many) => {
      state = {
        many,
        ms: 0,
        asked: many ? data.many : 1, // requests that no answer has been made for
        answer: many ? data.small : data.whole,
        out: 0,
        kernel: 0,
        network: 0,
        client: 0,
        read: 0,
        write: false, // whether interest is EVENT_WRITE
        begun: false,
        events: [],
      };
    };
    const whole = () => (state.many ? data.many * data.small : data.whole);
    const happened = (said) => {
      state.events.unshift(`${number(state.ms)} ms: ${said}`);
    };

    // What the kernel takes now: while send() copies, it sends on as far as it can.
    const send = () => {
      const open = window - state.client - state.network;
      const sent = Math.min(state.out, room - state.kernel + open);
      const on = Math.min(open, state.kernel + sent);
      state.out -= sent;
      state.network += on;
      state.kernel += sent - on;
      return sent;
    };

    // What the loop does for a connection that is ready: _serve() and _take().
    const serve = () => {
      let taken = 0;
      let sends = 0;
      const first = state.out;
      let sent = first ? send() : 0;
      const all = first && !state.out;
      if (all) happened(`send() took the last ${number(sent)} bytes of the output list`);
      if (first && !all) {
        happened(`send() fell short: it took ${number(sent)} of ${number(first)} bytes`);
      }
      while (!state.out && state.asked) {
        while (state.asked && state.out <= data.buffered) {
          state.asked -= 1;
          taken += 1;
          state.out += state.answer;
        }
        const tried = state.out;
        sent = send();
        sends += 1;
        if (!state.out) continue;
        const before =
          sends > 1 ? `${taken} requests were taken; ${sends - 1} × send() took all, then it` : "send()";
        happened(`${before} fell short: it took ${number(sent)} of ${number(tried)} bytes`);
      }
      if (taken && !state.out) {
        happened(`${taken} ${taken === 1 ? "request was" : "requests were"} answered, send() took all`);
      }
      const write = state.out > 0;
      if (write !== state.write) {
        happened(`interest becomes ${write ? "EVENT_WRITE" : "EVENT_READ"}`);
      }
      state.write = write;
    };

    const tick = () => {
      if (!state.begun) {
        state.begun = true;
        happened(state.many ? `the client sends ${data.many} requests` : "the client sends a request");
        serve();
        return;
      }
      state.ms += data.way_ms;
      const read = Math.min(state.client, speed() * 1000 * data.way_ms);
      state.client -= read;
      state.read += read;
      state.client += state.network;
      if (!speed() && state.network && state.client >= window) {
        happened("the client's buffer is full: the kernel sends no more");
      }
      state.network = Math.min(state.kernel, window - state.client);
      state.kernel -= state.network;
      if (state.write && room - state.kernel >= room * data.room) {
        happened("the selector says: there is room");
        serve();
      }
      if (state.read >= whole()) happened("the client has read everything");
    };
    const over = () => state.begun && state.read >= whole();
    const stuck = () => state.begun && !speed() && !state.network && !over();

    // -- the controls -------------------------------------------------------

    const what = element("select", { id: "tanks-asked" });
    what.append(
      element("option", { value: "one" }, `one answer of ${short(data.whole)}`),
      element("option", { value: "many" }, `${data.many} answers of ${short(data.small)}, at once`),
    );
    const range = element("input", { type: "range", id: "tanks-speed", min: 0, max: 20, step: 1 });
    range.value = 0;
    const output = element("output", { for: range.id });
    const speed = () => Number(range.value); // megabytes a second
    const step = element("button", { type: "button" }, "Next event");
    const run = element("button", { type: "button", "aria-pressed": "false" }, "Run");
    const again = element("button", { type: "button" }, "From the start");
    const row = (label, control, ...more) =>
      element(
        "div",
        { class: "work-slider" },
        element("label", { for: control.id }, label),
        control,
        ...more,
      );
    const status = element("p", { class: "work-said", "aria-live": "polite" });
    const log = element("ol", { class: "tanks-log", "aria-label": "What happened, the latest first" });
    stage.append(
      row("The client asks for", what),
      row("It reads", range, output),
      // To run is to move; who wants no motion goes from event to event.
      element("div", { class: "work-buttons" }, step, ...(calm ? [] : [run]), again),
      status,
      log,
    );

    let frame = 0;
    const halt = () => {
      cancelAnimationFrame(frame);
      frame = 0;
      run.setAttribute("aria-pressed", "false");
    };
    step.addEventListener("click", () => {
      halt();
      const before = state.events.length;
      const from = state.ms;
      while (state.events.length === before && !over() && !stuck() && state.ms - from < LONGEST_MS) {
        tick();
      }
      show();
    });
    run.addEventListener("click", () => {
      if (frame) {
        halt();
        show();
        return;
      }
      run.setAttribute("aria-pressed", "true");
      const move = () => {
        tick();
        if (over() || stuck()) {
          halt();
          show();
          return;
        }
        show(true);
        frame = requestAnimationFrame(move);
      };
      frame = requestAnimationFrame(move);
    });
    again.addEventListener("click", () => {
      halt();
      begin(what.value === "many");
      show();
    });
    what.addEventListener("change", () => {
      halt();
      begin(what.value === "many");
      show();
    });
    range.addEventListener("input", () => show(frame > 0));

    // -- what stands there --------------------------------------------------

    // running: the state is drawn, and not said sixty times a second.
    const show = (running = false) => {
      const held = [state.out, state.kernel, state.network, state.client];
      held.forEach((bytes, place) => {
        const high = Math.min(1, bytes / data.limits[place]) * (data.bottom - data.top);
        const water = picture.querySelector(`[data-tank="${place}"]`);
        water.setAttribute("y", data.bottom - high);
        water.setAttribute("height", high);
        picture.querySelector(`[data-held="${place}"]`).textContent = short(bytes);
      });
      const interest = state.write ? "EVENT_WRITE" : "EVENT_READ";
      picture.querySelector("[data-interest]").textContent = `interest = ${interest}`;
      const reads = speed() ? `reads ${speed()} MB/s` : "does not read";
      picture.querySelector("[data-reader]").textContent = reads;
      output.textContent = speed() ? `${speed()} MB a second` : "nothing";
      range.setAttribute("aria-valuetext", output.textContent);
      if (running) {
        const words = "It runs. Press “Run” again to hold it and read the levels.";
        if (status.textContent !== words) status.textContent = words;
        return;
      }
      log.replaceChildren(
        ...state.events.slice(0, REMEMBERED).map((said) => element("li", {}, said)),
      );
      const names = data.tanks.map((name, place) => `${name} ${short(held[place])}`).join(", ");
      const waiting = state.asked && state.begun ? ` ${state.asked} requests are not taken.` : "";
      const last = over()
        ? "The client has everything."
        : stuck()
          ? "Nothing more happens until the client reads; the loop serves others."
          : state.begun
            ? ""
            : "Nothing has been asked yet: press “Next event”.";
      status.textContent = `${number(state.ms)} ms. ${names}. interest is ${interest}.${waiting} ${last}`;
    };
    begin(false);
    show();
  }
})();
