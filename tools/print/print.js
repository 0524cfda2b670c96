// Arranges the pages of the book for paper, before Chromium prints them: links within the
// book lead within the file, what is folded on a screen stands at the end, and contents
// come first. NUMBERS has the page of each place, the second time (tools/pdf.py).
(() => {
  const make = (tag, className, ...children) => {
    const element = document.createElement(tag);
    element.className = className;
    element.append(...children);
    return element;
  };
  const sections = [...document.querySelectorAll("section.page")];
  const name = (page, anchor = "") =>
    `${page.replace(/\.html$/, "").replace(/[^\w-]+/g, "-")}${anchor && `--${anchor}`}`;
  const pages = new Set(sections.map((section) => section.dataset.page));
  const linked = (id, ...text) => {
    const link = make("a", "", ...text);
    link.href = `#${id}`;
    return link;
  };
  const numbered = (id, ...text) =>
    make("p", "entry", linked(id, ...text), make("span", "number", NUMBERS[id] ?? " "));

  for (const section of sections) {
    const page = section.dataset.page;
    for (const drop of section.querySelectorAll(
      ".headerlink, .chart-narrow, .chart-data, script, button",
    )) {
      drop.remove();
    }
    for (const element of section.querySelectorAll("[id]")) {
      // Paths of drawings are named by it, and their names are of no page.
      if (!element.closest("svg")) element.id = name(page, element.id);
    }
    section.id = name(page);
    for (const link of section.querySelectorAll("a[href]")) {
      const url = new URL(link.getAttribute("href"), `https://book/${page}`);
      if (url.host !== "book") continue;
      const target = url.pathname.slice(1);
      if (pages.has(target)) {
        link.setAttribute("href", `#${name(target, decodeURIComponent(url.hash.slice(1)))}`);
      } else {
        link.replaceWith(...link.childNodes); // a source, which paper does without
      }
    }
  }

  // What is folded: differences are in the sources; the others come at the end.
  const answers = make("section", "page answers", make("h1", "", "Answers and hints"));
  answers.id = "answers";
  let count = 0;
  for (const section of sections) {
    const title = section.querySelector("h1")?.textContent;
    const own = [];
    for (const details of section.querySelectorAll("details.difference")) {
      const said = details.querySelector("summary").textContent;
      details.replaceWith(make("p", "elsewhere", `${said}. It is on the site.`));
    }
    for (const details of section.querySelectorAll("details")) {
      if (details.parentElement.closest("details")) continue;
      const summary = details.querySelector("summary");
      const words = summary.textContent;
      summary.remove();
      const id = `answer-${++count}`;
      const back = `${id}-asked`;
      const asked = make("p", "elsewhere", linked(id, `${words}: number ${count}`));
      asked.id = back;
      asked.append(", page ", make("span", "", NUMBERS[id] ?? " "));
      const answer = make(
        "div",
        "answer",
        make("h3", "", linked(back, `${count}. ${words}`)),
        ...details.childNodes,
      );
      answer.id = id;
      details.replaceWith(asked);
      own.push(answer);
    }
    if (own.length) answers.append(make("h2", "", title), ...own);
  }
  for (const details of answers.querySelectorAll("details")) details.open = true;
  const solutions = sections.find((each) => each.dataset.page.endsWith("solution.html"));
  if (count) {
    if (solutions) solutions.before(answers);
    else sections.at(-1).after(answers);
  }

  const title = make("p", "title", document.title);
  const contents = make("nav", "page contents", title, make("h1", "", "Contents"));
  for (const section of document.querySelectorAll("section.page")) {
    contents.append(
      numbered(section.id, section.querySelector("h1")?.textContent ?? section.id),
    );
  }
  sections[0].before(contents);
})();
