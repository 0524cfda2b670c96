// Who is watching me? The data is book/works/watch.py's: cases, each with its stops.
(() => {
  const { figures, made, recordings } = figureParts;

  const build = (figure) => {
    const { data, stage, press } = recordings(figure, (number) => choose(number));

    const clock = made(stage, "p", { class: "watch-clock", "aria-hidden": "true" });
    const said = made(stage, "p", { class: "work-said watch-said", "aria-live": "polite" });
    const room = (name, title) => {
      const part = made(stage, "div", { class: `watch-room watch-${name}` });
      const head = made(part, "p", { class: "watch-title" }, title);
      return { part, head, there: made(part, "div", { class: "watch-there" }) };
    };
    const outside = room("outside", "In no set");
    const box = room("box", "");
    const served = room("served", "The threads that serve");
    const range = made(stage, "input", { type: "range", min: 0, step: 1 });
    range.setAttribute("aria-label", "Event");
    const steps = made(stage, "div", { class: "work-buttons" });
    const back = made(steps, "button", { type: "button" }, "Event before");
    const next = made(steps, "button", { type: "button" }, "Next event");

    let chosen = data.cases[0];
    let stop = 0;

    const disc = (parent, [client, place, asked]) => {
      const name = data.texts[client];
      const whole = made(parent, "span", { class: "watch-client" });
      if (asked) whole.classList.add("watch-asked");
      const number = made(whole, "b", { class: "watch-disc" }, name.replace("client ", ""));
      number.title = name;
      const says = place === "new" ? data.says.new : asked ? data.says.asked : "";
      if (says) made(whole, "span", {}, says);
    };
    const go = (number) => {
      stop = Math.max(0, Math.min(chosen.stops.length - 1, number));
      const [ms, sentence, state, inside, clients, workers] = chosen.stops[stop];
      range.value = stop;
      clock.textContent = `${ms.toFixed(1)} ms`;
      range.setAttribute("aria-valuetext", clock.textContent);
      said.textContent = data.texts[sentence];
      box.part.dataset.state = state;
      box.head.textContent = data.box[state];
      for (const { there } of [outside, box, served]) there.replaceChildren();
      for (const name of inside) {
        made(box.there, "span", { class: "watch-other" }, data.texts[name]);
      }
      for (const client of clients) {
        const where = { watched: box, served }[client[1]] ?? outside;
        disc(where.there, client);
      }
      const asleep = workers.filter(([, does]) => data.texts[does] === "sleeps").length;
      for (const [worker, does] of workers) {
        if (data.texts[does] === "sleeps") continue;
        made(served.there, "span", {}, `${data.texts[worker]} ${data.texts[does]}`);
      }
      if (asleep) made(served.there, "span", { class: "watch-asleep" }, `${asleep} asleep`);
      back.disabled = stop === 0;
      next.disabled = stop === chosen.stops.length - 1;
    };
    const choose = (number) => {
      chosen = data.cases[number];
      press(number);
      range.max = chosen.stops.length - 1;
      go(chosen.start);
    };
    range.addEventListener("input", () => go(Number(range.value)));
    back.addEventListener("click", () => go(stop - 1));
    next.addEventListener("click", () => go(stop + 1));
    choose(0);
    figure.prepend(stage);
    figure.classList.add("works");
  };

  for (const figure of figures("watch")) build(figure);
})();
