"use strict";
// Twenty trials of the web experiment, without jsPsych: its plugin flashes images, and asks.

var jsPsychModule = { ParameterType: {} }; // all that the plugin needs of it

addEventListener("DOMContentLoaded", () => {
  const main = document.getElementById("main");
  const said = document.getElementById("said");
  const first = main.innerHTML;

  function message(html) {
    main.innerHTML = `<div class="panel">${html}</div>`;
  }

  async function run(set) {
    said.textContent = "Images are loading.";
    const reply = await fetch(`design?set=${encodeURIComponent(set)}`);
    const design = await reply.json();
    if (design.error) return message(design.error);
    const look = document.documentElement.style;
    look.setProperty("--grey", String(design.grey));
    look.setProperty("--mark", design.grey > 150 ? "black" : "white");
    const plugin = new Flash.Plugin();
    const answers = [];
    document.body.classList.add("running");
    for (const [number, image] of design.images.entries()) {
      said.textContent = `Image ${number + 1} of ${design.images.length}`;
      const { response } = await plugin.trial(main, {
        image, word: null, mask: design.masks[number % design.masks.length],
        size: Math.min(256, innerWidth - 40), timing: design.timing, frame: 1000 / 60,
        classes: design.classes, columns: design.columns, answer: null,
      }, () => {});
      answers.push(response === null ? null : design.classes[response].name);
    }
    document.body.classList.remove("running");
    message("<p>One moment.</p>");
    const judged = await fetch("answers", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key: design.key, answers }),
    });
    message(`${await judged.text()}<p><button class="jspsych-btn" id="again">Once more</button></p>`);
    said.textContent = "Done.";
    document.getElementById("again").addEventListener("click", () => {
      main.innerHTML = first;
      listen();
    });
    document.getElementById("again").focus();
  }

  function listen() {
    document.querySelector("#begin button").disabled = false;
    document.getElementById("begin").addEventListener("submit", (event) => {
      event.preventDefault();
      run(document.getElementById("set").value).catch((error) => {
        message('<p role="alert"></p>');
        main.querySelector("[role=alert]").textContent = `The trials broke off (${error.message}): load the page again.`;
      });
    });
  }

  listen();
});
