"use strict";
// What links and forms do as well, made easier. Nothing here asks another machine.

// The live page, brought up to date by the server.
const live = document.getElementById("live");
if (live) {
  const events = new EventSource(live.dataset.events);
  events.onmessage = (event) => { live.innerHTML = event.data; };
  addEventListener("pagehide", () => events.close());
}

// A part of a picture, chosen by dragging over it.
for (const figure of document.querySelectorAll("figure[data-from-ns]")) {
  const [from, to] = [Number(figure.dataset.fromNs), Number(figure.dataset.toNs)];
  const [left, right] = [Number(figure.dataset.left), Number(figure.dataset.right)];
  const selection = document.createElement("div");
  let begin = null;
  figure.classList.add("drag");
  const place = (event) => {
    const box = figure.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, left), right);
  };
  const show = (end) => {
    const [low, high] = [Math.min(begin, end), Math.max(begin, end)];
    selection.className = "selection";
    selection.style.left = `${low * 100}%`;
    selection.style.width = `${(high - low) * 100}%`;
  };
  const time = (at) => Math.round(from + (to - from) * (at - left) / (right - left));
  figure.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    begin = place(event);
    figure.setPointerCapture(event.pointerId);
    show(begin);
    figure.append(selection);
    event.preventDefault();
  });
  figure.addEventListener("pointermove", (event) => { if (begin !== null) show(place(event)); });
  figure.addEventListener("pointercancel", () => { begin = null; selection.remove(); });
  figure.addEventListener("pointerup", (event) => {
    if (begin === null) return;
    const end = place(event);
    const [low, high] = [Math.min(begin, end), Math.max(begin, end)];
    begin = null;
    selection.remove();
    if (high - low < 0.005) return;
    const address = new URL(location.href);
    address.searchParams.set("from", `${time(low)}ns`);
    address.searchParams.set("to", `${time(high)}ns`);
    location.assign(address);
  });
}
