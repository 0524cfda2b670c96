// The search runs in a worker, and the theme starts it with every page, with an index
// that has no texts (book/search.py says why). This stands in for its class: once the
// search is opened, it loads the texts, puts them into the theme's first message, and
// starts the worker itself.
//
// A browser refuses to start a worker from a file. Where the book is opened from the file
// system, a hidden frame takes its place: the same script, in a window of its own, with
// the two functions that it expects.
(() => {
  const opened = new Promise((resolve) => {
    for (const event of ["focusin", "change"]) {
      document.addEventListener(event, ({ target }) => {
        if (target.matches("#__search, [data-md-component=search-query]")) resolve();
      });
    }
  });

  const loaded = (source, where = document) =>
    new Promise((resolve) => {
      const script = where.createElement("script");
      script.onload = resolve;
      script.src = source;
      where.head.append(script);
    });

  const frame = async (url, heard) => {
    const element = document.createElement("iframe");
    element.hidden = true;
    await new Promise((resolve) => {
      element.onload = resolve;
      document.body.append(element);
    });
    const inside = element.contentWindow;
    inside.postMessage = heard;
    await loaded(url, inside.document);
    return (data) => inside.dispatchEvent(new MessageEvent("message", { data }));
  };

  const Native = window.Worker;
  const worker = async (url, heard) => {
    const real = new Native(url);
    real.onmessage = ({ data }) => heard(data);
    return (data) => real.postMessage(data);
  };

  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const heard = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const start = location.protocol === "file:" ? frame : worker;
      this.post = opened.then(async () => {
        // From assets/javascripts/workers/ to the site's folder.
        await loaded(new URL("../../../search/texts.js", new URL(url, location.href)));
        return start(url, heard);
      });
    }

    async postMessage(message) {
      const post = await this.post;
      if (message.data?.docs) message.data.docs = window.__texts;
      post(message);
    }
  };
})();
